"""The probes as a table: a row an instruction, a column a ring."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap
from typing import Any

from youcpu.render.color import BOLD, DIM, GREEN, RED, YELLOW, paint

Document = dict[str, Any]
VARIANTS = ("ring0", "ring3", "iopl3", "iomap")
_TITLES = ("ring 0", "ring 3", "ring 3,", "ring 3,")
_SUBTITLES = ("", "", "IOPL 3", "I/O map")
_LABEL, _CELL, WIDTH = 28, 13, 80


def rings_lines(document: Document, explain: bool, color: bool) -> Iterator[str]:
    """All rows in their groups."""
    for titles in (_TITLES, _SUBTITLES):
        line = " " * _LABEL + "".join(f"{title:<{_CELL}}" for title in titles)
        yield paint(line.rstrip(), BOLD, color)
    group = None
    for probe in document["probes"]:
        if probe["group"] != group:
            group = probe["group"]
            yield paint(group, DIM, color)
        cells = "".join(_cell(probe["cells"][variant], color) for variant in VARIANTS)
        yield f"  {probe['instruction']:<{_LABEL - 2}}{cells}".rstrip()
        if explain:
            for line in wrap(f"{probe['rule']} ({probe['source']})", WIDTH - 8):
                yield paint(f"      {line}", DIM, color)


def _cell(cell: Document, color: bool) -> str:
    outcome = cell["outcome"]
    if outcome == "exception":
        code = cell["error_code"]
        text = cell["exception"] + (f"({_number(code)})" if code is not None else "")
        return _padded(text, RED, color)
    if outcome == "ran":
        return _padded("ran", GREEN, color)
    return _padded({"ignored": "ignored", "unsupported": "not on it"}[outcome], YELLOW, color)


def _number(code: str) -> str:
    value = int(code, 16)
    return f"{value:#x}" if value else "0"


def _padded(text: str, code: str, color: bool) -> str:
    return paint(text, code, color) + " " * max(_CELL - len(text), 1)
