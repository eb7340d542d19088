"""Timers as files: fs/timerfd.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.poll import POLLIN, POLLRDNORM
from youcpu.kernel.errors import Blocked, KernelError
from youcpu.kernel.vfs.anon_inode import AnonFile

if TYPE_CHECKING:
    from youcpu.kernel.kernel import Kernel
    from youcpu.kernel.timer import Timer
    from youcpu.kernel.vfs.dcache import Dentry

CLOCK_REALTIME = 0


class TimerFd(AnonFile):
    """A timer of one clock; reading gives how often it expired since the last read."""

    __slots__ = ("_timer", "clock", "deadline", "interval", "kernel", "missed")

    def __init__(self, kernel: Kernel, dentry: Dentry, flags: int, clock: int) -> None:
        super().__init__(dentry, flags)
        self.kernel = kernel
        self.clock = clock
        #: Monotonic ns of the next expiry; 0: not armed.
        self.deadline = 0
        self.interval = 0
        self.missed = 0
        self._timer: Timer | None = None

    def set(self, value: int, interval: int, absolute: bool) -> None:
        """Arm for `value` ns from now, or at that time of its clock; 0 disarms."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.missed = 0
        self.interval = interval
        self.deadline = 0
        if not value:
            return
        now = self.kernel.clock.monotonic_ns()
        if not absolute:
            self.deadline = now + value
        elif self.clock == CLOCK_REALTIME:
            self.deadline = value - self.kernel.clock.realtime_ns() + now
        else:
            self.deadline = value
        self._arm()

    def _arm(self) -> None:
        self._timer = self.kernel.timers.add(self.deadline, self._expired)

    def _expired(self) -> None:
        self._timer = None
        self._count()
        self.wait_queue.wake_up()

    def _count(self) -> None:
        """Take over what has expired by now."""
        now = self.kernel.clock.monotonic_ns()
        if not self.deadline or now < self.deadline:
            return
        if not self.interval:
            self.missed += 1
            self.deadline = 0
            return
        times = 1 + (now - self.deadline) // self.interval
        self.missed += times
        self.deadline += times * self.interval
        # The next expiry is waited for once this one has been read: nobody else needs it.

    def left(self) -> int:
        """ns until the next expiry; 0: not armed."""
        self._count()
        if not self.deadline:
            return 0
        return max(1, self.deadline - self.kernel.clock.monotonic_ns())

    def read(self, count: int) -> bytes:
        if count < 8:
            raise KernelError(Errno.EINVAL)
        self._count()
        if not self.missed:
            if self.nonblocking:
                raise KernelError(Errno.EAGAIN)
            if self.deadline and self._timer is None:
                self._arm()
            raise Blocked(self.wait_queue)
        times, self.missed = self.missed, 0
        if self.deadline and self._timer is None:
            self._arm()
        return times.to_bytes(8, "little")

    def poll(self) -> int:
        self._count()
        if self.missed:
            return POLLIN | POLLRDNORM
        if self.deadline and self._timer is None:
            self._arm()
        return 0

    def release(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
