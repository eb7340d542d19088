"""The stepping engine: what a step is, and that steps that are taken back leave nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from youcpu.hardware.recording_cpu import SLOTS
from youcpu.machine import MachineOptions
from youcpu.stepping.run import Program
from youcpu.stepping.stepper import CannotGoBack, Stepper
from youcpu.stepping.streams import Streams
from youcpu.trace.events import SignalEvent, SyscallEvent
from youcpu.trace.steps import DoorEvent, StepEvent

ROOT = Path(__file__).parents[3]
STEP = ROOT / "fixtures" / "step"


@contextmanager
def stepping(*argv: str, stdin: str | None = None) -> Iterator[Stepper]:
    streams = Streams(stdin)
    words = [word.encode() for word in argv]
    stepper = Stepper(Program(words[0], words, [], MachineOptions(epoch_ns=0), streams))
    yield stepper
    stepper.close()
    streams.close()


def begin(stepper: Stepper) -> None:
    stepper.seek(lambda: stepper.find("begin"))


def do(stepper: Stepper, count: int) -> list[StepEvent]:
    found: list[StepEvent] = []
    stepper.step(count, on_step=found.append)
    return found


@pytest.mark.parametrize(
    ("name", "count"),
    [("sort", 3000), ("sse_convert", 900), ("x87_arithmetic", 800), ("strings", 900)],
)
def test_back_by_records_restores_all(name: str, count: int) -> None:
    with stepping(str(STEP / name)) as stepper:
        begin(stepper)
        # Once through, so that all pages are there and no fault is in the way.
        do(stepper, count)
        for steps in (1, 7, 200):
            registers, position = stepper.registers(), stepper.position
            memory = bytes(stepper.run.machine.ram.bytes[: 1 << 22])
            back = stepper.back(steps)
            assert back.count == steps
            assert [step.number for step in back.undone] == list(
                range(position, position - steps, -1)
            )
            again = do(stepper, steps)
            assert again == back.undone[::-1]
            assert stepper.registers() == registers
            assert bytes(stepper.run.machine.ram.bytes[: 1 << 22]) == memory


@pytest.mark.parametrize("name", ["syscalls", "signals", "faults", "self_modifying"])
def test_back_through_the_kernel_plays_again(name: str) -> None:
    with stepping(str(STEP / name)) as stepper:
        steps = do(stepper, 100)
        registers = stepper.registers()
        frames = stepper.run.kernel.frames.used
        back = stepper.back(95)
        assert back.how == "replay"
        assert stepper.position == 5
        assert stepper.run.kernel.frames.used < frames
        assert do(stepper, 95) == steps[5:]
        assert stepper.registers() == registers
        assert stepper.run.kernel.frames.used == frames


def test_back_from_the_end() -> None:
    with stepping(str(ROOT / "fixtures/hello/hello")) as stepper:
        steps: list[StepEvent] = []
        assert stepper.step(None, on_step=steps.append).status == 3 << 8
        assert not steps[-1].completed
        assert stepper.run.output.tail(100).count(b"hello") == 2
        stepper.back(5)
        assert stepper.run.output.tail(100).count(b"hello") == 1
        rest: list[StepEvent] = []
        assert stepper.step(None, on_step=rest.append).status == 3 << 8
        assert rest == steps[-5:]


def test_the_way_of_stopping_changes_nothing(tmp_path: Path) -> None:
    """Clock and all are the same in steps of one and in one go, with threads of time in between."""
    with stepping("/bin/ls", "/") as one, stepping("/bin/ls", "/") as other:
        steps = do(one, 400)
        assert [event for _ in range(400) for event in do(other, 1)] == steps


def test_a_replay_reads_its_input_again(tmp_path: Path) -> None:
    file = tmp_path / "input"
    file.write_bytes(b"one\ntwo\n")
    with stepping("/bin/cat", stdin=str(file)) as stepper:
        stepper.step(None)
        assert stepper.run.output.tail(100) == b"one\ntwo\n"
        stepper.back(1)
        stepper.step(None)
        assert stepper.run.output.tail(100) == b"one\ntwo\n"


def test_each_iteration_is_a_step() -> None:
    with stepping(str(STEP / "strings")) as stepper:
        begin(stepper)
        moves = [step for step in do(stepper, 400) if step.code[-2:] in (b"\xf3\xa4", b"\x66\xa5")]
        counts = [
            next((change.new for change in step.changes if change.name == "rcx"), None)
            for step in moves
        ]
        # Counts 0, 1, 2 and 17: with 0 nothing changes, else RCX goes down to 0.
        assert counts[:4] == [None, 0, 1, 0]
        assert counts[4:21] == list(range(16, -1, -1))


def test_what_the_kernel_did_is_told() -> None:
    with stepping(str(STEP / "faults")) as stepper:
        begin(stepper)
        steps = do(stepper, 120)
        vectors = [
            (event.vector, event.error_code)
            for step in steps
            for event in step.kernel
            if isinstance(event, DoorEvent) and event.how == "exception" and event.vector != 14
        ]
        assert vectors[:3] == [(0, None), (0, None), (6, None)]
        signals = [e.signal for s in steps for e in s.kernel if isinstance(e, SignalEvent)]
        assert signals[:4] == [8, 8, 4, 11]
        calls = [e.name for s in steps for e in s.kernel if isinstance(e, SyscallEvent)]
        assert calls[0] == "sigaltstack"


def test_records_are_bounded_and_older_steps_are_played_again() -> None:
    with stepping("/bin/ls", "/") as stepper:
        do(stepper, 3 * SLOTS)
        assert len(stepper.history) == SLOTS
        back = stepper.back(2 * SLOTS)
        assert back.how == "replay"
        assert stepper.position == SLOTS
        registers = stepper.registers()
        do(stepper, 2 * SLOTS)
        stepper.back(2 * SLOTS)
        assert stepper.registers() == registers


def test_a_replay_that_goes_another_way_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with stepping(str(STEP / "syscalls")) as stepper:
        do(stepper, 60)
        position, registers = stepper.position, stepper.registers()
        monkeypatch.setattr(stepper.program, "argv", [b"another", b"one", b"x" * 500])
        with pytest.raises(CannotGoBack):
            stepper.back(60)
        assert (stepper.position, stepper.registers()) == (position, registers)


def test_only_the_first_process_is_followed() -> None:
    with stepping(str(ROOT / "fixtures/family/family")) as stepper:
        steps: list[StepEvent] = []
        pause = stepper.step(None, on_step=steps.append)
        assert pause.status == 0
        assert {step.pid for step in steps} == {stepper.run.pid}
        # Children ran in between: there is no way back by records alone, but there is one.
        stepper.back(len(steps) - 10)
        again: list[StepEvent] = []
        stepper.step(None, on_step=again.append)
        assert again == steps[10:]
