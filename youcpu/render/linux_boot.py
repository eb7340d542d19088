"""A Linux guest's boot in JSON Lines (docs/schema/boot-linux.json), and its stages as text."""

from __future__ import annotations

import json
from collections.abc import Callable

from youcpu.render.values_json import Json
from youcpu.trace.events import Event
from youcpu.trace.linux_boot_events import (
    ConsoleEvent,
    GuestSyscallEvent,
    LinuxEndEvent,
    LinuxStageEvent,
)

SCHEMA, VERSION = "youcpu.boot-linux", 1


class LinuxJsonLines:
    """An event a line; the first line names the schema. `write` takes text."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._line({"event": "boot", "schema": SCHEMA, "version": VERSION})

    def emit(self, event: Event) -> None:
        """One event, one line."""
        self._line({"event": event.kind, "time_ns": event.time_ns, **_fields(event)})

    def _line(self, values: dict[str, Json]) -> None:
        self._write(json.dumps(values, separators=(",", ":")) + "\n")


def _fields(event: Event) -> dict[str, Json]:
    if isinstance(event, ConsoleEvent):
        # Latin-1 keeps every byte of a console that need not be UTF-8.
        return {"text": event.data.decode("latin-1")}
    if isinstance(event, LinuxStageEvent):
        return {
            "stage": event.stage,
            "address": hex(event.address),
            "cpl": event.cpl,
            "instructions": event.instructions,
            "detail": event.detail,
        }
    if isinstance(event, GuestSyscallEvent):
        return {
            "number": event.number,
            "name": event.name,
            "arguments": [hex(argument) for argument in event.arguments],
            "ip": hex(event.ip),
        }
    assert isinstance(event, LinuxEndEvent)
    return {
        "outcome": event.outcome,
        "message": event.message,
        "instructions": event.instructions,
    }


def stage_line(event: Event) -> str:
    """A stage or a first system call for a person; "" for other events."""
    seconds = f"{event.time_ns / 1e9:12.6f} s"
    if isinstance(event, LinuxStageEvent):
        return (
            f"{seconds}  ring {event.cpl}  {event.stage:<17} {event.address:#018x}  {event.detail}"
        )
    if isinstance(event, GuestSyscallEvent):
        arguments = ", ".join(hex(argument) for argument in event.arguments[:3])
        return f"{seconds}  ring 3  {event.name}({arguments}, ...)"
    return ""
