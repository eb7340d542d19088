"""Wait queues: include/linux/wait.h."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from youcpu.kernel.task import Task


class WaitQueue:
    """Tasks that sleep until something happens to the object that owns the queue."""

    __slots__ = ("waiters",)

    def __init__(self) -> None:
        self.waiters: list[Task] = []

    def wake_up(self) -> None:
        """All sleepers become runnable; each runs its system call again."""
        waiters, self.waiters = self.waiters, []
        for task in waiters:
            task.wake()
