"""What a tour is made of: chapters, screens, command lines, questions."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from random import Random
from typing import TYPE_CHECKING

from youcpu.record import record

if TYPE_CHECKING:
    from youcpu.commands._tour.guide import Guide


@record(frozen=True)
class Shown:
    """A command line that is run, and how much of its output is shown.

    `codes`: the exit codes that it may end with; `picture`: the SVG file that it draws;
    `last`: the last lines count, not the first.
    """

    line: str
    lines: int = 16
    codes: tuple[int, ...] = (0,)
    picture: str = ""
    last: bool = False


@record(frozen=True)
class Screen:
    """One idea: what to look for, the commands, what was to be seen, where that is written."""

    title: str
    before: str
    shown: tuple[Shown, ...]
    after: str = ""
    sources: tuple[str, ...] = ()


@record(frozen=True)
class Question:
    """A question on real data, with the command line that answers it.

    `kind` says how an answer is compared: "number" (any base), "words" (one or several, as a
    shell splits them), "list" (words in brackets or not), "instruction".
    """

    prompt: str
    shown: tuple[Shown, ...]
    answer: str
    kind: str
    why: str
    line: str = ""

    def check(self, given: str) -> bool:
        """Whether an answer is right."""
        return normal(given, self.kind) == normal(self.answer, self.kind)


@record(frozen=True)
class Chapter:
    """A chapter of the article. `screens` run as they are asked for."""

    number: int
    name: str
    title: str
    part: str
    screens: Callable[[Guide], Iterator[Screen]]
    questions: tuple[Callable[[Guide, Random], Question], ...]


def normal(text: str, kind: str) -> object:
    """What of an answer counts."""
    text = text.strip().lower()
    if kind == "number":
        return _number(text.replace(",", "").replace("_", ""))
    if kind == "list":
        return _list(text)
    if kind == "instruction":
        words = re.findall(r"[a-z]\w*|-?(?:0x)?[0-9a-f]+", text)
        return [_number(word) if not word[0].isalpha() else word for word in words]
    return text.rstrip(".").split()


def _number(text: str) -> object:
    try:
        return int(text, 0)
    except ValueError:
        pass
    try:
        return int(text, 10)
    except ValueError:
        return text


def _list(text: str) -> list[str]:
    """`["a", "b c"]`, `[a, b]` or `a "b c"`."""
    try:
        found = json.loads(text)
        if isinstance(found, list):
            return [str(word) for word in found]
    except ValueError:
        pass
    try:
        return [word for word in shlex.split(text.strip("[]").replace(",", " ")) if word]
    except ValueError:
        return [text]
