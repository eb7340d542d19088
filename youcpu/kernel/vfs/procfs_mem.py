"""/proc/PID/mem: the memory of a process as a file, fs/proc/base.c mem_rw(), mem_lseek()."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import SEEK_CUR, SEEK_SET
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.gup import access_remote_vm, write_remote_vm
from youcpu.kernel.vfs.file import File
from youcpu.kernel.vfs.inode import Inode

if TYPE_CHECKING:
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.dcache import Dentry
    from youcpu.kernel.vfs.super import SuperBlock

_WORD = (1 << 64) - 1


class ProcMemInode(Inode):
    """The file's name in the directory of a process."""

    __slots__ = ("task",)

    def __init__(self, sb: SuperBlock, task: Task) -> None:
        super().__init__(sb, sb.new_ino(), stat.S_IFREG | 0o600)
        self.task = task

    def open(self, dentry: Dentry, flags: int, task: Task) -> File:
        return ProcMemFile(dentry, flags)

    def truncate(self, size: int) -> None:
        """Memory has no length to cut."""

    def setattr(self, **changes: int | None) -> None:
        raise KernelError(Errno.EPERM)


class ProcMemFile(File):
    """An open mem file: of the program that ran when it was opened, not of what execve made.

    Offsets are addresses, unsigned (FOP_UNSIGNED_OFFSET).
    """

    __slots__ = ("mm",)
    unsigned_offset = True
    inode: ProcMemInode

    def __init__(self, dentry: Dentry, flags: int) -> None:
        super().__init__(dentry, flags)
        self.mm = self.inode.task.mm

    def _address(self, count: int, offset: int) -> int:
        """rw_verify_area(). Raises EOVERFLOW."""
        if offset < 0 and count >= -offset:
            raise KernelError(Errno.EOVERFLOW)
        return offset & _WORD

    def pread(self, count: int, offset: int) -> bytes:
        address = self._address(count, offset)
        if self.mm is None or not self.mm.users:
            return b""
        data = access_remote_vm(self.mm, address, count, force=True)
        if count and not data:
            raise KernelError(Errno.EIO)
        return data

    def pwrite(self, data: bytes, offset: int) -> int:
        address = self._address(len(data), offset)
        if self.mm is None or not self.mm.users:
            return 0
        done = write_remote_vm(self.mm, address, data, force=True)
        if data and not done:
            raise KernelError(Errno.EIO)
        return done

    def seek(self, offset: int, whence: int) -> int:
        if whence not in (SEEK_SET, SEEK_CUR):
            raise KernelError(Errno.EINVAL)
        target = (offset + (self.pos if whence == SEEK_CUR else 0)) & _WORD
        self.pos = target - (target >> 63 << 64)
        return self.pos
