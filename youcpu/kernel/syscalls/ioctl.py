"""Device control: fs/ioctl.c."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from youcpu.abi.args import Int
from youcpu.abi.args_file import Fd
from youcpu.abi.args_ioctl import IoctlArg, IoctlRequest
from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import O_NONBLOCK, O_PATH
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.uaccess import get_user, put_user
from youcpu.kernel.syscalls.table import syscall

if TYPE_CHECKING:
    from youcpu.kernel.task import Task

FIONCLEX = 0x5450
FIOCLEX = 0x5451
FIONBIO = 0x5421
FIOASYNC = 0x5452
FIONREAD = 0x541B
FIGETBSZ = 2
FICLONE = 0x40049409
FICLONERANGE = 0x4020940D


@syscall(16, partial="descriptor flags, terminals, FIONREAD")
def ioctl(task: Task, fd: Fd, cmd: IoctlRequest, arg: IoctlArg) -> Int:
    file = task.files.get(fd)
    if file.flags & O_PATH:
        raise KernelError(Errno.EBADF)
    if cmd == FIOCLEX:
        task.files.cloexec.add(fd)
        return 0
    if cmd == FIONCLEX:
        task.files.cloexec.discard(fd)
        return 0
    if cmd == FIONBIO:
        if get_user(task, arg, 4):
            file.flags |= O_NONBLOCK
        else:
            file.flags &= ~O_NONBLOCK
        return 0
    kind = file.inode.kind
    if kind == stat.S_IFREG and cmd == FIONREAD:
        size = file.inode.getattr().size
        put_user(task, arg, max(0, min(size - file.seek(0, 1), 0x7FFFFFFF)), 4)
        return 0
    if kind in (stat.S_IFREG, stat.S_IFDIR):
        if cmd == FIGETBSZ:
            put_user(task, arg, file.inode.getattr().blksize, 4)
            return 0
        if cmd in (FICLONE, FICLONERANGE):
            raise KernelError(Errno.EOPNOTSUPP)
    return file.ioctl(task, cmd, arg)
