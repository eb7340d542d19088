"""Wait queues: include/linux/wait.h."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from youcpu.kernel.task import Task


class WaitEntry:
    """What a waiting call has left elsewhere (Task.restart); taken back when the call ends."""

    __slots__ = ()

    def cancel(self) -> None:
        """The call is over, however it ended."""


class WaitQueue:
    """Tasks that sleep until something happens to the object that owns the queue.

    `listeners` are queues that are woken too: of a poll(2) on several files, of an epoll
    instance that watches the object.
    """

    __slots__ = ("__weakref__", "listeners", "waiters")

    def __init__(self) -> None:
        self.waiters: list[Task] = []
        self.listeners: WeakSet[WaitQueue] | None = None

    def wake_up(self) -> None:
        """All sleepers become runnable; each runs its system call again."""
        if self.waiters:
            waiters, self.waiters = self.waiters, []
            for task in waiters:
                task.wait_queue = None
                task.wake()
        if self.listeners:
            for queue in list(self.listeners):
                queue.wake_up()

    def listen(self, queue: WaitQueue) -> None:
        """`queue` is woken with this one from now on, as long as somebody holds it."""
        if self.listeners is None:
            self.listeners = WeakSet()
        self.listeners.add(queue)

    def unlisten(self, queue: WaitQueue) -> None:
        """No longer."""
        if self.listeners is not None:
            self.listeners.discard(queue)
