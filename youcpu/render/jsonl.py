"""JSON Lines, an event a line: docs/schema/exec-trace.json.

The first line names the schema and its version, the last one is the `end` event.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from youcpu.abi.errno import errno_name
from youcpu.abi.signal import signal_name
from youcpu.abi.values import Named, Omitted, Pending
from youcpu.record import fields as record_fields
from youcpu.render.values_json import Json, address, fields, plain, text
from youcpu.trace.events import (
    BinprmStage,
    BlockedEvent,
    EndEvent,
    EntryStage,
    Event,
    ExitEvent,
    FaultEvent,
    ForkEvent,
    HandlerStage,
    InstructionEvent,
    InterpreterStage,
    LookupStage,
    MapLine,
    MapsEvent,
    PagingEvent,
    RegistersStage,
    SegmentStage,
    SignalEvent,
    StackStage,
    SwitchEvent,
    SyscallEvent,
)

SCHEMA = "youcpu.exec-trace"
VERSION = 1
#: Text held back until so many characters are there.
_BUFFER = 1 << 16
_HEAD = ("pid", "time_ns")


class JsonSink:
    """Writes a line for each event of its kinds; `write` takes text."""

    def __init__(
        self,
        write: Callable[[str], object],
        kinds: tuple[type[Event], ...] = (Event,),
        syscall_wanted: Callable[[SyscallEvent], bool] | None = None,
    ) -> None:
        self.kinds = kinds
        self._write = write
        self._wanted = syscall_wanted
        self._held: list[str] = []
        self._size = 0
        self._begun = False
        self._encode = json.JSONEncoder(
            ensure_ascii=True, check_circular=False, separators=(",", ":")
        ).encode

    def emit(self, event: Event) -> None:
        """One event, one line."""
        if type(event) is SyscallEvent and self._wanted and not self._wanted(event):
            return
        if not self._begun:
            self._begun = True
            self._line(event, "trace", {"schema": SCHEMA, "version": VERSION})
        self._line(event, event.kind, FIELDS[type(event)](event))

    def _line(self, event: Event, kind: str, rest: dict[str, Json]) -> None:
        head: dict[str, Json] = {"event": kind, "pid": event.pid, "time_ns": event.time_ns}
        line = self._encode(head | rest)
        self._held.append(line)
        self._size += len(line)
        if self._size >= _BUFFER:
            self.flush()

    def flush(self) -> None:
        """Write what is held back."""
        if self._held:
            self._held.append("")
            self._write("\n".join(self._held))
            self._held.clear()
            self._size = 0

    close = flush


def _syscall(event: SyscallEvent) -> dict[str, Json]:
    arguments: dict[str, Json] = {}
    for name, value in zip(event.names, event.arguments, strict=True):
        if type(value) is Named:
            arguments[value.name] = plain(value.value)
        elif type(value) is not Omitted and type(value) is not Pending:
            arguments[name] = plain(value)
    found: dict[str, Json] = {
        "number": event.number,
        "name": event.name,
        "abi": "i386" if event.i386 else "x86-64",
        "arguments": arguments,
        "result": event.result,
        "duration_ns": event.duration_ns,
    }
    if event.error:
        found["errno"] = errno_name(event.error)
    elif type(event.returned) is not int and event.returned is not None:
        found["returned"] = plain(event.returned)
    if event.remark is not None:
        found["remark"] = plain(event.remark)
    return found


def _blocked(event: BlockedEvent) -> dict[str, Json]:
    return {"name": event.call.name, "number": event.call.number}


def _signal(event: SignalEvent) -> dict[str, Json]:
    return {"signal": signal_name(event.signal), "info": fields(event.info.fields)}


def _exit(event: ExitEvent) -> dict[str, Json]:
    if event.signal:
        how: dict[str, Json] = {
            "signal": signal_name(event.signal),
            "core_dumped": event.core_dumped,
        }
    else:
        how = {"status": event.status}
    return how | {"thread": event.thread}


def _fork(event: ForkEvent) -> dict[str, Json]:
    return {"child": event.child, "how": event.how, "thread": event.thread}


def _switch(event: SwitchEvent) -> dict[str, Json]:
    return {"next_pid": event.next_pid, "reason": event.reason}


def _fault(event: FaultEvent) -> dict[str, Json]:
    found: dict[str, Json] = {
        "address": hex(event.address),
        "access": event.access,
        "user": event.user,
        "ip": hex(event.ip),
        "outcome": event.outcome,
        "frame": None if event.frame is None else hex(event.frame),
        "area": text(event.area),
    }
    if event.major:
        found["major"] = True
    if event.offset is not None:
        found["offset"] = event.offset
    if event.signal:
        found["signal"] = signal_name(event.signal)
    return found


def _instruction(event: InstructionEvent) -> dict[str, Json]:
    return {
        "address": hex(event.address),
        "code": event.code.hex(),
        "text": event.text,
        "symbol": event.symbol,
    }


def _map_line(line: MapLine) -> Json:
    return {
        "start": hex(line.start),
        "end": hex(line.end),
        "rights": line.rights,
        "offset": line.offset,
        "device": {"major": line.device[0], "minor": line.device[1]},
        "inode": line.inode,
        "name": text(line.name),
        "resident_pages": line.resident,
    }


def _maps(event: MapsEvent) -> dict[str, Json]:
    return {"maps": [_map_line(line) for line in event.lines]}


def _paging(event: PagingEvent) -> dict[str, Json]:
    return {name: getattr(event, name) for name in record_fields(event) if name not in _HEAD}


def _end(event: EndEvent) -> dict[str, Json]:
    found: dict[str, Json] = {"outcome": event.outcome}
    if event.status is not None:
        found["status"] = event.status
    if event.signal:
        found["signal"] = signal_name(event.signal)
        found["core_dumped"] = event.core_dumped
    if event.errno:
        found["errno"] = errno_name(event.errno)
    return found


def _lookup(event: LookupStage) -> dict[str, Json]:
    found: dict[str, Json] = {
        "stage": event.stage,
        "path": text(event.path),
        "resolved": text(event.resolved),
        "links": [{"link": text(link), "target": text(target)} for link, target in event.links],
        "mode": f"{event.mode:06o}",
        "size": event.size,
    }
    if event.errno:
        found["errno"] = errno_name(event.errno)
    return found


def _binprm(event: BinprmStage) -> dict[str, Json]:
    return {
        "stage": event.stage,
        "filename": text(event.filename),
        "interp": text(event.interp),
        "argc": event.argc,
        "envc": event.envc,
        "buffer": {"hex": event.buffer.hex()},
        "uid": event.uid,
        "euid": event.euid,
        "gid": event.gid,
        "egid": event.egid,
        "secure": event.secure,
    }


def _handler(event: HandlerStage) -> dict[str, Json]:
    return {
        "stage": event.stage,
        "format": event.format,
        "answer": event.answer,
        "reason": event.reason,
        "interpreter": text(event.interpreter),
        "depth": event.depth,
    }


def _segment(event: SegmentStage) -> dict[str, Json]:
    return {
        "stage": event.stage,
        "path": text(event.path),
        "index": event.index,
        "start": hex(event.start),
        "end": hex(event.end),
        "offset": event.offset,
        "rights": event.rights,
        "file_size": event.file_size,
        "memory_size": event.memory_size,
        "bias": hex(event.bias),
    }


def _interpreter(event: InterpreterStage) -> dict[str, Json]:
    return {
        "stage": event.stage,
        "path": text(event.path),
        "base": hex(event.base),
        "entry": hex(event.entry),
    }


def _stack(event: StackStage) -> dict[str, Json]:
    return {
        "stage": event.stage,
        "top": hex(event.top),
        "pointer": hex(event.pointer),
        "argv": [text(string) for string in event.argv],
        "envp": [text(string) for string in event.envp],
        "auxv": [
            {"name": name, "value": hex(value), "meaning": meaning}
            for name, value, meaning in event.auxv
        ],
        "argv_address": address(event.argv_address),
        "envp_address": address(event.envp_address),
        "auxv_address": address(event.auxv_address),
    }


def _registers(event: RegistersStage) -> dict[str, Json]:
    return {
        "stage": event.stage,
        "registers": {name: hex(value) for name, value in event.registers.items()},
    }


def _entry(event: EntryStage) -> dict[str, Json]:
    return {
        "stage": event.stage,
        "entry": hex(event.entry),
        "program_entry": hex(event.program_entry),
        "symbol": event.symbol,
    }


FIELDS: dict[type[Event], Callable[[Any], dict[str, Json]]] = {
    SyscallEvent: _syscall,
    BlockedEvent: _blocked,
    SignalEvent: _signal,
    ExitEvent: _exit,
    ForkEvent: _fork,
    SwitchEvent: _switch,
    FaultEvent: _fault,
    InstructionEvent: _instruction,
    MapsEvent: _maps,
    PagingEvent: _paging,
    EndEvent: _end,
    LookupStage: _lookup,
    BinprmStage: _binprm,
    HandlerStage: _handler,
    SegmentStage: _segment,
    InterpreterStage: _interpreter,
    StackStage: _stack,
    RegistersStage: _registers,
    EntryStage: _entry,
}
