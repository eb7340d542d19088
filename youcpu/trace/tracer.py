"""Who listens to what: a sink names the kinds of events that it wants.

The kernel asks one attribute before it makes an event: `if tracer.syscalls:`. No listener
costs one attribute load.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from youcpu.trace.events import (
    Event,
    ExecEvent,
    FaultEvent,
    ForkEvent,
    FramesEvent,
    InstructionEvent,
    MapsEvent,
    MemoryEvent,
    SignalEvent,
    SwitchEvent,
    SyscallEvent,
)


class Sink(Protocol):
    """A listener. `kinds`: classes of events (their subclasses too) that it takes."""

    kinds: tuple[type[Event], ...]

    def emit(self, event: Event) -> None:
        """Take one event. It must not keep it: the kernel may fill it in later."""

    def close(self) -> None:
        """No more events: write what is held back."""


class Tracer:
    """The sinks of a machine."""

    __slots__ = (
        "_emitters",
        "_names",
        "exec_stages",
        "faults",
        "fd_paths",
        "forks",
        "frames",
        "instructions",
        "maps",
        "memory",
        "signals",
        "sinks",
        "string_limit",
        "switches",
        "syscalls",
        "verbose",
    )

    def __init__(self) -> None:
        self.sinks: list[Sink] = []
        #: Bytes of a buffer that are captured; vectors in full; paths behind descriptors.
        self.string_limit = 32
        self.verbose = False
        self.fd_paths = False
        self._emitters: dict[type[Event], tuple[Callable[[Event], None], ...]] = {}
        #: System calls that are wanted, None: all.
        self._names: frozenset[str] | None = None
        self._update()

    def add(self, sink: Sink) -> None:
        """From now on `sink` gets the events of its kinds."""
        self.sinks.append(sink)
        self._update()

    def only_syscalls(self, names: frozenset[str] | None) -> None:
        """System calls other than these make no events; None: all do."""
        self._names = names

    def wants(self, kind: type[Event]) -> bool:
        """Does anyone listen to events of this kind? For those that are too few for a switch."""
        return any(issubclass(kind, sink.kinds) for sink in self.sinks)

    def _update(self) -> None:
        self._emitters = {}
        self.syscalls = self.wants(SyscallEvent)
        self.signals = self.wants(SignalEvent)
        self.faults = self.wants(FaultEvent)
        self.forks = self.wants(ForkEvent)
        self.memory = self.wants(MemoryEvent)
        self.frames = self.wants(FramesEvent)
        self.switches = self.wants(SwitchEvent)
        self.instructions = self.wants(InstructionEvent)
        self.maps = self.wants(MapsEvent)
        self.exec_stages = any(
            issubclass(ExecEvent, sink.kinds)
            or any(issubclass(kind, ExecEvent) for kind in sink.kinds)
            for sink in self.sinks
        )

    def wants_syscall(self, name: str) -> bool:
        """Is an event of this system call wanted? Ask after `syscalls`."""
        return self._names is None or name in self._names

    def emit(self, event: Event) -> None:
        """To all who want it."""
        kind = type(event)
        emitters = self._emitters.get(kind)
        if emitters is None:
            emitters = tuple(sink.emit for sink in self.sinks if issubclass(kind, sink.kinds))
            self._emitters[kind] = emitters
        for emit in emitters:
            emit(event)

    def close(self) -> None:
        """The run is over."""
        for sink in self.sinks:
            sink.close()
