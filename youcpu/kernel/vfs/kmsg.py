"""/dev/kmsg and /proc/kmsg: kernel/printk/printk.c devkmsg_read(), fs/proc/kmsg.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import SEEK_DATA, SEEK_END, SEEK_SET
from youcpu.abi.poll import POLLERR, POLLIN, POLLPRI, POLLRDNORM
from youcpu.kernel.cred import CAP_SYSLOG
from youcpu.kernel.errors import Blocked, KernelError
from youcpu.kernel.printk import DEFAULT_MESSAGE_LOGLEVEL, LINE_MAX, LOG_USER
from youcpu.kernel.vfs.file import File
from youcpu.kernel.vfs.inode import Inode

if TYPE_CHECKING:
    from collections.abc import Callable

    from youcpu.kernel.printk import Printk
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.dcache import Dentry
    from youcpu.kernel.wait import WaitQueue


class _LogFile(File):
    """A file whose readers wait for the kernel's log."""

    __slots__ = ()
    stream = True
    pollable = True

    @property
    def _log(self) -> Printk:
        return self.inode.sb.kernel.printk

    @property
    def queue(self) -> WaitQueue:
        return self._log.queue


class KmsgDevice(_LogFile):
    """/dev/kmsg: a record a read, a record a write. Each open file has a place of its own."""

    __slots__ = ("sequence",)

    def __init__(self, dentry: Dentry, flags: int) -> None:
        super().__init__(dentry, flags)
        self.sequence = self._log.first_sequence

    def read_to(self, count: int, store: Callable[[bytes], int]) -> int:
        log = self._log
        entry = log.get(self.sequence)
        if entry is None:
            if self.nonblocking:
                raise KernelError(Errno.EAGAIN)
            raise Blocked(log.queue)
        if entry.sequence != self.sequence:
            # Some are gone that were not read: the next read goes on with the oldest.
            self.sequence = entry.sequence
            raise KernelError(Errno.EPIPE)
        data = entry.extended()
        if len(data) > count:
            raise KernelError(Errno.EINVAL)
        stored = store(data)
        if not stored:
            raise KernelError(Errno.EFAULT)
        self.sequence = entry.sequence + 1
        return stored

    def write(self, data: bytes) -> int:
        """`<level>` before the text is its priority: devkmsg_write()."""
        if len(data) > LINE_MAX:
            raise KernelError(Errno.EINVAL)
        level, facility, text = DEFAULT_MESSAGE_LOGLEVEL, LOG_USER, data
        head, closed, rest = data.partition(b">")
        if closed and head.startswith(b"<") and head[1:].isdigit():
            number = int(head[1:])
            level, facility, text = number & 7, number >> 3 or LOG_USER, rest
        self._log.printk(level, text.removesuffix(b"\n"), facility)
        return len(data)

    def seek(self, offset: int, whence: int) -> int:
        log = self._log
        if offset:
            raise KernelError(Errno.ESPIPE)
        if whence == SEEK_SET:
            self.sequence = log.first_sequence
        elif whence == SEEK_DATA:
            self.sequence = log.clear_sequence
        elif whence == SEEK_END:
            self.sequence = log.next_sequence
        else:
            raise KernelError(Errno.EINVAL)
        return 0

    def pread(self, count: int, offset: int) -> bytes:
        raise KernelError(Errno.ESPIPE)

    def pwrite(self, data: bytes, offset: int) -> int:
        raise KernelError(Errno.ESPIPE)

    def poll(self) -> int:
        entry = self._log.get(self.sequence)
        if entry is None:
            return 0
        lost = POLLERR | POLLPRI if entry.sequence != self.sequence else 0
        return POLLIN | POLLRDNORM | lost


class ProcKmsgInode(Inode):
    """/proc/kmsg. Opening it takes CAP_SYSLOG."""

    __slots__ = ()

    def open(self, dentry: Dentry, flags: int, task: Task) -> File:
        if not task.cred.capable(CAP_SYSLOG):
            raise KernelError(Errno.EPERM)
        return ProcKmsg(dentry, flags)

    def setattr(self, **changes: int | None) -> None:
        raise KernelError(Errno.EPERM)


class ProcKmsg(_LogFile):
    """/proc/kmsg: what syslog(2) READ gives."""

    __slots__ = ()
    seekable = False

    def read(self, count: int) -> bytes:
        data = self._log.unread(count)
        if not data:
            if self.nonblocking:
                raise KernelError(Errno.EAGAIN)
            raise Blocked(self._log.queue)
        return data

    def poll(self) -> int:
        ready = self._log.get(self._log.syslog_sequence) is not None
        return POLLIN | POLLRDNORM if ready else 0
