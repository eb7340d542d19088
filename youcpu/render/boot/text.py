"""The stages of a boot as lines, while they begin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from textwrap import wrap

from youcpu.render.boot.story import STAGES
from youcpu.render.color import BOLD, CYAN, DIM, GREEN, RED, paint
from youcpu.trace.boot_events import (
    BootEndEvent,
    MemoryMapEvent,
    ModeEvent,
    PostEvent,
    RegisterChange,
    StageEvent,
)
from youcpu.trace.events import BootStepEvent, Event

E820_TYPES = {1: "usable", 2: "reserved", 3: "ACPI data", 4: "ACPI NVS", 5: "unusable"}
#: Hexadecimal digits of a register's value.
_DIGITS = {"CR0": 8, "CR4": 8, "EFER": 8, "CS": 4, "TR": 4, "CPL": 1}
_GOOD_ENDS = ("power off", "restart", "halt", "stopped")


def place(cs: int, ip: int, mode: str) -> str:
    """CS:IP of 16- and 32-bit code, RIP of 64-bit code."""
    return f"{ip:#x}" if mode == "64-bit mode" else f"{cs:04X}:{ip:04X}"


def change_line(change: RegisterChange, color: bool) -> str:
    """`CR0   60000010 -> 60000011  +PE   mov cr0, eax at 802D`."""
    digits = _DIGITS.get(change.register, 1)
    flags = [f"+{name}" for name in change.raised] + [f"-{name}" for name in change.lowered]
    meaning = paint(" ".join(flags), GREEN, color) if flags else change.meaning
    line = f"    {change.register:<5} {change.before:0{digits}X} → {change.after:0{digits}X}"
    if meaning:
        line = f"{line}  {meaning}"
    if change.instruction:
        line += paint(f"   {change.instruction} at {change.ip:X}", DIM, color)
    return line


def stage_lines(event: StageEvent, color: bool, explain: bool) -> Iterator[str]:
    """A stage with what changed since the one before."""
    where = place(event.cs, event.ip, event.mode)
    head = f"● {event.stage:<11}"
    told = f"{event.mode}, ring {event.cpl}, at {where}"
    yield (
        paint(head, BOLD, color)
        + told
        + paint(f"   {event.instructions:,} instructions", DIM, color)
    )
    for change in event.changes:
        yield change_line(change, color)
    if explain:
        for sentence in STAGES[event.stage]:
            yield from wrap(sentence, 92, initial_indent="    ", subsequent_indent="    ")


def map_lines(event: MemoryMapEvent) -> Iterator[str]:
    """INT 15h E820's answer."""
    yield "    memory map (INT 15h E820)"
    for base, length, kind in event.entries:
        yield f"    {base:#012x}-{base + length - 1:#012x}  {E820_TYPES.get(kind, kind)}"


def step_line(event: BootStepEvent) -> str:
    """A function of the kernel's start, and what it set up where."""
    values = []
    for name, value in event.values.items():
        if isinstance(value, bytes):
            text = value.decode("utf-8", "backslashreplace")
        elif isinstance(value, int) and value > 0xFFFF:
            text = f"{value:#x}"
        else:
            text = str(value)
        if text:
            values.append(f"{name.replace('_', ' ')} {text}")
    return f"    {event.step + '()':<20} {', '.join(values)}".rstrip()


def end_line(event: BootEndEvent, color: bool) -> str:
    """How it ended."""
    good = event.outcome in _GOOD_ENDS
    text = f"{event.outcome}: {event.message}" if event.message else event.outcome
    head = paint(f"● {'end':<11}", BOLD, color)
    return (
        head
        + paint(text, GREEN if good else RED, color)
        + paint(f"   {event.instructions:,} instructions of the boot", DIM, color)
    )


class StageText:
    """Sink: each event as lines to `write`."""

    kinds: tuple[type[Event], ...] = (
        StageEvent, ModeEvent, PostEvent, MemoryMapEvent, BootStepEvent, BootEndEvent,
    )  # fmt: skip

    def __init__(self, write: Callable[[str], object], color: bool, explain: bool) -> None:
        self._write, self._color, self._explain = write, color, explain

    def emit(self, event: Event) -> None:
        self._write("".join(f"{line}\n" for line in self._lines(event)))

    def _lines(self, event: Event) -> Iterator[str]:
        color = self._color
        if isinstance(event, StageEvent):
            yield from stage_lines(event, color, self._explain)
        elif isinstance(event, ModeEvent):
            where = place(event.cs, event.ip, event.mode)
            yield paint(f"  → {event.mode}", CYAN, color) + f" at {where}"
            for change in event.changes:
                yield change_line(change, color)
        elif isinstance(event, PostEvent):
            yield paint(f"    POST {event.code:02X}  {event.text}", DIM, color)
        elif isinstance(event, MemoryMapEvent):
            yield from map_lines(event)
        elif isinstance(event, BootStepEvent):
            yield paint(step_line(event), DIM, color)
        elif isinstance(event, BootEndEvent):
            yield end_line(event, color)
            for detail in event.details:
                note = f"   {detail.note}" if detail.note else ""
                yield f"    {detail.name:<12} {detail.value}{note}"

    def close(self) -> None:
        """Nothing is held back."""
