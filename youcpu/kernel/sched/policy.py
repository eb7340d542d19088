"""What a scheduling policy is: struct sched_class of kernel/sched/sched.h."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from youcpu.record import record

if TYPE_CHECKING:
    from youcpu.kernel.task import Task

#: kernel/sched/core.c sched_prio_to_weight: nice -20 to 19, each step 10 % of CPU time.
PRIO_TO_WEIGHT = (
    88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916,
    9548, 7620, 6100, 4904, 3906, 3121, 2501, 1991, 1586, 1277,
    1024, 820, 655, 526, 423, 335, 272, 215, 172, 137,
    110, 87, 70, 56, 45, 36, 29, 23, 18, 15,
)  # fmt: skip
NICE_0_WEIGHT = 1024


def weight_of(nice: int) -> int:
    """Load weight of a nice value."""
    return PRIO_TO_WEIGHT[nice + 20]


@record
class Tunables:
    """What the user may set; ns."""

    timeslice_ns: int = 3_000_000
    target_latency_ns: int = 20_000_000
    min_granularity_ns: int = 1_000_000


class Policy(ABC):
    """Runnable tasks in some order. The running task is not among them.

    The scheduler calls `enqueue` when a task becomes runnable or is switched away from while
    runnable, `pick` to take the next one out, `charge` for CPU time that one used.
    """

    name = ""

    def __init__(self, tunables: Tunables) -> None:
        self.tunables = tunables

    @abstractmethod
    def __len__(self) -> int:
        """Waiting tasks."""

    @abstractmethod
    def enqueue(self, task: Task, wakeup: bool) -> None:
        """`task` waits for the CPU; `wakeup`: it slept or is new."""

    @abstractmethod
    def dequeue(self, task: Task) -> None:
        """`task` ended or stopped while it waited."""

    @abstractmethod
    def pick(self) -> Task | None:
        """The next to run, taken out."""

    def slice_ns(self, task: Task) -> int | None:
        """How long it may run while others wait; None: until it gives the CPU up."""
        return self.tunables.timeslice_ns

    def charge(self, task: Task, ns: int) -> None:  # noqa: B027  most have nothing to do
        """`task` ran for `ns`."""

    def preempts(self, current: Task, woken: Task) -> bool:
        """Whether a woken task takes the CPU at once."""
        return False

    def started(self, task: Task) -> None:  # noqa: B027  most have nothing to do
        """`task` runs without having been picked: the first one."""

    def forked(self, parent: Task, child: Task) -> None:  # noqa: B027  most have nothing to do
        """A new task gets its place: task_fork_fair()."""
