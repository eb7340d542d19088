"""A listener that builds the tree of processes with their faults from the events of a run."""

from __future__ import annotations

from collections.abc import Iterator

from youcpu.record import field, record
from youcpu.trace.events import (
    BinprmStage,
    Event,
    ExitEvent,
    FaultEvent,
    ForkEvent,
    FramesEvent,
    FrameUse,
    MemoryEvent,
    StackStage,
)

#: Outcomes of faults in the order of the columns, and what each is called there.
FAULT_KINDS = (
    ("file", "file"),
    ("zero", "zero"),
    ("anon", "touch"),
    ("shared", "shared"),
    ("copy", "copy"),
    ("reuse", "reuse"),
)


@record
class Exec:
    """A program that a process became."""

    time_ns: int
    path: bytes
    argv: tuple[bytes, ...] = ()


@record
class Fault:
    """One page fault; `owner`: who had the frame before, 0: no process."""

    pid: int
    time_ns: int
    address: int
    access: str
    outcome: str
    frame: int | None
    source: int | None
    owner: int
    sharers: tuple[int, ...]
    area: bytes
    user: bool


@record
class Process:
    """A node: a process or a thread."""

    pid: int
    parent: int
    how: str
    start_ns: int
    thread: bool = False
    end_ns: int | None = None
    status: int = 0
    signal: int = 0
    execs: list[Exec] = field(default_factory=list)
    children: list[Process] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)
    memory: MemoryEvent | None = None


class ForkTree:
    """The sink. `keep_faults`: each fault is wanted, not only how many."""

    kinds: tuple[type[Event], ...] = (
        ForkEvent, ExitEvent, FaultEvent, BinprmStage, StackStage, MemoryEvent, FramesEvent,
    )  # fmt: skip

    def __init__(self, keep_faults: bool = False, frames: bool = False) -> None:
        if not frames:
            self.kinds = tuple(kind for kind in self.kinds if kind is not FramesEvent)
        self.keep_faults = keep_faults
        self.roots: list[Process] = []
        self.processes: dict[int, Process] = {}
        self.faults: list[Fault] = []
        self.frames: tuple[FrameUse, ...] = ()
        self.frames_ns = 0
        self.start_ns = self.end_ns = 0
        self._paths: dict[int, bytes] = {}
        #: Frame -> who filled it.
        self._owners: dict[int, int] = {}

    def emit(self, event: Event) -> None:
        """Take one event."""
        if not self.start_ns:
            self.start_ns = event.time_ns
        self.end_ns = max(self.end_ns, event.time_ns)
        if type(event) is FaultEvent:
            self._fault(event)
        elif type(event) is ForkEvent:
            self._fork(event)
        elif type(event) is ExitEvent:
            self._exit(event)
        elif type(event) is BinprmStage:
            self._paths[event.pid] = event.filename
        elif type(event) is StackStage:
            process = self._process(event)
            path = self._paths.get(event.pid, b"")
            process.execs.append(Exec(event.time_ns, path, event.argv))
        elif type(event) is MemoryEvent:
            self._process(event).memory = event
        elif type(event) is FramesEvent:
            self.frames, self.frames_ns = event.frames, event.time_ns

    def close(self) -> None:
        """The run is over."""

    def _process(self, event: Event) -> Process:
        found = self.processes.get(event.pid)
        if found is None:
            found = self.processes[event.pid] = Process(event.pid, 0, "", event.time_ns)
            self.roots.append(found)
        return found

    def _fork(self, event: ForkEvent) -> None:
        parent = self._process(event)
        child = Process(event.child, event.pid, event.how, event.time_ns, event.thread)
        parent.children.append(child)
        self.processes[event.child] = child

    def _exit(self, event: ExitEvent) -> None:
        process = self._process(event)
        process.end_ns = event.time_ns
        process.status, process.signal = event.status, event.signal

    def _fault(self, event: FaultEvent) -> None:
        process = self._process(event)
        process.faults[event.outcome] = process.faults.get(event.outcome, 0) + 1
        owner = self._owners.get(event.source or 0, 0)
        if event.frame is not None and event.outcome in ("anon", "copy", "reuse"):
            self._owners[event.frame] = event.pid
        elif event.frame is not None:
            self._owners.pop(event.frame, None)
        if self.keep_faults:
            self.faults.append(
                Fault(
                    event.pid, event.time_ns, event.address, event.access, event.outcome,
                    event.frame, event.source, owner, event.sharers, event.area, event.user,
                )
            )  # fmt: skip

    def walk(self) -> Iterator[tuple[int, Process]]:
        """(depth, process) from the roots down, children in the order of their birth."""

        def below(depth: int, process: Process) -> Iterator[tuple[int, Process]]:
            yield depth, process
            for child in process.children:
                yield from below(depth + 1, child)

        for root in self.roots:
            yield from below(0, root)


def program_names(process: Process, inherited: bytes) -> list[bytes]:
    """What ran in a process, in order: the program it was forked with, then each exec's."""
    names = [inherited] if process.parent and inherited else []
    return names + [exec_.path.rsplit(b"/", 1)[-1] for exec_ in process.execs]


def final_name(process: Process, inherited: bytes) -> bytes:
    """The program that a process last was."""
    names = program_names(process, inherited)
    return names[-1] if names else b"?"


def clean(text: bytes) -> str:
    """Bytes of a guest for a terminal: nothing that moves the cursor."""
    shown = text.decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else "?" for char in shown)


def ending(process: Process) -> str:
    """How it ended, in a few words."""
    from youcpu.abi.signal import signal_name

    if process.end_ns is None:
        return "alive"
    if process.signal:
        return signal_name(process.signal)
    return f"exit {process.status}"


def milliseconds(ns: int) -> str:
    """A span of virtual time."""
    return f"{ns / 1e6:.3f} ms"
