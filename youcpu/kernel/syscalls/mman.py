"""Memory mappings: mm/mmap.c, mm/mprotect.c, mm/mremap.c, mm/madvise.c, mm/msync.c, mm/mlock.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.args import Addr, HexULong, Int, Size
from youcpu.abi.args_file import Fd
from youcpu.abi.args_mm import (
    Madvice,
    MapFlags,
    MincorePtr,
    MlockallFlags,
    MlockFlags,
    MremapAddr,
    MremapFlags,
    MsyncFlags,
    PkeyRights,
    Prot,
)
from youcpu.abi.errno import Errno
from youcpu.abi.mman import (
    MADV_COLD,
    MADV_DODUMP,
    MADV_DOFORK,
    MADV_DONTDUMP,
    MADV_DONTFORK,
    MADV_DONTNEED,
    MADV_DONTNEED_LOCKED,
    MADV_FREE,
    MADV_HUGEPAGE,
    MADV_KEEPONFORK,
    MADV_NOHUGEPAGE,
    MADV_NORMAL,
    MADV_PAGEOUT,
    MADV_POPULATE_READ,
    MADV_POPULATE_WRITE,
    MADV_RANDOM,
    MADV_SEQUENTIAL,
    MADV_WILLNEED,
    MADV_WIPEONFORK,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_GROWSDOWN,
    MAP_HUGETLB,
    MAP_LOCKED,
    MAP_NONBLOCK,
    MAP_NORESERVE,
    MAP_POPULATE,
    MAP_PRIVATE,
    MAP_SHARED,
    MAP_SHARED_VALIDATE,
    MAP_TYPE,
    MCL_CURRENT,
    MCL_FUTURE,
    MCL_ONFAULT,
    MLOCK_ONFAULT,
    MS_ASYNC,
    MS_INVALIDATE,
    MS_SYNC,
    PROT_GROWSDOWN,
    PROT_GROWSUP,
    PROT_READ,
)
from youcpu.abi.pte import decode_swap
from youcpu.hardware.memory import PAGE_SHIFT, PAGE_SIZE
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.advice import make_cold, page_out
from youcpu.kernel.mm.fault import BadAccess, handle_mm_fault, populate
from youcpu.kernel.mm.mm import MM, TASK_SIZE
from youcpu.kernel.mm.mmap import (
    MAY_ALL,
    check_limits,
    get_unmapped_area,
    mmap_region,
    page_align,
    protect,
    rights_of,
    set_flags,
)
from youcpu.kernel.mm.mremap import do_mremap
from youcpu.kernel.mm.page_table import entry_frame
from youcpu.kernel.mm.uaccess import copy_to_user
from youcpu.kernel.mm.vm_area import (
    VM_ACCOUNT,
    VM_DONTCOPY,
    VM_DONTDUMP,
    VM_EXEC,
    VM_GROWSDOWN,
    VM_HUGEPAGE,
    VM_IO,
    VM_LOCKED,
    VM_LOCKONFAULT,
    VM_MAYEXEC,
    VM_MAYSHARE,
    VM_MAYWRITE,
    VM_NOHUGEPAGE,
    VM_NORESERVE,
    VM_PFNMAP,
    VM_RAND_READ,
    VM_READ,
    VM_SEQ_READ,
    VM_SHARED,
    VM_SPECIAL,
    VM_WIPEONFORK,
    VM_WRITE,
    VmArea,
)
from youcpu.kernel.rlimit import RLIMIT_MEMLOCK
from youcpu.kernel.syscalls.table import syscall

if TYPE_CHECKING:
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.file import File

READ_IMPLIES_EXEC = 0x0400000
_USER_LIMIT = 1 << 47
#: LEGACY_MAP_MASK: what MAP_SHARED_VALIDATE lets pass (include/linux/mman.h).
_LEGACY_MAP_MASK = 0x7F9F3 | 21 << 26 | 30 << 26
_MADV_FLAGS = {
    MADV_DONTFORK: (VM_DONTCOPY, 0),
    MADV_DOFORK: (0, VM_DONTCOPY),
    MADV_DONTDUMP: (VM_DONTDUMP, 0),
    MADV_DODUMP: (0, VM_DONTDUMP),
    MADV_WIPEONFORK: (VM_WIPEONFORK, 0),
    MADV_KEEPONFORK: (0, VM_WIPEONFORK),
    MADV_NORMAL: (0, VM_RAND_READ | VM_SEQ_READ),
    MADV_RANDOM: (VM_RAND_READ, VM_SEQ_READ),
    MADV_SEQUENTIAL: (VM_SEQ_READ, VM_RAND_READ),
    MADV_HUGEPAGE: (VM_HUGEPAGE, VM_NOHUGEPAGE),
    MADV_NOHUGEPAGE: (VM_NOHUGEPAGE, VM_HUGEPAGE),
}
#: Hints about reading ahead and huge pages: nothing to see but the answer.
_MADV_HINTS = {MADV_WILLNEED, 12, 13, 25}  # (UN)MERGEABLE COLLAPSE
_MADV_RECLAIM = {MADV_COLD: make_cold, MADV_PAGEOUT: page_out}
_MADV_DISCARD = {MADV_DONTNEED, MADV_DONTNEED_LOCKED, MADV_FREE}
_MADV_POPULATE = {MADV_POPULATE_READ, MADV_POPULATE_WRITE}
_KNOWN_ADVICE = {
    *_MADV_FLAGS, *_MADV_HINTS, *_MADV_DISCARD, *_MADV_POPULATE, *_MADV_RECLAIM,
}  # fmt: skip


@syscall(9)
def mmap(
    task: Task, addr: Addr, length: Size, prot: Prot, flags: MapFlags, fd: Fd, offset: HexULong
) -> Addr:
    """mmap(2)."""
    if offset & (PAGE_SIZE - 1):
        raise KernelError(Errno.EINVAL)
    file = None
    if not flags & MAP_ANONYMOUS:
        file = task.files.get(fd)
    elif flags & MAP_HUGETLB:
        raise KernelError(Errno.ENOMEM)  # no huge pages are reserved on this machine
    if not length:
        raise KernelError(Errno.EINVAL)
    size = page_align(length)
    if not size or size > TASK_SIZE:
        raise KernelError(Errno.ENOMEM)
    if (offset >> PAGE_SHIFT) + (size >> PAGE_SHIFT) >= 1 << 52:
        raise KernelError(Errno.EOVERFLOW)
    if task.personality & READ_IMPLIES_EXEC and prot & PROT_READ:
        prot |= 4
    return do_mmap(task, addr, size, prot, flags, file, offset >> PAGE_SHIFT)


def do_mmap(
    task: Task, addr: int, size: int, prot: int, flags: int, file: File | None, pgoff: int
) -> int:
    """Checks of do_mmap() that depend on the kind of mapping; returns the address."""
    mm = task.mm
    if flags & MAP_FIXED_NOREPLACE:
        flags |= MAP_FIXED
    start = get_unmapped_area(mm, addr & -PAGE_SIZE if not flags & MAP_FIXED else addr, size, flags)
    vm_flags = rights_of(prot) | MAY_ALL
    if flags & MAP_GROWSDOWN:
        vm_flags |= VM_GROWSDOWN
    if flags & MAP_LOCKED:
        vm_flags |= VM_LOCKED
    if flags & MAP_NORESERVE:
        vm_flags |= VM_NORESERVE
    kind = flags & MAP_TYPE
    if file is not None:
        vm_flags = _file_flags(file, flags, vm_flags)
        if file.inode.mapping is None:  # /dev/zero
            file = task.kernel.shmem_file(task, size) if vm_flags & VM_SHARED else None
            pgoff = 0
    elif kind in (MAP_SHARED, MAP_SHARED_VALIDATE):
        if vm_flags & VM_GROWSDOWN or kind == MAP_SHARED_VALIDATE:
            raise KernelError(Errno.EINVAL)
        vm_flags |= VM_SHARED | VM_MAYSHARE
        file = task.kernel.shmem_file(task, size)
        pgoff = 0
    elif kind != MAP_PRIVATE:
        raise KernelError(Errno.EINVAL)
    mmap_region(mm, start, size, vm_flags, file, pgoff)
    if flags & (MAP_POPULATE | MAP_LOCKED) and not flags & MAP_NONBLOCK:
        populate(mm, start, start + size)
    return start


def _file_flags(file: File, flags: int, vm_flags: int) -> int:
    """Rights that a file's open mode allows a mapping. Raises EACCES, ENODEV, EINVAL, EPERM."""
    kind = flags & MAP_TYPE
    if not file.readable and not file.writable:
        raise KernelError(Errno.EBADF)  # O_PATH
    if kind == MAP_SHARED_VALIDATE and flags & ~_LEGACY_MAP_MASK:
        raise KernelError(Errno.EOPNOTSUPP)
    if kind in (MAP_SHARED, MAP_SHARED_VALIDATE):
        if vm_flags & VM_WRITE and not file.writable:
            raise KernelError(Errno.EACCES)
        vm_flags |= VM_SHARED | VM_MAYSHARE
        if not file.writable:
            vm_flags &= ~(VM_MAYWRITE | VM_SHARED)
    elif kind != MAP_PRIVATE:
        raise KernelError(Errno.EINVAL)
    if not file.readable:
        raise KernelError(Errno.EACCES)
    if file.inode.noexec():
        if vm_flags & VM_EXEC:
            raise KernelError(Errno.EPERM)
        vm_flags &= ~VM_MAYEXEC
    file.mmap(bool(vm_flags & VM_SHARED), bool(vm_flags & VM_WRITE))
    if vm_flags & VM_GROWSDOWN:
        raise KernelError(Errno.EINVAL)
    return vm_flags


@syscall(11)
def munmap(task: Task, addr: Addr, length: Size) -> Int:
    """munmap(2)."""
    _check_range(addr, length)
    task.mm.unmap(addr, addr + page_align(length))
    return 0


def _check_range(addr: int, length: int) -> None:
    size = page_align(length)
    if addr & (PAGE_SIZE - 1) or addr > TASK_SIZE or size > TASK_SIZE - addr or not size:
        raise KernelError(Errno.EINVAL)


@syscall(10)
def mprotect(task: Task, addr: Addr, length: Size, prot: Prot) -> Int:
    """mprotect(2)."""
    grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP)
    if grows == PROT_GROWSDOWN | PROT_GROWSUP or addr & (PAGE_SIZE - 1):
        raise KernelError(Errno.EINVAL)
    if not length:
        return 0
    size = page_align(length)
    if addr + size > 1 << 64 or not size:
        raise KernelError(Errno.ENOMEM)
    if prot & ~(7 | 8 | PROT_GROWSDOWN | PROT_GROWSUP):
        raise KernelError(Errno.EINVAL)
    rights = rights_of(prot)
    if task.personality & READ_IMPLIES_EXEC and prot & PROT_READ:
        rights |= VM_EXEC
    if addr > TASK_SIZE:
        raise KernelError(Errno.ENOMEM)
    if grows:
        area = task.mm.areas.at(addr)
        if area is None or not area.flags & VM_GROWSDOWN:
            raise KernelError(Errno.EINVAL)
    protect(task.mm, addr, addr + size, rights, grows=bool(grows & PROT_GROWSDOWN))
    return 0


@syscall(329, partial="no protection keys: -1 only")
def pkey_mprotect(task: Task, addr: Addr, length: Size, prot: Prot, pkey: Int) -> Int:
    """pkey_mprotect(2)."""
    if pkey != -1:
        raise KernelError(Errno.EINVAL)
    return mprotect(task, addr, length, prot)


@syscall(330, partial="the CPU has no protection keys")
def pkey_alloc(task: Task, flags: HexULong, rights: PkeyRights) -> Int:
    """pkey_alloc(2)."""
    raise KernelError(Errno.EINVAL if flags or rights & ~3 else Errno.ENOSPC)


@syscall(331, partial="the CPU has no protection keys")
def pkey_free(task: Task, pkey: Int) -> Int:
    """pkey_free(2)."""
    raise KernelError(Errno.EINVAL)


@syscall(25)
def mremap(
    task: Task, old: Addr, old_size: Size, new_size: Size, flags: MremapFlags, new: MremapAddr
) -> Addr:
    """mremap(2)."""
    return do_mremap(task.mm, old, old_size, new_size, flags, new)


@syscall(12)
def brk(task: Task, brk: Addr) -> Addr:
    """brk(2): the new end of the heap, or the old one where it cannot be."""
    mm = task.mm
    if brk < mm.start_brk or brk > TASK_SIZE:
        return mm.brk
    if brk - mm.start_brk + (mm.end_data - mm.start_data) > mm.data_limit:
        return mm.brk
    old_end, new_end = page_align(mm.brk), page_align(brk)
    if new_end < old_end:
        mm.unmap(new_end, old_end)
    elif new_end > old_end:
        # check_brk_limits(): one page must stay free to the next area.
        above = mm.areas.after(old_end)
        if above is not None and new_end + PAGE_SIZE > above.lowest():
            return mm.brk
        try:
            _grow_heap(mm, old_end, new_end)
        except KernelError:
            return mm.brk
    mm.brk = brk
    return brk


def _grow_heap(mm: MM, start: int, end: int) -> None:
    """do_brk_flags(): the heap stays apart from what lies below its start. Raises ENOMEM."""
    flags = VM_READ | VM_WRITE | VM_ACCOUNT | MAY_ALL
    check_limits(mm, (end - start) >> PAGE_SHIFT, flags)
    area = VmArea(start, end, flags, start >> PAGE_SHIFT)
    mm.add_area(area, merge_below=start > page_align(mm.start_brk))


@syscall(28, partial="hints other than COLD and PAGEOUT are taken and have no effect")
def madvise(task: Task, addr: Addr, length: Size, advice: Madvice) -> Int:
    """madvise(2)."""
    if advice not in _KNOWN_ADVICE or addr & (PAGE_SIZE - 1):
        raise KernelError(Errno.EINVAL)
    size = page_align(length)
    if (length and not size) or addr + size > 1 << 64:
        raise KernelError(Errno.EINVAL)
    missing, position = False, addr
    for area in task.mm.areas.overlapping(addr, addr + size) if size else []:
        missing |= area.start > position
        start, end = max(addr, area.start), min(addr + size, area.end)
        if missing and advice in _MADV_POPULATE:
            break
        position = end
        _advise(task.mm, area, start, end, advice)
    if missing or position < addr + size:
        raise KernelError(Errno.ENOMEM)
    return 0


def _advise(mm: MM, area: VmArea, start: int, end: int, advice: int) -> None:
    if advice in _MADV_DISCARD:
        if (area.flags & VM_LOCKED and advice != MADV_DONTNEED_LOCKED) or area.flags & VM_PFNMAP:
            raise KernelError(Errno.EINVAL)
        if advice == MADV_FREE and (area.file is not None or area.special is not None):
            raise KernelError(Errno.EINVAL)
        mm.zap_range(start, end)
    elif advice in _MADV_RECLAIM:
        if area.flags & (VM_LOCKED | VM_PFNMAP):
            raise KernelError(Errno.EINVAL)
        _MADV_RECLAIM[advice](mm, start, end)
    elif advice in _MADV_FLAGS:
        on, off = _MADV_FLAGS[advice]
        if (advice == MADV_DODUMP and area.flags & VM_SPECIAL) or (
            advice == MADV_DOFORK and area.flags & VM_IO
        ):
            raise KernelError(Errno.EINVAL)
        if advice == MADV_WIPEONFORK and (area.file is not None or area.flags & VM_SHARED):
            raise KernelError(Errno.EINVAL)
        change_flags(mm, area, start, end, area.flags & ~off | on)
    elif advice in _MADV_POPULATE:
        write = advice == MADV_POPULATE_WRITE
        if not area.flags & (VM_WRITE if write else VM_READ):
            raise KernelError(Errno.EINVAL)
        try:
            for address in range(start, end, PAGE_SIZE):
                handle_mm_fault(mm, address, write)
        except BadAccess:
            raise KernelError(Errno.EFAULT) from None


def change_flags(mm: MM, area: VmArea, start: int, end: int, flags: int) -> None:
    """Other flags for a part of an area; rights stay."""
    if flags == area.flags:
        return
    mm.split_area(start)
    mm.split_area(end)
    piece = mm.areas.at(start)
    assert piece is not None
    set_flags(mm, piece, flags)


@syscall(26)
def msync(task: Task, addr: Addr, length: Size, flags: MsyncFlags) -> Int:
    """msync(2)."""
    if flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC) or addr & (PAGE_SIZE - 1):
        raise KernelError(Errno.EINVAL)
    if flags & MS_ASYNC and flags & MS_SYNC:
        raise KernelError(Errno.EINVAL)
    end = addr + page_align(length)
    if end >= 1 << 64 or (length and end <= addr):
        raise KernelError(Errno.ENOMEM)
    position = addr
    unmapped = False
    for area in task.mm.areas.overlapping(addr, end) if length else []:
        unmapped |= area.start > position
        if flags & MS_INVALIDATE and area.flags & VM_LOCKED:
            raise KernelError(Errno.EBUSY)
        if flags & MS_SYNC and area.flags & VM_SHARED and area.file is not None:
            area.file.sync()
        position = area.end
    if unmapped or position < end:
        raise KernelError(Errno.ENOMEM)
    return 0


@syscall(27)
def mincore(task: Task, addr: Addr, length: Size, vec: MincorePtr) -> Int:
    """mincore(2)."""
    if addr & (PAGE_SIZE - 1):
        raise KernelError(Errno.EINVAL)
    if addr + length > TASK_SIZE + PAGE_SIZE:
        raise KernelError(Errno.ENOMEM)
    mm, end = task.mm, addr + page_align(length)
    while addr < end:
        area = mm.areas.at(addr)
        if area is None:
            raise KernelError(Errno.ENOMEM)
        stop = min(area.end, end, addr + (PAGE_SIZE << PAGE_SHIFT))
        copy_to_user(task, vec, _resident(mm, area, addr, stop))
        vec += (stop - addr) >> PAGE_SHIFT
        addr = stop
    return 0


def _resident(mm: MM, area: VmArea, start: int, end: int) -> bytes:
    """A byte a page: 1 where it is in memory, mapped or in the file's cache."""
    answer = bytearray((end - start) >> PAGE_SHIFT)
    for address, _, entry in mm.page_table.entries(start, end):
        here = entry_frame(entry) or (mm.reclaim and decode_swap(entry) in mm.reclaim.cache)
        answer[(address - start) >> PAGE_SHIFT] = bool(here)
    if area.file is not None and area.file.inode.mapping is not None:
        pages, first = area.file.inode.mapping.pages, area.page_index(start)
        for index in range(len(answer)):
            if first + index in pages:
                answer[index] = 1
    return bytes(answer)


def _lock(task: Task, addr: int, length: int, lock: int) -> int:
    """VM_LOCKED and VM_LOCKONFAULT of a range become `lock`."""
    start = addr & -PAGE_SIZE
    # In 64 bits: a length close to 2**64 becomes 0.
    end = start + (page_align(length + (addr & (PAGE_SIZE - 1))) & (1 << 64) - 1)
    if end >= 1 << 64:
        raise KernelError(Errno.EINVAL)
    if lock and end - start > task.group.rlimits.soft(RLIMIT_MEMLOCK) and not task.cred.effective:
        raise KernelError(Errno.ENOMEM)
    position = start
    for area in list(task.mm.areas.overlapping(start, end)) if end > start else []:
        if area.start > position:
            raise KernelError(Errno.ENOMEM)
        low, high = max(start, area.start), min(end, area.end)
        flags = area.flags & ~(VM_LOCKED | VM_LOCKONFAULT) | lock
        if not area.flags & VM_SPECIAL:
            change_flags(task.mm, area, low, high, flags)
        position = high
    if position < end or (lock == VM_LOCKED and not populate(task.mm, start, end)):
        raise KernelError(Errno.ENOMEM)
    return 0


@syscall(149)
def mlock(task: Task, addr: Addr, length: Size) -> Int:
    """mlock(2)."""
    return _lock(task, addr, length, VM_LOCKED)


@syscall(325)
def mlock2(task: Task, addr: Addr, length: Size, flags: MlockFlags) -> Int:
    """mlock2(2)."""
    if flags & ~MLOCK_ONFAULT:
        raise KernelError(Errno.EINVAL)
    return _lock(task, addr, length, VM_LOCKED | (VM_LOCKONFAULT if flags else 0))


@syscall(150)
def munlock(task: Task, addr: Addr, length: Size) -> Int:
    """munlock(2)."""
    return _lock(task, addr, length, 0)


@syscall(151, partial="memory is never paged out: only checked")
def mlockall(task: Task, flags: MlockallFlags) -> Int:
    """mlockall(2)."""
    if not flags or flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) or flags == MCL_ONFAULT:
        raise KernelError(Errno.EINVAL)
    return 0


@syscall(152, partial="memory is never paged out: only checked")
def munlockall(task: Task) -> Int:
    """munlockall(2)."""
    return 0
