"""Demand paging and copy-on-write: mm/memory.c handle_mm_fault(), do_wp_page()."""

from __future__ import annotations

from youcpu.abi.signal import SEGV_ACCERR, SEGV_MAPERR, Sig
from youcpu.hardware.memory import PAGE_SHIFT, PAGE_SIZE, OutOfFrames
from youcpu.hardware.paging import PTE_A, PTE_ADDRESS, PTE_D, PTE_NX, PTE_P, PTE_U, PTE_W
from youcpu.kernel.mm.code_pages import about_to_execute, about_to_write
from youcpu.kernel.mm.mm import MM, MMAP_MIN_ADDR
from youcpu.kernel.mm.page_cache import READAHEAD_PAGES, AddressSpace
from youcpu.kernel.mm.vm_area import (
    STACK_GUARD_GAP,
    VM_EXEC,
    VM_GROWSDOWN,
    VM_READ,
    VM_RIGHTS,
    VM_SHARED,
    VM_WRITE,
    VmArea,
)

BUS_ADRERR = 2

# What satisfied a fault, as the trace says it.
ANON, ZERO, FILE, SHARED, COPY, REUSE, SPURIOUS = (
    "anon",  # first touch: a fresh page of zeros
    "zero",  # read of untouched memory: the shared page of zeros
    "file",  # a page of the page cache
    "shared",  # first write to a page of a shared mapping
    "copy",  # copy-on-write
    "reuse",  # write by the last owner: no copy
    "spurious",  # already served
)
# With limited RAM (reclaim.py):
READ_IN, SWAP_IN, SWAP_CACHE = (
    "read",  # a page of a file that had to be read
    "swap",  # a page that lay in swap
    "swap_cache",  # one that was read from swap before, for another process
)
#: Those that had to wait for a device.
MAJOR = (READ_IN, SWAP_IN)


class BadAccess(Exception):
    """The access is not allowed: `signal` with si_code `code` for the program."""

    def __init__(self, signal: Sig, code: int) -> None:
        super().__init__(signal, code)
        self.signal = signal
        self.code = code


class OutOfMemory(Exception):
    """No frame is left: the OOM killer's turn."""


def handle_mm_fault(mm: MM, address: int, write: bool, instr: bool = False) -> str:
    """Make the access possible and say how. Raises BadAccess or OutOfMemory."""
    area = find_area(mm, address)
    check_rights(area, write, instr)
    try:
        if mm.reclaim is not None:
            return mm.reclaim.fault(mm, area, address, write)
        return do_fault(mm, area, address, write)
    except OutOfFrames as error:
        raise OutOfMemory from error


def do_fault(mm: MM, area: VmArea, address: int, write: bool) -> str:
    """handle_pte_fault() for an access that the area allows. Raises BadAccess, OutOfFrames."""
    slot = mm.page_table.slot(address)
    entry = mm.ram.quads[slot]
    if entry & PTE_P:
        if write and not entry & PTE_W:
            return _write_protected(mm, area, address, slot, entry)
        return SPURIOUS
    if entry:  # was PROT_NONE
        mm.ram.quads[slot] = mm.entry_rights(area, entry)
        return do_fault(mm, area, address, write) if write else SPURIOUS
    if area.file is None:
        if area.special is not None:
            return _special(mm, area, area.special, address, slot, write)
        if write and area.anon_vma is None:
            area.anon_vma_prepare(mm.areas)
        return _anonymous(mm, area, slot, write)
    return _file(mm, area, address, slot, write)


def populate(mm: MM, start: int, end: int) -> bool:
    """mm_populate(): fault all pages of [start, end) in; what cannot be is left. All could?"""
    good = True
    for area in mm.areas.overlapping(start, end):
        write = area.flags & (VM_WRITE | VM_SHARED) == VM_WRITE
        try:
            for address in range(max(start, area.start), min(end, area.end), PAGE_SIZE):
                handle_mm_fault(mm, address, write)
        except BadAccess:
            good = False
    return good


def find_area(mm: MM, address: int) -> VmArea:
    """The area of an address, a stack grown down to it. Raises BadAccess(SEGV_MAPERR)."""
    area = mm.areas.after(address)
    if area is not None and area.start <= address:
        return area
    if area is None or not area.flags & VM_GROWSDOWN:
        raise BadAccess(Sig.SIGSEGV, SEGV_MAPERR)
    start = address & ~(PAGE_SIZE - 1)
    below = mm.areas.before(area)
    more = area.start - start
    # acct_stack_growth()
    grown = area.end - start > mm.stack_limit or (
        (mm.total_vm << PAGE_SHIFT) + more > mm.address_limit or start < MMAP_MIN_ADDR
    )
    if grown or (
        below is not None
        and not below.flags & VM_GROWSDOWN
        and below.flags & VM_RIGHTS
        and start - below.end < STACK_GUARD_GAP
    ):
        raise BadAccess(Sig.SIGSEGV, SEGV_MAPERR)
    if below is not None and start < below.end:
        raise BadAccess(Sig.SIGSEGV, SEGV_MAPERR)
    mm.total_vm += more >> PAGE_SHIFT
    area.pgoff -= more >> PAGE_SHIFT
    mm.areas.move_start(area, start)
    return area


def check_rights(area: VmArea, write: bool, instr: bool) -> None:
    """access_error() of arch/x86/mm/fault.c: x86 lets writable or executable pages be read."""
    flags = area.flags
    if write:
        allowed = flags & VM_WRITE
    elif instr:
        allowed = flags & VM_EXEC
    else:
        allowed = flags & (VM_READ | VM_EXEC | VM_WRITE)
    if not allowed:
        raise BadAccess(Sig.SIGSEGV, SEGV_ACCERR)


def leaf_entry(area: VmArea, frame: int, writable: bool) -> int:
    """A present entry for a frame with the rights of its area."""
    entry = frame << PAGE_SHIFT | PTE_P | PTE_U | PTE_A
    if writable:
        entry |= PTE_W | PTE_D
    if not area.flags & VM_EXEC:
        entry |= PTE_NX
    return entry


def _anonymous(mm: MM, area: VmArea, slot: int, write: bool) -> str:
    if not write:
        mm.ram.quads[slot] = leaf_entry(area, mm.zero_frame, False)
        return ZERO
    mm.ram.quads[slot] = leaf_entry(area, mm.frames.alloc(), True)
    return ANON


def _file(mm: MM, area: VmArea, address: int, slot: int, write: bool) -> str:
    assert area.file is not None
    mapping = area.file.inode.mapping
    assert mapping is not None
    index = area.page_index(address)
    pages = (area.file.inode.size + PAGE_SIZE - 1) >> PAGE_SHIFT
    if index >= pages:
        raise BadAccess(Sig.SIGBUS, BUS_ADRERR)
    frame = mapping.frame(index, pages)
    if write and not area.flags & VM_SHARED:
        if area.anon_vma is None:
            area.anon_vma_prepare(mm.areas)
        mm.ram.quads[slot] = leaf_entry(area, _copy(mm, frame), True)
        return COPY
    if write and index in mapping.code:
        about_to_write(mapping, index)
    elif area.flags & VM_EXEC:
        about_to_execute(mapping, index)
    mm.frames.get(frame)
    mm.ram.quads[slot] = leaf_entry(area, frame, write)
    if write:
        mapping.dirty.add(index)
        return SHARED
    if mm.reclaim is None:
        _map_around(mm, area, mapping, address, slot)
    return FILE


def _special(
    mm: MM, area: VmArea, content: AddressSpace, address: int, slot: int, write: bool
) -> str:
    """special_mapping_fault(): [vdso] and [vvar]; a debugger's write gets a copy."""
    frame = content.pages.get(area.page_index(address))
    if frame is None:
        raise BadAccess(Sig.SIGBUS, BUS_ADRERR)
    if write:
        if area.anon_vma is None:
            area.anon_vma_prepare(mm.areas)
        mm.ram.quads[slot] = leaf_entry(area, _copy(mm, frame), True)
        return COPY
    mm.frames.get(frame)
    mm.ram.quads[slot] = leaf_entry(area, frame, False)
    return FILE


def _map_around(mm: MM, area: VmArea, mapping: AddressSpace, address: int, slot: int) -> None:
    """do_fault_around(): map the cached neighbours too, within 64 KiB, the area, the table."""
    quads, pages, counts = mm.ram.quads, mapping.pages, mm.frames
    index = area.page_index(address)
    behind = min(
        index % READAHEAD_PAGES, (address - area.start) >> PAGE_SHIFT, (address >> 12) & 511
    )
    ahead = min(
        READAHEAD_PAGES - index % READAHEAD_PAGES,
        (area.end - address + PAGE_SIZE - 1) >> PAGE_SHIFT,
        512 - ((address >> 12) & 511),
    )
    rights = leaf_entry(area, 0, False)
    executable = area.flags & VM_EXEC
    if executable:
        mapping.code.update(range(index - behind, index + ahead))
    for offset in range(-behind, ahead):
        frame = pages.get(index + offset)
        if frame is not None and not quads[slot + offset]:
            if executable and index + offset in mapping.dirty:
                continue
            counts.get(frame)
            quads[slot + offset] = frame << PAGE_SHIFT | rights


def _write_protected(mm: MM, area: VmArea, address: int, slot: int, entry: int) -> str:
    """A write to a present, read-only page whose area may be written: do_wp_page()."""
    quads, frames = mm.ram.quads, mm.frames
    frame = (entry & PTE_ADDRESS) >> PAGE_SHIFT
    if area.flags & VM_SHARED:
        mapping = area.file.inode.mapping if area.file is not None else None
        if mapping is not None:
            index = area.page_index(address)
            if index in mapping.code:
                about_to_write(mapping, index)
            mapping.dirty.add(index)
        quads[slot] = entry | PTE_W | PTE_D | PTE_A
        return SHARED
    if area.anon_vma is None:
        area.anon_vma_prepare(mm.areas)
    if frame == mm.zero_frame:
        quads[slot] = leaf_entry(area, frames.alloc(), True)
        mm.stale_tlb = True
        return ANON
    if frames.count(frame) == 1:
        quads[slot] = leaf_entry(area, frame, True)
        return REUSE
    copy = _copy(mm, frame)
    quads[slot] = leaf_entry(area, copy, True)
    frames.put(frame)
    # The address now leads to another frame.
    mm.stale_tlb = True
    return COPY


def _copy(mm: MM, frame: int) -> int:
    """A fresh frame with the same bytes."""
    copy = mm.frames.alloc_for_copy()
    data = mm.ram.bytes
    source, target = frame << PAGE_SHIFT, copy << PAGE_SHIFT
    data[target : target + PAGE_SIZE] = data[source : source + PAGE_SIZE]
    return copy
