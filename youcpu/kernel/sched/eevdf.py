"""Earliest eligible virtual deadline first: kernel/sched/fair.c since Linux 6.6.

A task is eligible if it has had no more than its share (vruntime at most the average); of
the eligible ones the one with the earliest deadline (vruntime + slice / weight) runs. What
a task is owed when it goes to sleep, its lag, it brings back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.kernel.sched.policy import NICE_0_WEIGHT, Policy, Tunables, weight_of

if TYPE_CHECKING:
    from youcpu.kernel.task import Task


class Eevdf(Policy):
    """Waiting tasks; the running one counts for the average as well."""

    name = "eevdf"

    def __init__(self, tunables: Tunables) -> None:
        super().__init__(tunables)
        self._waiting: list[Task] = []
        self._running: Task | None = None
        self._average = 0
        self._sequence = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def _avg_vruntime(self) -> int:
        """Average of the virtual run times, by weight; the last one where nobody is runnable."""
        if not self._waiting:
            if self._running is not None:
                self._average = self._running.sched.vruntime
            return self._average
        total = weighted = 0
        base = self._average
        tasks = self._waiting if self._running is None else [*self._waiting, self._running]
        for task in tasks:
            entity = task.sched
            total += entity.weight
            weighted += (entity.vruntime - base) * entity.weight
        if total:
            self._average = base + weighted // total
        return self._average

    def enqueue(self, task: Task, wakeup: bool) -> None:
        entity = task.sched
        if task is self._running:
            self._running = None
        self._sequence += 1
        entity.sequence = self._sequence
        entity.weight = weight_of(task.nice)
        if wakeup:
            # place_entity(): where its lag puts it.
            entity.vruntime = self._avg_vruntime() - entity.lag
            entity.deadline = entity.vruntime + self._virtual_slice(task)
        self._waiting.append(task)

    def _virtual_slice(self, task: Task) -> int:
        return self.tunables.timeslice_ns * NICE_0_WEIGHT // task.sched.weight

    def dequeue(self, task: Task) -> None:
        self._waiting.remove(task)

    def pick(self) -> Task | None:
        if self._running is not None:
            self._put_to_sleep(self._running)
        if not self._waiting:
            return None
        if len(self._waiting) == 1:
            task = self._running = self._waiting.pop()
            return task
        average = self._avg_vruntime()
        eligible = [task for task in self._waiting if task.sched.vruntime <= average]
        task = min(
            eligible or self._waiting, key=lambda task: (task.sched.deadline, task.sched.sequence)
        )
        self._waiting.remove(task)
        self._running = task
        return task

    def _put_to_sleep(self, task: Task) -> None:
        """dequeue_entity(): remember its lag, at most one slice either way."""
        entity = task.sched
        limit = self._virtual_slice(task)
        entity.lag = max(-limit, min(self._avg_vruntime() - entity.vruntime, limit))
        self._running = None

    def charge(self, task: Task, ns: int) -> None:
        entity = task.sched
        entity.vruntime += ns * NICE_0_WEIGHT // entity.weight
        if entity.vruntime >= entity.deadline:
            entity.deadline = entity.vruntime + self._virtual_slice(task)

    def slice_ns(self, task: Task) -> int | None:
        left = task.sched.deadline - task.sched.vruntime
        return max(left * task.sched.weight // NICE_0_WEIGHT, 100_000)

    def preempts(self, current: Task, woken: Task) -> bool:
        eligible = woken.sched.vruntime <= self._avg_vruntime()
        return eligible and woken.sched.deadline < current.sched.deadline

    def started(self, task: Task) -> None:
        self._running = task

    def forked(self, parent: Task, child: Task) -> None:
        child.sched.weight = weight_of(child.nice)
