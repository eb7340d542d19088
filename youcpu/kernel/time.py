"""struct timespec, timeval and the clocks: kernel/time/."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.uaccess import copy_from_user, copy_to_user

if TYPE_CHECKING:
    from youcpu.kernel.task import Task

NS = 1_000_000_000
_PAIR = struct.Struct("<qq")
#: Longest time the kernel can tell (KTIME_MAX).
KTIME_MAX = (1 << 63) - 1


def read_timespec(task: Task, address: int) -> int:
    """A struct timespec as ns, at most KTIME_MAX. Raises EFAULT, EINVAL."""
    seconds, nanoseconds = _PAIR.unpack(copy_from_user(task, address, 16))
    if seconds < 0 or not 0 <= nanoseconds < NS:
        raise KernelError(Errno.EINVAL)
    return int(min(seconds * NS + nanoseconds, KTIME_MAX))


def write_timespec(task: Task, address: int, ns: int) -> None:
    """Store ns as a struct timespec."""
    copy_to_user(task, address, _PAIR.pack(*divmod(ns, NS)))


def read_timeval(task: Task, address: int) -> int:
    """A struct timeval as ns. Raises EFAULT, EINVAL."""
    seconds, microseconds = _PAIR.unpack(copy_from_user(task, address, 16))
    if seconds < 0 or not 0 <= microseconds < 1_000_000:
        raise KernelError(Errno.EINVAL)
    return int(min(seconds * NS + microseconds * 1000, KTIME_MAX))


def write_timeval(task: Task, address: int, ns: int) -> None:
    """Store ns as a struct timeval."""
    seconds, rest = divmod(ns, NS)
    copy_to_user(task, address, _PAIR.pack(seconds, rest // 1000))
