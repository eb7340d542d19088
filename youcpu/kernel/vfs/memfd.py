"""Files in memory without a name: mm/memfd.c."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import (
    F_SEAL_EXEC,
    F_SEAL_FUTURE_WRITE,
    F_SEAL_GROW,
    F_SEAL_SEAL,
    F_SEAL_SHRINK,
    F_SEAL_WRITE,
    O_RDWR,
)
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.code_pages import has_writers
from youcpu.kernel.vfs.dcache import Dentry
from youcpu.kernel.vfs.tmpfs import MemFile, RegularFile

if TYPE_CHECKING:
    from youcpu.kernel.task import Task

_ALL_SEALS = (
    F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE | F_SEAL_EXEC
)
_NO_WRITE = F_SEAL_WRITE | F_SEAL_FUTURE_WRITE


def create_memfd(task: Task, name: bytes, sealable: bool) -> MemFdFile:
    """memfd_create(2)."""
    inode = task.kernel.vfs.memfd_fs.make(stat.S_IFREG | 0o777, task.cred, None)
    assert isinstance(inode, MemFile)
    inode.nlink = 0
    inode.seals = 0 if sealable else F_SEAL_SEAL
    dentry = Dentry(b"/memfd:" + name, inode)
    dentry.deleted = True
    inode.writecount += 1
    return MemFdFile(dentry, O_RDWR | 0o100000)


class MemFdFile(RegularFile):
    """An open memfd: a regular file with seals."""

    __slots__ = ()

    def pwrite(self, data: bytes, offset: int) -> int:
        seals = self.inode.seals
        if seals & _NO_WRITE:
            raise KernelError(Errno.EPERM)
        if seals & F_SEAL_GROW and offset + len(data) > self.inode.size:
            data = data[: max(0, self.inode.size - offset)]
            if not data:
                raise KernelError(Errno.EPERM)
        return super().pwrite(data, offset)

    def get_seals(self) -> int:
        return self.inode.seals

    def add_seals(self, seals: int) -> None:
        if not self.writable:
            raise KernelError(Errno.EPERM)
        if seals & ~_ALL_SEALS:
            raise KernelError(Errno.EINVAL)
        if self.inode.seals & F_SEAL_SEAL:
            raise KernelError(Errno.EPERM)
        # Shared writable mappings keep F_SEAL_WRITE away.
        if seals & F_SEAL_WRITE and has_writers(self.inode.mapping):
            raise KernelError(Errno.EBUSY)
        self.inode.seals |= seals

    def mmap(self, shared: bool, writable: bool) -> None:
        if shared and writable and self.inode.seals & _NO_WRITE:
            raise KernelError(Errno.EPERM)
        super().mmap(shared, writable)
