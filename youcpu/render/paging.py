"""What less RAM than a program touches did to it: a run's counts, and policies side by side."""

from __future__ import annotations

from collections.abc import Callable

from youcpu.trace.events import Event, PagingEvent

OPTIMUM = "optimum"
_COLUMNS = ("policy", "loads", "major", "minor", "swapped in", "swapped out", "dropped", "written")


class PagingSink:
    """Writes the table of one run at its end: exec-trace -c --ram."""

    kinds: tuple[type[Event], ...] = (PagingEvent,)

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def emit(self, event: Event) -> None:
        """The counts come once."""
        if isinstance(event, PagingEvent):
            self._write(paging_text(event))

    def close(self) -> None:
        """Nothing is held back."""


def paging_text(event: PagingEvent) -> str:
    """A line a fact."""
    rows = (
        (event.frames, f"frames, policy {event.policy}; most in use: {event.most_frames:,}"),
        (event.slots, f"slots of swap; most in use: {event.most_slots:,}"),
        (event.minor, "minor faults"),
        (event.major, "major faults"),
        (event.file_reads, "  pages of files read in"),
        (event.swap_ins, "  pages read from swap"),
        (event.loads, "pages that came into memory"),
        (event.swap_outs, "pages written to swap"),
        (event.written, "pages written back to files"),
        (event.dropped, "pages dropped: nothing to write"),
    )  # fmt: skip
    return "".join(f"{number:>11,} {text}\n" for number, text in rows)


def compare_text(events: list[PagingEvent], optimum: int, references: int) -> str:
    """A row a policy, fewest loads first, under what no policy can beat."""
    rows = [_COLUMNS, (OPTIMUM, f"{optimum:,}", *[""] * 6)]
    for event in sorted(events, key=lambda one: one.loads):
        numbers = (
            event.loads, event.major, event.minor, event.swap_ins, event.swap_outs,
            event.dropped, event.written,
        )  # fmt: skip
        rows.append((event.policy, *(f"{number:,}" for number in numbers)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip() + "\n")
    frames = events[0].frames
    tail = f"{frames:,} frames, {references:,} references to pages; optimum: Belady's MIN on them\n"
    return "".join(lines) + tail
