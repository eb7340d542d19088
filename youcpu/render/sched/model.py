"""A listener that turns switches and wake-ups into slices and the figures of each task."""

from __future__ import annotations

from youcpu.record import field, record
from youcpu.trace.events import (
    BinprmStage,
    Event,
    ExitEvent,
    ForkEvent,
    SwitchEvent,
    WakeEvent,
)

#: One basic block is about five instructions: docs/design/0002-unicorn.md.
INSTRUCTIONS_PER_BLOCK = 5

#: Why a task lost the CPU: letter of the Gantt chart and words.
REASONS = {
    "slice": ("s", "slice end"),
    "wakeup": ("w", "preempted by a wake-up"),
    "blocked": ("b", "blocked"),
    "yield": ("y", "yielded"),
    "stop": ("t", "stopped"),
    "exit": ("x", "exit"),
}


@record
class Slice:
    """A stretch of CPU time of one task; `reason` ended it."""

    pid: int
    start_ns: int
    end_ns: int
    reason: str
    blocks: int


@record
class TaskFigures:
    """What one task got. Times in ns."""

    pid: int
    name: str = ""
    arrival_ns: int = 0
    first_run_ns: int | None = None
    end_ns: int | None = None
    run_ns: int = 0
    wait_ns: int = 0
    slices: int = 0
    voluntary: int = 0
    involuntary: int = 0
    blocks: int = 0
    ready_since_ns: int | None = None
    parent: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def response_ns(self) -> int | None:
        """From arrival to the first instruction."""
        return None if self.first_run_ns is None else self.first_run_ns - self.arrival_ns

    @property
    def turnaround_ns(self) -> int | None:
        """From arrival to the end."""
        return None if self.end_ns is None else self.end_ns - self.arrival_ns

    @property
    def switches(self) -> int:
        """How often it lost the CPU."""
        return self.voluntary + self.involuntary


class Schedule:
    """The sink."""

    kinds: tuple[type[Event], ...] = (SwitchEvent, WakeEvent, ForkEvent, ExitEvent, BinprmStage)

    def __init__(self, policy: str) -> None:
        self.policy = policy
        self.slices: list[Slice] = []
        self.tasks: dict[int, TaskFigures] = {}
        self.start_ns = self.end_ns = 0
        self.idle_ns = 0
        self._since = self._blocks = self._running = 0

    def begin(self, pid: int, time_ns: int) -> None:
        """The first task has the CPU from the start."""
        self.start_ns = self._since = time_ns
        self._running = pid
        task = self.task(pid, time_ns)
        task.first_run_ns = time_ns

    def task(self, pid: int, time_ns: int) -> TaskFigures:
        """Figures of a task, new ones when it is first heard of."""
        found = self.tasks.get(pid)
        if found is None:
            found = self.tasks[pid] = TaskFigures(pid, arrival_ns=time_ns)
        return found

    def emit(self, event: Event) -> None:
        """Take one event."""
        self.end_ns = max(self.end_ns, event.time_ns)
        if type(event) is SwitchEvent:
            self._switch(event)
        elif type(event) is WakeEvent:
            self.task(event.pid, event.time_ns).ready_since_ns = event.time_ns
        elif type(event) is ForkEvent:
            child = self.task(event.child, event.time_ns)
            child.parent = event.pid
            child.name = self.task(event.pid, event.time_ns).name
        elif type(event) is ExitEvent:
            self.task(event.pid, event.time_ns).end_ns = event.time_ns
        elif type(event) is BinprmStage:
            name = event.filename.rsplit(b"/", 1)[-1].decode("utf-8", "backslashreplace")
            self.task(event.pid, event.time_ns).name = name

    def _switch(self, event: SwitchEvent) -> None:
        now = event.time_ns
        if self._running:
            self._end_slice(now, event.blocks, event.reason)
        else:
            self.idle_ns += now - self._since
        self._since, self._blocks, self._running = now, event.blocks, event.next_pid
        if event.next_pid:
            task = self.task(event.next_pid, now)
            if task.ready_since_ns is not None:
                task.wait_ns += now - task.ready_since_ns
                task.ready_since_ns = None
            if task.first_run_ns is None:
                task.first_run_ns = now

    def _end_slice(self, now: int, blocks: int, reason: str) -> None:
        task = self.task(self._running, self._since)
        used = blocks - self._blocks
        self.slices.append(Slice(task.pid, self._since, now, reason, used))
        task.run_ns += now - self._since
        task.blocks += used
        task.slices += 1
        task.reasons[reason] = task.reasons.get(reason, 0) + 1
        if reason in ("slice", "wakeup", "yield"):
            task.involuntary += 1
            task.ready_since_ns = now
        elif reason != "exit":
            task.voluntary += 1

    def finish(self, time_ns: int, blocks: int) -> None:
        """The run is over."""
        if self._running:
            self._end_slice(time_ns, blocks, "exit")
            self._running = 0
        self.end_ns = max(self.end_ns, time_ns)

    def close(self) -> None:
        """Nothing is held back."""

    def averages(self) -> dict[str, float]:
        """Means over all tasks that ended, ns; switches in all."""
        ended = [task for task in self.tasks.values() if task.turnaround_ns is not None]
        count = max(1, len(ended))
        return {
            "wait": sum(task.wait_ns for task in ended) / count,
            "response": sum(task.response_ns or 0 for task in ended) / count,
            "turnaround": sum(task.turnaround_ns or 0 for task in ended) / count,
            "switches": float(sum(task.switches for task in self.tasks.values())),
            "duration": float(self.end_ns - self.start_ns),
        }
