"""What of a trace is wanted: strace's -e expressions, with its names and its rules.

`trace=SET`, `signal=SET`, `status=SET`; without a name it is `trace=`. A later one of a kind
replaces an earlier one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from typing import TypeVar

from youcpu.abi.signal import NSIG, SIG_NAMES, Sig
from youcpu.abi.syscall_classes import SYSCALL_CLASSES
from youcpu.abi.syscalls import NAMES_I386, NAMES_X86_64
from youcpu.record import record

STATUSES = ("successful", "failed", "unfinished", "unavailable", "detached")
#: Names and short forms of the kinds.
_KINDS = {
    "trace": "trace",
    "t": "trace",
    "signal": "signal",
    "signals": "signal",
    "s": "signal",
    "status": "status",
}
T = TypeVar("T")
_ALL_NAMES = frozenset(NAMES_X86_64.values()) | frozenset(NAMES_I386.values())


class FilterError(ValueError):
    """An expression that cannot be understood; the text is for the user."""


@record
class Filters:
    """Names of system calls, numbers of signals, STATUSES that are shown; None: all."""

    syscalls: frozenset[str] | None = None
    signals: frozenset[int] | None = None
    statuses: frozenset[str] | None = None


def parse_filters(expressions: Iterable[str]) -> Filters:
    """Arguments of -e. Raises FilterError."""
    filters = Filters()
    for expression in expressions:
        kind, equals, text = expression.partition("=")
        if not equals:
            kind, text = "trace", expression
        elif kind not in _KINDS:
            raise FilterError(f"{kind!r} is not trace, signal or status")
        match _KINDS[kind]:
            case "trace":
                filters.syscalls = _parse(text, _ALL_NAMES, _syscalls)
            case "signal":
                filters.signals = _parse(text, frozenset(range(1, NSIG + 1)), _signals)
            case _:
                filters.statuses = _parse(text, frozenset(STATUSES), _statuses)
    return filters


def _parse(
    text: str, everything: frozenset[T], one: Callable[[str], frozenset[T]]
) -> frozenset[T] | None:
    """A comma-separated set; `!` in front turns it round."""
    inverted = text.startswith("!")
    text = text.removeprefix("!")
    if text in ("all", "none"):
        return None if (text == "all") != inverted else frozenset()
    found: frozenset[T] = frozenset()
    for item in text.split(","):
        found |= one(item)
    return everything - found if inverted else found


def _syscalls(item: str) -> frozenset[str]:
    optional = item.startswith("?")
    name = item.removeprefix("?")
    if name.startswith("/"):
        return _matching(name[1:])
    if name.isdigit():
        names = {NAMES_X86_64[int(name)]} if int(name) in NAMES_X86_64 else set()
    elif name in _ALL_NAMES:
        names = {name}
    else:
        names = set(SYSCALL_CLASSES.get(name.removeprefix("%"), ()))
        # Of the classes only those that were there before `%` do without it.
        if not name.startswith("%") and name not in _OLD_CLASSES:
            names = set()
    if not names and not optional:
        raise FilterError(f"invalid system call '{name}'{_suggestion(name)}")
    return frozenset(names)


_OLD_CLASSES = {"file", "desc", "ipc", "network", "process", "signal", "memory"}


def _suggestion(name: str) -> str:
    known = [*_ALL_NAMES, *(f"%{each}" for each in SYSCALL_CLASSES)]
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.7)
    return f": did you mean {' or '.join(sorted(close))}?" if close else ""


def _matching(pattern: str) -> frozenset[str]:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise FilterError(f"{pattern}: not a regular expression: {error}") from None
    names = frozenset(name for name in _ALL_NAMES if expression.search(name))
    if not names:
        raise FilterError(f"no system call matches '/{pattern}'")
    return names


def _signals(item: str) -> frozenset[int]:
    if item.isdigit() and 1 <= int(item) <= NSIG:
        return frozenset({int(item)})
    name = item.upper()
    name = name if name.startswith("SIG") else f"SIG{name}"
    try:
        return frozenset({SIG_NAMES.value(name)})
    except KeyError:
        close = difflib.get_close_matches(name, [sig.name for sig in Sig], n=1)
        hint = f": did you mean {close[0]}?" if close else ""
        raise FilterError(f"invalid signal '{item}'{hint}") from None


def _statuses(item: str) -> frozenset[str]:
    if item not in STATUSES:
        raise FilterError(f"invalid status '{item}': one of {', '.join(STATUSES)}")
    return frozenset({item})
