"""Pages of files that one mapping writes and another executes.

Unicorn drops translations of a page only when it is written through an executable entry
(docs/design/0002, trap 10). So a page of the cache is never writable in one entry and
executable in another: a write takes the executable entries away, a fetch the writable
rights, each by way of a fault, and the translations go with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.hardware.memory import PAGE_SHIFT
from youcpu.hardware.paging import PTE_A, PTE_ADDRESS, PTE_NX, PTE_P, PTE_W
from youcpu.kernel.mm.page_table import entry_frame
from youcpu.kernel.mm.rmap import Mapping, find_mappings
from youcpu.kernel.mm.vm_area import VM_MAYWRITE, VM_SHARED

if TYPE_CHECKING:
    from youcpu.kernel.mm.page_cache import AddressSpace


def _entries(mapping: AddressSpace, index: int) -> list[Mapping]:
    """Each present entry of a page."""
    found = find_mappings(mapping.mappers, mapping.pages.get(index, 0), index, mapping)
    return [one for one in found if one.entry & PTE_P]


def about_to_write(mapping: AddressSpace, index: int) -> None:
    """A page that was executed becomes writable: its executable entries go."""
    mapping.code.discard(index)
    for mm, area, slot, entry in _entries(mapping, index):
        if entry & PTE_NX or (area.flags & VM_SHARED and entry & PTE_W):
            continue
        if entry & PTE_A and mm.reclaim is not None:
            mm.reclaim.zapped_young(entry_frame(entry))
        mm.ram.quads[slot] = 0
        mm.frames.put((entry & PTE_ADDRESS) >> PAGE_SHIFT)
        mm.stale_tlb = mm.stale_code = True


def about_to_execute(mapping: AddressSpace, index: int) -> None:
    """A page that was written is executed: who may write it must fault again to do so."""
    mapping.code.add(index)
    if index not in mapping.dirty:
        return
    for mm, _, slot, entry in _entries(mapping, index):
        if entry & PTE_W and entry & PTE_NX:
            mm.ram.quads[slot] = entry & ~PTE_W
            mm.stale_tlb = True


def has_writers(mapping: AddressSpace) -> bool:
    """Whether a shared mapping may write the file (i_mmap_writable)."""
    wanted = VM_SHARED | VM_MAYWRITE
    return any(
        area.file is not None
        and area.file.inode.mapping is mapping
        and area.flags & wanted == wanted
        for mm in mapping.mappers
        for area in mm.areas
    )


def was_written(mapping: AddressSpace) -> None:
    """write(2) changed a page that was executed."""
    for mm in mapping.mappers:
        mm.stale_code = True
