"""Opening what is not a regular file: fs/fifo.c, fs/char_dev.c, fs/open.c."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.kernel.errors import KernelError

if TYPE_CHECKING:
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.dcache import Dentry
    from youcpu.kernel.vfs.file import File
    from youcpu.kernel.vfs.hostrw import RwNode
    from youcpu.kernel.vfs.tmpfs import MemNode


def open_special(inode: MemNode | RwNode, dentry: Dentry, flags: int, task: Task) -> File:
    """A FIFO gets a pipe inside the machine, a device its driver; a socket is ENXIO."""
    kind = inode.kind
    if kind == stat.S_IFIFO:
        from youcpu.kernel.vfs.pipe import open_fifo

        return open_fifo(inode, dentry, flags, task)
    if kind in (stat.S_IFCHR, stat.S_IFBLK):
        from youcpu.kernel.vfs.devtmpfs import open_device

        return open_device(inode, dentry, flags, task)
    raise KernelError(Errno.ENXIO)
