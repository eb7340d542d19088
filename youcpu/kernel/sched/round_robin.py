"""First come, first served: kernel/sched/rt.c SCHED_RR, and two relatives of it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from youcpu.kernel.sched.policy import Policy, Tunables

if TYPE_CHECKING:
    from youcpu.kernel.task import Task


class Fixed(Policy):
    """Round robin: a queue and slices of one length."""

    name = "fixed"

    def __init__(self, tunables: Tunables) -> None:
        super().__init__(tunables)
        self._queue: deque[Task] = deque()

    def __len__(self) -> int:
        return len(self._queue)

    def enqueue(self, task: Task, wakeup: bool) -> None:
        self._queue.append(task)

    def dequeue(self, task: Task) -> None:
        self._queue.remove(task)

    def pick(self) -> Task | None:
        return self._queue.popleft() if self._queue else None


class TargetLatency(Fixed):
    """Each runnable task has its turn within the target latency: slices of latency / n."""

    name = "target-latency"

    def slice_ns(self, task: Task) -> int | None:
        tunables = self.tunables
        return max(
            tunables.target_latency_ns // (len(self._queue) + 1), tunables.min_granularity_ns
        )


class Cooperative(Fixed):
    """Nobody is interrupted: a task runs until it blocks, yields or ends."""

    name = "cooperative"

    def slice_ns(self, task: Task) -> int | None:
        return None
