"""One run of a program on a machine whose CPU records: powered on, run, paused, powered off."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from youcpu.abi.auxv import AT_ENTRY
from youcpu.hardware.cpu import CR2, RIP, RSP
from youcpu.hardware.interrupts import PAGE_FAULT
from youcpu.hardware.paging import PF_INSTR
from youcpu.hardware.recording_cpu import Mode, Paused, RecordingCpu
from youcpu.kernel.exec.load_elf import STACK_TOP
from youcpu.machine import Machine, TimeLimit
from youcpu.record import replace
from youcpu.stepping.memory import read_memory
from youcpu.stepping.streams import Output
from youcpu.trace.events import Event, ExitEvent, FaultEvent, ForkEvent, SignalEvent, SyscallEvent
from youcpu.trace.steps import DoorEvent
from youcpu.trace.tracer import Tracer

if TYPE_CHECKING:
    from youcpu.kernel.task import Task
    from youcpu.machine import MachineOptions
    from youcpu.stepping.streams import Streams


class Ended(BaseException):
    """The program that is followed has ended; others may live on. Unwinds the run."""


class Program:
    """What is run, and on what kind of machine: all that a run is made from."""

    def __init__(
        self, path: bytes, argv: list[bytes], envp: list[bytes], options: MachineOptions,
        streams: Streams,
    ) -> None:  # fmt: skip
        if options.epoch_ns is None:
            # All runs begin at the same time.
            options = replace(options, epoch_ns=time.time_ns())
        self.path, self.argv, self.envp = path, argv, envp
        self.options = options
        self.streams = streams


class Run:
    """A machine on which the program was executed. Raises what Machine.execute raises."""

    def __init__(self, program: Program) -> None:
        self.program = program
        tracer = Tracer()
        self.machine = Machine(program.options, tracer, RecordingCpu)
        cpu = self.machine.cpu
        assert isinstance(cpu, RecordingCpu)
        self.cpu: RecordingCpu = cpu
        self.kernel = self.machine.kernel
        self.output = Output()
        self.machine.standard_fds = (program.streams.stdin, *self.output.descriptors)
        try:
            self.task: Task = self.machine.execute(program.path, program.argv, program.envp)
        except BaseException:
            self.close()
            raise
        self.pid = self.task.pid
        #: AT_ENTRY of the auxiliary vector.
        self.entry_point = self._entry_point()
        #: Doors and events of the step that is under way.
        self.kernel_events: list[Event] = []
        #: Called before the kernel answers, and after it did with how it was entered.
        self.before_door: Callable[[], None] = lambda: None
        self.after_door: Callable[[str], None] = lambda how: None
        #: Steps that began before the last way through the kernel cannot be undone from records.
        self.last_passage = 0
        self._state_after = b""
        self._deadline: float | None = None
        tracer.add(_KernelSink(self))
        tracer.verbose = True
        self._wrap_doors()
        cpu.follows = self._follows
        cpu.before_run, cpu.after_run = self._before_run, self._after_run
        self.machine.between_slices = self._check_deadline
        cpu.prepare(Mode.COUNT)

    def _entry_point(self) -> int | None:
        """From the new stack: argc, argv, NULL, envp, NULL, pairs of type and value."""
        address = self.cpu.state[RSP]
        data = read_memory(self.machine.ram, self.task, address, STACK_TOP - address)
        quads = memoryview(data[: len(data) & -8]).cast("Q")
        place, ends = 1, 2
        while ends and place < len(quads):
            ends -= not quads[place]
            place += 1
        for index in range(place, len(quads) - 1, 2):
            if quads[index] == AT_ENTRY:
                return quads[index + 1]
        return None

    # -- the machine goes on -----------------------------------------------------------------

    def go(self, deadline: float | None = None) -> bool:
        """Until the CPU pauses (True) or the program has ended (False).

        Raises TimeLimit (at a time.monotonic()), Deadlock, KeyboardInterrupt.
        """
        self._deadline = deadline
        try:
            with self._interruptible():
                self.machine.run()
        except Paused:
            return True
        except Ended:
            pass
        return False

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Ctrl-C that comes at the entry of a callback of the CPU would be swallowed by ctypes."""
        if (
            threading.current_thread() is not threading.main_thread()
            or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        ):
            yield
            return

        def handler(_number: int, _frame: object) -> None:
            if not self.cpu.interrupt(KeyboardInterrupt()):
                raise KeyboardInterrupt

        signal.signal(signal.SIGINT, handler)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    @property
    def status(self) -> int | None:
        """The program's wait status once it has ended."""
        return self.kernel.init_status

    def _follows(self) -> bool:
        task = self.kernel.scheduler.current
        return task is not None and task.pid == self.pid

    def _before_run(self) -> None:
        if self.kernel.init_status is not None:
            raise Ended
        if not self._follows():
            self.note_passage()
            self._state_after = b""
            return
        current = self.kernel.scheduler.current
        if current is not None:
            self.task = current
        # A signal or a switch between slices: the kernel had its hand in.
        if self._state_after and self._state_after[40:] != self.cpu.snapshot()[40:]:
            self.note_passage()
        self._state_after = b""

    def _after_run(self) -> None:
        self._state_after = self.cpu.snapshot() if self._follows() else b""

    def _check_deadline(self) -> None:
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise TimeLimit

    def forget_state(self) -> None:
        """The registers were changed on purpose."""
        self._state_after = b""

    def note_passage(self) -> None:
        """Kernel code ran within the step that is under way."""
        self.last_passage = self.cpu.steps

    # -- doors -------------------------------------------------------------------------------

    def _wrap_doors(self) -> None:
        cpu = self.cpu
        on_syscall, on_exception = cpu.on_syscall, cpu.on_exception
        on_interrupt, on_sysenter = cpu.on_software_interrupt, cpu.on_sysenter
        on_privileged = cpu.on_privileged

        def syscall() -> None:
            self._door(on_syscall, "syscall")

        def interrupt(vector: int) -> None:
            self._door(lambda: on_interrupt(vector), "interrupt", vector)

        def exception(vector: int, error_code: int | None) -> None:
            place = cpu.state[RIP]
            fetch = vector == PAGE_FAULT and bool((error_code or 0) & PF_INSTR)
            self._door(lambda: on_exception(vector, error_code), "exception", vector, error_code)
            if self._follows() and not fetch and cpu.state[RIP] == place and cpu.steps:
                self._retry(place)

        def sysenter() -> None:
            self._door(on_sysenter, "sysenter")

        def privileged() -> None:
            self._door(on_privileged, "exception", 13, 0)

        # The kernel's own doors raise exceptions through these names, too.
        cpu.on_syscall, cpu.on_exception, cpu.on_sysenter = syscall, exception, sysenter
        cpu.on_software_interrupt, cpu.on_privileged = interrupt, privileged

    def _door(
        self, answer: Callable[[], None], how: str, vector: int | None = None,
        error_code: int | None = None,
    ) -> None:  # fmt: skip
        if not self._follows():
            answer()
            return
        self.before_door()
        self.note_passage()
        address = self.cpu.state[CR2] if vector == PAGE_FAULT and how == "exception" else None
        now = self.kernel.clock.realtime_ns()
        self.kernel_events.append(DoorEvent(self.pid, now, how, vector, error_code, address))
        answer()
        self.after_door(how)

    def _retry(self, place: int) -> None:
        """The fault was served: the instruction is tried again and is still the same step."""
        cpu = self.cpu
        if self.task.exited or cpu.mode != Mode.RECORD:
            cpu.leave_target()
            return
        if cpu.slot(cpu.steps - 1).address == place:
            cpu.forget_last()

    def close(self) -> None:
        """Power off."""
        self.machine.close()
        self.output.close()


class _KernelSink:
    """What the kernel tells of the program, for the step that is under way."""

    kinds: tuple[type[Event], ...] = (SyscallEvent, FaultEvent, SignalEvent, ForkEvent, ExitEvent)

    def __init__(self, run: Run) -> None:
        self.run = run

    def emit(self, event: Event) -> None:
        if event.pid == self.run.pid and self.run.cpu.mode == Mode.RECORD:
            self.run.kernel_events.append(event)

    def close(self) -> None:
        """Nothing is held back."""
