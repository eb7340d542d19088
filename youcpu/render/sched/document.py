"""Schedules as JSON (docs/schema/sched.json), SVG and Chrome trace events."""

from __future__ import annotations

from youcpu.render.sched.model import INSTRUCTIONS_PER_BLOCK, REASONS, Schedule, TaskFigures
from youcpu.render.timeline import bar, chrome_trace, label, span, svg, text

Json = dict[str, object]
SCHEMA, VERSION = "youcpu.sched", 1
ROW, LEFT, WIDTH = 26, 150, 1000


def document(schedules: list[Schedule]) -> Json:
    """All of one run, or of one run a policy; times are ns since its start."""
    return {"schema": SCHEMA, "version": VERSION, "runs": [_run(one) for one in schedules]}


def _run(schedule: Schedule) -> Json:
    start = schedule.start_ns
    return {
        "policy": schedule.policy,
        "duration_ns": schedule.end_ns - start,
        "idle_ns": schedule.idle_ns,
        "means": {f"{name}_ns": value for name, value in schedule.averages().items()
                  if name in ("wait", "response", "turnaround")},
        "tasks": [_task(start, task) for task in schedule.tasks.values()],
        "slices": [
            {
                "pid": slice_.pid,
                "start_ns": slice_.start_ns - start,
                "end_ns": slice_.end_ns - start,
                "reason": slice_.reason,
                "blocks": slice_.blocks,
            }
            for slice_ in schedule.slices
        ],
    }  # fmt: skip


def _task(start: int, task: TaskFigures) -> Json:
    return {
        "pid": task.pid,
        "parent": task.parent,
        "name": task.name,
        "arrival_ns": task.arrival_ns - start,
        "end_ns": None if task.end_ns is None else task.end_ns - start,
        "slices": task.slices,
        "voluntary_switches": task.voluntary,
        "involuntary_switches": task.involuntary,
        "run_ns": task.run_ns,
        "wait_ns": task.wait_ns,
        "response_ns": task.response_ns,
        "turnaround_ns": task.turnaround_ns,
        "blocks": task.blocks,
        "instructions": task.blocks * INSTRUCTIONS_PER_BLOCK,
        "reasons": dict(sorted(task.reasons.items())),
    }


def schedule_svg(schedule: Schedule) -> str:
    """The Gantt chart: a row a task, slices as bars that tell their reason."""
    duration = max(1, schedule.end_ns - schedule.start_ns)
    tasks = sorted(schedule.tasks.values(), key=lambda task: task.pid)
    rows = {task.pid: 40 + ROW * index for index, task in enumerate(tasks)}

    def across(time_ns: int) -> float:
        return LEFT + (time_ns - schedule.start_ns) * (WIDTH - LEFT - 20) / duration

    parts = [text(20, 22, f"{schedule.policy}: {duration / 1e6:.3f} ms", "head")]
    for task in tasks:
        parts.append(text(20, rows[task.pid] + 13, f"{task.pid} {task.name[:14]}"))
    ready: dict[int, int] = {task.pid: task.arrival_ns for task in tasks}
    for slice_ in schedule.slices:
        y = rows[slice_.pid]
        since = ready.get(slice_.pid)
        if since is not None and since < slice_.start_ns:
            left = across(since)
            parts.append(bar(left, y + 7, across(slice_.start_ns) - left, 4, "wait", "waits"))
        words = f"{slice_.pid}: {(slice_.end_ns - slice_.start_ns) / 1000:.1f} us, "
        left = across(slice_.start_ns)
        length = across(slice_.end_ns) - left
        parts.append(bar(left, y, length, 18, "run", words + REASONS[slice_.reason][1]))
        if slice_.reason in ("slice", "wakeup", "yield"):
            ready[slice_.pid] = slice_.end_ns
        else:
            ready.pop(slice_.pid, None)
    return svg(WIDTH, 60 + ROW * len(tasks), f"Schedule, policy {schedule.policy}", parts)


def schedule_chrome(schedule: Schedule) -> str:
    """Slices as complete events, a row a task."""
    events: list[Json] = []
    for task in schedule.tasks.values():
        events.append(label(1, task.pid, f"{task.pid} {task.name}"))
    for slice_ in schedule.slices:
        name = schedule.tasks[slice_.pid].name
        since = slice_.start_ns - schedule.start_ns
        length = slice_.end_ns - slice_.start_ns
        events.append(span(name, 1, slice_.pid, since, length, reason=slice_.reason))
    return chrome_trace(events)
