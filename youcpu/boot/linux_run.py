"""A Linux guest on its board: its console, its stages by its symbols, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from youcpu.boot.console import Console
from youcpu.hardware.board import Board, End, Ending
from youcpu.hardware.delivery import Delivery
from youcpu.hardware.registers import CS, R8, R9, R10, RAX, RCX, RDI, RDX, RIP, RSI
from youcpu.record import record
from youcpu.trace.events import Event
from youcpu.trace.linux_boot_events import (
    OUTCOMES,
    ConsoleEvent,
    GuestSyscallEvent,
    LinuxEndEvent,
    LinuxStageEvent,
)

#: Functions of the kernel that begin a stage, and what they are (init/main.c, init/initramfs.c).
STAGES = {
    "start_kernel": "C code: memory, scheduler, interrupts, console",
    "rest_init": "threads for kernel_init and kthreadd; this one becomes the idle task",
    "kernel_init": "process 1, still in the kernel: drivers and the initramfs",
    "free_initmem": "the code that ran once is given back",
    "run_init_process": "execve of init",
}
#: The stage that no symbol names: the first instruction in ring 3.
USER = "user"
#: System calls that are told after it.
FIRST_SYSCALLS = 8
PANIC_END = b"---[ end Kernel panic"
#: Virtual time without a sign of life after the end of the input.
PATIENCE_NS = 120_000_000_000
_SECOND = 1_000_000_000


@record(frozen=True)
class Limits:
    """What ends a run from outside; None: no limit."""

    instructions: int | None = None
    timeout_s: float | None = None
    #: A stage's name, and a text on the console.
    stop_at: str | None = None
    until: bytes | None = None


class LinuxRun:
    """Watches one board. `emit` takes the events, where somebody listens."""

    def __init__(self, board: Board, console: Console) -> None:
        self.board, self.console = board, console
        self.emit: Callable[[Event], None] = lambda event: None
        #: Stages that have not begun yet: name and address.
        self.stages: dict[str, int] = {}
        self._syscalls_left = 0
        self._limits = Limits()
        self._quiet_since = 0
        self._panicked = False
        #: Set by whoever wants the end (a signal handler): taken up after the slice.
        self.interrupted = False
        #: Called after every slice.
        self.on_slice: Callable[[], None] = lambda: None

    def watch(self, stages: Iterable[tuple[str, int]]) -> None:
        """Tell the stages that begin at these addresses, and the first ring 3 code after them."""
        self.stages = dict(stages)
        for name, address in self.stages.items():
            if name != USER:
                self.board.cpu.watch_address(address, lambda name=name: self._reached(name))  # type: ignore[misc]
        self.stages.setdefault(USER, 0)
        if "run_init_process" not in self.stages:
            self._watch_user()

    def _reached(self, name: str) -> None:
        address = self.stages.pop(name, None)
        if address is None:
            return
        self._stage(name, address, STAGES[name])
        if name == "run_init_process":
            self._watch_user()

    def _watch_user(self) -> None:
        self.board.silicon.on_delivery = self._look_for_ring_3
        self.board.silicon.on_syscall = self._syscall

    def _look_for_ring_3(self, attempts: list[Delivery]) -> None:
        before = attempts[0].before
        if before.cpl == 3:
            self._first_user(before.rip)

    def _first_user(self, rip: int) -> None:
        """The first code of a program: its page is not there yet, so a fault tells of it."""
        silicon = self.board.silicon
        silicon.on_delivery = None
        self._syscalls_left = FIRST_SYSCALLS
        if self.stages.pop(USER, None) is not None:
            self._stage(USER, rip, "the first instruction in ring 3", cpl=3)

    def _syscall(self) -> None:
        state = self.board.cpu.state
        if USER in self.stages:
            self._first_user(state[RCX])
        if self._syscalls_left <= 0:
            self.board.silicon.on_syscall = None
            return
        self._syscalls_left -= 1
        from youcpu.abi.syscalls import syscall_name

        number = state[RAX] & 0xFFFFFFFF
        arguments = tuple(state[register] for register in (RDI, RSI, RDX, R10, R8, R9))
        time_ns = self.board.now_ns()
        name = syscall_name(number)
        self.emit(GuestSyscallEvent(0, time_ns, number, name, arguments, state[RCX]))

    def _stage(self, name: str, address: int, detail: str, cpl: int = 0) -> None:
        board = self.board
        self._tell_output()
        self.emit(
            LinuxStageEvent(0, board.now_ns(), name, address, cpl, board.instructions, detail)
        )
        if name == self._limits.stop_at:
            board.end(Ending(End.STOPPED, "stage"))

    # -- running -----------------------------------------------------------------------

    def run(self, limits: Limits | None = None) -> LinuxEndEvent:
        """Run to the end, which is told as an event too."""
        self._limits = limits or Limits()
        board = self.board
        board.on_slice, board.on_idle = self._after_slice, self._idle
        self._quiet_since = board.now_ns()
        ending = board.run(self._limits.instructions, self._limits.timeout_s)
        self._tell_output()
        outcome, message = self._outcome(ending)
        event = LinuxEndEvent(0, board.now_ns(), outcome, message, board.instructions)
        self.emit(event)
        return event

    def _tell_output(self) -> None:
        data = self.console.flush()
        if not data:
            return
        board = self.board
        self._quiet_since = board.now_ns()
        self.emit(ConsoleEvent(0, board.now_ns(), data))
        recent = self.console.recent
        until = self._limits.until
        if until is not None and until in recent[-len(data) - len(until) :]:
            board.end(Ending(End.STOPPED, "text"))
        end = recent.rfind(PANIC_END, max(len(recent) - len(data) - 200, 0))
        if end >= 0 and b"\n" in recent[end:]:
            self._panicked = True
            board.end(Ending(End.STOPPED, "panic"))

    def _after_slice(self) -> None:
        self._tell_output()
        if self.console.interactive:
            self.console.poll()
            self.console.feed(self.board.uart)
        if self.interrupted or self.console.left:
            self.board.end(Ending(End.STOPPED, "left"))
        self.on_slice()

    def _idle(self, due: int | None) -> bool:
        """All of the guest sleeps: time for input, or to let virtual time pass as real time."""
        board, console = self.board, self.console
        if console.poll() and console.feed(board.uart):
            self._quiet_since = board.now_ns()
            return True
        if console.ended and not console.waiting:
            if board.now_ns() - self._quiet_since > PATIENCE_NS:
                board.end(Ending(End.STOPPED, "idle"))
            return False
        if console.waiting:
            return False
        # Somebody may type: wait for it no longer than the guest waits for its timer.
        wait = 0.25 if due is None else min(max(due - board.now_ns(), 0) / _SECOND, 0.25)
        if console.poll(wait):
            return console.feed(board.uart)
        return due is None

    def _outcome(self, ending: Ending) -> tuple[str, str]:
        """Name and sentence of an ending."""
        board = self.board
        if ending.end is End.STOPPED:
            return ending.detail, _STOPPED[ending.detail]
        if ending.end is End.HALTED:
            return "halted", "the guest halted its processor"
        if ending.end is End.RESET:
            return "restart", "the guest restarted the machine"
        where = f"{board.cpu.state[CS] & 0xFFFF:#x}:{board.cpu.state[RIP]:#x}"
        if ending.end is End.SHUTDOWN:
            return "triple fault", f"triple fault at {where}: {_reason(ending.deliveries)}"
        if ending.end is End.LIMIT:
            return "limit", f"--max-insns: {board.instructions:,} instructions are over"
        if ending.end is End.TIMEOUT:
            return "timeout", "--timeout: the time is over"
        return ending.end.value, f"{ending.detail or ending.end.value} at {where}"


def _reason(attempts: tuple[Delivery, ...]) -> str:
    parts = [
        f"vector {attempt.cause.vector}: {attempt.fault.reason}"
        for attempt in attempts
        if attempt.fault is not None
    ]
    return "; ".join(parts)


_STOPPED = {
    "stage": "stopped at the stage that was asked for",
    "text": "the console printed the text that was waited for",
    "left": "ended by its user",
    "idle": "the input has ended and the guest waits for more",
    "panic": "the guest's kernel panicked",
}
assert _STOPPED.keys() <= OUTCOMES.keys()
