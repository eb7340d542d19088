"""Shared memory segments: ipc/shm.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.args import Addr, Int, Size
from youcpu.abi.args_ipc import Key, ShmAddr, ShmatFlags, ShmBuf, ShmCommand, ShmGetFlags
from youcpu.abi.errno import Errno
from youcpu.abi.ipc import (
    IPC_64,
    IPC_INFO,
    IPC_RMID,
    IPC_SET,
    IPC_STAT,
    SHM_EXEC,
    SHM_INFO,
    SHM_LOCK,
    SHM_LOCKED,
    SHM_RDONLY,
    SHM_REMAP,
    SHM_RND,
    SHM_STAT,
    SHM_STAT_ANY,
    SHM_UNLOCK,
    ShmidDs,
    ShmInfo,
    ShmInfo64,
)
from youcpu.abi.mman import MAP_FIXED, MAP_SHARED, PROT_EXEC, PROT_READ, PROT_WRITE
from youcpu.hardware.memory import PAGE_SHIFT, PAGE_SIZE
from youcpu.kernel.cred import CAP_IPC_LOCK
from youcpu.kernel.errors import KernelError
from youcpu.kernel.ipc.shm import SHMALL, SHMMAX, SHMMIN, SHMMNI, Segment, SegmentFile, new_segment
from youcpu.kernel.mm.mmap import page_align
from youcpu.kernel.mm.uaccess import copy_to_user
from youcpu.kernel.rlimit import RLIMIT_MEMLOCK
from youcpu.kernel.syscalls.mman import do_mmap
from youcpu.kernel.syscalls.table import syscall

if TYPE_CHECKING:
    from youcpu.kernel.task import Task

_READ, _WRITE, _EXECUTE = 0o444, 0o222, 0o111


@syscall(29)
def shmget(task: Task, key: Key, size: Size, shmflg: ShmGetFlags) -> Int:
    """shmget(2)."""
    table = task.kernel.ipc.segments
    return table.get(
        task,
        key,
        shmflg,
        lambda: new_segment(task, table, key, size, shmflg),
        lambda segment: size <= segment.size,
    )


@syscall(30)
def shmat(task: Task, shmid: Int, shmaddr: ShmAddr, shmflg: ShmatFlags) -> Addr:
    """shmat(2): the address."""
    if shmid < 0:
        raise KernelError(Errno.EINVAL)
    flags = MAP_SHARED
    if shmaddr:
        if shmaddr & (PAGE_SIZE - 1):
            if not shmflg & SHM_RND:
                raise KernelError(Errno.EINVAL)
            shmaddr &= -PAGE_SIZE
            if not shmaddr and shmflg & SHM_REMAP:
                raise KernelError(Errno.EINVAL)
        flags |= MAP_FIXED
    elif shmflg & SHM_REMAP:
        raise KernelError(Errno.EINVAL)
    read_only, execute = bool(shmflg & SHM_RDONLY), bool(shmflg & SHM_EXEC)
    prot = PROT_READ | (0 if read_only else PROT_WRITE) | (PROT_EXEC if execute else 0)
    segment = task.kernel.ipc.segments.find(shmid)
    segment.check(task, _READ | (0 if read_only else _WRITE) | (_EXECUTE if execute else 0))
    size = page_align(segment.size)
    if shmaddr and not shmflg & SHM_REMAP and task.mm.areas.overlapping(shmaddr, shmaddr + size):
        raise KernelError(Errno.EINVAL)
    file = segment.open(task, read_only)
    try:
        return do_mmap(task, shmaddr, size, prot, flags, file, 0)
    finally:
        if not file.refs:
            segment.detached(file)


@syscall(67)
def shmdt(task: Task, shmaddr: ShmAddr) -> Int:
    """shmdt(2): all mappings of the attachment that starts there."""
    mm = task.mm
    first = None
    if not shmaddr & (PAGE_SIZE - 1):
        for area in list(mm.areas):
            file = area.file
            if area.start < shmaddr or not isinstance(file, SegmentFile):
                continue
            if area.start - shmaddr == area.pgoff << PAGE_SHIFT and first in (None, file):
                first = file
                mm.unmap(area.start, area.end)
    if first is None:
        raise KernelError(Errno.EINVAL)
    return 0


@syscall(31, partial="SHM_LOCK is only noted")
def shmctl(task: Task, shmid: Int, cmd: ShmCommand, buf: ShmBuf) -> Int:
    """shmctl(2)."""
    cmd &= ~IPC_64
    if shmid < 0 or cmd < 0:
        raise KernelError(Errno.EINVAL)
    table = task.kernel.ipc.segments
    if cmd == IPC_INFO:
        copy_to_user(task, buf, ShmInfo64(SHMMAX, SHMMIN, SHMMNI, SHMMNI, SHMALL).pack())
        return table.highest()
    if cmd == SHM_INFO:
        total = sum(segment.pages for segment in table)
        resident = sum(len(segment.inode.mapping.pages) for segment in table)
        copy_to_user(task, buf, ShmInfo(len(table.objects), total, resident, 0).pack())
        return table.highest()
    if cmd in (IPC_STAT, SHM_STAT, SHM_STAT_ANY):
        return table.stat(task, shmid, cmd, SHM_STAT_ANY, buf)
    if cmd in (IPC_SET, IPC_RMID):
        return table.control(task, shmid, cmd, buf, ShmidDs)
    if cmd in (SHM_LOCK, SHM_UNLOCK):
        _lock(task, table.find(shmid), cmd == SHM_LOCK)
        return 0
    raise KernelError(Errno.EINVAL)


def _lock(task: Task, segment: Segment, lock: bool) -> None:
    cred = task.cred
    if not cred.capable(CAP_IPC_LOCK):
        if cred.euid not in (segment.uid, segment.cuid):
            raise KernelError(Errno.EPERM)
        if lock and not task.group.rlimits.soft(RLIMIT_MEMLOCK):
            raise KernelError(Errno.EPERM)
    segment.mode = segment.mode | SHM_LOCKED if lock else segment.mode & ~SHM_LOCKED
