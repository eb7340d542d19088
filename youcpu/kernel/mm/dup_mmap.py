"""The address space of a child: kernel/fork.c dup_mmap(), mm/memory.c copy_page_range().

Where both sides may write to private pages, both lose the right to: the first write copies,
or takes the page over from the last owner (fault.py). What can be had again by a fault, file
pages and shared memory, is not copied at all.
"""

from __future__ import annotations

from array import array

from youcpu.abi.pte import decode_swap
from youcpu.hardware.memory import PAGE_SHIFT
from youcpu.hardware.paging import PTE_ADDRESS, PTE_P, PTE_W
from youcpu.kernel.mm.mm import MM
from youcpu.kernel.mm.page_table import entry_frame
from youcpu.kernel.mm.vm_area import (
    VM_DONTCOPY,
    VM_MAYWRITE,
    VM_SHARED,
    VM_WIPEONFORK,
    AnonVma,
    VmArea,
)
from youcpu.record import replace

_ATTRIBUTES = (
    "mmap_base", "bottom_up", "start_brk", "brk", "start_code", "end_code", "start_data",
    "end_data",
    "start_stack", "arg_start", "arg_end", "env_start", "env_end", "auxv", "vdso",
    "stack_limit", "address_limit", "data_limit", "executable_stack", "read_implies_exec",
    "dumpable", "lowest_fixed",
)  # fmt: skip
_READ_ONLY = ~PTE_W


def dup_mmap(mm: MM, child: MM) -> None:
    """Fill the empty address space `child` as fork does. Raises OutOfFrames, `child` releasable."""
    for name in _ATTRIBUTES:
        setattr(child, name, getattr(mm, name))
    child.code_frames = set(mm.code_frames)
    child.set_exe_file(mm.exe_file)
    for area in mm.areas:
        if area.flags & VM_DONTCOPY:
            continue
        family = None
        if area.anon_vma is not None and not area.flags & VM_WIPEONFORK:
            family = AnonVma(forked=True)
        twin = replace(area, anon_vma=family)
        if twin.file is not None:
            twin.file.refs += 1
            if twin.file.inode.mapping is not None:
                twin.file.inode.mapping.mappers.add(child)
        child.areas.append(twin)
        child.total_vm += twin.size >> PAGE_SHIFT
        if family is not None:
            copy_page_range(mm, child, area)


def copy_page_range(mm: MM, child: MM, area: VmArea) -> None:
    """Share the frames of an area: one count more each, read-only where they are private."""
    protect = area.flags & (VM_SHARED | VM_MAYWRITE) == VM_MAYWRITE
    quads, get, zero = mm.ram.quads, mm.frames.get, mm.zero_frame
    for address, slot, count in mm.page_table.runs(area.start, area.end):
        entries = quads[slot : slot + count].tolist()
        if not any(entries):
            continue
        target = child.page_table.slot(address)
        if protect:
            entries = [entry & _READ_ONLY for entry in entries]
            mm.stale_tlb = True
        image = array("Q", entries)
        if protect:
            quads[slot : slot + count] = image
        quads[target : target + count] = image
        for entry in entries:
            if entry & PTE_P:
                frame = (entry & PTE_ADDRESS) >> PAGE_SHIFT
                if frame != zero:
                    get(frame)
            elif entry:
                copy_nonpresent_pte(mm, entry)


def copy_nonpresent_pte(mm: MM, entry: int) -> None:
    """One more user of what an entry with P = 0 stands for: a PROT_NONE page, a slot of swap."""
    frame = entry_frame(entry)
    if not frame:
        assert mm.reclaim is not None
        mm.reclaim.swap.get(decode_swap(entry))
    elif frame != mm.zero_frame:
        mm.frames.get(frame)
