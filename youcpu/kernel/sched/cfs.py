"""The completely fair scheduler: kernel/sched/fair.c of Linux 2.6.23 to 6.5.

Who has had the least CPU time, weighted by nice, runs next. The slice is the share of a
period: the target latency, stretched where a task would get less than the granularity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.kernel.sched.policy import NICE_0_WEIGHT, Policy, Tunables, weight_of

if TYPE_CHECKING:
    from youcpu.kernel.task import Task


class Cfs(Policy):
    """A queue ordered by virtual run time."""

    name = "cfs"

    def __init__(self, tunables: Tunables) -> None:
        super().__init__(tunables)
        self._waiting: list[Task] = []
        self._min_vruntime = 0
        self._sequence = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def enqueue(self, task: Task, wakeup: bool) -> None:
        entity = task.sched
        if wakeup:
            # Sleepers do not save up: half a latency before the others at most.
            floor = self._min_vruntime - self.tunables.target_latency_ns // 2
            entity.vruntime = max(entity.vruntime, floor)
        self._sequence += 1
        entity.sequence = self._sequence
        entity.weight = weight_of(task.nice)
        self._waiting.append(task)

    def dequeue(self, task: Task) -> None:
        self._waiting.remove(task)

    def pick(self) -> Task | None:
        if not self._waiting:
            return None
        task = min(self._waiting, key=lambda task: (task.sched.vruntime, task.sched.sequence))
        self._waiting.remove(task)
        self._min_vruntime = max(self._min_vruntime, task.sched.vruntime)
        return task

    def slice_ns(self, task: Task) -> int | None:
        tunables = self.tunables
        count = len(self._waiting) + 1
        period = max(tunables.target_latency_ns, count * tunables.min_granularity_ns)
        total = task.sched.weight + sum(other.sched.weight for other in self._waiting)
        return max(period * task.sched.weight // total, tunables.min_granularity_ns)

    def charge(self, task: Task, ns: int) -> None:
        task.sched.vruntime += ns * NICE_0_WEIGHT // task.sched.weight
        # update_min_vruntime(): it follows the one furthest behind, and never goes back.
        least = min([other.sched.vruntime for other in self._waiting], default=task.sched.vruntime)
        self._min_vruntime = max(self._min_vruntime, min(least, task.sched.vruntime))

    def preempts(self, current: Task, woken: Task) -> bool:
        # wakeup_preempt_entity(): only a clear lead is worth a switch.
        lead = current.sched.vruntime - woken.sched.vruntime
        return lead > self.tunables.min_granularity_ns * NICE_0_WEIGHT // woken.sched.weight

    def forked(self, parent: Task, child: Task) -> None:
        child.sched.weight = weight_of(child.nice)
        child.sched.vruntime = max(parent.sched.vruntime, self._min_vruntime)
