"""What a file is: fs/stat.c, fs/statfs.c, fs/readlink."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from youcpu.abi.args import Int, Long
from youcpu.abi.args_file import (
    AtFlags,
    DirFd,
    Fd,
    Path,
    PathOrNull,
    StatfsPtr,
    StatPtr,
    StatxAtFlags,
    StatxMask,
    StatxPtr,
)
from youcpu.abi.args_io import ReadBuffer
from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import (
    AT_EMPTY_PATH,
    AT_FDCWD,
    AT_NO_AUTOMOUNT,
    AT_STATX_SYNC_TYPE,
    AT_SYMLINK_NOFOLLOW,
)
from youcpu.abi.stat import (
    STATX_ATTR_MOUNT_ROOT,
    STATX_BASIC_STATS,
    STATX_BTIME,
    STATX_CTIME,
    STATX_MNT_ID,
    STATX_MNT_ID_UNIQUE,
    STATX_MTIME,
)
from youcpu.abi.structs import Stat, Statfs, Statx
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.uaccess import copy_to_user
from youcpu.kernel.syscalls.table import syscall
from youcpu.kernel.vfs.namei import LOOKUP_EMPTY, LOOKUP_FOLLOW, path_lookup

if TYPE_CHECKING:
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.dcache import Dentry
    from youcpu.kernel.vfs.inode import Kstat
    from youcpu.kernel.vfs.super import SuperBlock

_NS = 1_000_000_000
_CHANGE_TIMES = STATX_MTIME | STATX_CTIME
#: fs/namespace.c: numbers of mounts that are never used again begin here (Linux 6.8).
MNT_UNIQUE_ID_OFFSET = 1 << 31


def _cp_new_stat(task: Task, address: int, kstat: Kstat) -> int:
    data = Stat.LAYOUT.pack(
        kstat.dev,
        kstat.ino,
        kstat.nlink,
        kstat.mode,
        kstat.uid,
        kstat.gid,
        kstat.rdev,
        kstat.size,
        kstat.blksize,
        kstat.blocks,
        *divmod(kstat.atime, _NS),
        *divmod(kstat.mtime, _NS),
        *divmod(kstat.ctime, _NS),
    )
    copy_to_user(task, address, data)
    return 0


def lookup_at(task: Task, dfd: int, path: bytes, flags: int) -> Dentry:
    """The place that (dfd, path, AT_*) names."""
    follow = 0 if flags & AT_SYMLINK_NOFOLLOW else LOOKUP_FOLLOW
    empty = LOOKUP_EMPTY if flags & AT_EMPTY_PATH else 0
    return path_lookup(task, dfd, path, follow | empty)


@syscall(4)
def stat(task: Task, filename: Path, statbuf: StatPtr) -> Int:
    place = path_lookup(task, AT_FDCWD, filename)
    return _cp_new_stat(task, statbuf, place.inode.getattr())


@syscall(5)
def fstat(task: Task, fd: Fd, statbuf: StatPtr) -> Int:
    return _cp_new_stat(task, statbuf, task.files.get(fd).inode.getattr())


@syscall(6)
def lstat(task: Task, filename: Path, statbuf: StatPtr) -> Int:
    place = path_lookup(task, AT_FDCWD, filename, 0)
    return _cp_new_stat(task, statbuf, place.inode.getattr())


@syscall(262)
def newfstatat(
    task: Task, dfd: DirFd, filename: PathOrNull, statbuf: StatPtr, flag: AtFlags
) -> Int:
    if flag & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE):
        raise KernelError(Errno.EINVAL)
    place = lookup_at(task, dfd, _path(filename, flag), flag)
    return _cp_new_stat(task, statbuf, place.inode.getattr())


def _path(path: bytes | None, flags: int) -> bytes:
    """Since Linux 6.11 a NULL path with AT_EMPTY_PATH is an empty one."""
    if path is None:
        if not flags & AT_EMPTY_PATH:
            raise KernelError(Errno.EFAULT)
        return b""
    return path


@syscall(332)
def statx(
    task: Task,
    dfd: DirFd,
    path: PathOrNull,
    flags: StatxAtFlags,
    mask: StatxMask,
    buffer: StatxPtr,
) -> Int:
    if mask & 0x80000000 or flags & AT_STATX_SYNC_TYPE == AT_STATX_SYNC_TYPE:
        raise KernelError(Errno.EINVAL)
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE):
        raise KernelError(Errno.EINVAL)
    place = lookup_at(task, dfd, _path(path, flags), flags)
    kstat = place.inode.getattr()
    birth = None
    if mask & STATX_BTIME:
        birth = place.inode.birth_ns() if kstat.btime is None else kstat.btime
    if place.inode.sb.multigrain and not mask & _CHANGE_TIMES:
        # fill_mg_cmtime(): to ask for these times costs the file system something.
        kstat.mtime = kstat.ctime = 0
    mount = task.kernel.vfs.mount_id(place)
    found = Statx(
        _statx_known(place, mask, birth is not None),
        kstat.blksize,
        STATX_ATTR_MOUNT_ROOT if place.parent is None else 0,
        kstat.nlink,
        kstat.uid,
        kstat.gid,
        kstat.mode,
        kstat.ino,
        kstat.size,
        kstat.blocks,
        STATX_ATTR_MOUNT_ROOT,
        *divmod(kstat.atime, _NS),
        *divmod(birth or 0, _NS),
        *divmod(kstat.ctime, _NS),
        *divmod(kstat.mtime, _NS),
        os.major(kstat.rdev),
        os.minor(kstat.rdev),
        os.major(kstat.dev),
        os.minor(kstat.dev),
        mount + (MNT_UNIQUE_ID_OFFSET if mask & STATX_MNT_ID_UNIQUE else 0),
    )
    copy_to_user(task, buffer, found.pack())
    return 0


def _statx_known(place: Dentry, mask: int, birth: bool) -> int:
    """stx_mask: the mount is told whether asked for or not (Linux 5.8)."""
    known = STATX_BASIC_STATS | (STATX_BTIME if birth else 0)
    if place.inode.sb.multigrain and not mask & _CHANGE_TIMES:
        known &= ~_CHANGE_TIMES
    return known | (mask & STATX_MNT_ID_UNIQUE or STATX_MNT_ID)


def _do_readlinkat(task: Task, dfd: int, path: bytes, buffer: int, size: int) -> int:
    if size <= 0:
        raise KernelError(Errno.EINVAL)
    # "" is the link that dfd is (O_PATH|O_NOFOLLOW).
    place = path_lookup(task, dfd, path, LOOKUP_EMPTY)
    inode = place.inode
    if not inode.is_symlink:
        raise KernelError(Errno.EINVAL if path else Errno.ENOENT)
    target = inode.readlink_for(task)[:size]
    copy_to_user(task, buffer, target)
    return len(target)


@syscall(89)
def readlink(task: Task, path: Path, buf: ReadBuffer, bufsiz: Int) -> Long:
    return _do_readlinkat(task, AT_FDCWD, path, buf, bufsiz)


@syscall(267)
def readlinkat(task: Task, dfd: DirFd, pathname: Path, buf: ReadBuffer, bufsiz: Int) -> Long:
    return _do_readlinkat(task, dfd, pathname, buf, bufsiz)


def _cp_statfs(task: Task, address: int, sb: SuperBlock) -> int:
    found = sb.statfs()
    fsid = (_signed(found.fsid), _signed(found.fsid >> 32))
    answer = Statfs(
        found.type,
        found.bsize,
        found.blocks,
        found.bfree,
        found.bavail,
        found.files,
        found.ffree,
        *fsid,
        found.namelen,
        found.frsize,
        found.flags,
    )
    copy_to_user(task, address, answer.pack())
    return 0


def _signed(value: int) -> int:
    return ((value & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000


@syscall(137)
def statfs(task: Task, pathname: Path, buf: StatfsPtr) -> Int:
    return _cp_statfs(task, buf, path_lookup(task, AT_FDCWD, pathname).inode.sb)


@syscall(138)
def fstatfs(task: Task, fd: Fd, buf: StatfsPtr) -> Int:
    return _cp_statfs(task, buf, task.files.get(fd).inode.sb)
