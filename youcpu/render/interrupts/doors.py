"""The doors to the kernel side by side, as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from youcpu.render.color import BOLD, DIM, paint

Document = dict[str, Any]
_LABEL, _COLUMN = 11, 22
_REGISTERS = ("rip", "rsp", "rflags", "cs", "ss", "rcx", "r11")


def doors_lines(document: Document, color: bool) -> Iterator[str]:
    """A column a door."""
    doors = document["doors"]

    def row(label: str, texts: list[str], code: str = "") -> str:
        cells = "".join(f"{text:<{_COLUMN}} " for text in texts).rstrip()
        return paint(f"{label:<{_LABEL}}", code or BOLD, color) + paint(
            cells, code, color and bool(code)
        )

    yield row("", [door["instruction"] for door in doors], BOLD)
    if any(door["refused"] for door in doors):
        yield row("refused", [door["refused"] or "" for door in doors])
    yield row("from", [f"{door['bits']}-bit code" for door in doors])
    for name in _REGISTERS:
        changes = [door["changes"].get(name) for door in doors]
        stays = ["-" if door["refused"] else "stays" for door in doors]
        yield row(
            name.upper(),
            [stay if change is None else f"{int(change['after'], 16):x}"
             for change, stay in zip(changes, stays, strict=True)],
        )  # fmt: skip
        if any(changes):
            whys = [f"  {_short(change['why'])}" if change else "" for change in changes]
            yield row("", whys, DIM)
    yield row("in memory", [_pushed(door) for door in doors])
    yield row("back by", [(door["return"] or "-").upper() for door in doors])
    yield row("RIP, flags", [_saved(door) for door in doors])
    yield row("lost", [_lost(door) for door in doors])
    yield row("in ring 0", [_count(door) for door in doors])


def _short(why: str) -> str:
    return why.removeprefix("RFLAGS ").replace("IA32_", "") or "RFLAGS"


def _count(door: Document) -> str:
    return "-" if door["refused"] else f"{door['instructions']} instructions"


def _pushed(door: Document) -> str:
    if door["refused"]:
        return "-"
    return f"{len(door['pushed'])} words pushed" if door["pushed"] else "nothing"


def _lost(door: Document) -> str:
    return "-" if door["refused"] else " ".join(door["lost"]).upper() or "nothing"


def _saved(door: Document) -> str:
    if door["refused"]:
        return "-"
    if door["pushed"]:
        return "from the frame"
    return "from RCX, R11" if "rcx" in door["changes"] else "from EDX; flags lost"
