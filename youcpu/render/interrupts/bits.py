"""Descriptors drawn bit by bit, as the SDM draws them (vol. 3A, 3.4.5, 6.14)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from youcpu.render.color import BOLD, CYAN, DIM, paint

_MARGIN = 11


class Bits(NamedTuple):
    """Bits `high` to `low` of a doubleword; `meaning` "": the value in hex."""

    high: int
    low: int
    name: str
    meaning: str = ""


def dword_lines(value: int, fields: list[Bits], offset: int, color: bool) -> Iterator[str]:
    """One doubleword as a row of boxes: bit numbers, names, bits, meaning."""
    cells = []
    for bits in fields:
        width = bits.high - bits.low + 1
        number = value >> bits.low & ((1 << width) - 1)
        place = f"{bits.high}" if width == 1 else f"{bits.high}..{bits.low}"
        binary = f"{number:0{width}b}"
        meaning = bits.meaning or (f"{number:x}" if width > 3 else "")
        cells.append((place, bits.name, binary, meaning))
    widths = [max(map(len, cell)) for cell in cells]

    def row(part: int, code: str) -> str:
        texts = (
            paint(cell[part].center(width), code, color)
            for cell, width in zip(cells, widths, strict=True)
        )
        return "│" + "│".join(texts) + "│"

    places = " ".join(
        paint(cell[0].center(width), DIM, color) for cell, width in zip(cells, widths, strict=True)
    )
    yield f"{'':<{_MARGIN + 1}}{places}".rstrip()
    yield f"{'':<{_MARGIN}}┌" + "┬".join("─" * width for width in widths) + "┐"
    yield f"{f'  +{offset}':<{_MARGIN}}{row(1, BOLD)}"
    yield f"{f'  {value:08x}':<{_MARGIN}}{row(2, CYAN)}"
    if any(cell[3] for cell in cells):
        yield f"{'':<{_MARGIN}}{row(3, '')}"
    yield f"{'':<{_MARGIN}}└" + "┴".join("─" * width for width in widths) + "┘"


def gate_fields(gate: dict[str, object], long_mode: bool) -> list[list[Bits]]:
    """The doublewords of a gate of the IDT, lowest first."""
    first = [Bits(31, 16, "selector"), Bits(15, 0, "offset 15..0")]
    ist = [Bits(7, 3, "0"), Bits(2, 0, "IST", f"{gate['ist']}")] if long_mode else [Bits(7, 0, "0")]
    second = [
        Bits(31, 16, "offset 31..16"),
        Bits(15, 15, "P"),
        Bits(14, 13, "DPL", f"{gate['dpl']}"),
        Bits(12, 12, "S"),
        Bits(11, 8, "type", str(gate["short_type"])),
        *ist,
    ]
    rows = [first, second]
    if long_mode:
        rows += [[Bits(31, 0, "offset 63..32")], [Bits(31, 0, "reserved")]]
    return rows


_CODE_TYPE = ("C", "R", "A")
_DATA_TYPE = ("E", "W", "A")


def descriptor_fields(descriptor: dict[str, object]) -> list[list[Bits]]:
    """The doublewords of a segment or system descriptor, lowest first."""
    system = bool(descriptor["system"])
    code = bool(not system and int(str(descriptor["type"])) & 8)
    middle = Bits(22, 22, "D" if code else "B") if not system else Bits(22, 22, "0")
    long = Bits(21, 21, "L" if code else "0")
    if system:
        kind = [Bits(11, 8, "type")]
    else:
        names = _CODE_TYPE if code else _DATA_TYPE
        kind = [Bits(11, 11, "X"), *(Bits(10 - i, 10 - i, name) for i, name in enumerate(names))]
    second = [
        Bits(31, 24, "base 31..24"),
        Bits(23, 23, "G"),
        middle,
        long,
        Bits(20, 20, "AVL"),
        Bits(19, 16, "limit"),
        Bits(15, 15, "P"),
        Bits(14, 13, "DPL"),
        Bits(12, 12, "S"),
        *kind,
        Bits(7, 0, "base 23..16"),
    ]
    rows = [[Bits(31, 16, "base 15..0"), Bits(15, 0, "limit 15..0")], second]
    if len(list(descriptor["raw"])) == 4:  # type: ignore[call-overload]
        rows += [[Bits(31, 0, "base 63..32")], [Bits(31, 0, "reserved")]]
    return rows


def drawn(raw: list[str], rows: list[list[Bits]], color: bool) -> Iterator[str]:
    """All doublewords, the highest first as the SDM has them."""
    for index in reversed(range(len(rows))):
        yield from dword_lines(int(raw[index], 16), rows[index], 4 * index, color)
