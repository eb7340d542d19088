"""epoll: fs/eventpoll.c. What is woken goes to the ready list; waiting looks at that only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.poll import (
    EPOLLET,
    EPOLLEXCLUSIVE,
    EPOLLONESHOT,
    EPOLLWAKEUP,
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLRDNORM,
)
from youcpu.kernel.errors import KernelError
from youcpu.kernel.vfs.anon_inode import AnonFile
from youcpu.kernel.wait import WaitQueue

if TYPE_CHECKING:
    from youcpu.kernel.vfs.dcache import Dentry
    from youcpu.kernel.vfs.file import File
    from youcpu.kernel.vfs.kmem import KernelMemory

_PRIVATE = EPOLLET | EPOLLEXCLUSIVE | EPOLLONESHOT | EPOLLWAKEUP
_ITEM_COST = 512
#: EP_MAX_NESTS + 1
_MAX_NESTS = 5


class EpollItem(WaitQueue):
    """One watched file: struct epitem. Being woken puts it on the ready list."""

    __slots__ = ("data", "events", "fd", "file", "instance")

    def __init__(self, instance: EventPoll, file: File, fd: int, events: int, data: int) -> None:
        super().__init__()
        self.instance = instance
        self.file = file
        self.fd = fd
        self.events = events
        self.data = data

    def wake_up(self) -> None:
        self.instance.ready[self] = None
        self.instance.wait_queue.wake_up()

    def pending(self) -> int:
        """Events that hold and are asked for."""
        if not self.events & ~_PRIVATE:
            return 0
        return self.file.poll() & (self.events | POLLERR | POLLHUP)


class EventPoll(AnonFile):
    """An epoll instance."""

    __slots__ = ("items", "kmem", "ready")

    def __init__(self, dentry: Dentry, flags: int, kmem: KernelMemory) -> None:
        super().__init__(dentry, flags)
        self.kmem = kmem
        self.items: dict[tuple[int, int], EpollItem] = {}
        #: Items that may have events, in the order they were woken.
        self.ready: dict[EpollItem, None] = {}

    def read(self, count: int) -> bytes:
        raise KernelError(Errno.EINVAL)

    def write(self, data: bytes) -> int:
        raise KernelError(Errno.EINVAL)

    def add(self, file: File, fd: int, events: int, data: int) -> None:
        """EPOLL_CTL_ADD. Raises EEXIST, ENOMEM, ELOOP."""
        if (id(file), fd) in self.items:
            raise KernelError(Errno.EEXIST)
        if isinstance(file, EventPoll) and file.depth(self, 1) > _MAX_NESTS:
            raise KernelError(Errno.ELOOP)
        if not self.kmem.charge(_ITEM_COST):
            raise KernelError(Errno.ENOMEM)
        item = EpollItem(self, file, fd, events | POLLERR | POLLHUP, data)
        self.items[id(file), fd] = item
        if file.watchers is None:
            file.watchers = []
        file.watchers.append(item)
        if file.queue is not None:
            file.queue.listen(item)
        if item.pending():
            item.wake_up()
        else:
            self.ready[item] = None

    def depth(self, top: EventPoll, level: int) -> int:
        """How deep instances nest below; a way back to `top` counts as too deep."""
        if self is top or level > _MAX_NESTS:
            return _MAX_NESTS + 1
        nested = [i.file for i in self.items.values() if isinstance(i.file, EventPoll)]
        return max((file.depth(top, level + 1) for file in nested), default=level)

    def modify(self, file: File, fd: int, events: int, data: int) -> None:
        """EPOLL_CTL_MOD. Raises ENOENT."""
        item = self._item(file, fd)
        if item.events & EPOLLEXCLUSIVE:
            raise KernelError(Errno.EINVAL)
        item.events = events | POLLERR | POLLHUP
        item.data = data
        item.wake_up()

    def remove(self, file: File, fd: int) -> None:
        """EPOLL_CTL_DEL. Raises ENOENT."""
        self.drop(self._item(file, fd))

    def _item(self, file: File, fd: int) -> EpollItem:
        item = self.items.get((id(file), fd))
        if item is None:
            raise KernelError(Errno.ENOENT)
        return item

    def drop(self, item: EpollItem) -> None:
        """The item goes, by request or with its file."""
        del self.items[id(item.file), item.fd]
        self.ready.pop(item, None)
        self.kmem.uncharge(_ITEM_COST)
        if item.file.queue is not None:
            item.file.queue.unlisten(item)
        if item.file.watchers is not None and item in item.file.watchers:
            item.file.watchers.remove(item)

    def collect(self, limit: int) -> list[tuple[int, int]]:
        """Up to `limit` (events, data) pairs: ep_send_events()."""
        found: list[tuple[int, int]] = []
        for item in list(self.ready):
            if len(found) == limit:
                break
            events = item.pending()
            if not events:
                # A file without a queue never wakes us: look again next time.
                if item.file.queue is not None:
                    self.ready.pop(item, None)
                continue
            found.append((events, item.data))
            self.ready.pop(item, None)
            if item.events & EPOLLONESHOT:
                item.events &= _PRIVATE
            elif not item.events & EPOLLET or item.file.queue is None:
                self.ready[item] = None
        return found

    def poll(self) -> int:
        for item in self.ready:
            if item.pending():
                return POLLIN | POLLRDNORM
        return 0

    def release(self) -> None:
        for item in list(self.items.values()):
            self.drop(item)


def forget(file: File) -> None:
    """The last descriptor of a watched file was closed: eventpoll_release()."""
    for item in list(file.watchers or ()):
        assert isinstance(item, EpollItem)
        item.instance.drop(item)
