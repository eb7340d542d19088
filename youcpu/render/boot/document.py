"""A boot as one document: docs/schema/boot.json."""

from __future__ import annotations

from typing import Any

from youcpu.render.boot.story import STAGES
from youcpu.render.boot.text import E820_TYPES
from youcpu.trace.boot_events import (
    BootEndEvent,
    MemoryMapEvent,
    ModeEvent,
    OutputEvent,
    PostEvent,
    RegisterChange,
    ScreenEvent,
    StageEvent,
)
from youcpu.trace.events import BootStepEvent, Event, PrintkEvent

SCHEMA, VERSION = "youcpu.boot", 1


def _change(change: RegisterChange) -> dict[str, Any]:
    found: dict[str, Any] = {
        "register": change.register,
        "before": change.before,
        "after": change.after,
    }
    if change.raised or change.lowered:
        found |= {"raised": list(change.raised), "lowered": list(change.lowered)}
    if change.meaning:
        found["meaning"] = change.meaning
    if change.instruction:
        found |= {"instruction": change.instruction, "cs": change.cs, "ip": change.ip}
    return found


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


class BootDocument:
    """Sink that gathers a boot; `document` once it has ended."""

    kinds: tuple[type[Event], ...] = (
        StageEvent, ModeEvent, PostEvent, MemoryMapEvent, OutputEvent, ScreenEvent, BootStepEvent,
        PrintkEvent, BootEndEvent,
    )  # fmt: skip

    def __init__(self, explain: bool = False) -> None:
        self._explain = explain
        self.stages: list[StageEvent] = []
        self.end: BootEndEvent | None = None
        self._stages: list[dict[str, Any]] = []
        self._output: dict[str, bytearray] = {}
        self._parts: dict[str, Any] = {"post": [], "memory_map": [], "modes": [], "steps": []}
        self._log: list[dict[str, Any]] = []
        self._screen: list[str] | None = None

    def emit(self, event: Event) -> None:
        parts = self._parts
        if isinstance(event, StageEvent):
            self._stage(event)
        elif isinstance(event, ModeEvent):
            changes = [_change(change) for change in event.changes]
            parts["modes"].append(
                {"mode": event.mode, "cs": event.cs, "ip": event.ip, "changes": changes}
            )
        elif isinstance(event, PostEvent):
            parts["post"].append({"code": event.code, "text": event.text})
        elif isinstance(event, MemoryMapEvent):
            parts["memory_map"] = [
                {"base": base, "length": length, "type": kind, "name": E820_TYPES.get(kind, "")}
                for base, length, kind in event.entries
            ]
        elif isinstance(event, OutputEvent):
            self._output.setdefault(event.channel, bytearray()).extend(event.data)
        elif isinstance(event, ScreenEvent):
            self._screen = list(event.rows)
        elif isinstance(event, BootStepEvent):
            values = {
                name: _text(value) if isinstance(value, bytes) else value
                for name, value in event.values.items()
            }
            parts["steps"].append({"step": event.step, "values": values})
        elif isinstance(event, PrintkEvent):
            self._log.append(
                {"level": event.level, "ns": event.since_boot_ns, "text": _text(event.text)}
            )
        elif isinstance(event, BootEndEvent):
            self.end = event

    def _stage(self, event: StageEvent) -> None:
        self.stages.append(event)
        found: dict[str, Any] = {
            "stage": event.stage,
            "mode": event.mode,
            "ring": event.cpl,
            "cs": event.cs,
            "rip": event.ip,
            "address": event.address,
            "instructions": event.instructions,
            "changes": [_change(change) for change in event.changes],
            "registers": dict(event.registers),
        }
        if self._explain:
            found["explanation"] = list(STAGES[event.stage])
        self._stages.append(found)

    def document(self, walks: list[dict[str, Any]] | None = None) -> dict[str, Any]:
        """The whole boot."""
        assert self.end is not None
        end: dict[str, Any] = {
            "outcome": self.end.outcome,
            "message": self.end.message,
            "instructions": self.end.instructions,
            "details": [
                {"name": detail.name, "value": detail.value, "note": detail.note}
                for detail in self.end.details
            ],
        }
        found: dict[str, Any] = {"schema": SCHEMA, "version": VERSION, "stages": self._stages}
        found |= self._parts
        found["output"] = {name: _text(bytes(data)) for name, data in self._output.items()}
        found["log"] = self._log
        if self._screen is not None:
            found["screen"] = self._screen
        if walks is not None:
            found["walks"] = walks
        found["end"] = end
        return found

    def close(self) -> None:
        """Nothing is held back."""
