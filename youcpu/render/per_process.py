"""A trace file for each process: strace -ff -o FILE."""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

from youcpu.render.trace_sinks import TraceOptions, make_sinks
from youcpu.trace.events import BlockedEvent, Event
from youcpu.trace.tracer import Sink

#: Files open at once; a longer list of processes opens the ones behind again, to append.
_MOST_OPEN = 200


class PerProcessSink:
    """Sends each event to the sinks of its process; `open_file` gives the file of a pid.

    In a file of its own no call is ever interrupted by another process's line.
    """

    def __init__(self, open_file: Callable[[int], TextIO], options: TraceOptions) -> None:
        self._open_file = open_file
        self._options = options
        options.lines.pids = "never"
        self._sinks: dict[int, list[Sink]] = {}
        self._files: dict[int, TextIO] = {}
        self.kinds: tuple[type[Event], ...] = tuple(
            {kind for sink in make_sinks(_nowhere, options) for kind in sink.kinds}
        )

    def emit(self, event: Event) -> None:
        """To the process's own file."""
        if type(event) is BlockedEvent:
            return
        sinks = self._sinks.get(event.pid)
        if sinks is None:
            sinks = self._sinks[event.pid] = make_sinks(self._writer(event.pid), self._options)
        for sink in sinks:
            if isinstance(event, sink.kinds):
                sink.emit(event)

    def _writer(self, pid: int) -> Callable[[str], object]:
        def write(text: str) -> None:
            file = self._files.get(pid)
            if file is None:
                if len(self._files) >= _MOST_OPEN:
                    self._files.pop(next(iter(self._files))).close()
                file = self._files[pid] = self._open_file(pid)
            file.write(text)

        return write

    def close(self) -> None:
        """Write what is held back."""
        for sinks in self._sinks.values():
            for sink in sinks:
                sink.close()
        for file in self._files.values():
            file.close()


def _nowhere(text: str) -> None:
    """Where the sinks write that only tell which events they take."""
