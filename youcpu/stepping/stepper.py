"""Forwards and back through one program: SDM vol. 3B, 17.3.1.4, and what a debugger makes of it.

Forwards the CPU records (hardware/recording_cpu.py) and this file makes StepEvents of the records.
Back is one of two ways:

- by the records, where no kernel code ran in between: registers from the ring, memory from the
  log of stores, newest first;
- else by playing the run again from power-on to that instruction, on a new machine. The machine is
  deterministic, so registers, memory and all of the kernel are as they were. Where the records
  still hold that step, the registers are compared with them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from youcpu.hardware.cpu import INSTRUCTIONS_PER_BLOCK, RIP
from youcpu.hardware.recording_cpu import ENDLESS, SLOTS, Mode, Reason, Slot
from youcpu.kernel.clock import NS_PER_BLOCK
from youcpu.kernel.sched import Deadlock
from youcpu.record import record
from youcpu.stepping import registers as regs
from youcpu.stepping.memory import VirtualAddresses, memory_accesses, physical_address, read_memory
from youcpu.stepping.places import Places
from youcpu.stepping.run import Program, Run
from youcpu.trace.steps import MemoryAccess, StepEvent

if TYPE_CHECKING:
    from youcpu.kernel.task import Task

#: Code, symbol, source line, time of a step.
_Fetched = tuple[bytes, str, tuple[str, int] | None, int]
OnStep = Callable[[StepEvent], None]
#: Steps at a time: with someone who looks at each, and without.
_BATCH, _QUIET_BATCH = SLOTS // 2, 1 << 14
#: Most points that are remembered for a way back by playing again.
_MOST_ANCHORS = 4096
#: How far before its goal a run that is played again begins to record.
_RUN_UP = 256


class CannotGoBack(Exception):
    """There is no way back to that step; one line for the user."""


@record
class Pause:
    """Why the program stands still: count, target, end (`status`: of wait4), deadlock, stop."""

    reason: str
    status: int | None = None


@record
class Back:
    """How steps were taken back: `how` is records or replay; the steps that are undone, newest
    first, as far as they were looked at."""

    count: int
    how: str
    undone: list[StepEvent]


class Stepper:
    """A program that can be stepped. Raises what executing it raises (Machine.execute)."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.places = Places()
        #: The steps that were looked at last.
        self.history: deque[StepEvent] = deque(maxlen=SLOTS)
        self._addresses = VirtualAddresses()
        #: Called behind each way through the kernel.
        self.behind_door: list[Callable[[], None]] = []
        #: A machine that was powered on ahead, for the next way back.
        self._spare: Run | None = None
        self.run = self._power_on()
        self.program.streams.rewind()
        #: (step, ticks) of points that were passed; None: recording has not begun.
        self._anchors: list[tuple[int, int]] = []
        self._on_step: OnStep | None = None
        #: Steps below are reported; the first one may have its code read already.
        self._reported = 0
        self._fetched: _Fetched | None = None
        self._stop_at: int | None = None
        self._stop_at_call = False
        self.ended: Pause | None = None

    def _power_on(self) -> Run:
        run = Run(self.program)
        run.before_door, run.after_door = self._before_door, self._after_door
        return run

    # -- where it stands -----------------------------------------------------------------------

    @property
    def task(self) -> Task:
        """The task that is followed."""
        return self.run.task

    @property
    def position(self) -> int:
        """Steps done."""
        return self.run.cpu.steps if self._anchors else 0

    @property
    def address(self) -> int:
        """RIP: what is fetched next."""
        return self.run.cpu.state[RIP]

    @property
    def flags(self) -> int:
        """RFLAGS."""
        return self.run.cpu.eflags()

    @property
    def ring(self) -> int:
        """The current privilege level."""
        return self.run.cpu.cpl

    def registers(self) -> dict[str, int]:
        """All registers by name (stepping/registers.py)."""
        return regs.registers(self._context(), self.flags)

    def memory(self, address: int, size: int) -> bytes:
        """Bytes at a user address, as many as are mapped."""
        return read_memory(self.run.machine.ram, self.task, address, size)

    def name(self, address: int) -> str:
        """`function+0x12` of an address."""
        return self.places.name(self.task, address)

    def source(self, address: int) -> tuple[str, int] | None:
        """(file, line) of an address."""
        return self.places.source(self.task, address)

    def find(self, place: str) -> int | None:
        """Address of a symbol in what is mapped now; `entry` is the program's own first
        instruction (e_entry), behind the dynamic linker. Raises ValueError for a bad offset."""
        if place == "entry":
            return self.run.entry_point
        return self.places.find(self.task, place)

    def _context(self) -> memoryview:
        return memoryview(self.run.cpu.snapshot())

    # -- forwards ------------------------------------------------------------------------------

    def seek(self, find: Callable[[], int | None], deadline: float | None = None) -> Pause:
        """Run to an address at full speed, before anything is recorded; `find` tells it, again
        after each system call while it says None (not mapped yet)."""
        cpu = self.run.cpu
        target = find()
        while True:
            if target == self.address and target is not None:
                return Pause("target")
            # Without a target it stops behind every system call, to ask again.
            self._stop_at_call = target is None
            cpu.prepare(Mode.COUNT, ENDLESS, () if target is None else (target,))
            pause = self._go(deadline)
            if pause.reason != "stop":
                return pause
            target = find()

    def step(
        self, count: int | None = None, targets: tuple[int, ...] = (),
        on_step: OnStep | None = None, deadline: float | None = None,
    ) -> Pause:  # fmt: skip
        """`count` steps (None: no limit), or until a target comes next. `on_step` gets each, and
        may call `stop`."""
        cpu = self.run.cpu
        if not self._anchors:
            cpu.number_from(0)
            self._anchors.append((0, cpu.ticks))
            self.run.kernel_events.clear()
        self._on_step, self._stop_at_call, self._stop_at = on_step, False, None
        left = ENDLESS if count is None else count
        batch = _BATCH if on_step else _QUIET_BATCH
        leave = True
        while left > 0 and not self.ended:
            before = cpu.steps
            cpu.prepare(Mode.RECORD, min(left, batch), targets, leave)
            pause = self._go(deadline)
            leave = False
            left -= cpu.steps - before
            self._remember()
            if self._stop_at is not None:
                self.back_to(self._stop_at)
                return Pause("stop")
            if pause.reason != "count":
                return pause
        return self.ended or Pause("count")

    def stop(self) -> None:
        """From `on_step`: this was the last one. What was done beyond it is taken back."""
        self._stop_at = self._reported

    def _go(self, deadline: float | None) -> Pause:
        run = self.run
        try:
            paused = run.go(deadline)
        except Deadlock:
            self.ended = Pause("deadlock")
            paused = False
        except BaseException:
            self._report(final=True)
            raise
        self._report(final=True, completed=paused)
        if not paused:
            self.ended = self.ended or Pause("end", run.status)
            return self.ended
        reason = run.cpu.reason
        if self._stop_at_call and reason is Reason.BUDGET:
            return Pause("stop")
        return Pause("target" if reason is Reason.TARGET else "count")

    def _remember(self) -> None:
        """A point for a way back by playing again."""
        anchors, here = self._anchors, (self.run.cpu.steps, self.run.cpu.ticks)
        if here[0] >= anchors[-1][0] + _RUN_UP:
            anchors.append(here)
        if len(anchors) > _MOST_ANCHORS:
            del anchors[1::2]

    # -- records to events ---------------------------------------------------------------------

    def _before_door(self) -> None:
        if self._on_step is not None and self.run.cpu.mode == Mode.RECORD:
            self._report(final=False)

    def _after_door(self, how: str) -> None:
        for look in self.behind_door:
            look()
        if how == "exception":
            return
        # The call may have mapped other files.
        self.places.forget()
        if self._stop_at_call and self.run.cpu.mode == Mode.COUNT:
            self.run.cpu.spend_budget()

    def _report(self, final: bool, completed: bool = True) -> None:
        """Events of the steps that are over; of the one under way only its code is read."""
        cpu = self.run.cpu
        if cpu.mode != Mode.RECORD:
            return
        if self._on_step is None:
            self._reported, self._fetched = cpu.steps, None
            self.run.kernel_events.clear()
            return
        reader = _CodeReader(self.run, self._reported)
        after: Slot | None = None
        while self._reported < cpu.steps:
            number = self._reported
            slot = after or cpu.slot(number)
            if self._fetched is None:
                self._fetched = self._fetch(reader, slot)
            last = number + 1 == cpu.steps
            if last and not final:
                return
            after = None if last else cpu.slot(number + 1)
            event = self._event(number, slot, after, self._fetched, completed or not last)
            self._reported, self._fetched = number + 1, None
            self.history.append(event)
            if self._stop_at is None:
                self._on_step(event)

    def _fetch(self, reader: _CodeReader, slot: Slot) -> _Fetched:
        """What must be read before the kernel may change it: code, names, time."""
        clock = self.run.kernel.clock
        behind = clock.blocks() - slot.ticks // INSTRUCTIONS_PER_BLOCK
        return (
            reader.read(slot), self.name(slot.address), self.source(slot.address),
            clock.realtime_ns() - behind * NS_PER_BLOCK,
        )  # fmt: skip

    def _event(
        self, number: int, slot: Slot, after: Slot | None, fetched: _Fetched, completed: bool
    ) -> StepEvent:
        run, task = self.run, self.task
        cpu = run.cpu
        if after is None:
            new, flags = self._context(), self.flags
            following, end = cpu.state[RIP], cpu.access_count
        else:
            new, flags = after.context, after.eflags
            following, end = after.address, after.access_index
        hints = tuple(slot.context[40:168].cast("Q"))
        accesses: tuple[MemoryAccess, ...] = ()
        if end > slot.access_index:
            accesses = tuple(
                memory_accesses(cpu.accesses(slot.access_index, end), self._addresses, task, hints)
            )
        # A report is made before each door: what the doors told since is of its first step.
        kernel = tuple(run.kernel_events)
        run.kernel_events.clear()
        return StepEvent(
            run.pid, fetched[3], number + 1, slot.address, *fetched[:3], regs.ring_of(slot.context),
            following, self.name(following), regs.ring_of(new),
            tuple(regs.changes(slot.context, slot.eflags, new, flags)) if completed else (),
            accesses, kernel, completed,
        )  # fmt: skip

    # -- back ----------------------------------------------------------------------------------

    def back(self, count: int) -> Back:
        """Take steps back. Raises CannotGoBack."""
        return self.back_to(max(0, self.position - count))

    def back_to(self, step: int) -> Back:
        """To before step `step` (from 0). Raises CannotGoBack."""
        here = self.position
        if step >= here:
            return Back(0, "records", [])
        cpu = self.run.cpu
        # A program that has ended has no registers any more.
        if not self.ended and step >= self.run.last_passage and cpu.undoable(step):
            cpu.return_to(step)
            how = "records"
        else:
            self._play_again(step)
            how = "replay"
        self.ended = None
        self.run.forget_state()
        self._anchors = [anchor for anchor in self._anchors if anchor[0] <= step]
        self._reported, self._fetched = step, None
        self._addresses = VirtualAddresses()
        undone = []
        while self.history and self.history[-1].number > step:
            undone.append(self.history.pop())
        return Back(here - step, how, undone)

    def _play_again(self, step: int) -> None:
        start, ticks = max(a for a in self._anchors if a[0] <= max(0, step - _RUN_UP))
        old = self.run
        known = bytes(old.cpu.slot(step).context) if old.cpu.holds(step) else None
        on_step, self._on_step = self._on_step, None
        run = self.run = self._power_on_again()
        self.program.streams.rewind()
        cpu = run.cpu
        try:
            self._stop_at_call = False
            if cpu.ticks < ticks:
                cpu.goal = ticks
                cpu.prepare(Mode.COUNT)
                alive = run.go()
                cpu.goal = None
                if not alive or cpu.ticks != ticks:
                    raise CannotGoBack("played again, the program took another way")
            cpu.number_from(start)
            run.last_passage = start
            run.kernel_events.clear()
            if step > start:
                cpu.prepare(Mode.RECORD, step - start)
                run.go()
            run.kernel_events.clear()
            if cpu.steps != step or (known is not None and not _same(known, cpu.snapshot())):
                raise CannotGoBack("played again, the program took another way")
        except BaseException:
            run.close()
            self.run = old
            raise
        finally:
            self._on_step = on_step
        self.places.forget()
        old.close()

    def keep_ready(self) -> None:
        """Power a machine on ahead, so that playing again takes less time when it is wanted."""
        if self._spare is None and self._anchors:
            self._spare = self._power_on_again()

    def _power_on_again(self) -> Run:
        spare, self._spare = self._spare, None
        if spare is not None:
            return spare
        try:
            return self._power_on()
        except Exception as error:
            raise CannotGoBack(f"the program cannot be executed again: {error}") from error

    def close(self) -> None:
        """Power off."""
        self.run.close()
        if self._spare is not None:
            self._spare.close()


def _same(one: bytes, other: bytes) -> bool:
    """Whether two contexts hold the same registers, lazily kept flags apart."""
    first, second = (regs.registers(memoryview(context), 0) for context in (one, other))
    return first == second


class _CodeReader:
    """Bytes of instructions as they were when they ran: code may have been written over since."""

    def __init__(self, run: Run, first: int) -> None:
        self.run = run
        cpu = run.cpu
        self.ram = run.machine.ram.bytes
        self.stores: list[tuple[int, int, bytes]] = []
        self.pages: set[int] = set()
        if first < cpu.steps:
            index = cpu.slot(first).access_index
            for number, (where, size, write, _, there) in enumerate(
                cpu.accesses(index, cpu.access_count), index
            ):
                if write:
                    self.stores.append((number, where, there[:size]))
                    self.pages.add(where >> 12)

    def read(self, slot: Slot) -> bytes:
        """The instruction of a step."""
        size = max(1, min(slot.size, 15))
        found = b""
        while len(found) < size:
            address = slot.address + len(found)
            part = min(size - len(found), 0x1000 - (address & 0xFFF))
            physical = physical_address(self.run.task, address)
            if physical is None:
                # The vsyscall page and the like: of the kernel half.
                return found + self.run.cpu.fetch(address, size - len(found))
            found += self._bytes(physical, part, slot.access_index)
        return found

    def _bytes(self, physical: int, size: int, index: int) -> bytes:
        data = bytearray(self.ram[physical : physical + size])
        if physical >> 12 in self.pages:
            for number, where, there in reversed(self.stores):
                if number < index:
                    break
                for offset, byte in enumerate(there, where - physical):
                    if 0 <= offset < size:
                        data[offset] = byte
        return bytes(data)
