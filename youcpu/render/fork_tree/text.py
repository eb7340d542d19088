"""The tree of processes as text: names, ends, lifetimes, faults by kind, frames."""

from __future__ import annotations

from collections.abc import Iterator

from youcpu.render.color import BOLD, CYAN, DIM, GREEN, RED, YELLOW, paint
from youcpu.render.fork_tree.model import (
    FAULT_KINDS,
    Fault,
    ForkTree,
    Process,
    clean,
    ending,
    final_name,
    milliseconds,
    program_names,
)

_OUTCOMES = {
    "file": "page of a file",
    "zero": "zero page",
    "anon": "first touch",
    "shared": "shared write",
    "copy": "copied",
    "reuse": "reused",
    "spurious": "served already",
    "signal": "refused",
}


class TextTree:
    """Writes lines of one finished run."""

    def __init__(self, tree: ForkTree, color: bool = False) -> None:
        self.tree = tree
        self.color = color

    def lines(self) -> Iterator[str]:
        """The tree with one line a process, numbers in columns."""
        rows = [self._row(*place) for place in self._places()]
        if not rows:
            return
        width = max(len(row[0]) for row in rows)
        ends = max(len(row[1]) for row in rows)
        head = f"{'':{width}}  {'':{ends}}  {'lives':>12}  "
        head += " ".join(f"{name:>6}" for _, name in FAULT_KINDS) + "  private shared  files"
        yield paint(head.rstrip(), DIM, self.color)
        for name, end, process in rows:
            yield self._line(name.ljust(width), end.ljust(ends), process)

    def _places(self) -> Iterator[tuple[str, Process, bytes]]:
        """(branches of the tree, process, program of its parent when it was made)."""

        def below(
            prefix: str, process: Process, inherited: bytes
        ) -> Iterator[tuple[str, Process, bytes]]:
            last = len(process.children) - 1
            for index, child in enumerate(process.children):
                program = program_at(process, child.start_ns, inherited)
                yield prefix + ("└─ " if index == last else "├─ "), child, program
                deeper = prefix + ("   " if index == last else "│  ")
                yield from below(deeper, child, program)

        for root in self.tree.roots:
            yield "", root, b""
            yield from below("", root, b"")

    def _row(self, branches: str, process: Process, inherited: bytes) -> tuple[str, str, Process]:
        names = [clean(name) for name in program_names(process, inherited)]
        label = " → ".join(names) or "?"
        how = "thread " if process.thread else ""
        return f"{branches}{process.pid} {how}{label}", ending(process), process

    def _line(self, name: str, end: str, process: Process) -> str:
        end_ns = self.tree.end_ns if process.end_ns is None else process.end_ns
        lives = f"{(end_ns - process.start_ns) / 1e6:9.3f} ms"
        good = not process.signal and not process.status
        parts = [name, paint(end, GREEN if good else RED, self.color), f"{lives:>12}"]
        if process.thread:
            return "  ".join(parts)
        counts = " ".join(f"{process.faults.get(kind, 0):6}" for kind, _ in FAULT_KINDS)
        memory = process.memory
        if memory is not None:
            counts += f"  {memory.private:7} {memory.shared:6} {memory.files:6}"
        return "  ".join([*parts, counts])

    # -- --cow ---------------------------------------------------------------------------------

    def fault_lines(self) -> Iterator[str]:
        """Each copy-on-write fault: page, frames, from whom, who still shares."""
        names = {process.pid: clean(name) for process, name in named(self.tree)}
        for fault in self.tree.faults:
            if fault.outcome in ("copy", "reuse"):
                yield self._fault_line(fault, names)

    def _fault_line(self, fault: Fault, names: dict[int, str]) -> str:
        since = milliseconds(fault.time_ns - self.tree.start_ns)
        frame, source = fault.frame or 0, fault.source
        outcome = _OUTCOMES[fault.outcome]
        tint = YELLOW if fault.outcome == "copy" else GREEN
        text = f"{since:>12} {fault.pid:6} {names.get(fault.pid, '?'):12.12} "
        text += f"{fault.address & -4096:#014x} {paint(f'{outcome:6}', tint, self.color)} "
        if fault.outcome == "copy":
            came = f"{source:#x}" if source is not None else "the page cache"
            text += f"{came} → {frame:#x}"
            if not fault.owner and not fault.sharers and source is not None:
                text += ", a page of the file"
            elif fault.owner and fault.owner != fault.pid:
                text += f", {fault.owner}'s"
        else:
            text += f"{frame:#x}"
        if fault.sharers:
            text += ", still shared by " + ", ".join(str(pid) for pid in fault.sharers)
        elif fault.owner:
            text += ", nobody else has it"
        if fault.area:
            text += paint("  " + clean(fault.area), CYAN, self.color)
        return text if fault.user else text + "  (by the kernel)"

    # -- --frames ------------------------------------------------------------------------------

    def frame_lines(self) -> Iterator[str]:
        """Who maps which frame at the moment that was asked for."""
        at = milliseconds(self.tree.frames_ns - self.tree.start_ns)
        title = f"{len(self.tree.frames)} frames mapped at {at}"
        yield paint(title, BOLD, self.color)
        for use in self.tree.frames:
            who = ", ".join(f"{pid}:{address & -4096:#x}" for pid, address in use.users[:6])
            if len(use.users) > 6:
                who += f" and {len(use.users) - 6} more"
            yield f"{use.frame << 12:#12x} {len(use.users):3}×  {clean(use.backing):32} {who}"


def program_at(process: Process, time_ns: int, inherited: bytes) -> bytes:
    """The program that a process was at a moment."""
    name = inherited
    for exec_ in process.execs:
        if exec_.time_ns <= time_ns:
            name = exec_.path.rsplit(b"/", 1)[-1]
    return name


def named(tree: ForkTree) -> Iterator[tuple[Process, bytes]]:
    """Each process with the program that it ended as."""

    def below(process: Process, inherited: bytes) -> Iterator[tuple[Process, bytes]]:
        yield process, final_name(process, inherited)
        for child in process.children:
            yield from below(child, program_at(process, child.start_ns, inherited))

    for root in tree.roots:
        yield from below(root, b"")
