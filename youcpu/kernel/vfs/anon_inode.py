"""Files without a name in any directory: fs/anon_inodes.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import SEEK_HOLE, SEEK_SET
from youcpu.kernel.errors import KernelError
from youcpu.kernel.vfs.dcache import Dentry
from youcpu.kernel.vfs.file import File
from youcpu.kernel.vfs.inode import Inode
from youcpu.kernel.wait import WaitQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from youcpu.kernel.task import Task


def anon_dentry(task: Task, kind: bytes) -> Dentry:
    """A place for an anonymous file: "anon_inode:[eventfd]". The mode has no type bits."""
    sb = task.kernel.vfs.anon_fs
    return Dentry(b"anon_inode:" + kind, Inode(sb, sb.new_ino(), 0o600))


class AnonFile(File):
    """An anonymous file that can be waited for."""

    __slots__ = ("wait_queue",)
    stream = True
    seekable = False
    pollable = True

    def __init__(self, dentry: Dentry, flags: int) -> None:
        super().__init__(dentry, flags)
        self.wait_queue = WaitQueue()

    @property
    def queue(self) -> WaitQueue:
        return self.wait_queue

    def read_to(self, count: int, store: Callable[[bytes], int]) -> int:
        data = self.read(count)
        if store(data) < len(data):
            raise KernelError(Errno.EFAULT)
        return len(data)

    def write_unit(self, wanted: int, readable: int) -> int:
        # A value is copied whole or not at all.
        return 0

    def seek(self, offset: int, whence: int) -> int:
        # noop_llseek(): there is a position, which nothing moves.
        if not SEEK_SET <= whence <= SEEK_HOLE:
            raise KernelError(Errno.EINVAL)
        return 0

    def release(self) -> None:
        """Nothing is left behind."""
