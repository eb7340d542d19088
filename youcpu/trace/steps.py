"""Events of `step`: what one turn of the fetch-execute cycle did (SDM vol. 1, 3.5: RIP and on)."""

from __future__ import annotations

from typing import ClassVar

from youcpu.record import record
from youcpu.trace.events import Event


@record
class RegisterChange:
    """A register that has another value now; numbers without sign, `bits` wide."""

    name: str
    bits: int
    old: int
    new: int


@record
class MemoryAccess:
    """A load or a store. `address` is None where the page is mapped no more.

    `old`: what lay there; `new`: what was stored, the same as `old` for a load. `old_known` False:
    the store crossed into another page, of which only the new bytes were recorded.
    """

    address: int | None
    physical: int
    write: bool
    old: bytes
    new: bytes
    old_known: bool = True

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.new)


@record
class DoorEvent(Event):
    """The CPU left ring 3: `how` is syscall, interrupt (INT n), exception, or sysenter.

    `address`: CR2 of a page fault.
    """

    kind: ClassVar[str] = "door"
    how: str
    vector: int | None = None
    error_code: int | None = None
    address: int | None = None


@record
class StepEvent(Event):
    """One instruction from its fetch to the next one's.

    `number` counts from 1. `kernel`: the ways through the kernel that it took, in order: DoorEvent
    and what the kernel told then (SyscallEvent, FaultEvent, SignalEvent, ExitEvent).
    `completed` False: the program ended within it.
    """

    kind: ClassVar[str] = "step"
    number: int
    address: int
    code: bytes
    symbol: str
    source: tuple[str, int] | None
    ring: int
    next_address: int
    next_symbol: str
    next_ring: int
    changes: tuple[RegisterChange, ...]
    accesses: tuple[MemoryAccess, ...]
    kernel: tuple[Event, ...]
    completed: bool = True

    @property
    def sequential(self) -> bool:
        """The next instruction is the one behind it in memory."""
        return self.next_address == (self.address + len(self.code)) & 0xFFFF_FFFF_FFFF_FFFF
