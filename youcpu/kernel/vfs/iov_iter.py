"""A program's buffers as one stream of bytes: lib/iov_iter.c."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.uaccess import (
    copy_from_user,
    copy_from_user_partial,
    copy_to_user,
    writable_prefix,
)

if TYPE_CHECKING:
    from youcpu.kernel.task import Task

UIO_MAXIOV = 1024
#: include/linux/fs.h: INT_MAX, page-aligned down.
MAX_RW_COUNT = 0x7FFFF000
TASK_SIZE = 0x7FFF_FFFF_F000
_SSIZE_MAX = (1 << 63) - 1


def check_range(address: int, size: int) -> None:
    """access_ok(): the whole range lies in the user half. Raises EFAULT."""
    if address + size > TASK_SIZE:
        raise KernelError(Errno.EFAULT)


class IovIter:
    """Segments of user memory, used up from the front; `left` bytes remain."""

    __slots__ = ("_at", "left", "segments", "task")

    def __init__(self, task: Task, segments: list[tuple[int, int]]) -> None:
        self.task = task
        self.segments = segments
        self._at = 0
        self.left = sum(size for _, size in segments)

    def skip(self, count: int) -> None:
        """Leave out `count` bytes."""
        self.left -= count
        while count > 0:
            base, size = self.segments[self._at]
            step = min(count, size)
            self.segments[self._at] = (base + step, size - step)
            if step == size:
                self._at += 1
            count -= step

    def _front(self) -> tuple[int, int]:
        while not self.segments[self._at][1]:
            self._at += 1
        return self.segments[self._at]

    def peek(self, count: int) -> bytes:
        """Up to `count` bytes from the program; fewer where its memory ends. Raises EFAULT.

        They stay in front until `skip` says how many were of use.
        """
        parts: list[bytes] = []
        count = min(count, self.left)
        at = self._at
        while count > 0:
            base, size = self.segments[at]
            at += 1
            want = min(size, count)
            part = copy_from_user_partial(self.task, base, want) if want else b""
            parts.append(part)
            count -= len(part)
            if len(part) < want:
                if not any(parts):
                    raise KernelError(Errno.EFAULT)
                break
        return b"".join(parts)

    def copy_out(self, data: bytes) -> int:
        """Store `data`; bytes stored, fewer where memory ends."""
        done = 0
        while done < len(data):
            base, size = self._front()
            part = data[done : done + size]
            try:
                copy_to_user(self.task, base, part)
            except KernelError:
                # What fits has been written.
                return done + writable_prefix(self.task, base, len(part))
            self.skip(len(part))
            done += len(part)
        return done


def import_iovec(task: Task, address: int, count: int) -> IovIter:
    """The iovec array of readv(2) and writev(2). Raises EINVAL, EFAULT."""
    if not 0 <= count <= UIO_MAXIOV:
        raise KernelError(Errno.EINVAL)
    data = copy_from_user(task, address, 16 * count)
    segments: list[tuple[int, int]] = []
    total = 0
    for base, size in struct.iter_unpack("<QQ", data):
        if size > _SSIZE_MAX:
            raise KernelError(Errno.EINVAL)
        check_range(base, size)
        size = min(size, MAX_RW_COUNT - total)
        total += size
        segments.append((base, size))
    return IovIter(task, segments)
