"""Events of a Linux guest's boot: where its kernel is, by its own symbols, and what it prints.

`pid` is 0: the guest's processes are its own affair. `time_ns` is virtual, from power-on.
"""

from __future__ import annotations

from typing import ClassVar

from youcpu.record import record
from youcpu.trace.events import Event


@record
class LinuxStageEvent(Event):
    """A stage of the kernel begins: the function of that name is about to run."""

    kind: ClassVar[str] = "linux_stage"
    stage: str
    address: int
    cpl: int
    #: Since power-on, five a basic block.
    instructions: int
    detail: str = ""


@record
class GuestSyscallEvent(Event):
    """One of the first system calls of the guest's programs."""

    kind: ClassVar[str] = "guest_syscall"
    number: int
    name: str
    arguments: tuple[int, ...]
    #: RIP behind the SYSCALL.
    ip: int


@record
class ConsoleEvent(Event):
    """What the guest sent to its first UART."""

    kind: ClassVar[str] = "output"
    data: bytes


@record
class LinuxEndEvent(Event):
    """How it ended. `outcome` is one of OUTCOMES; `message`: one sentence for the user."""

    kind: ClassVar[str] = "boot_end"
    outcome: str
    message: str
    instructions: int


#: What a run can end with, and whether that is what its user wanted.
OUTCOMES = {
    "halted": True, "restart": True, "stage": True, "text": True, "left": True, "idle": True,
    "panic": False, "triple fault": False, "unsupported": False, "bus error": False,
    "limit": False, "timeout": False,
}  # fmt: skip
