"""Timers as files: fs/timerfd.c; files in memory: mm/memfd.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.args import Int
from youcpu.abi.args_file import Fd
from youcpu.abi.args_io import CString
from youcpu.abi.args_mm import MemfdFlags
from youcpu.abi.args_time import ClockId, ItimerspecIn, ItimerspecOut, TimerfdFlags
from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import O_CLOEXEC, O_NONBLOCK, O_RDWR
from youcpu.abi.structs import Itimerspec
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.uaccess import copy_from_user, copy_to_user, strncpy_from_user
from youcpu.kernel.syscalls.table import syscall
from youcpu.kernel.vfs.anon_inode import anon_dentry
from youcpu.kernel.vfs.memfd import create_memfd
from youcpu.kernel.vfs.timerfd import TimerFd

if TYPE_CHECKING:
    from youcpu.kernel.task import Task

_CLOCKS = (0, 1, 7)  # REALTIME, MONOTONIC, BOOTTIME
_ALARM_CLOCKS = (8, 9)
_ABSTIME = 1
_NS = 1_000_000_000
MFD_CLOEXEC, MFD_ALLOW_SEALING, MFD_HUGETLB, MFD_NOEXEC_SEAL, MFD_EXEC = 1, 2, 4, 8, 16
#: NAME_MAX less "memfd:"
_MEMFD_NAME_MAX = 255 - 6


@syscall(283)
def timerfd_create(task: Task, clockid: ClockId, flags: TimerfdFlags) -> Fd:
    if flags & ~(O_CLOEXEC | O_NONBLOCK) or clockid not in _CLOCKS + _ALARM_CLOCKS:
        raise KernelError(Errno.EINVAL)
    if clockid in _ALARM_CLOCKS:
        raise KernelError(Errno.EPERM)
    dentry = anon_dentry(task, b"[timerfd]")
    file = TimerFd(task.kernel, dentry, O_RDWR | flags & O_NONBLOCK, clockid)
    return task.files.install(file, bool(flags & O_CLOEXEC))


def _timer(task: Task, fd: int) -> TimerFd:
    file = task.files.get(fd)
    if not isinstance(file, TimerFd):
        raise KernelError(Errno.EINVAL)
    return file


def _ns(seconds: int, nanoseconds: int) -> int:
    if seconds < 0 or not 0 <= nanoseconds < _NS:
        raise KernelError(Errno.EINVAL)
    # KTIME_MAX
    return min(seconds * _NS + nanoseconds, (1 << 63) - 1)


def _current(timer: TimerFd) -> bytes:
    return Itimerspec(*divmod(timer.interval, _NS), *divmod(timer.left(), _NS)).pack()


@syscall(286)
def timerfd_settime(
    task: Task, ufd: Fd, flags: TimerfdFlags, utmr: ItimerspecIn, otmr: ItimerspecOut
) -> Int:
    wanted = Itimerspec.unpack(copy_from_user(task, utmr, Itimerspec.SIZE))
    if flags & ~3:
        raise KernelError(Errno.EINVAL)
    value = _ns(wanted.value_sec, wanted.value_nsec)
    interval = _ns(wanted.interval_sec, wanted.interval_nsec)
    timer = _timer(task, ufd)
    old = _current(timer)
    timer.set(value, interval, bool(flags & _ABSTIME))
    if otmr:
        copy_to_user(task, otmr, old)
    return 0


@syscall(287)
def timerfd_gettime(task: Task, ufd: Fd, otmr: ItimerspecOut) -> Int:
    copy_to_user(task, otmr, _current(_timer(task, ufd)))
    return 0


@syscall(319, partial="no huge pages")
def memfd_create(task: Task, uname: CString, flags: MemfdFlags) -> Fd:
    known = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC
    if flags & ~known or (flags & MFD_EXEC and flags & MFD_NOEXEC_SEAL):
        raise KernelError(Errno.EINVAL)
    name = strncpy_from_user(task, uname, _MEMFD_NAME_MAX + 1)
    if name is None:
        raise KernelError(Errno.EINVAL)
    task.files.lowest_free()
    file = create_memfd(task, name, bool(flags & (MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL)))
    if flags & MFD_NOEXEC_SEAL:
        file.inode.mode &= ~0o111
        file.inode.seals |= 0x20
    return task.files.install(file, bool(flags & MFD_CLOEXEC))
