"""Events of a boot: stages, what firmware and guest print, how it ended."""

from __future__ import annotations

from typing import ClassVar

from youcpu.record import field, record
from youcpu.trace.events import Event

#: In the order of a boot.
STAGES = ("firmware", "bootloader", "protected", "long", "kernel", "user")


@record(frozen=True)
class RegisterChange:
    """A system register that changed, and the instruction behind which that showed.

    `before` and `after`: its value; of CS and TR the selector, of GDTR and IDTR the base.
    `raised`, `lowered`: names of its flags. `meaning`: what the value says, in words.
    """

    register: str
    before: int
    after: int
    raised: tuple[str, ...] = ()
    lowered: tuple[str, ...] = ()
    meaning: str = ""
    #: CS and RIP of the instruction, and its text; empty where it is not known.
    cs: int = 0
    ip: int = 0
    instruction: str = ""


@record
class StageEvent(Event):
    """A stage begins. `mode`: of the CPU, in words; `changes` since the stage before."""

    kind: ClassVar[str] = "stage"
    stage: str
    mode: str
    cs: int
    ip: int
    #: Linear address of the next instruction.
    address: int
    cpl: int
    #: Instructions since reset, five a basic block.
    instructions: int
    changes: tuple[RegisterChange, ...] = ()
    #: All system registers at this moment, by name.
    registers: dict[str, int] = field(default_factory=dict)


@record
class ModeEvent(Event):
    """The CPU's mode changed again, after its stage had been reached before."""

    kind: ClassVar[str] = "mode"
    mode: str
    cs: int
    ip: int
    changes: tuple[RegisterChange, ...] = ()


@record
class PostEvent(Event):
    """A step of the firmware's power-on self-test: the code on port 80h and what it means."""

    kind: ClassVar[str] = "post"
    code: int
    text: str


@record
class MemoryMapEvent(Event):
    """What INT 15h E820 said, as the loader hands it to the kernel: (base, length, type)."""

    kind: ClassVar[str] = "memory_map"
    entries: tuple[tuple[int, int, int], ...]


@record
class OutputEvent(Event):
    """Bytes that left the machine. `channel`: screen (INT 10h), serial (COM1), console."""

    kind: ClassVar[str] = "output"
    channel: str
    data: bytes


@record
class ScreenEvent(Event):
    """The text screen at the end: its rows without what is blank at their right."""

    kind: ClassVar[str] = "screen"
    rows: tuple[str, ...]


@record(frozen=True)
class Detail:
    """One line behind a verdict: what it is about, its value, what follows from it."""

    name: str
    value: str
    note: str = ""


@record
class BootEndEvent(Event):
    """How it ended. `outcome`: one of OUTCOMES; `message`: one sentence that names the cause."""

    kind: ClassVar[str] = "boot_end"
    outcome: str
    message: str
    details: tuple[Detail, ...] = ()
    instructions: int = 0


OUTCOMES = (
    "power off", "restart", "halt", "loop", "idle", "stopped", "triple fault", "fault",
    "not bootable", "lost", "panic", "limit", "timeout", "unsupported",
)  # fmt: skip
