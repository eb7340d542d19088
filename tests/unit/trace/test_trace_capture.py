"""Registers into events, and events to the sinks that want them."""

from __future__ import annotations

from youcpu.abi.args import Capture
from youcpu.abi.signatures import unimplemented
from youcpu.abi.syscalls import NUMBERS_X86_64
from youcpu.abi.values import OMITTED, PENDING, Address, Array, Text
from youcpu.trace.capture import enter, first_exec, leave
from youcpu.trace.events import (
    EntryStage,
    Event,
    ExecEvent,
    ExitEvent,
    SignalEvent,
    SyscallEvent,
)
from youcpu.trace.tracer import Tracer

MEMORY = b"/etc/passwd\0".ljust(64, b"\0") + b"hello"


def read(address: int, size: int) -> bytes:
    return MEMORY[address - 0x1000 : address - 0x1000 + size] if address >= 0x1000 else b""


def begin(name: str, *raw: int) -> tuple[object, SyscallEvent, Capture]:
    row = unimplemented(NUMBERS_X86_64[name], name)
    call = Capture(read)
    registers = tuple([*raw, 0, 0, 0, 0, 0, 0][:6])
    return row, enter(row, registers, call, 7, 1000), call


def test_outputs_wait_for_the_return() -> None:
    row, event, call = begin("read", 3, 0x1040, 100)
    assert event.arguments == [3, PENDING, 100]
    assert (event.pid, event.time_ns, event.result) == (7, 1000, None)
    leave(event, row, 5, call, 1250)  # type: ignore[arg-type]
    assert event.arguments == [3, Text(b"hello", 5), 100]
    assert (event.result, event.duration_ns, event.error) == (5, 250, 0)


def test_a_failed_call_shows_addresses() -> None:
    row, event, call = begin("read", 3, 0x1040, 100)
    leave(event, row, -9, call, 1000)  # type: ignore[arg-type]
    assert event.arguments[1] == Address(0x1040)
    assert event.error == 9


def test_arguments_that_are_not_there() -> None:
    _, event, _ = begin("open", 0x1000, 0, 0o644)
    assert event.arguments[0] == b"/etc/passwd"
    assert event.arguments[2] is OMITTED


def test_remarks_of_several_arguments_come_together() -> None:
    memory = (0b11).to_bytes(8, "little") + (1).to_bytes(8, "little") + (0).to_bytes(8, "little")
    call = Capture(lambda address, size: memory[address - 0x1000 : address - 0x1000 + size])
    row = unimplemented(NUMBERS_X86_64["select"], "select")
    event = enter(row, (2, 0x1000, 0, 0, 0x1008, 0), call, 1, 0)
    leave(event, row, 2, call, 0)
    assert event.remark is not None
    assert list(event.remark.parts) == ["in", "left"]


def test_the_first_execve_needs_no_registers() -> None:
    strings = (b"/bin/ls", [b"ls", b"x" * 50], [b"A=1"] * 3)
    event = first_exec(1, 5, strings, 0x7000, 0, 32, False)
    assert event.name == "execve"
    assert event.arguments[1] == Array((Text(b"ls", 2), Text(b"x" * 32, 50)))


class Listener:
    def __init__(self, *kinds: type[Event]) -> None:
        self.kinds = kinds
        self.events: list[Event] = []
        self.closed = False

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def close(self) -> None:
        self.closed = True


def test_sinks_get_their_kinds_only() -> None:
    tracer = Tracer()
    assert not any((tracer.syscalls, tracer.faults, tracer.exec_stages, tracer.signals))
    calls, stages, every = Listener(SyscallEvent), Listener(ExecEvent), Listener(Event)
    tracer.add(calls)
    assert tracer.syscalls
    assert not tracer.exec_stages
    tracer.add(stages)
    assert tracer.exec_stages
    assert not tracer.faults
    tracer.add(every)
    assert tracer.faults
    assert tracer.signals
    exit_event, entry = ExitEvent(1, 2), EntryStage(1, 2, 3, 4)
    _, call, _ = begin("getpid")
    for event in (exit_event, entry, call):
        tracer.emit(event)
    assert calls.events == [call]
    assert stages.events == [entry]
    assert every.events == [exit_event, entry, call]
    tracer.close()
    assert all(sink.closed for sink in (calls, stages, every))


def test_one_kind_of_stage_is_enough_to_want_stages() -> None:
    tracer = Tracer()
    tracer.add(Listener(EntryStage))
    assert tracer.exec_stages
    assert not tracer.signals
    tracer.add(Listener(SignalEvent))
    assert tracer.signals


def test_system_calls_by_name() -> None:
    tracer = Tracer()
    assert tracer.wants_syscall("read")
    tracer.only_syscalls(frozenset({"write"}))
    assert not tracer.wants_syscall("read")
    assert tracer.wants_syscall("write")
