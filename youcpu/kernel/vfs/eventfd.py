"""Event counters as files: fs/eventfd.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.poll import POLLERR, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM
from youcpu.kernel.errors import Blocked, KernelError
from youcpu.kernel.vfs.anon_inode import AnonFile

if TYPE_CHECKING:
    from youcpu.kernel.vfs.dcache import Dentry

_MAX = (1 << 64) - 1


class EventFd(AnonFile):
    """A 64-bit counter; `semaphore`: a read takes 1 instead of all."""

    __slots__ = ("count", "semaphore")

    def __init__(self, dentry: Dentry, flags: int, count: int, semaphore: bool) -> None:
        super().__init__(dentry, flags)
        self.count = count
        self.semaphore = semaphore

    def read(self, count: int) -> bytes:
        if count < 8:
            raise KernelError(Errno.EINVAL)
        if not self.count:
            if self.nonblocking:
                raise KernelError(Errno.EAGAIN)
            raise Blocked(self.wait_queue)
        value = 1 if self.semaphore else self.count
        self.count -= value
        self.wait_queue.wake_up()
        return value.to_bytes(8, "little")

    def write(self, data: bytes) -> int:
        if len(data) < 8:
            raise KernelError(Errno.EINVAL)
        value = int.from_bytes(data[:8], "little")
        if value == _MAX:
            raise KernelError(Errno.EINVAL)
        if self.count + value >= _MAX:
            if self.nonblocking:
                raise KernelError(Errno.EAGAIN)
            raise Blocked(self.wait_queue)
        self.count += value
        self.wait_queue.wake_up()
        return 8

    def poll(self) -> int:
        events = 0
        if self.count:
            events |= POLLIN | POLLRDNORM
        if self.count == _MAX:
            events |= POLLERR
        if self.count < _MAX - 1:
            events |= POLLOUT | POLLWRNORM
        return events
