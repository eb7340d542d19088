"""Descriptors: fs/fcntl.c, fs/file.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.args import Long
from youcpu.abi.args_fcntl import FcntlArg, FcntlCommand
from youcpu.abi.args_file import Fd, PipeFlags
from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import (
    F_ADD_SEALS,
    F_DUPFD,
    F_DUPFD_CLOEXEC,
    F_GET_SEALS,
    F_GETFD,
    F_GETFL,
    F_GETLEASE,
    F_GETLK,
    F_GETOWN,
    F_GETPIPE_SZ,
    F_GETSIG,
    F_OFD_GETLK,
    F_OFD_SETLK,
    F_OFD_SETLKW,
    F_SETFD,
    F_SETFL,
    F_SETLK,
    F_SETLKW,
    F_SETOWN,
    F_SETPIPE_SZ,
    F_SETSIG,
    F_UNLCK,
    FD_CLOEXEC,
    O_APPEND,
    O_CLOEXEC,
    O_DIRECT,
    O_NOATIME,
    O_NONBLOCK,
    O_PATH,
)
from youcpu.kernel.errors import KernelError
from youcpu.kernel.syscalls.table import syscall

if TYPE_CHECKING:
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.file import File

#: F_SETFL changes these only.
_SETFL = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME | 0o20000
#: What an O_PATH descriptor allows.
_PATH_COMMANDS = (F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL)
_LOCKS = (F_GETLK, F_SETLK, F_SETLKW, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW)
_O_LARGEFILE = 0o100000


@syscall(32)
def dup(task: Task, fildes: Fd) -> Fd:
    return task.files.install(task.files.get(fildes))


@syscall(33)
def dup2(task: Task, oldfd: Fd, newfd: Fd) -> Fd:
    file = task.files.get(oldfd)
    if oldfd != newfd:
        task.files.replace(newfd, file)
    return newfd


@syscall(292)
def dup3(task: Task, oldfd: Fd, newfd: Fd, flags: PipeFlags) -> Fd:
    if flags & ~O_CLOEXEC or oldfd == newfd:
        raise KernelError(Errno.EINVAL)
    file = task.files.get(oldfd)
    task.files.replace(newfd, file, bool(flags & O_CLOEXEC))
    return newfd


@syscall(72, partial="no leases, no directory notification")
def fcntl(task: Task, fd: Fd, cmd: FcntlCommand, arg: FcntlArg) -> Long:
    file = task.files.get(fd)
    if file.flags & O_PATH and cmd not in _PATH_COMMANDS:
        raise KernelError(Errno.EBADF)
    if cmd in (F_DUPFD, F_DUPFD_CLOEXEC):
        start = arg & 0xFFFFFFFF
        if start >= task.files.limit:
            raise KernelError(Errno.EINVAL)
        return task.files.install(file, cmd == F_DUPFD_CLOEXEC, start)
    if cmd == F_GETFD:
        return FD_CLOEXEC if fd in task.files.cloexec else 0
    if cmd == F_SETFD:
        if arg & FD_CLOEXEC:
            task.files.cloexec.add(fd)
        else:
            task.files.cloexec.discard(fd)
        return 0
    if cmd == F_GETFL:
        return file.flags
    if cmd == F_SETFL:
        return _setfl(file, arg)
    if cmd in _LOCKS:
        from youcpu.kernel.vfs.locks import fcntl_lock

        return fcntl_lock(task, file, cmd, arg)
    return _rare(file, cmd, arg & 0xFFFFFFFF)


def _setfl(file: File, arg: int) -> int:
    file.flags = (file.flags & ~_SETFL) | (arg & _SETFL)
    return 0


def _rare(file: File, cmd: int, arg: int) -> int:
    if cmd == F_SETOWN:
        file.owner = (arg ^ 0x80000000) - 0x80000000
        return 0
    if cmd == F_GETOWN:
        return file.owner
    if cmd == F_GETLEASE:
        return F_UNLCK
    if cmd in (F_GETSIG, F_SETSIG):
        return 0
    if cmd == F_GETPIPE_SZ:
        return file.pipe_size()
    if cmd == F_SETPIPE_SZ:
        return file.set_pipe_size(arg)
    if cmd == F_ADD_SEALS:
        file.add_seals(arg)
        return 0
    if cmd == F_GET_SEALS:
        return file.get_seals()
    raise KernelError(Errno.EINVAL)
