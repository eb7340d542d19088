"""Signals as a file: fs/signalfd.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.args import Size
from youcpu.abi.args_file import Fd
from youcpu.abi.args_signal import SignalfdFlags, SigsetIn
from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import O_CLOEXEC, O_NONBLOCK, O_RDWR
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.uaccess import get_user
from youcpu.kernel.signal import UNBLOCKABLE
from youcpu.kernel.syscalls.table import syscall
from youcpu.kernel.vfs.anon_inode import anon_dentry
from youcpu.kernel.vfs.signalfd import SignalFd

if TYPE_CHECKING:
    from youcpu.kernel.task import Task


@syscall(282)
def signalfd(task: Task, ufd: Fd, user_mask: SigsetIn, sizemask: Size) -> Fd:
    return signalfd4(task, ufd, user_mask, sizemask, 0)


@syscall(289)
def signalfd4(task: Task, ufd: Fd, user_mask: SigsetIn, sizemask: Size, flags: SignalfdFlags) -> Fd:
    if sizemask != 8:
        raise KernelError(Errno.EINVAL)
    mask = get_user(task, user_mask, 8) & ~UNBLOCKABLE
    if flags & ~(O_CLOEXEC | O_NONBLOCK):
        raise KernelError(Errno.EINVAL)
    if ufd == -1:
        dentry = anon_dentry(task, b"[signalfd]")
        file = SignalFd(task.kernel, dentry, O_RDWR | flags & O_NONBLOCK, mask)
        return task.files.install(file, bool(flags & O_CLOEXEC))
    known = task.files.get(ufd)
    if not isinstance(known, SignalFd):
        raise KernelError(Errno.EINVAL)
    known.mask = mask
    return ufd
