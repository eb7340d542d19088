"""Memory of any process, for the kernel: mm/gup.c, mm/memory.c access_remote_vm()."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.hardware.memory import PAGE_SHIFT, PAGE_SIZE, OutOfFrames
from youcpu.hardware.paging import PTE_NX, PTE_P
from youcpu.kernel.mm.fault import BadAccess, do_fault, find_area
from youcpu.kernel.mm.mm import TASK_SIZE
from youcpu.kernel.mm.page_table import entry_frame
from youcpu.kernel.mm.vm_area import (
    VM_IO,
    VM_MAYREAD,
    VM_MAYWRITE,
    VM_PFNMAP,
    VM_READ,
    VM_SHARED,
    VM_WRITE,
)

if TYPE_CHECKING:
    from youcpu.kernel.mm.mm import MM
    from youcpu.kernel.mm.vm_area import VmArea


def _allowed(area: VmArea, write: bool, force: bool) -> bool:
    """check_vma_flags(). `force` (FOLL_FORCE): as a debugger, whatever mprotect(2) says."""
    flags = area.flags
    if flags & (VM_IO | VM_PFNMAP):
        return False
    if not write:
        return bool(flags & VM_READ or (force and flags & VM_MAYREAD))
    if flags & VM_WRITE:
        return True
    # Only into a copy: a breakpoint must not reach the file.
    return bool(force and flags & VM_MAYWRITE and not flags & VM_SHARED)


def get_user_page(mm: MM, address: int, write: bool, force: bool = False) -> int | None:
    """Physical address behind a user address, faulted in; None: there is nothing, or no right."""
    if not 0 <= address < TASK_SIZE:
        return None
    try:
        area = find_area(mm, address)
        if not _allowed(area, write, force):
            return None
        slot = _fault(mm, area, address, write)
    except (BadAccess, OutOfFrames):
        return None
    frame = entry_frame(mm.ram.quads[slot])
    return (frame << PAGE_SHIFT) | (address & (PAGE_SIZE - 1))


def _fault(mm: MM, area: VmArea, address: int, write: bool) -> int:
    """The page is there, and private where it will be written; its entry's place."""
    quads = mm.ram.quads
    if mm.reclaim is not None:
        mm.reclaim.fault(mm, area, address, write)
        mm.reclaim.touched(mm, address, write)
    else:
        do_fault(mm, area, address, write)
    slot = mm.page_table.slot(address)
    entry = quads[slot]
    # A fault grants what was asked for; the program keeps what its area says.
    rights = mm.entry_rights(area, entry)
    if rights != entry and entry & PTE_P:
        quads[slot] = rights
        mm.stale_tlb = True
    if write and not entry & PTE_NX:
        mm.stale_code = True
    return slot


def access_remote_vm(mm: MM, address: int, size: int, force: bool = False) -> bytes:
    """Up to `size` bytes from `address`; fewer where memory ends."""
    parts = []
    while size > 0:
        count = min(size, PAGE_SIZE - (address & (PAGE_SIZE - 1)))
        physical = get_user_page(mm, address, False, force)
        if physical is None:
            break
        parts.append(bytes(mm.ram.bytes[physical : physical + count]))
        address += count
        size -= count
    return b"".join(parts)


def write_remote_vm(mm: MM, address: int, data: bytes, force: bool = False) -> int:
    """Store `data` at `address`; bytes stored, fewer where memory ends."""
    done = 0
    while done < len(data):
        count = min(len(data) - done, PAGE_SIZE - ((address + done) & (PAGE_SIZE - 1)))
        physical = get_user_page(mm, address + done, True, force)
        if physical is None:
            break
        mm.ram.bytes[physical : physical + count] = data[done : done + count]
        done += count
    return done
