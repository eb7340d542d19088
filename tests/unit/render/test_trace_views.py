"""The other looks of a trace: summary, JSON against its schema, stages, faults, maps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from youcpu.abi.siginfo import Siginfo
from youcpu.abi.values import Address, Either, FlagSet, Named, Struct, Text
from youcpu.render.exec_stages import StageDrawer
from youcpu.render.faults import draw_fault
from youcpu.render.instructions import draw_instruction
from youcpu.render.jsonl import JsonSink
from youcpu.render.maps import draw_maps, maps_line
from youcpu.render.summary import Count, SummarySink, summary_table
from youcpu.render.trace_sinks import TraceOptions, make_sinks
from youcpu.render.values_json import plain
from youcpu.trace.events import (
    BinprmStage,
    BlockedEvent,
    EndEvent,
    EntryStage,
    Event,
    ExecEvent,
    ExitEvent,
    FaultEvent,
    ForkEvent,
    HandlerStage,
    InstructionEvent,
    InterpreterStage,
    LookupStage,
    MapLine,
    MapsEvent,
    RegistersStage,
    SegmentStage,
    SignalEvent,
    StackStage,
    SwitchEvent,
    SyscallEvent,
)

SCHEMA = Path(__file__).parents[3] / "docs/schema/exec-trace.json"


def read_event(result: int | None = 5, name: str = "read", duration: int = 2000) -> SyscallEvent:
    names, arguments = ("fd", "buf", "count"), [3, Text(b"\xff\0", 2), 100]
    return SyscallEvent(7, 10, 0, name, (0,) * 6, names, arguments, result, result, None, duration)


STAGES: list[ExecEvent] = [
    LookupStage(1, 2, b"/bin/x", b"/usr/bin/x", ((b"/bin", b"usr/bin"),), 0o104755, 1000),
    LookupStage(1, 2, b"/nope", errno=2),
    BinprmStage(1, 2, b"/bin/x", b"/bin/x", 1, 2, b"\x7fELF".ljust(256, b"\1"), 0, 0, 0, 0),
    HandlerStage(1, 2, "script", "ENOEXEC", "no #!"),
    HandlerStage(1, 2, "script", "again", "#!", b"/bin/sh", 1),
    SegmentStage(1, 2, b"/bin/x", 0, 0x1000, 0x3000, 0, "r-x", 0x1000, 0x1800, 0),
    InterpreterStage(1, 2, b"/lib64/ld.so", 0x7000, 0x7123),
    StackStage(1, 2, 0x9000, 0x8000, (b"x", b"\xff"), (b"A=1",), (("AT_PAGESZ", 4096, "bytes"),)),
    RegistersStage(1, 2, {"rip": 0x7123, "rsp": 0x8000, "rax": 0}),
    EntryStage(1, 2, 0x7123, 0x1040, "_start"),
]
EVENTS: list[Event] = [
    *STAGES,
    read_event(),
    read_event(-14),
    read_event(None),
    BlockedEvent(1, 2, read_event(None)),
    SignalEvent(1, 2, 11, Siginfo(11, 1, addr=5).struct()),
    ExitEvent(1, 2, 3),
    ExitEvent(1, 2, 0, 11, True),
    ForkEvent(1, 2, 3, "clone"),
    SwitchEvent(1, 2, 0, "blocked"),
    FaultEvent(1, 2, 0x5000, "write", True, 0x1000, "copy", 0x2000, b"/bin/x", 4096),
    FaultEvent(1, 2, 0x5000, "read", True, 0x1000, "signal", signal=11),
    InstructionEvent(1, 2, 0x1000, b"\x90", "nop", "main+0x1"),
    MapsEvent(1, 2, (MapLine(0x1000, 0x3000, "r-xp", 0, (8, 1), 5, b"/bin/x", 1),)),
    EndEvent(1, 2, "exit", 0),
    EndEvent(1, 2, "signal", signal=9),
    EndEvent(1, 2, "errno", errno=2),
]


def test_summary_in_the_layout_of_strace() -> None:
    table = summary_table({"read": Count(0, 7, 0, 3_000_000), "access": Count(21, 1, 1, 1_000_000)})
    assert table.splitlines() == [
        "% time     seconds  usecs/call     calls    errors syscall",
        "------ ----------- ----------- --------- --------- ----------------",
        " 75.00    0.003000         428         7           read",
        " 25.00    0.001000        1000         1         1 access",
        "------ ----------- ----------- --------- --------- ----------------",
        "100.00    0.004000         500         8         1 total",
    ]


def test_summary_counts_what_returned() -> None:
    written: list[str] = []
    sink = SummarySink(written.append)
    for event in (read_event(), read_event(-14), read_event(None), read_event(0, "write", 0)):
        sink.emit(event)
    sink.close()
    assert sink.counts["read"] == Count(0, 2, 1, 4000)
    assert written[0].splitlines()[-3].endswith(" write")


def test_every_event_is_as_the_schema_says() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(SCHEMA.read_text())
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    written: list[str] = []
    sink = JsonSink(written.append)
    for event in EVENTS:
        sink.emit(event)
    sink.close()
    documents = [json.loads(line) for line in "".join(written).splitlines()]
    assert len(documents) == len(EVENTS) + 1
    assert documents[0]["schema"] == "youcpu.exec-trace"
    for document in documents:
        validator.validate(document)
    assert not validator.is_valid({**documents[0], "more": 1})
    assert not validator.is_valid({"event": "end", "pid": 1, "time_ns": 1, "outcome": "exit"})


def test_json_of_a_call() -> None:
    written: list[str] = []
    sink = JsonSink(written.append)
    sink.emit(read_event())
    sink.emit(read_event(-14))
    sink.close()
    good, bad = [json.loads(line) for line in "".join(written).splitlines()][1:]
    assert good["arguments"] == {"fd": 3, "buf": {"hex": "ff00", "length": 2}, "count": 100}
    assert (good["result"], bad["result"], bad["errno"]) == (5, -14, "EFAULT")


def test_json_values() -> None:
    assert plain(Address(0)) is None
    assert plain(Address(4096)) == "0x1000"
    assert plain(FlagSet(0x81, ("A",), 0x80, "A_???")) == ["A", "0x80"]
    assert plain(Either((FlagSet(1, ("A",), 0, ""), "B"))) == ["A", "B"]
    assert plain(b"\xff") == {"hex": "ff"}
    assert plain(Struct({"a": 1, "b": Named("x", 2)}, ("a",))) == {"a": 1, "b": 2}


def test_stages_are_drawn_as_one_tree() -> None:
    drawer = StageDrawer()
    text = "\n".join(drawer.draw(stage) for stage in STAGES)
    lines = text.splitlines()
    assert lines[0] == "├─ lookup      /bin/x → /usr/bin/x  -rwsr-xr-x  1000 bytes"
    assert lines[1] == "│              /bin → usr/bin"
    assert lines[2] == "├─ lookup      /nope: ENOENT"
    assert "├─ handler     script   again   #!  → /bin/sh  (depth 1)" in lines
    assert (
        "├─ segment     0  0x1000-0x3000  r-x  0x1000 bytes at 0x0 of /bin/x  + 0x800 zero" in lines
    )
    assert "│                AT_PAGESZ            0x1000  bytes" in lines
    assert lines[-1] == "└─ entry       0x7123 <_start>  (the program's own: 0x1040)"
    assert "\x1b" not in text
    colored = "\n".join(StageDrawer(color=True).draw(stage) for stage in STAGES)
    assert "\x1b[36m" in colored


def test_faults_and_instructions() -> None:
    fault = FaultEvent(1, 2, 0x5000, "write", True, 0x1000, "copy", 0x2000, b"/bin/x", 4096)
    assert draw_fault(fault) == (
        "~ write   0x000000005000  user ip 0x000000001000  copy on write, frame 0x2000"
        "  /bin/x+0x1000"
    )
    bad = FaultEvent(1, 2, 0x5000, "read", True, 0x1000, "signal", signal=11)
    assert draw_fault(bad).endswith("SIGSEGV")
    instruction = InstructionEvent(1, 2, 0x1000, b"\x48\x89\xe5", "mov rbp, rsp", "main")
    assert draw_instruction(instruction).split() == [
        "0x000000001000", "<main>", "48", "89", "e5", "mov", "rbp,", "rsp",
    ]  # fmt: skip


def test_maps_as_proc_has_them() -> None:
    line = MapLine(0x400000, 0x401000, "r--p", 0x1000, (8, 1), 1234, b"/bin/x", 1)
    text = maps_line(line)
    assert text == "00400000-00401000 r--p 00001000 08:01 1234".ljust(73) + "/bin/x"
    drawn = draw_maps(MapsEvent(9, 0, (line, MapLine(0x1000, 0x3000, "rw-p"))))
    assert drawn.splitlines()[0] == "maps of 9: 2 areas, 12 KiB mapped, 4 KiB in memory"


def test_sinks_for_what_the_user_asked() -> None:
    def kinds(**options: object) -> list[str]:
        sinks = make_sinks(lambda text: None, TraceOptions(**options))  # type: ignore[arg-type]
        return [type(sink).__name__ for sink in sinks]

    assert kinds() == ["StraceSink"]
    assert kinds(calls=False, stages=False, summary=True) == ["SummarySink"]
    assert kinds(summary=True, maps=True) == ["StraceSink", "SummarySink"]
    assert kinds(json=True, summary=True) == ["JsonSink"]
    (sink,) = make_sinks(lambda text: None, TraceOptions(calls=False, stages=False, faults=True))
    assert sink.kinds == (FaultEvent,)
