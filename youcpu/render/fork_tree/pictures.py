"""The tree of processes as SVG and as Chrome trace events."""

from __future__ import annotations

from collections.abc import Callable

from youcpu.render.fork_tree.model import ForkTree, Process, clean, ending, milliseconds
from youcpu.render.fork_tree.text import named
from youcpu.render.timeline import bar, chrome_trace, instant, label, span, svg, text

ROW, LEFT, WIDTH = 30, 30, 900


def tree_svg(tree: ForkTree) -> str:
    """A row a process: its life as a bar, forks as lines from the parent, COW faults as marks."""
    names = {process.pid: clean(name) for process, name in named(tree)}
    duration = max(1, tree.end_ns - tree.start_ns)
    order = [process for _, process in tree.walk()]
    rows = {process.pid: 44 + ROW * index for index, process in enumerate(order)}

    def across(time_ns: int) -> float:
        return LEFT + (time_ns - tree.start_ns) * (WIDTH - 2 * LEFT) / duration

    parts = [
        text(LEFT, 22, f"{len(order)} processes, {milliseconds(duration)} of virtual time", "head"),
        bar(WIDTH - 250, 12, 8, 10, "copy"), text(WIDTH - 238, 22, "page copied", "dim"),
        bar(WIDTH - 130, 12, 8, 10, "reuse"), text(WIDTH - 118, 22, "page reused", "dim"),
    ]  # fmt: skip
    for process in order:
        parts += _life(tree, process, names, rows, across)
    for fault in tree.faults:
        if fault.outcome in ("copy", "reuse") and fault.pid in rows:
            title = f"{fault.outcome} {fault.address & -4096:#x}"
            parts.append(
                bar(across(fault.time_ns), rows[fault.pid] + 12, 1.2, 8, fault.outcome, title)
            )
    return svg(WIDTH, 60 + ROW * len(order), "Tree of processes", parts)


def _life(
    tree: ForkTree,
    process: Process,
    names: dict[int, str],
    rows: dict[int, int],
    across: Callable[[int], float],
) -> list[str]:
    """One process's bar, the line from its parent, its execs."""
    end = tree.end_ns if process.end_ns is None else process.end_ns
    y, left = rows[process.pid], across(process.start_ns)
    words = f"{process.pid} {names[process.pid]}  {ending(process)}"
    style = "bad" if process.signal or process.status else ""
    parts = [
        bar(left, y, across(end) - left, 20, "thread" if process.thread else "", words),
        text(min(left + 4, WIDTH - 8 * len(words)), y + 11, words, style),
    ]
    if process.parent in rows:
        parts.append(f'<path d="M{left:.1f} {rows[process.parent] + 20} V{y}"/>')
    for exec_ in process.execs:
        x = across(exec_.time_ns)
        parts.append(f'<path d="M{x:.1f} {y} v20" stroke-dasharray="2 2"/>')
    return parts


def tree_chrome(tree: ForkTree) -> str:
    """A row a process; execs and copy-on-write faults as moments."""
    names = {process.pid: clean(name) for process, name in named(tree)}
    events: list[dict[str, object]] = []
    for _, process in tree.walk():
        pid = process.parent if process.thread else process.pid
        end = tree.end_ns if process.end_ns is None else process.end_ns
        events.append(label(pid, process.pid, f"{process.pid} {names[process.pid]}"))
        events.append(
            span(
                names[process.pid], pid, process.pid, process.start_ns - tree.start_ns,
                end - process.start_ns, end=ending(process), faults=process.faults,
            )
        )  # fmt: skip
        for exec_ in process.execs:
            argv = [clean(word) for word in exec_.argv]
            since = exec_.time_ns - tree.start_ns
            events.append(instant(f"exec {clean(exec_.path)}", pid, process.pid, since, argv=argv))
    for fault in tree.faults:
        if fault.outcome in ("copy", "reuse"):
            since = fault.time_ns - tree.start_ns
            events.append(
                instant(
                    fault.outcome, fault.pid, fault.pid, since, page=f"{fault.address & -4096:#x}",
                    sharers=list(fault.sharers),
                )
            )  # fmt: skip
    return chrome_trace(events)
