"""Opening and closing files: fs/open.c."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from youcpu.abi.args import Int, Size, UInt
from youcpu.abi.args_file import (
    AccessMode,
    CloseRangeFlags,
    CreateMode,
    DirFd,
    FaccessatFlags,
    Fd,
    Mode,
    OpenFlags,
    OpenHowPtr,
    Path,
)
from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import (
    AT_EACCESS,
    AT_EMPTY_PATH,
    AT_FDCWD,
    AT_SYMLINK_NOFOLLOW,
    CLOSE_RANGE_CLOEXEC,
    CLOSE_RANGE_UNSHARE,
    O_ACCMODE,
    O_APPEND,
    O_CLOEXEC,
    O_CREAT,
    O_DIRECT,
    O_DIRECTORY,
    O_DSYNC,
    O_EXCL,
    O_LARGEFILE,
    O_NOATIME,
    O_NOCTTY,
    O_NOFOLLOW,
    O_NONBLOCK,
    O_PATH,
    O_SYNC,
    O_TMPFILE,
    O_TRUNC,
    O_WRONLY,
    RESOLVE_BENEATH,
    RESOLVE_CACHED,
    RESOLVE_IN_ROOT,
    RESOLVE_NO_MAGICLINKS,
    RESOLVE_NO_SYMLINKS,
    RESOLVE_NO_XDEV,
)
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.uaccess import copy_from_user
from youcpu.kernel.syscalls.table import syscall
from youcpu.kernel.vfs.inode import MAY_EXEC
from youcpu.kernel.vfs.namei import (
    LOOKUP_DIRECTORY,
    LOOKUP_EMPTY,
    LOOKUP_FOLLOW,
    path_lookup,
)
from youcpu.kernel.vfs.open import check_permission, do_open

if TYPE_CHECKING:
    from youcpu.kernel.task import Task

_VALID_OPEN = (
    O_ACCMODE
    | O_CREAT
    | O_EXCL
    | O_NOCTTY
    | O_TRUNC
    | O_APPEND
    | O_NONBLOCK
    | O_SYNC
    | O_DSYNC
    | 0o20000
    | O_DIRECT
    | O_LARGEFILE
    | O_DIRECTORY
    | O_NOFOLLOW
    | O_NOATIME
    | O_CLOEXEC
    | O_PATH
    | O_TMPFILE
)


def open_fd(task: Task, dfd: int, path: bytes, flags: int, mode: int, resolve: int = 0) -> int:
    """do_sys_openat2(): a descriptor. The limits come before the lookup."""
    if flags & O_PATH:
        flags &= O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC
    elif flags & (O_DIRECTORY | O_CREAT) == O_DIRECTORY | O_CREAT:
        # Since Linux 6.4 (commit 43b450632676), O_TMPFILE too.
        raise KernelError(Errno.EINVAL)
    elif flags & O_TMPFILE & ~O_DIRECTORY and not flags & O_DIRECTORY:
        raise KernelError(Errno.EINVAL)
    task.files.lowest_free()
    file = do_open(task, dfd, path, flags & ~O_CLOEXEC, mode, resolve)
    return task.files.install(file, bool(flags & O_CLOEXEC))


@syscall(2)
def open_(task: Task, filename: Path, flags: OpenFlags, mode: CreateMode) -> Fd:
    return open_fd(task, AT_FDCWD, filename, (flags & _VALID_OPEN) | O_LARGEFILE, mode & 0o7777)


@syscall(257)
def openat(task: Task, dfd: DirFd, filename: Path, flags: OpenFlags, mode: CreateMode) -> Fd:
    return open_fd(task, dfd, filename, (flags & _VALID_OPEN) | O_LARGEFILE, mode & 0o7777)


#: struct open_how
_HOW = struct.Struct("<QQQ")
_RESOLVE = (
    RESOLVE_NO_XDEV
    | RESOLVE_NO_MAGICLINKS
    | RESOLVE_NO_SYMLINKS
    | RESOLVE_BENEATH
    | RESOLVE_IN_ROOT
    | RESOLVE_CACHED
)


@syscall(437)
def openat2(task: Task, dfd: DirFd, filename: Path, how: OpenHowPtr, usize: Size) -> Fd:
    if usize < _HOW.size:
        raise KernelError(Errno.EINVAL)
    if usize > 4096:
        raise KernelError(Errno.E2BIG)
    data = copy_from_user(task, how, usize)
    if any(data[_HOW.size :]):
        # A later kernel's fields: copy_struct_from_user().
        raise KernelError(Errno.E2BIG)
    flags, mode, resolve = _HOW.unpack_from(data)
    creates = flags & (O_CREAT | O_TMPFILE & ~O_DIRECTORY)
    if flags & ~_VALID_OPEN or resolve & ~_RESOLVE or mode & ~0o7777 or (mode and not creates):
        raise KernelError(Errno.EINVAL)
    if resolve & RESOLVE_BENEATH and resolve & RESOLVE_IN_ROOT:
        raise KernelError(Errno.EINVAL)
    if flags & O_PATH and flags & ~(O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC):
        raise KernelError(Errno.EINVAL)
    if resolve & RESOLVE_CACHED:
        # Everything would have to be in the cache: "try again without" is always right.
        raise KernelError(Errno.EAGAIN)
    return open_fd(task, dfd, filename, flags | O_LARGEFILE, mode, resolve)


@syscall(85)
def creat(task: Task, pathname: Path, mode: Mode) -> Fd:
    flags = O_CREAT | O_WRONLY | O_TRUNC | O_LARGEFILE
    return open_fd(task, AT_FDCWD, pathname, flags, mode & 0o7777)


@syscall(3)
def close(task: Task, fd: Fd) -> Int:
    task.files.close(fd)
    return 0


@syscall(436)
def close_range(task: Task, fd: UInt, max_fd: UInt, flags: CloseRangeFlags) -> Int:
    if flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) or fd > max_fd:
        raise KernelError(Errno.EINVAL)
    if flags & CLOSE_RANGE_UNSHARE and task.files.refs > 1:
        task.files.refs -= 1
        task.files = task.files.copy()
    for number in [n for n in task.files if fd <= n <= max_fd]:
        if flags & CLOSE_RANGE_CLOEXEC:
            task.files.cloexec.add(number)
        else:
            task.files.close(number)
    return 0


@syscall(80)
def chdir(task: Task, filename: Path) -> Int:
    place = path_lookup(task, AT_FDCWD, filename, LOOKUP_FOLLOW | LOOKUP_DIRECTORY)
    check_permission(task, place, MAY_EXEC)
    task.fs.cwd = place
    return 0


@syscall(81)
def fchdir(task: Task, fd: Fd) -> Int:
    place = task.files.get(fd).dentry
    if not place.inode.is_dir:
        raise KernelError(Errno.ENOTDIR)
    check_permission(task, place, MAY_EXEC)
    task.fs.cwd = place
    return 0


def do_faccessat(task: Task, dfd: int, path: bytes, mode: int, flags: int) -> int:
    """fs/open.c do_faccessat(): by the real ids unless AT_EACCESS."""
    if mode & ~7 or flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise KernelError(Errno.EINVAL)
    follow = 0 if flags & AT_SYMLINK_NOFOLLOW else LOOKUP_FOLLOW
    empty = LOOKUP_EMPTY if flags & AT_EMPTY_PATH else 0
    effective = task.cred
    if not flags & AT_EACCESS:
        task.cred = effective.as_real()
    try:
        place = path_lookup(task, dfd, path, follow | empty)
        if mode:
            check_permission(task, place, mode)
    finally:
        task.cred = effective
    return 0


@syscall(21)
def access(task: Task, filename: Path, mode: AccessMode) -> Int:
    return do_faccessat(task, AT_FDCWD, filename, mode, 0)


@syscall(269)
def faccessat(task: Task, dfd: DirFd, filename: Path, mode: AccessMode) -> Int:
    return do_faccessat(task, dfd, filename, mode, 0)


@syscall(439)
def faccessat2(
    task: Task, dfd: DirFd, filename: Path, mode: AccessMode, flags: FaccessatFlags
) -> Int:
    return do_faccessat(task, dfd, filename, mode, flags)
