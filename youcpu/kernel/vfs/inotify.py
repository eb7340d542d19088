"""Watching files: fs/notify/inotify/."""

from __future__ import annotations

import struct
from collections import deque
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.poll import POLLIN, POLLRDNORM
from youcpu.kernel.errors import Blocked, KernelError
from youcpu.kernel.mm.uaccess import put_user
from youcpu.kernel.vfs.anon_inode import AnonFile
from youcpu.kernel.vfs.fsnotify import (
    IN_ALL_EVENTS,
    IN_DELETE_SELF,
    IN_IGNORED,
    IN_Q_OVERFLOW,
)

if TYPE_CHECKING:
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.dcache import Dentry
    from youcpu.kernel.vfs.inode import Inode
    from youcpu.kernel.vfs.kmem import KernelMemory

_EVENT = struct.Struct("<iIII")
#: fs.inotify.max_queued_events
MAX_QUEUED = 16384
_WATCH_COST = 512
EVENT_COST = 64
FIONREAD = 0x541B
IN_EXCL_UNLINK = 0x04000000
IN_MASK_CREATE = 0x10000000
IN_MASK_ADD = 0x20000000
IN_ONESHOT = 0x80000000


class InotifyWatch:
    """One inode watched by one instance."""

    __slots__ = ("inode", "instance", "mask", "number")

    def __init__(self, instance: Inotify, number: int, inode: Inode, mask: int) -> None:
        self.instance = instance
        self.number = number
        self.inode = inode
        self.mask = mask

    def event(self, mask: int, name: bytes, cookie: int) -> None:
        """Something happened to the inode, or to the entry `name` of a directory."""
        if not self.mask & mask & IN_ALL_EVENTS:
            return
        self.instance.queue_event(self.number, mask, cookie, name)
        if mask & IN_DELETE_SELF or self.mask & IN_ONESHOT:
            self.instance.remove(self.number)


class Inotify(AnonFile):
    """An inotify instance."""

    __slots__ = ("_last", "events", "kmem", "watches")

    def __init__(self, dentry: Dentry, flags: int, kmem: KernelMemory) -> None:
        super().__init__(dentry, flags)
        self.kmem = kmem
        self.watches: dict[int, InotifyWatch] = {}
        self.events: deque[bytes] = deque()
        self._last = 0

    def add(self, inode: Inode, mask: int) -> int:
        """inotify_add_watch(2): the watch descriptor. Raises EEXIST, ENOSPC."""
        events = mask & (IN_ALL_EVENTS | IN_ONESHOT | IN_EXCL_UNLINK)
        for watch in inode.watches or ():
            if watch.instance is self:
                if mask & IN_MASK_CREATE:
                    raise KernelError(Errno.EEXIST)
                watch.mask = watch.mask | events if mask & IN_MASK_ADD else events
                return watch.number
        if not self.kmem.charge(_WATCH_COST):
            raise KernelError(Errno.ENOSPC)
        self._last += 1
        watch = self.watches[self._last] = InotifyWatch(self, self._last, inode, events)
        if inode.watches is None:
            inode.watches = []
        inode.watches.append(watch)
        return self._last

    def remove(self, number: int) -> None:
        """inotify_rm_watch(2), or the inode is gone. Raises EINVAL."""
        watch = self.watches.pop(number, None)
        if watch is None:
            raise KernelError(Errno.EINVAL)
        self.kmem.uncharge(_WATCH_COST)
        if watch.inode.watches is not None:
            watch.inode.watches.remove(watch)
        self.queue_event(number, IN_IGNORED, 0, b"")

    def queue_event(self, number: int, mask: int, cookie: int, name: bytes) -> None:
        """Append an event; equal ones in a row are one, too many are IN_Q_OVERFLOW."""
        if len(self.events) > MAX_QUEUED:
            return
        if len(self.events) == MAX_QUEUED:
            number, mask, cookie, name = -1, IN_Q_OVERFLOW, 0, b""
        size = (len(name) + 16) & ~15 if name else 0
        event = _EVENT.pack(number, mask, cookie, size) + name.ljust(size, b"\0")
        if self.events and self.events[-1] == event:
            return
        if not self.kmem.charge(len(event) + EVENT_COST):
            return
        self.events.append(event)
        self.wait_queue.wake_up()

    def read(self, count: int) -> bytes:
        if not self.events:
            if self.nonblocking:
                raise KernelError(Errno.EAGAIN)
            raise Blocked(self.wait_queue)
        if len(self.events[0]) > count:
            raise KernelError(Errno.EINVAL)
        parts = []
        while self.events and len(self.events[0]) <= count:
            count -= len(self.events[0])
            parts.append(self.events.popleft())
            self.kmem.uncharge(len(parts[-1]) + EVENT_COST)
        return b"".join(parts)

    def write(self, data: bytes) -> int:
        raise KernelError(Errno.EBADF)

    def poll(self) -> int:
        return POLLIN | POLLRDNORM if self.events else 0

    def ioctl(self, task: Task, command: int, argument: int) -> int:
        if command != FIONREAD:
            raise KernelError(Errno.ENOTTY)
        put_user(task, argument, sum(map(len, self.events)), 4)
        return 0

    def release(self) -> None:
        for number in list(self.watches):
            self.remove(number)
        self.kmem.uncharge(sum(len(event) + EVENT_COST for event in self.events))
        self.events.clear()
