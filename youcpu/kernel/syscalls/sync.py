"""Writing back: fs/sync.c; advice and read-ahead: mm/fadvise.c; whole-file locks: fs/locks.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.args import Int, Long, Size
from youcpu.abi.args_file import FadviseAdvice, Fd, FlockOperation, SyncFileRangeFlags
from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import LOCK_EX, LOCK_NB, LOCK_SH, LOCK_UN, O_PATH
from youcpu.kernel.errors import KernelError
from youcpu.kernel.syscalls.table import syscall
from youcpu.kernel.vfs.locks import flock as lock_file

if TYPE_CHECKING:
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.file import File

_FIFO, _SOCKET = 0o010000, 0o140000


def _file(task: Task, fd: int) -> File:
    file = task.files.get(fd)
    if file.flags & O_PATH:
        raise KernelError(Errno.EBADF)
    return file


@syscall(74)
def fsync(task: Task, fd: Fd) -> Int:
    _file(task, fd).sync()
    return 0


@syscall(75)
def fdatasync(task: Task, fd: Fd) -> Int:
    _file(task, fd).sync()
    return 0


@syscall(162)
def sync(task: Task) -> Int:
    task.kernel.vfs.write_back()
    return 0


@syscall(306)
def syncfs(task: Task, fd: Fd) -> Int:
    _file(task, fd)
    task.kernel.vfs.write_back()
    return 0


@syscall(277)
def sync_file_range(
    task: Task, fd: Fd, offset: Long, nbytes: Long, flags: SyncFileRangeFlags
) -> Int:
    file = _file(task, fd)
    if flags & ~7 or offset < 0 or nbytes < 0:
        raise KernelError(Errno.EINVAL)
    if file.inode.kind in (_FIFO, _SOCKET):
        raise KernelError(Errno.ESPIPE)
    file.sync()
    return 0


@syscall(221)
def fadvise64(task: Task, fd: Fd, offset: Long, len_: Size, advice: FadviseAdvice) -> Int:
    file = _file(task, fd)
    if file.inode.kind == _FIFO:
        raise KernelError(Errno.ESPIPE)
    if not 0 <= advice <= 5:
        raise KernelError(Errno.EINVAL)
    return 0


@syscall(187)
def readahead(task: Task, fd: Fd, offset: Long, count: Size) -> Long:
    file = _file(task, fd)
    if not file.readable:
        raise KernelError(Errno.EBADF)
    if not file.inode.is_regular:
        raise KernelError(Errno.EINVAL)
    return 0


@syscall(73)
def flock(task: Task, fd: Fd, cmd: FlockOperation) -> Int:
    kind = cmd & ~LOCK_NB
    if kind not in (LOCK_SH, LOCK_EX, LOCK_UN):
        raise KernelError(Errno.EINVAL)
    file = _file(task, fd)
    exclusive = None if kind == LOCK_UN else kind == LOCK_EX
    lock_file(file, exclusive, wait=not cmd & LOCK_NB)
    return 0
