"""One question to a stepped program, answered as text or JSON."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TextIO

from youcpu.commands._step.options import Question, Watched
from youcpu.hardware.recording_cpu import RecordingUnavailable
from youcpu.kernel.errors import KernelError
from youcpu.launch import FAILED, Failure, ended, exec_failure
from youcpu.machine import TimeLimit
from youcpu.stepping.stepper import CannotGoBack, Pause, Stepper
from youcpu.trace.steps import DoorEvent, StepEvent

if TYPE_CHECKING:
    from youcpu.stepping.run import Program

INTERRUPTED = 130


class View(Protocol):
    """How steps are shown: step_text.StepText or step_json.StepJson behind one interface."""

    def start(self, argv: list[str], pid: int, registers: dict[str, int]) -> None: ...
    def step(self, step: StepEvent) -> None: ...
    def back(self, undone: list[StepEvent], count: int, how: str, position: int) -> None: ...
    def end(
        self, reason: str, steps: int, registers: dict[str, int] | None, status: int | None
    ) -> None: ...
    def flush(self) -> None: ...


class TextView:
    """Blocks or lines of text."""

    def __init__(self, write: Callable[[str], object], question: Question, color: bool) -> None:
        from youcpu.render.step_text import StepText

        self._write = write
        self._held: list[str] = []
        self._registers = question.registers
        self._text = StepText(color, question.short, question.explained)

    def start(self, argv: list[str], pid: int, registers: dict[str, int]) -> None:
        """Nothing: the first step says where it is."""

    def step(self, step: StepEvent) -> None:
        self._put(self._text.step(step))

    def back(self, undone: list[StepEvent], count: int, how: str, position: int) -> None:
        for step in undone:
            self._put(self._text.undone(step))
        means = "from the records" if how == "records" else "by playing the run again"
        self._put(f"back  {count} steps taken back {means}; {position} are left\n")

    def end(
        self, reason: str, steps: int, registers: dict[str, int] | None, status: int | None
    ) -> None:
        if self._registers and registers is not None:
            from youcpu.render.step_text import registers_text

            for line in registers_text(registers):
                self._put(line + "\n")
        self.flush()

    def _put(self, text: str) -> None:
        self._held.append(text)
        if len(self._held) >= 64:
            self.flush()

    def flush(self) -> None:
        self._write("".join(self._held))
        self._held.clear()


def power_on(program: Program) -> Stepper:
    """The program before its first instruction. Raises Failure."""
    try:
        return Stepper(program)
    except KernelError as error:
        raise exec_failure(error, program.path) from None
    except RecordingUnavailable as error:
        raise Failure(f"{error}: no way to record instructions") from None


class Session:
    """Steps a program as `question` asks and says what came of it."""

    def __init__(
        self,
        program: Program,
        question: Question,
        view: View | None,
        out: TextIO,
        tell: Callable[[str], None],
    ) -> None:
        self.program = program
        self.question = question
        #: None: nothing is shown, the caller steps by itself.
        self._view = view
        self._out = (out, sys.stderr)
        self._tell = tell
        self.stepper = power_on(program)
        limit = question.timeout_s
        self._deadline = None if limit is None else time.monotonic() + limit
        self._shown = 0
        self._watches = [_Watch(self.stepper, watched) for watched in question.watches]

    @property
    def view(self) -> View:
        """How steps are shown."""
        assert self._view is not None
        return self._view

    def run(self) -> int:
        """The exit code."""
        try:
            return self._run()
        except TimeLimit:
            self._tell(f"the time limit of {self.question.timeout_s:g} s was reached")
            code, reason = FAILED, "timeout"
        except KeyboardInterrupt:
            code, reason = INTERRUPTED, "interrupt"
        self._end(reason, None)
        return code

    def _run(self) -> int:
        question, stepper = self.question, self.stepper
        pause = self.seek() if question.start else None
        if pause is None:
            self.view.start(
                [word.decode("utf-8", "backslashreplace") for word in self.program.argv],
                stepper.run.pid, stepper.registers(),
            )  # fmt: skip
            pause = self._steps()
        self._output()
        if question.back:
            self._back()
            pause = Pause("back")
        return self._outcome(pause)

    def _outcome(self, pause: Pause) -> int:
        self._end(pause.reason, pause.status)
        steps = self.stepper.position
        if pause.reason == "deadlock":
            self._tell("every task sleeps and nothing can wake one: deadlock")
            return FAILED
        if pause.status is None or pause.reason != "end":
            if self.question.quiet:
                place = self.stepper.name(self.stepper.address)
                self._tell(
                    f"{steps:,} steps; next is {self.stepper.address:#x}"
                    + (f" <{place}>" if place else "")
                )
            return 0
        outcome = ended(self.stepper.run.machine, pause.status, self.program.path)
        how = f"exit {outcome.code}" if not pause.status & 0x7F else f"signal {pause.status & 0x7F}"
        wanted = ""
        if self.question.until:
            wanted = f"; {self.question.until} did not come"
        elif self.question.count is not None and steps < self.question.count:
            wanted = f"; {self.question.count:,} were asked for"
        self._tell(f"the program ended after {steps:,} steps: {how}{wanted}")
        return outcome.code

    # -- the way to the first step ---------------------------------------------------------------

    def seek(self) -> Pause | None:
        """None: it is there. Raises Failure."""
        place = self.question.start or ""
        pause = self.stepper.seek(lambda: self._find(place), self._deadline)
        self._output()
        if pause.reason == "target":
            return None
        raise Failure(f"--from {place}: the program ended before it came" + self._hint(place))

    def _find(self, place: str) -> int | None:
        """Address of a PLACE, None: there is none now."""
        try:
            return int(place, 16 if place.lower().startswith("0x") else 10)
        except ValueError:
            pass
        try:
            return self.stepper.find(place)
        except ValueError:
            raise Failure(f"{place}: NAME+OFFSET is wanted", 2) from None

    def _hint(self, place: str) -> str:
        if place[:1].isdigit():
            return ""
        near = self.stepper.places.near(place)
        return f"; there is no symbol '{place}' in it" + (f"; did you mean {near}?" if near else "")

    # -- steps -----------------------------------------------------------------------------------

    def _steps(self) -> Pause:
        question, stepper = self.question, self.stepper
        left = question.count
        until = question.until
        target = self._find(until) if until else None
        while True:
            searching = until is not None and target is None
            # A place in a file that is not mapped yet: look again from time to time.
            count = 20_000 if searching else None
            if left is not None:
                count = left if count is None else min(count, left)
            before = stepper.position
            pause = stepper.step(
                count, () if target is None else (target,),
                None if question.quiet else self._show, self._deadline,
            )  # fmt: skip
            if left is not None:
                left -= stepper.position - before
            if pause.reason != "count" or left == 0 or not searching:
                return Pause("until") if pause.reason == "target" else pause
            target = self._find(until or "")

    def _show(self, step: StepEvent) -> None:
        hit = True
        if self._watches:
            # Each must see the step, whatever the ones before it say.
            hit = max([watch.changed(step) for watch in self._watches])
        if hit:
            self.view.step(step)
            self._shown += 1
        if step.kernel:
            self._output()
        if hit and self.question.stop:
            self.stepper.stop()

    def _back(self) -> None:
        position = self.stepper.position
        if self.question.back > position:
            self._tell(f"--back {self.question.back}: there were {position:,} steps")
        try:
            done = self.stepper.back(self.question.back)
        except CannotGoBack as error:
            raise Failure(f"--back: {error}") from None
        undone = done.undone if not self._watches else []
        self.view.back(undone, done.count, done.how, self.stepper.position)
        if done.how == "replay":
            self._tell("what the program wrote meanwhile is written: that is not taken back")

    def _end(self, reason: str, status: int | None) -> None:
        registers = None if self.stepper.ended else self.stepper.registers()
        self.view.end(reason, self.stepper.position, registers, status)

    def _output(self) -> None:
        """What the program wrote goes its way."""
        pending = self.program.streams.pending(self.stepper.run.output)
        for stream, data in zip(self._out, pending, strict=True):
            if data:
                self.view.flush()
                stream.flush()
                stream.buffer.write(data)
                stream.buffer.flush()

    def close(self) -> None:
        """Power off."""
        self.stepper.close()


class _Watch:
    """Says which steps change one thing."""

    def __init__(self, stepper: Stepper, watched: Watched) -> None:
        self.watched = watched
        self.stepper = stepper
        self._bytes: bytes | None = None
        #: What was there behind each door of steps that are not reported yet.
        self._behind_doors: deque[bytes] = deque()
        if not watched.register:
            stepper.behind_door.append(self._look)

    def _read(self) -> bytes:
        return self.stepper.memory(self.watched.address, self.watched.size)

    def _look(self) -> None:
        self._behind_doors.append(self._read())

    def changed(self, step: StepEvent) -> bool:
        """Whether the step did."""
        watched = self.watched
        if watched.register:
            return any(change.name == watched.register for change in step.changes)
        found = False
        low, high = watched.address, watched.address + watched.size
        for access in step.accesses:
            if not access.write or access.address is None:
                continue
            start = max(low, access.address) - access.address
            end = min(high, access.address + access.size) - access.address
            if start < end:
                found |= not access.old_known or access.old[start:end] != access.new[start:end]
        for event in step.kernel:
            if isinstance(event, DoorEvent) and self._behind_doors:
                after = self._behind_doors.popleft()
                found |= self._bytes is not None and after != self._bytes and not found
                self._bytes = after
        return found
