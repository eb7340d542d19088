"""An address space that can be asked about: its tables, and the vm_areas where they are known.

A source (a dump, later a program on the machine at a chosen moment) is a list of these.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from youcpu.hardware.paging import RIGHT_U, RIGHT_W, RIGHT_X, PagingRegisters, PhysicalMemory
from youcpu.hardware.paging_tables import AddressSpaceTables, Range
from youcpu.record import field, record
from youcpu.render.pagewalk_view import PageRow, RangeRow, SourceView

RIGHTS_TEXT = {
    u | w | x: ("u" if u else "-") + "r" + ("w" if w else "-") + ("x" if x else "-")
    for u in (0, RIGHT_U)
    for w in (0, RIGHT_W)
    for x in (0, RIGHT_X)
}
RIGHTS_KEY = RIGHT_U | RIGHT_W | RIGHT_X
# Flags of a leaf that the rights do not tell: bits 3..8, in the order of bits.
LEAF_FLAGS = ((3, "PWT"), (4, "PCD"), (5, "A"), (6, "D"), (8, "G"))
LEAF_FLAGS_MASK = 0x178


def rights_text(rights: int) -> str:
    """RIGHT_* bits as "urwx", "-" where one lacks."""
    return RIGHTS_TEXT[rights & RIGHTS_KEY]


FLAGS_TEXT = {
    bits << 3: " ".join(name for bit, name in LEAF_FLAGS if bits << 3 >> bit & 1)
    for bits in range(64)
}


class Area(NamedTuple):
    """A vm_area: what lies in a range of addresses."""

    start: int
    end: int
    name: str


@record
class Space:
    """One CR3 over one memory. `areas` are sorted; empty where nobody knows them."""

    label: str
    memory: PhysicalMemory
    registers: PagingRegisters
    view: SourceView
    areas: list[Area] = field(default_factory=list)

    @cached_property
    def tables(self) -> AddressSpaceTables:
        return AddressSpaceTables(self.memory, self.registers)

    @cached_property
    def _starts(self) -> list[int]:
        return [area.start for area in self.areas]

    def owner(self, address: int) -> str:
        """Name of the vm_area at `address`, "" where none is known."""
        index = bisect_right(self._starts, address) - 1
        if index < 0 or address >= self.areas[index].end:
            return ""
        return self.areas[index].name

    def page_rows(self) -> Iterator[PageRow]:
        """Every leaf."""
        owned = bool(self.areas)
        for leaf in self.tables.leaves():
            address, entry, size, _ = leaf
            yield PageRow(
                address,
                leaf.physical,
                size,
                RIGHTS_TEXT[leaf.rights & RIGHTS_KEY],
                FLAGS_TEXT[entry & LEAF_FLAGS_MASK],
                self.owner(address) if owned else "",
            )

    def range_rows(self) -> Iterator[RangeRow]:
        """Merged ranges, cut where another vm_area begins."""
        for merged in self.tables.ranges():
            for start, size, owner in self._cut(merged):
                yield RangeRow(start, size, rights_text(merged.rights), owner)

    def _cut(self, merged: Range) -> Iterator[tuple[int, int, str]]:
        start, end = merged.start, merged.start + merged.size
        index = max(bisect_right(self._starts, start) - 1, 0)
        for area in self.areas[index:]:
            if area.start >= end:
                break
            if area.end <= start:
                continue
            if start < area.start:
                yield start, area.start - start, ""
                start = area.start
            stop = min(end, area.end)
            yield start, stop - start, area.name
            start = stop
        if start < end:
            yield start, end - start, ""
