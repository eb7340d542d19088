"""From a page to the entries that map it: mm/rmap.c.

Not kept for each entry, but found as Linux finds it: a page knows its index in its file or
in its family of anonymous areas, and an area knows which indices it maps where.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from youcpu.hardware.memory import PAGE_SHIFT
from youcpu.kernel.mm.page_table import entry_frame

if TYPE_CHECKING:
    from youcpu.kernel.mm.mm import MM
    from youcpu.kernel.mm.page_cache import AddressSpace
    from youcpu.kernel.mm.vm_area import VmArea


class Mapping(NamedTuple):
    """One entry that maps a page. `slot`: index in the quadwords of RAM."""

    mm: MM
    area: VmArea
    slot: int
    entry: int


def find_mappings(
    mms: Iterable[MM], frame: int, index: int, file: AddressSpace | None
) -> list[Mapping]:
    """All entries that lead to `frame`: page `index` of `file`, or of anonymous memory."""
    found = []
    for mm in mms:
        leaf_tables, quads = mm.page_table.leaf_tables, mm.ram.quads
        for area in mm.areas:
            offset = index - area.pgoff << PAGE_SHIFT
            if not 0 <= offset < area.end - area.start:
                continue
            if file is None:
                if area.anon_vma is None:
                    continue
            elif area.file is None or area.file.inode.mapping is not file:
                continue
            address = area.start + offset
            table = leaf_tables.get(address >> 21)
            if table is not None:
                slot = table + (address >> 12 & 511)
                entry = quads[slot]
                if entry_frame(entry) == frame:
                    found.append(Mapping(mm, area, slot, entry))
    return found
