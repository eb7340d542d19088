"""Making mappings and changing their rights: mm/mmap.c, mm/vma.c, mm/mprotect.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.mman import (
    MAP_32BIT,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    PROT_EXEC,
    PROT_READ,
    PROT_WRITE,
)
from youcpu.hardware.memory import PAGE_SHIFT, PAGE_SIZE
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.mm import MM, MMAP_MIN_ADDR, TASK_SIZE, TASK_UNMAPPED_BASE
from youcpu.kernel.mm.vm_area import (
    VM_ACCOUNT,
    VM_EXEC,
    VM_GROWSDOWN,
    VM_MAYEXEC,
    VM_MAYREAD,
    VM_MAYWRITE,
    VM_NORESERVE,
    VM_READ,
    VM_RIGHTS,
    VM_SHARED,
    VM_WRITE,
    VmArea,
)
from youcpu.kernel.rlimit import RLIM_INFINITY

if TYPE_CHECKING:
    from youcpu.kernel.vfs.file import File

_LOW_2G_START, _LOW_2G_END = 0x40000000, 0x80000000
MAY_ALL = VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC


def page_align(size: int) -> int:
    """Rounded up to whole pages."""
    return (size + PAGE_SIZE - 1) & -PAGE_SIZE


def rights_of(prot: int) -> int:
    """VM_READ, VM_WRITE, VM_EXEC of PROT_ bits."""
    return (
        (VM_READ if prot & PROT_READ else 0)
        | (VM_WRITE if prot & PROT_WRITE else 0)
        | (VM_EXEC if prot & PROT_EXEC else 0)
    )


def get_unmapped_area(mm: MM, hint: int, size: int, flags: int) -> int:
    """Where a mapping of `size` bytes goes. Raises ENOMEM, EINVAL, EEXIST."""
    if size > TASK_SIZE:
        raise KernelError(Errno.ENOMEM)
    if flags & (MAP_FIXED | MAP_FIXED_NOREPLACE):
        if hint & (PAGE_SIZE - 1):
            raise KernelError(Errno.EINVAL)
        if hint > TASK_SIZE - size:
            raise KernelError(Errno.ENOMEM)
        if hint < mm.lowest_fixed:
            raise KernelError(Errno.EPERM)
        if flags & MAP_FIXED_NOREPLACE and mm.areas.overlapping(hint, hint + size):
            raise KernelError(Errno.EEXIST)
        return hint
    if flags & MAP_32BIT:
        start = mm.areas.lowest_gap(size, _LOW_2G_START, _LOW_2G_END)
    else:
        hint = page_align(hint)
        if hint and hint < MMAP_MIN_ADDR:
            hint = MMAP_MIN_ADDR
        if hint and hint <= TASK_SIZE - size and is_free(mm, hint, hint + size):
            return hint
        start = None
        if not mm.bottom_up:
            start = mm.areas.highest_gap(size, MMAP_MIN_ADDR, mm.mmap_base)
        if start is None:
            base = mm.mmap_base if mm.bottom_up else TASK_UNMAPPED_BASE
            start = mm.areas.lowest_gap(size, base, TASK_SIZE)
    if start is None:
        raise KernelError(Errno.ENOMEM)
    return start


def is_free(mm: MM, start: int, end: int) -> bool:
    above = mm.areas.after(start)
    return above is None or end <= above.lowest()


def accountable(flags: int) -> bool:
    """accountable_mapping(): private, writable, not MAP_NORESERVE."""
    return flags & (VM_WRITE | VM_SHARED | VM_NORESERVE) == VM_WRITE


def may_expand(mm: MM, pages: int, flags: int) -> bool:
    """may_expand_vm(): RLIMIT_AS, and RLIMIT_DATA for private writable memory but the stack."""
    if (mm.total_vm + pages) << PAGE_SHIFT > mm.address_limit:
        return False
    limit = mm.data_limit
    # A limit of 0 is what Valgrind sets for itself: the hard limit counts then.
    if limit in (0, RLIM_INFINITY) or not _is_data(flags):
        return True
    used = sum(area.size for area in mm.areas if _is_data(area.flags))
    return used + (pages << PAGE_SHIFT) <= limit


def _is_data(flags: int) -> bool:
    """is_data_mapping()."""
    return flags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN) == VM_WRITE


def check_limits(mm: MM, pages: int, flags: int, charged: int | None = None) -> None:
    """may_expand_vm() and the heuristic of vm.overcommit_memory 0. Raises ENOMEM."""
    if not may_expand(mm, pages, flags):
        raise KernelError(Errno.ENOMEM)
    if accountable(flags) and (pages if charged is None else charged) > mm.frames.total:
        raise KernelError(Errno.ENOMEM)


def mmap_region(
    mm: MM, start: int, size: int, flags: int, file: File | None, pgoff: int, name: str = ""
) -> VmArea:
    """Map [start, start + size), what was there is replaced. Raises ENOMEM."""
    replaced = sum(
        min(area.end, start + size) - max(area.start, start)
        for area in mm.areas.overlapping(start, start + size)
    )
    check_limits(mm, (size - replaced) >> PAGE_SHIFT, flags, size >> PAGE_SHIFT)
    mm.unmap(start, start + size)
    if accountable(flags):
        flags |= VM_ACCOUNT
    if file is None and not flags & VM_SHARED:
        pgoff = start >> PAGE_SHIFT
    return mm.add_area(VmArea(start, start + size, flags, pgoff, file, name))


def protect(mm: MM, start: int, end: int, rights: int, grows: bool = False) -> None:
    """Give [start, end) new rights: do_mprotect_pkey(). Raises ENOMEM, EACCES."""
    areas = mm.areas.overlapping(start, end)
    if not areas or areas[0].start > start:
        raise KernelError(Errno.ENOMEM)
    if grows:
        start = areas[0].start
    position = start
    for area in areas:
        if area.start > position:
            raise KernelError(Errno.ENOMEM)
        if rights & ~(area.flags >> 4) & VM_RIGHTS:
            raise KernelError(Errno.EACCES)
        position = area.end  # of the whole area: it may be split now
        _protect_area(mm, area, max(start, area.start), min(end, area.end), rights)
    if position < end:
        raise KernelError(Errno.ENOMEM)


def _protect_area(mm: MM, area: VmArea, start: int, end: int, rights: int) -> None:
    flags = area.flags & ~VM_RIGHTS | rights
    if flags == area.flags:
        return
    if rights & VM_WRITE:
        if area.file is not None and area.flags & VM_SHARED:
            area.file.mmap(True, True)
        if not may_expand(mm, (end - start) >> PAGE_SHIFT, flags) and may_expand(
            mm, (end - start) >> PAGE_SHIFT, area.flags
        ):
            raise KernelError(Errno.ENOMEM)
        if not area.flags & (VM_ACCOUNT | VM_WRITE | VM_SHARED | VM_NORESERVE):
            check_limits(mm, 0, VM_WRITE, (end - start) >> PAGE_SHIFT)
            flags |= VM_ACCOUNT
    elif area.file is None and area.special is None and area.anon_vma is None:
        flags &= ~VM_ACCOUNT
    mm.split_area(start)
    mm.split_area(end)
    piece = mm.areas.at(start)
    assert piece is not None
    piece = set_flags(mm, piece, flags)
    mm.protect_range(piece, start, end)


def set_flags(mm: MM, area: VmArea, flags: int) -> VmArea:
    """Change the flags of a whole area and merge it with alike neighbours."""
    mm.areas.remove(area)
    area.flags = flags
    pieces = len(mm.areas)
    merged = mm.areas.insert(area)
    if area.file is not None:
        for _ in range(pieces + 1 - len(mm.areas)):
            area.file.put()
    return merged
