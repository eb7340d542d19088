"""The address space as /proc/PID/maps has it, with the pages that are in memory."""

from __future__ import annotations

from youcpu.render.color import BOLD, DIM, paint
from youcpu.render.strace.quote import escaped
from youcpu.trace.events import MapLine, MapsEvent

_NAME_COLUMN = 73


def maps_line(line: MapLine) -> str:
    """One line as fs/proc/task_mmu.c writes it: the name starts in column 74."""
    major, minor = line.device
    text = f"{line.start:08x}-{line.end:08x} {line.rights} {line.offset:08x} "
    text += f"{major:02x}:{minor:02x} {line.inode}"
    return f"{text.ljust(_NAME_COLUMN)}{escaped(line.name)}" if line.name else text


def draw_maps(event: MapsEvent, color: bool = False) -> str:
    """A heading and a line each; without the last newline."""
    pages = sum(line.resident for line in event.lines)
    size = sum(line.end - line.start for line in event.lines)
    head = f"maps of {event.pid}: {len(event.lines)} areas, {size // 1024} KiB mapped, "
    head += f"{pages * 4} KiB in memory"
    lines = [paint(head, BOLD, color)]
    for line in event.lines:
        text = maps_line(line)
        if not line.resident:
            text = paint(text, DIM, color)
        lines.append(f"{line.resident:6} {text}")
    return "\n".join(lines)
