"""Reading directories: fs/readdir.c; the working directory's name: fs/d_path.c."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from youcpu.abi.args import Int, Long, UInt, ULong
from youcpu.abi.args_file import Dirents64Ptr, DirentsPtr, Fd
from youcpu.abi.args_io import StringBuffer
from youcpu.abi.errno import Errno
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.uaccess import copy_to_user
from youcpu.kernel.syscalls.table import syscall
from youcpu.kernel.vfs.dcache import d_path
from youcpu.kernel.vfs.transfer import readable_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.inode import DirEntry

#: d_ino, d_off, d_reclen; d_type follows in getdents64.
_HEAD = struct.Struct("<QqH")
_MAX_BUFFER = 1 << 20


def _linux_dirent64(entry: DirEntry, cookie: int) -> bytes:
    size = (19 + len(entry.name) + 1 + 7) & ~7
    head = _HEAD.pack(entry.ino, cookie, size) + bytes((entry.kind,))
    return (head + entry.name).ljust(size, b"\0")


def _linux_dirent(entry: DirEntry, cookie: int) -> bytes:
    size = (18 + len(entry.name) + 2 + 7) & ~7
    head = _HEAD.pack(entry.ino, cookie, size) + entry.name
    return head.ljust(size - 1, b"\0") + bytes((entry.kind,))


def _getdents(
    task: Task, fd: int, address: int, count: int, pack: Callable[[DirEntry, int], bytes]
) -> int:
    file = readable_file(task, fd)
    if not file.inode.is_dir:
        raise KernelError(Errno.ENOTDIR)
    if file.dentry.deleted:
        raise KernelError(Errno.ENOENT)
    # The room left is an int: 2 GiB and more are none.
    count = min(count, _MAX_BUFFER) if count < 1 << 31 else 0
    parts = []
    used = 0
    position = file.pos
    for entry, cookie in file.entries(position):
        record = pack(entry, cookie)
        if used + len(record) > count:
            if not used:
                raise KernelError(Errno.EINVAL)
            break
        parts.append(record)
        used += len(record)
        position = cookie
    copy_to_user(task, address, b"".join(parts))
    file.pos = position
    return used


@syscall(78)
def getdents(task: Task, fd: Fd, dirent: DirentsPtr, count: UInt) -> Int:
    return _getdents(task, fd, dirent, count, _linux_dirent)


@syscall(217)
def getdents64(task: Task, fd: Fd, dirent: Dirents64Ptr, count: UInt) -> Int:
    return _getdents(task, fd, dirent, count, _linux_dirent64)


@syscall(79)
def getcwd(task: Task, buf: StringBuffer, size: ULong) -> Long:
    if task.fs.cwd.deleted:
        raise KernelError(Errno.ENOENT)
    path, reached = d_path(task.fs.cwd, task.fs.root)
    if not reached:
        path = b"(unreachable)" + path
    path += b"\0"
    if len(path) > 4096:
        raise KernelError(Errno.ENAMETOOLONG)
    if len(path) > size:
        raise KernelError(Errno.ERANGE)
    copy_to_user(task, buf, path)
    return len(path)
