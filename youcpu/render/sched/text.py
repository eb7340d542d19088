"""The schedule as text: a Gantt chart with the reason for each switch, a table of figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from youcpu.render.color import BOLD, DIM, GREEN, YELLOW, paint
from youcpu.render.sched.model import INSTRUCTIONS_PER_BLOCK, REASONS, Schedule, TaskFigures


def clean(text: str) -> str:
    """A guest's name for a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)


def gantt(schedule: Schedule, width: int = 72, color: bool = False) -> Iterator[str]:
    """A row a task: █ runs, ░ waits for the CPU; below, the letter of what ended a slice.

    A column is a span of time; where several things happen in one, the last is shown.
    """
    duration = max(1, schedule.end_ns - schedule.start_ns)

    def column(time_ns: int) -> int:
        return min(width - 1, (time_ns - schedule.start_ns) * width // duration)

    tasks = sorted(schedule.tasks.values(), key=lambda task: task.pid)
    label = max((len(_label(task)) for task in tasks), default=0)
    for task in tasks:
        cells, letters = [" "] * width, [" "] * width
        _fill_waits(schedule, task, cells, column)
        for slice_ in schedule.slices:
            if slice_.pid != task.pid:
                continue
            first, last = column(slice_.start_ns), column(max(slice_.start_ns, slice_.end_ns - 1))
            cells[first : last + 1] = "█" * (last + 1 - first)
            letters[last] = REASONS[slice_.reason][0]
        row = "".join(cells).rstrip()
        yield f"{_label(task):{label}} {paint(row, GREEN, color)}"
        yield f"{'':{label}} {paint(''.join(letters).rstrip(), DIM, color)}".rstrip()
    yield f"{'':{label}} 0{f'{duration / 1e6:.3f} ms':>{width - 1}}"
    told = "  ".join(f"{letter} {words}" for letter, words in REASONS.values())
    yield paint(f"█ runs  ░ waits  {told}", DIM, color)


def _fill_waits(
    schedule: Schedule, task: TaskFigures, cells: list[str], column: Callable[[int], int]
) -> None:
    """Mark the columns in which the task is runnable and another one runs."""
    ready = task.arrival_ns
    waiting = True
    for slice_ in schedule.slices:
        if slice_.pid != task.pid:
            continue
        if waiting:
            for index in range(column(ready), column(slice_.start_ns) + 1):
                cells[index] = "░"
        waiting = slice_.reason in ("slice", "wakeup", "yield")
        ready = slice_.end_ns


def _label(task: TaskFigures) -> str:
    return f"{task.pid} {clean(task.name)[:12]}"


def table(schedule: Schedule, color: bool = False) -> Iterator[str]:
    """A row a task; times in ms, instructions in thousands (five a basic block)."""
    head = (
        f"{'task':20} {'slices':>7} {'switches':>9} {'run':>9} {'wait':>9} {'response':>9} "
        f"{'turnaround':>11} {'instr. k':>10}"
    )
    yield paint(head, BOLD, color)
    for task in sorted(schedule.tasks.values(), key=lambda task: task.pid):
        yield (
            f"{_label(task):20} {task.slices:7} {task.switches:9} {_ms(task.run_ns):>9} "
            f"{_ms(task.wait_ns):>9} {_ms(task.response_ns):>9} {_ms(task.turnaround_ns):>11} "
            f"{task.blocks * INSTRUCTIONS_PER_BLOCK / 1000:10.1f}"
        )
    mean = schedule.averages()
    yield paint(
        f"{'mean':20} {'':7} {'':9} {'':9} {_ms(mean['wait']):>9} {_ms(mean['response']):>9} "
        f"{_ms(mean['turnaround']):>11}",
        YELLOW,
        color,
    )


def _ms(ns: float | None) -> str:
    return "-" if ns is None else f"{ns / 1e6:.3f}"


def comparison(schedules: list[Schedule], color: bool = False) -> Iterator[str]:
    """A row a policy: means over the tasks, and how often the CPU changed hands."""
    head = f"{'policy':16} {'wait':>10} {'response':>10} {'turnaround':>11} {'switches':>9}"
    head += f" {'all':>10}"
    yield paint(head, BOLD, color)
    for schedule in schedules:
        mean = schedule.averages()
        yield (
            f"{schedule.policy:16} {_ms(mean['wait']):>10} {_ms(mean['response']):>10} "
            f"{_ms(mean['turnaround']):>11} {int(mean['switches']):9} {_ms(mean['duration']):>10}"
        )
    yield paint("means in ms of virtual time; all: until the last task ended", DIM, color)
