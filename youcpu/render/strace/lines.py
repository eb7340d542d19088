"""Events to strace's lines: `openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = 3`."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import takewhile
from typing import Any

from youcpu.abi.errno import (
    ERESTART_RESTARTBLOCK,
    ERESTARTNOHAND,
    ERESTARTNOINTR,
    ERESTARTSYS,
)
from youcpu.abi.signal import Sig, signal_name
from youcpu.abi.values import Omitted, Pending
from youcpu.record import field, record
from youcpu.render.strace.values import RENDER, Style, errno_name, show
from youcpu.trace.events import BlockedEvent, Event, ExitEvent, ForkEvent, SignalEvent, SyscallEvent

_RESTARTS = {
    ERESTARTSYS: "ERESTARTSYS (To be restarted if SA_RESTART is set)",
    ERESTARTNOINTR: "ERESTARTNOINTR (To be restarted)",
    ERESTARTNOHAND: "ERESTARTNOHAND (To be restarted if no handler)",
    ERESTART_RESTARTBLOCK: "ERESTART_RESTARTBLOCK (Interrupted by signal)",
}
#: Any because each takes the events of its own kind.
Drawer = Callable[[Any], str]
#: Text held back until so many characters are there.
_BUFFER = 1 << 16


@record
class LineOptions:
    """What stands on a line besides the call."""

    style: Style = field(default_factory=Style)
    #: none, relative (-r), time (-t), microseconds (-tt) or unix (-ttt).
    timestamps: str = "none"
    #: -T: how long the call took.
    durations: bool = False
    #: never, always (`123 `, strace -f -o) or bracketed (`[pid   123] ` once there are two).
    pids: str = "never"
    #: Column of the result: -a.
    column: int = 40
    #: successful (-z), failed (-Z), unfinished...; None: all. strace's -e status=.
    statuses: frozenset[str] | None = None
    #: Signals that are shown; None: all.
    signals: frozenset[int] | None = None


class StraceSink:
    """Writes lines; `write` takes text, in pieces as large as they come."""

    kinds: tuple[type[Event], ...]

    def __init__(
        self,
        write: Callable[[str], object],
        options: LineOptions | None = None,
        buffered: bool = True,
        drawers: dict[type[Event], Drawer] | None = None,
        calls: bool = True,
    ) -> None:
        """`drawers`: text of events that strace does not have, without the last newline.

        `calls` False: only those.
        """
        own = (SyscallEvent, BlockedEvent, SignalEvent, ExitEvent, ForkEvent) if calls else ()
        self.kinds = (*own, *(drawers or ()))
        self._drawers = drawers or {}
        self._write = write
        self._options = options or LineOptions()
        self._style = self._options.style
        timed = self._options.timestamps != "none"
        self._plain = not timed and self._options.pids == "never"
        #: The one process whose lines have nothing in front, 0: none.
        self._sole = 0
        self._may_be_sole = not timed and self._options.pids == "bracketed"
        self._limit = _BUFFER if buffered else 0
        self._held: list[str] = []
        self._size = 0
        self._last_ns: int | None = None
        self._pids: set[int] = set()
        #: A call that waits and is to be written when somebody else writes.
        self._open: SyscallEvent | None = None
        #: pid -> how many arguments of its waiting call have been written.
        self._written: dict[int, int] = {}

    def emit(self, event: Event) -> None:
        """One event, one line (or none)."""
        if type(event) is SyscallEvent:
            self._syscall(event)
        elif type(event) is BlockedEvent:
            self._blocked(event)
        elif type(event) is SignalEvent:
            self._signal(event)
        elif type(event) is ExitEvent:
            self._exit(event)
        elif type(event) is ForkEvent:
            self._pids |= {event.pid, event.child}
            self._sole = 0
        else:
            self._interrupt()
            self._put(self._drawers[type(event)](event) + "\n")

    def flush(self) -> None:
        """Write what is held back."""
        if self._held:
            self._write("".join(self._held))
            self._held.clear()
            self._size = 0

    close = flush

    def _put(self, text: str) -> None:
        self._held.append(text)
        self._size += len(text)
        if self._size >= self._limit:
            self.flush()

    def _syscall(self, event: SyscallEvent) -> None:
        if self._options.statuses is not None and status_of(event) not in self._options.statuses:
            return
        if self._open is not None:
            if self._open is event:
                self._open = None
            else:
                self._interrupt()
        style = self._style
        if event.pid in self._written:
            line = self._resumed(event)
        elif self._plain or event.pid == self._sole:
            line = call_text(event, style)
        else:
            line = self._lead(event.pid, event.time_ns) + call_text(event, style)
        if len(line) < self._options.column - 1:
            line = line.ljust(self._options.column - 1)
        line = f"{line} = {result_text(event, style)}"
        if self._options.durations and event.result is not None:
            line += f" <{event.duration_ns // 1_000_000_000}"
            line += f".{event.duration_ns // 1000 % 1_000_000:06}>"
        self._put(line + "\n")

    def _blocked(self, event: BlockedEvent) -> None:
        if event.call.pid not in self._written and event.call is not self._open:
            self._interrupt()
            self._open = event.call

    def _interrupt(self) -> None:
        """Somebody else writes: the open line ends before its result."""
        call, self._open = self._open, None
        if call is None:
            return
        known = list(takewhile(lambda value: type(value) is not Pending, call.arguments))
        text = ", ".join(show(value, self._style) for value in known if type(value) is not Omitted)
        if len(known) < len(call.arguments) and known:
            text += ", "
        self._written[call.pid] = len(known)
        lead = self._lead(call.pid, call.time_ns)
        self._put(f"{lead}{call.name}({text} <unfinished ...>\n")

    def _resumed(self, event: SyscallEvent) -> str:
        rest = event.arguments[self._written.pop(event.pid) :]
        text = " <unfinished ...>"
        if not any(type(value) is Pending for value in rest):
            shown = (value for value in rest if type(value) is not Omitted)
            text = ", ".join(show(value, self._style) for value in shown)
        lead = self._lead(event.pid, event.time_ns + event.duration_ns)
        return f"{lead}<... {event.name} resumed>{text})"

    def _lead(self, pid: int, time_ns: int) -> str:
        """pid and time in front of a line."""
        return self._pid(pid) + self._time(time_ns)

    def _pid(self, pid: int) -> str:
        how = self._options.pids
        if how == "always":
            return f"{pid:<5} "
        if how == "bracketed":
            self._pids.add(pid)
            if len(self._pids) > 1:
                self._sole = 0
                return f"[pid {pid:5}] "
            self._sole = pid if self._may_be_sole else 0
        return ""

    def _time(self, ns: int) -> str:
        how = self._options.timestamps
        if how == "none":
            return ""
        seconds, fraction = divmod(ns // 1000, 1_000_000)
        if how == "relative":
            last = ns if self._last_ns is None else self._last_ns
            self._last_ns = ns
            seconds, fraction = divmod((ns - last) // 1000, 1_000_000)
            return f"{seconds:6}.{fraction:06} "
        if how == "unix":
            return f"{seconds}.{fraction:06} "
        clock = time.strftime("%H:%M:%S", time.localtime(seconds))
        return f"{clock}.{fraction:06} " if how == "microseconds" else f"{clock} "

    def _signal(self, event: SignalEvent) -> None:
        wanted = self._options.signals
        # A tracer never sees SIGKILL coming.
        if event.signal == Sig.SIGKILL or (wanted is not None and event.signal not in wanted):
            return
        self._interrupt()
        info = show(event.info, self._style)
        self._put(
            f"{self._lead(event.pid, event.time_ns)}--- {signal_name(event.signal)} {info} ---\n"
        )

    def _exit(self, event: ExitEvent) -> None:
        if self._open is not None:
            self._interrupt()
        if event.signal:
            dumped = " (core dumped)" if event.core_dumped else ""
            how = f"killed by {signal_name(event.signal)}{dumped}"
        else:
            how = f"exited with {event.status}"
        self._put(f"{self._lead(event.pid, event.time_ns)}+++ {how} +++\n")
        self._pids.discard(event.pid)
        self._sole = 0


def arguments_text(event: SyscallEvent, style: Style) -> tuple[str, bool]:
    """The arguments, and whether all of them are known."""
    parts: list[str] = []
    for value in event.arguments:
        kind = type(value)
        if kind is Omitted:
            continue
        if kind is Pending:
            return "".join(f"{part}, " for part in parts), False
        parts.append(RENDER[kind](value, style))
    return ", ".join(parts), True


def call_text(event: SyscallEvent, style: Style) -> str:
    """`name(arguments)`; a call that did not return and owes arguments is unfinished."""
    text, known = arguments_text(event, style)
    return f"{event.name}({text})" if known else f"{event.name}({text} <unfinished ...>)"


def result_text(event: SyscallEvent, style: Style) -> str:
    """What stands behind the `=`."""
    result = event.result
    if result is None:
        return "?"
    if -4096 < result < 0:
        restart = _RESTARTS.get(-result)
        return f"? {restart}" if restart else f"-1 {errno_name(-result)}"
    returned = event.returned
    text = RENDER[type(returned)](returned, style)
    return text if event.remark is None else f"{text} ({show(event.remark, style)})"


def status_of(event: SyscallEvent) -> str:
    """strace's -e status= name of how a call ended."""
    if event.result is None:
        return "unfinished"
    return "failed" if event.error else "successful"
