"""Times of files: fs/utimes.c."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from youcpu.abi.args import Int
from youcpu.abi.args_file import AtFlags, DirFd, Path, PathOrNull, UtimbufPtr
from youcpu.abi.args_time import UtimensPtr, UtimesPtr
from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, O_PATH
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.uaccess import copy_from_user
from youcpu.kernel.syscalls.table import syscall
from youcpu.kernel.vfs.attr import owner_or_capable
from youcpu.kernel.vfs.fsnotify import IN_ATTRIB, fsnotify
from youcpu.kernel.vfs.inode import MAY_WRITE
from youcpu.kernel.vfs.namei import LOOKUP_EMPTY, LOOKUP_FOLLOW, path_lookup

if TYPE_CHECKING:
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.dcache import Dentry

UTIME_NOW = 0x3FFFFFFF
UTIME_OMIT = 0x3FFFFFFE
_NS = 1_000_000_000


def _do_utimes(task: Task, dentry: Dentry, times: tuple[int | None, int | None] | None) -> int:
    """vfs_utimes(): ns since 1970 for atime and mtime, None leaves one; no tuple: now."""
    inode = dentry.inode
    if inode.sb.read_only:
        raise KernelError(Errno.EROFS)
    inode.refresh()
    now = inode.sb.now()
    if times is None or times == (-1, -1):
        if not owner_or_capable(task, inode):
            inode.permission(task.cred, MAY_WRITE)
        times = (now, now)
    elif not owner_or_capable(task, inode):
        raise KernelError(Errno.EPERM)
    atime, mtime = (now if time == -1 else time for time in times)
    inode.setattr(atime=atime, mtime=mtime)
    if task.kernel.vfs.watched:
        fsnotify(dentry, IN_ATTRIB)
    return 0


def _from_timespecs(task: Task, address: int) -> tuple[int | None, int | None] | bool | None:
    """Two timespecs; None: now; False: both are left alone. -1 stands for UTIME_NOW."""
    if not address:
        return None
    atime, atime_ns, mtime, mtime_ns = struct.unpack("<qqqq", copy_from_user(task, address, 32))
    if atime_ns == UTIME_OMIT and mtime_ns == UTIME_OMIT:
        return False
    return (_one(atime, atime_ns), _one(mtime, mtime_ns))


def _one(seconds: int, nanoseconds: int) -> int | None:
    if nanoseconds == UTIME_NOW:
        return -1
    if nanoseconds == UTIME_OMIT:
        return None
    if not 0 <= nanoseconds < _NS:
        raise KernelError(Errno.EINVAL)
    return seconds * _NS + nanoseconds


def _from_timevals(task: Task, address: int) -> tuple[int, int] | None:
    if not address:
        return None
    atime, atime_us, mtime, mtime_us = struct.unpack("<qqqq", copy_from_user(task, address, 32))
    if not 0 <= atime_us < 1_000_000 or not 0 <= mtime_us < 1_000_000:
        raise KernelError(Errno.EINVAL)
    return atime * _NS + atime_us * 1000, mtime * _NS + mtime_us * 1000


@syscall(280)
def utimensat(
    task: Task, dfd: DirFd, filename: PathOrNull, utimes: UtimensPtr, flags: AtFlags
) -> Int:
    times = _from_timespecs(task, utimes)
    if times is False:
        return 0
    if filename is None and dfd != AT_FDCWD:
        if flags:
            raise KernelError(Errno.EINVAL)
        file = task.files.get(dfd)
        if file.flags & O_PATH:
            raise KernelError(Errno.EBADF)
        return _do_utimes(task, file.dentry, times)  # type: ignore[arg-type]
    if filename is None:
        raise KernelError(Errno.EFAULT)
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise KernelError(Errno.EINVAL)
    how = 0 if flags & AT_SYMLINK_NOFOLLOW else LOOKUP_FOLLOW
    how |= LOOKUP_EMPTY if flags & AT_EMPTY_PATH else 0
    place = path_lookup(task, dfd, filename, how)
    return _do_utimes(task, place, times)  # type: ignore[arg-type]


@syscall(132)
def utime(task: Task, filename: Path, times: UtimbufPtr) -> Int:
    wanted = None
    if times:
        atime, mtime = struct.unpack("<qq", copy_from_user(task, times, 16))
        wanted = (atime * _NS, mtime * _NS)
    return _do_utimes(task, path_lookup(task, AT_FDCWD, filename), wanted)


@syscall(235)
def utimes(task: Task, filename: Path, utimes: UtimesPtr) -> Int:
    wanted = _from_timevals(task, utimes)
    return _do_utimes(task, path_lookup(task, AT_FDCWD, filename), wanted)


@syscall(261)
def futimesat(task: Task, dfd: DirFd, filename: PathOrNull, utimes: UtimesPtr) -> Int:
    wanted = _from_timevals(task, utimes)
    if filename is None:
        return _do_utimes(task, task.files.get(dfd).dentry, wanted)
    return _do_utimes(task, path_lookup(task, dfd, filename), wanted)
