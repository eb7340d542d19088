"""Signals as a file: fs/signalfd.c."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.poll import POLLIN, POLLRDNORM
from youcpu.kernel.errors import Blocked, KernelError
from youcpu.kernel.signal import dequeue_signal
from youcpu.kernel.vfs.anon_inode import AnonFile

if TYPE_CHECKING:
    from youcpu.kernel.kernel import Kernel
    from youcpu.kernel.signal import SigInfo
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.dcache import Dentry
    from youcpu.kernel.wait import WaitQueue

#: struct signalfd_siginfo: 128 bytes.
_INFO = struct.Struct("<IiiIIiIIIIiiQQQQ")
SIZE = 128


class SignalFd(AnonFile):
    """Takes signals of `mask` from whoever reads it."""

    __slots__ = ("kernel", "mask")

    def __init__(self, kernel: Kernel, dentry: Dentry, flags: int, mask: int) -> None:
        super().__init__(dentry, flags)
        self.kernel = kernel
        self.mask = mask

    @property
    def reader(self) -> Task:
        """The task that is in the kernel now."""
        task = self.kernel.scheduler.current
        assert task is not None
        return task

    @property
    def queue(self) -> WaitQueue:
        return self.reader.group.signalfd_queue

    def read(self, count: int) -> bytes:
        if count < SIZE:
            raise KernelError(Errno.EINVAL)
        task = self.reader
        parts: list[bytes] = []
        while len(parts) < count // SIZE:
            info = dequeue_signal(task, self.mask)
            if info is None:
                break
            parts.append(_record(info))
        if parts:
            return b"".join(parts)
        if self.nonblocking:
            raise KernelError(Errno.EAGAIN)
        raise Blocked(task.group.signalfd_queue)

    def write(self, data: bytes) -> int:
        raise KernelError(Errno.EINVAL)

    def poll(self) -> int:
        task = self.reader
        pending = task.pending.mask | task.group.pending.mask
        return POLLIN | POLLRDNORM if pending & self.mask else 0


def _record(info: SigInfo) -> bytes:
    fields = _INFO.pack(
        info.signo,
        info.errno,
        info.code,
        info.pid & 0xFFFFFFFF,
        info.uid & 0xFFFFFFFF,
        info.fd,
        info.timer_id & 0xFFFFFFFF,
        info.band & 0xFFFFFFFF,
        info.overrun & 0xFFFFFFFF,
        0,
        info.status,
        ((info.value & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000,
        info.value & 0xFFFFFFFFFFFFFFFF,
        info.utime & 0xFFFFFFFFFFFFFFFF,
        info.stime & 0xFFFFFFFFFFFFFFFF,
        info.addr & 0xFFFFFFFFFFFFFFFF,
    )
    return fields.ljust(SIZE, b"\0")
