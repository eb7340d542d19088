"""strace -c: how often each system call was made, how long it took, how often it failed."""

from __future__ import annotations

from collections.abc import Callable

from youcpu.record import record
from youcpu.trace.events import Event, SyscallEvent

_RULE = "------ ----------- ----------- --------- --------- ----------------\n"


@record
class Count:
    """What is counted of one system call; time is virtual, in nanoseconds."""

    number: int
    calls: int = 0
    errors: int = 0
    time_ns: int = 0


class SummarySink:
    """Counts, and writes the table when the run is over."""

    kinds: tuple[type[Event], ...] = (SyscallEvent,)

    def __init__(
        self,
        write: Callable[[str], object],
        syscall_wanted: Callable[[SyscallEvent], bool] | None = None,
    ) -> None:
        self._write = write
        self._wanted = syscall_wanted
        self.counts: dict[str, Count] = {}

    def emit(self, event: Event) -> None:
        """Count a call that has returned."""
        if type(event) is not SyscallEvent or event.result is None:
            return
        if self._wanted is not None and not self._wanted(event):
            return
        count = self.counts.get(event.name)
        if count is None:
            count = self.counts[event.name] = Count(event.number)
        count.calls += 1
        count.time_ns += event.duration_ns
        count.errors += -4096 < event.result < 0

    def flush(self) -> None:
        """The table stands at the end."""

    def close(self) -> None:
        """Write the table."""
        self._write(summary_table(self.counts))


def summary_table(counts: dict[str, Count]) -> str:
    """Most time first, as strace has it; equal times by number."""
    total_ns = sum(count.time_ns for count in counts.values())
    lines = ["% time     seconds  usecs/call     calls    errors syscall\n", _RULE]
    order = sorted(counts.items(), key=lambda item: (-item[1].time_ns, item[1].number))
    for name, count in order:
        share = 100 * count.time_ns / total_ns if total_ns else 0.0
        lines.append(_row(share, count, name))
    calls = sum(count.calls for count in counts.values())
    errors = sum(count.errors for count in counts.values())
    lines += [_RULE, _row(100.0, Count(0, calls, errors, total_ns), "total")]
    return "".join(lines)


def _row(share: float, count: Count, name: str) -> str:
    seconds = count.time_ns / 1_000_000_000
    each = count.time_ns // 1000 // count.calls if count.calls else 0
    errors = str(count.errors) if count.errors else ""
    return f"{share:6.2f} {seconds:11.6f} {each:11} {count.calls:9} {errors:>9} {name}\n"
