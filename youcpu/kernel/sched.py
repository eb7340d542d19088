"""The scheduler: kernel/sched/core.c. Which task runs next, and when nobody can."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from youcpu.hardware.cpu import CR3
from youcpu.kernel import entry
from youcpu.kernel.task import RUNNING

if TYPE_CHECKING:
    from collections.abc import Callable

    from youcpu.kernel.kernel import Kernel
    from youcpu.kernel.task import Task

#: Blocks a lone task runs before the host's Python gets a turn (Ctrl-C, --timeout): some 5 ms.
SLICE_BLOCKS = 1_000_000


class Deadlock(Exception):
    """Every task sleeps and nothing can wake one."""


class Scheduler:
    """Runs tasks on the one CPU until none is left."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.current: Task | None = None
        self._queue: deque[Task] = deque()
        #: Called between slices: the machine checks its time limit here.
        self.on_slice: Callable[[], None] = lambda: None

    def enqueue(self, task: Task) -> None:
        """A task became runnable."""
        if task not in self._queue and task is not self.current:
            self._queue.append(task)

    def yield_(self, task: Task) -> None:
        """sched_yield(2): to the end of the queue, if there is one."""
        if self._queue:
            self._queue.append(task)
            self.current = None
            self.kernel.cpu.stop()

    def run(self) -> None:
        """Until all tasks have ended. Raises Deadlock, and what `on_slice` raises."""
        kernel = self.kernel
        while kernel.tasks:
            self.on_slice()
            kernel.timers.run_expired()
            task = self._pick()
            if task is None:
                self._idle()
                continue
            self._switch_to(task)
            if entry.prepare_to_run(task):
                self._run_slice(task)

    def _pick(self) -> Task | None:
        current = self.current
        if current is not None and current.state == RUNNING and not current.exited:
            return current
        while self._queue:
            task = self._queue.popleft()
            if task.state == RUNNING and not task.exited:
                return task
        return None

    def _idle(self) -> None:
        """HLT: the next thing to happen is a timer."""
        deadline = self.kernel.timers.next_deadline()
        if deadline is None:
            raise Deadlock
        self.kernel.clock.jump_to(deadline)

    def _switch_to(self, task: Task) -> None:
        """context_switch(): registers and address space."""
        previous = self.current
        if previous is task:
            return
        cpu = self.kernel.cpu
        if previous is not None and not previous.exited:
            previous.cpu_state = cpu.snapshot()
        cpu.load(task.cpu_state)
        cpu.state[CR3] = task.mm.cr3
        cpu.flush_tlb()
        self.current = task

    def _run_slice(self, task: Task) -> None:
        kernel = self.kernel
        blocks = SLICE_BLOCKS
        deadline = kernel.timers.next_deadline()
        if deadline is not None:
            blocks = min(blocks, kernel.clock.blocks_until(deadline))
        kernel.cpu.run(blocks)
