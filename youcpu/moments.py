"""Moments of a run at which the machine stands still: --at of the commands that look into it.

exec              before the first instruction of the program
exit              when the first program ends, its memory still there
syscall:NAME[:N]  before the N-th (first) call of that name, by any process
symbol:NAME[:N]   before the N-th time that the function's first instruction runs
insns:N           after N instructions
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from youcpu.abi.syscalls import NAMES_X86_64
from youcpu.hardware.cpu import RAX, RIP
from youcpu.kernel.vfs.inode import Inode
from youcpu.launch import Failure
from youcpu.record import record
from youcpu.trace.events import Event, ExitEvent

if TYPE_CHECKING:
    from youcpu.kernel.task import Task
    from youcpu.machine import Machine
    from youcpu.symbols import FileSymbols

KINDS = ("exec", "exit", "syscall", "symbol", "insns")


class Stopped(BaseException):
    """The moment is there: unwinds the run. No Exception: nobody on the way shall handle it."""


@record(frozen=True)
class Moment:
    """`kind` is one of KINDS; `name` of the call or function; the `count`-th time, from 1."""

    kind: str
    name: str = ""
    count: int = 1

    @property
    def text(self) -> str:
        """As the user writes it."""
        if self.kind == "insns":
            return f"insns:{self.count}"
        times = f":{self.count}" if self.count > 1 else ""
        return f"{self.kind}:{self.name}{times}" if self.name else self.kind


def parse_moment(text: str) -> Moment:
    """Raises Failure (wrong usage)."""
    kind, _, rest = text.partition(":")
    if kind not in KINDS:
        raise Failure(f"--at {text}: none of exec, exit, syscall:NAME[:N], symbol:NAME, insns:N", 2)
    if kind in ("exec", "exit"):
        if rest:
            raise Failure(f"--at {text}: nothing follows {kind}", 2)
        return Moment(kind)
    if kind == "insns":
        return Moment(kind, "", _number(text, rest))
    name, colon, number = rest.rpartition(":")
    if not colon or not number.isdigit():
        name, number = rest, "1"
    if not name:
        raise Failure(f"--at {text}: {kind}:NAME is wanted", 2)
    if kind == "syscall" and name not in NAMES_X86_64.values():
        raise Failure(f"--at {text}: no system call '{name}'", 2)
    return Moment(kind, name, _number(text, number))


def _number(text: str, digits: str) -> int:
    if not digits.isdigit() or not int(digits):
        raise Failure(f"--at {text}: a number from 1 on is wanted", 2)
    return int(digits)


class Watch:
    """Waits for one moment of a machine that is about to run; `reached` is called there, once."""

    def __init__(self, machine: Machine, moment: Moment, reached: Callable[[Task], None]) -> None:
        self.machine = machine
        self.kernel = machine.kernel
        self.cpu = machine.cpu
        self.moment = moment
        self.left = moment.count
        self.done = False
        self._reached = reached
        getattr(self, f"_watch_{moment.kind}")()

    def _hit(self) -> None:
        if self.done:
            return
        self.left -= 1
        if not self.left:
            self.done = True
            task = self.kernel.scheduler.current
            assert task is not None
            self._reached(task)

    def _watch_exec(self) -> None:
        self._hit()

    def _watch_exit(self) -> None:
        self.machine.tracer.add(_ExitSink(self))

    def task_ends(self, event: ExitEvent) -> None:
        """A task is about to let go of its memory."""
        if event.pid == self.machine.first_pid and not event.thread:
            self._hit()

    def _watch_syscall(self) -> None:
        (number,) = [n for n, name in NAMES_X86_64.items() if name == self.moment.name]
        state, answer = self.cpu.state, self.cpu.on_syscall

        def on_syscall() -> None:
            if state[RAX] & 0xFFFFFFFF == number:
                self._hit()
            answer()

        self.cpu.on_syscall = on_syscall

    def _watch_symbol(self) -> None:
        finder = SymbolFinder(self.moment.name)
        answer = self.cpu.on_syscall

        def look() -> None:
            task = self.kernel.scheduler.current
            address = finder.find(task) if task is not None else None
            if address is not None:
                self.cpu.watch_address(address, self._hit)

        def on_syscall() -> None:
            if not finder.found:
                look()
            answer()

        self.cpu.on_syscall = on_syscall
        look()

    def _watch_insns(self) -> None:
        # A fault runs its instruction again: it counts once.
        faulted = False
        state, answer = self.cpu.state, self.cpu.on_exception
        passed = 0

        def on_exception(vector: int, error_code: int | None) -> None:
            nonlocal faulted
            place = state[RIP]
            answer(vector, error_code)
            faulted = state[RIP] == place

        def before(_address: int, _size: int) -> None:
            nonlocal faulted, passed
            if faulted:
                faulted = False
                return
            if passed == self.moment.count:
                self.left = 1
                self._hit()
                self.cpu.watch_instructions(None)
            passed += 1

        self.cpu.on_exception = on_exception
        self.cpu.watch_instructions(before)


class _ExitSink:
    kinds: tuple[type[Event], ...] = (ExitEvent,)

    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def emit(self, event: Event) -> None:
        if isinstance(event, ExitEvent):
            self.watch.task_ends(event)

    def close(self) -> None:
        """Nothing is held back."""


class SymbolFinder:
    """Address of a function by name, once the file that has it is mapped; each is read once."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.found = False
        #: Files that have it, with its place in them; None: it does not.
        self._places: dict[Inode, int | None] = {}

    def find(self, task: Task) -> int | None:
        """Where it is mapped now, None where it is not."""
        for area in task.mm.vm_areas():
            if area.file is None:
                continue
            inode = area.file.inode
            if inode not in self._places:
                self._places[inode] = self._offset(_symbols(area.file.pread(inode.size, 0)))
            offset = self._places[inode]
            start = area.pgoff << 12
            if offset is not None and start <= offset < start + area.size and area.flags & 4:
                self.found = True
                return area.start + offset - start
        return None

    def _offset(self, symbols: FileSymbols) -> int | None:
        for address, _, name in symbols.names:
            if name == self.name:
                for offset, size, start in symbols.loads:
                    if start <= address < start + size:
                        return offset + address - start
        return None


def _symbols(data: bytes) -> FileSymbols:
    from youcpu.symbols import FileSymbols

    return FileSymbols(data)
