"""Growing, shrinking and moving mappings: mm/mremap.c (6.17: several areas move at once)."""

from __future__ import annotations

from youcpu.abi.errno import Errno
from youcpu.abi.mman import MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE
from youcpu.hardware.memory import PAGE_SHIFT, PAGE_SIZE
from youcpu.hardware.paging import PTE_A
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.fault import populate
from youcpu.kernel.mm.mm import MAX_MAP_COUNT, MM, TASK_SIZE
from youcpu.kernel.mm.mmap import check_limits, get_unmapped_area, is_free, page_align
from youcpu.kernel.mm.vm_area import VM_DONTEXPAND, VM_LOCKED, VM_LOCKONFAULT, VM_MAYSHARE, VmArea
from youcpu.record import record

_NEW_PLACE = MREMAP_FIXED | MREMAP_DONTUNMAP


@record
class Remap:
    """struct vma_remap_struct: what the program asks for; whole pages."""

    address: int
    old: int
    new: int
    flags: int
    target: int

    @property
    def has_target(self) -> bool:
        """vrm_implies_new_addr()."""
        return bool(self.flags & _NEW_PLACE)


def do_mremap(mm: MM, address: int, old: int, new: int, flags: int, target: int) -> int:
    """mremap(2): the new address. Raises EINVAL, EFAULT, ENOMEM."""
    request = Remap(address, page_align(old), page_align(new), flags, target)
    _check_parameters(mm, request)
    if flags & MREMAP_FIXED and request.old == request.new:
        return _move_all(mm, request)
    area = _check_area(mm, request, mm.areas.at(address))
    if request.has_target:
        return _to(mm, request)
    if request.new <= request.old:
        mm.unmap(address + request.new, address + request.old)
        return address
    return _expand(mm, request, area)


def _check_parameters(mm: MM, request: Remap) -> None:
    """check_mremap_params()."""
    flags = request.flags
    bad = (
        flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)
        or request.address & (PAGE_SIZE - 1)
        or not request.new
        or request.new > TASK_SIZE
    )
    if not bad and request.has_target:
        bad = (
            request.target > TASK_SIZE - request.new
            or request.target & (PAGE_SIZE - 1)
            or not flags & MREMAP_MAYMOVE
            or (flags & MREMAP_DONTUNMAP and request.old != request.new)
            or _overlap(request)
        )
        if not bad and len(mm.areas) + 2 >= MAX_MAP_COUNT - 3:
            raise KernelError(Errno.ENOMEM)
    if bad:
        raise KernelError(Errno.EINVAL)


def _overlap(request: Remap) -> bool:
    return (
        request.address + request.old > request.target
        and request.target + request.new > request.address
    )


def _check_area(mm: MM, request: Remap, area: VmArea | None) -> VmArea:
    """check_prep_vma()."""
    if area is None:
        raise KernelError(Errno.EFAULT)
    if request.new <= request.old and not request.has_target:
        return area
    if not request.old and not area.flags & VM_MAYSHARE:
        raise KernelError(Errno.EINVAL)
    if request.flags & MREMAP_DONTUNMAP and area.flags & VM_DONTEXPAND:
        raise KernelError(Errno.EINVAL)
    if min(request.old, request.new) > area.end - request.address:
        raise KernelError(Errno.EFAULT)
    if request.new != request.old:
        if area.flags & VM_DONTEXPAND:
            raise KernelError(Errno.EFAULT)
        check_limits(mm, max(0, request.new - request.old) >> PAGE_SHIFT, area.flags)
    return area


def _move_all(mm: MM, request: Remap) -> int:
    """remap_move(): every area of the range goes, the holes between them stay holes."""
    end = request.address + request.old
    shift = request.target - request.address
    result: int | None = None
    for area in mm.areas.overlapping(request.address, end):
        start, stop = max(area.start, request.address), min(area.end, end)
        if result is None and start > request.address:
            raise KernelError(Errno.EFAULT)
        part = Remap(start, stop - start, stop - start, request.flags, start + shift)
        _check_area(mm, part, area)
        moved = _to(mm, part)
        result = moved if result is None else result
    if result is None:
        raise KernelError(Errno.EFAULT)
    return result


def _to(mm: MM, request: Remap) -> int:
    """mremap_to(): what is at the target goes first."""
    if request.flags & MREMAP_FIXED:
        mm.unmap(request.target, request.target + request.new)
    if request.new < request.old:
        mm.unmap(request.address + request.new, request.address + request.old)
    area = mm.areas.at(request.address)
    if area is None:
        raise KernelError(Errno.EFAULT)
    size = min(request.old, request.new)
    if request.flags & MREMAP_DONTUNMAP:
        check_limits(mm, size >> PAGE_SHIFT, area.flags)
    return _move(mm, area, request, size)


def _expand(mm: MM, request: Remap, area: VmArea) -> int:
    """expand_vma(): in place where there is room, else somewhere else."""
    end = request.address + request.new
    if area.end == request.address + request.old and end <= TASK_SIZE and is_free(
        mm, area.end, end
    ):  # fmt: skip
        more = VmArea(
            area.end, end, area.flags, area.page_index(area.end), area.file, area.name,
            area.anon_vma,
        )  # fmt: skip
        mm.add_area(more)
        if area.flags & VM_LOCKED:
            populate(mm, more.start, end)
        return request.address
    if not request.flags & MREMAP_MAYMOVE:
        raise KernelError(Errno.ENOMEM)
    return _move(mm, area, request, request.old)


def _move(mm: MM, area: VmArea, request: Remap, size: int) -> int:
    """move_vma(): a new area, the page table entries carried over, the old range unmapped."""
    if len(mm.areas) >= MAX_MAP_COUNT - 3:
        raise KernelError(Errno.ENOMEM)
    address, target = request.address, request.target
    if not request.flags & MREMAP_FIXED:
        hint = target if request.flags & MREMAP_DONTUNMAP else 0
        target = get_unmapped_area(mm, hint, request.new, 0)
    pgoff = area.page_index(address)
    if area.file is None and area.special is None and area.anon_vma is None:
        pgoff = target >> PAGE_SHIFT  # nothing is there yet that would remember its place
    flags = area.flags
    mm.add_area(
        VmArea(
            target, target + request.new, flags, pgoff, area.file, area.name, area.anon_vma,
            area.special,
        )
    )  # fmt: skip
    if area.special is not None and address == mm.vdso:
        mm.vdso = target
    _move_page_tables(mm, address, target, size)
    if request.flags & MREMAP_DONTUNMAP:
        _leave_behind(mm, address, address + size)
    elif size:
        mm.unmap(address, address + size)
    if flags & VM_LOCKED and request.new > size:
        populate(mm, target + size, target + request.new)
    return target


def _move_page_tables(mm: MM, address: int, target: int, size: int) -> None:
    """move_page_tables(): the entries of [address, address + size) are the target's now."""
    table = mm.page_table
    if mm.reclaim is not None:
        mm.reclaim.before_change()
    for source, slot, entry in list(table.entries(address, address + size)):
        table.quads[slot] = 0
        place = source - address + target
        table.quads[table.slot(place)] = entry
        if entry & PTE_A:
            table.mark_young(place)
        mm.stale_tlb = True


def _leave_behind(mm: MM, start: int, end: int) -> None:
    """dontunmap_complete(): the old area stays, empty and not locked."""
    area = mm.areas.at(start)
    assert area is not None
    area.flags &= ~(VM_LOCKED | VM_LOCKONFAULT)
    if area.start == start and area.end == end:
        area.anon_vma = None
