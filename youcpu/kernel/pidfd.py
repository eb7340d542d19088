"""Processes as files: kernel/pid.c pidfd_open(), fs/pidfs.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.poll import POLLHUP, POLLIN, POLLRDNORM
from youcpu.kernel.errors import KernelError
from youcpu.kernel.vfs.anon_inode import AnonFile, anon_dentry

if TYPE_CHECKING:
    from youcpu.kernel.task import Task, ThreadGroup
    from youcpu.kernel.vfs.dcache import Dentry
    from youcpu.kernel.wait import WaitQueue


class PidFile(AnonFile):
    """A process held by a descriptor: readable once it has ended."""

    __slots__ = ("group",)

    def __init__(self, dentry: Dentry, flags: int, group: ThreadGroup) -> None:
        super().__init__(dentry, flags)
        self.group = group

    @property
    def queue(self) -> WaitQueue:
        return self.group.exit_queue

    def seek(self, offset: int, whence: int) -> int:
        raise KernelError(Errno.ESPIPE)

    def poll(self) -> int:
        if not self.group.zombie:
            return 0
        gone = self.group.parent is None or self.group not in self.group.parent.children
        return POLLIN | POLLRDNORM | (POLLHUP if gone else 0)


def install_pidfd(task: Task, group: ThreadGroup, flags: int) -> int:
    """A new descriptor of `task` for a process; close-on-exec. Raises EMFILE."""
    file = PidFile(anon_dentry(task, b"[pidfd]"), 2 | flags, group)
    return task.files.install(file, cloexec=True)
