"""Steps as JSON Lines, an event a line: docs/schema/step.json.

Register values are strings in hexadecimal (JSON's numbers lose bits above 2**53), bytes of memory
a string of digits in the order of their addresses.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from youcpu.formats.disassembler import Instruction
from youcpu.render.disasm import fields_of
from youcpu.render.jsonl import FIELDS
from youcpu.render.step_text import StepText
from youcpu.render.values_json import Json
from youcpu.trace.events import Event
from youcpu.trace.steps import DoorEvent, MemoryAccess, StepEvent

SCHEMA = "youcpu.step"
VERSION = 1
_BUFFER = 1 << 16


class StepJson:
    """Writes lines; `write` takes text."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._text = StepText()
        self._held: list[str] = []
        self._size = 0
        self._known: dict[bytes, dict[str, Json]] = {}
        encoder = json.JSONEncoder(ensure_ascii=True, check_circular=False, separators=(",", ":"))
        self._encode = encoder.encode

    def start(self, argv: list[str], pid: int, registers: dict[str, int]) -> None:
        """The program stands before its first step."""
        self._line(
            {
                "event": "start", "schema": SCHEMA, "version": VERSION, "argv": argv, "pid": pid,
                "registers": registers_json(registers),
            }
        )  # fmt: skip

    def step(self, step: StepEvent) -> None:
        """One step."""
        self._line({"event": "step", **self._step(step)})

    def back(self, undone: list[StepEvent], count: int, how: str, position: int) -> None:
        """Steps were taken back; the ones that were looked at, newest first."""
        self._line(
            {
                "event": "back", "count": count, "how": how, "steps": position,
                "undone": [step.number for step in undone],
            }
        )  # fmt: skip

    def end(
        self, reason: str, steps: int, registers: dict[str, int] | None, status: int | None
    ) -> None:
        """Why it stands still, and how."""
        line: dict[str, Json] = {"event": "end", "reason": reason, "steps": steps}
        if registers is not None:
            line["registers"] = registers_json(registers)
        if status is not None:
            signal = status & 0x7F
            line["exit"] = None if signal else status >> 8
            line["signal"] = signal or None
        self._line(line)
        self.flush()

    def _step(self, step: StepEvent) -> dict[str, Json]:
        found: dict[str, Json] = {
            "step": step.number,
            "pid": step.pid,
            "time_ns": step.time_ns,
            "rip": hex(step.address),
            "symbol": step.symbol or None,
            "source": list(step.source) if step.source else None,
            **self._instruction(step),
            "ring": step.ring,
            "next": hex(step.next_address) if step.completed else None,
            "next_ring": step.next_ring if step.completed else None,
            "changed": {change.name: [hex(change.old), hex(change.new)] for change in step.changes},
        }
        for name, wanted in (("reads", False), ("writes", True)):
            found[name] = [_access(a) for a in step.accesses if a.write == wanted]
        found["kernel"] = [_kernel(event) for event in step.kernel]
        return found

    def _instruction(self, step: StepEvent) -> dict[str, Json]:
        """What the bytes say, by themselves and their place."""
        key = step.code + step.address.to_bytes(8, "little")
        found = self._known.get(key)
        if found is None:
            if len(self._known) > 1 << 15:
                self._known.clear()
            found = self._known[key] = _instruction(self._text.decode(step))
        return found

    def _line(self, line: dict[str, Json]) -> None:
        text = self._encode(line) + "\n"
        self._held.append(text)
        self._size += len(text)
        if self._size > _BUFFER:
            self.flush()

    def flush(self) -> None:
        """Write what is held back."""
        self._write("".join(self._held))
        self._held.clear()
        self._size = 0


def _instruction(found: Instruction) -> dict[str, Json]:
    return {
        "bytes": found.data.hex(),
        "assembly": f"{found.mnemonic} {found.operands}".strip(),
        "fields": [
            {"name": field.name, "bytes": field.data.hex(), "meaning": field.meaning}
            for field in fields_of(found, 64)
        ],
    }


def registers_json(registers: dict[str, int]) -> dict[str, Any]:
    """Every register by name."""
    return {name: hex(value) for name, value in registers.items()}


def _access(access: MemoryAccess) -> dict[str, Json]:
    row: dict[str, Json] = {
        "address": None if access.address is None else hex(access.address),
        "physical": hex(access.physical),
        "size": access.size,
    }
    if access.write:
        row["old"] = access.old.hex() if access.old_known else None
        row["new"] = access.new.hex()
    else:
        row["value"] = access.old.hex() if access.old_known else None
    return row


def _kernel(event: Event) -> Json:
    if isinstance(event, DoorEvent):
        return {
            "event": "door",
            "how": event.how,
            "vector": event.vector,
            "error_code": event.error_code,
            "address": None if event.address is None else hex(event.address),
        }
    return {"event": event.kind, **FIELDS[type(event)](event)}
