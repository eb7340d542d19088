"""Descriptor tables and the way of an interrupt: Intel SDM vol. 3A, chapters 3, 6 and 8.

A 64-bit gate of the IDT (16 bytes):

     63 ........... 48 47 46..45 44 43..40 39..35 34..32 31 ...... 16 15 ........... 0
    +-----------------+--+------+--+------+------+------+-----------+-----------------+
    |  offset 31..16  |P | DPL  |0 | type |  0   | IST  | selector  |  offset 15..0   |
    +-----------------+--+------+--+------+------+------+-----------+-----------------+
    |              reserved             |              offset 63..32                  |
    +-----------------------------------+---------------------------------------------+
"""

from __future__ import annotations

import struct

from youcpu.hardware.memory import Ram
from youcpu.record import record

GATE_INTERRUPT = 0xE
GATE_TRAP = 0xF

DIVIDE_ERROR, DEBUG, NMI, BREAKPOINT, OVERFLOW, BOUND, INVALID_OPCODE = range(7)
DEVICE_NOT_AVAILABLE, DOUBLE_FAULT, COPROCESSOR_OVERRUN = 7, 8, 9
INVALID_TSS, SEGMENT_NOT_PRESENT, STACK_FAULT, GENERAL_PROTECTION, PAGE_FAULT = range(10, 15)
X87_FAULT, ALIGNMENT_CHECK, MACHINE_CHECK, SIMD_FAULT = 16, 17, 18, 19

#: Error code of a #GP or #NP that names a gate: index * 8, IDT bit, no EXT.
IDT_ERROR = 2

_INTERRUPT_FRAME = struct.Struct("<6Q")
TSS_SIZE = 104


@record(frozen=True)
class Gate:
    """One entry of the IDT."""

    offset: int
    selector: int
    ist: int = 0
    type: int = GATE_INTERRUPT
    dpl: int = 0
    present: bool = True

    def pack(self) -> tuple[int, int]:
        """Both quadwords."""
        low = (
            (self.offset & 0xFFFF)
            | self.selector << 16
            | self.ist << 32
            | self.type << 40
            | self.dpl << 45
            | int(self.present) << 47
            | (self.offset >> 16 & 0xFFFF) << 48
        )
        return low, self.offset >> 32

    @classmethod
    def unpack(cls, low: int, high: int) -> Gate:
        """From both quadwords."""
        return cls(
            (low & 0xFFFF) | (low >> 48) << 16 | (high & 0xFFFFFFFF) << 32,
            low >> 16 & 0xFFFF,
            low >> 32 & 7,
            low >> 40 & 0xF,
            low >> 45 & 3,
            bool(low >> 47 & 1),
        )


def segment_descriptor(code: bool, dpl: int, long_mode: bool = True) -> int:
    """A flat code or data segment: limit 4 GiB, base 0."""
    access = 0x80 | dpl << 5 | 0x10 | (0xB if code else 0x3)
    flags = 0xA if code and long_mode else 0xC
    return 0xFFFF | access << 40 | 0xF << 48 | flags << 52


def tss_descriptor(base: int, limit: int = TSS_SIZE - 1) -> tuple[int, int]:
    """A 64-bit TSS (busy) descriptor: two quadwords."""
    low = (
        (limit & 0xFFFF)
        | (base & 0xFFFFFF) << 16
        | 0x8B << 40
        | (limit >> 16 & 0xF) << 48
        | (base >> 24 & 0xFF) << 56
    )
    return low, base >> 32


def pack_tss(rsp0: int, ists: tuple[int, ...] = ()) -> bytes:
    """A 64-bit TSS: stacks for ring 0 and the interrupt stack table; no I/O permissions."""
    table = [*ists, *([0] * (7 - len(ists)))]
    return struct.pack("<I3QQ7QQHH", 0, rsp0, 0, 0, 0, *table, 0, 0, TSS_SIZE)


class InterruptTable:
    """The IDT as it lies in RAM at physical address `base`, 256 gates."""

    __slots__ = ("_index", "_ram")

    def __init__(self, ram: Ram, base: int) -> None:
        self._ram = ram
        self._index = base >> 3

    def set(self, vector: int, gate: Gate) -> None:
        """Write a gate."""
        index = self._index + vector * 2
        self._ram.quads[index], self._ram.quads[index + 1] = gate.pack()

    def gate(self, vector: int) -> Gate:
        """Read a gate."""
        index = self._index + vector * 2
        return Gate.unpack(self._ram.quads[index], self._ram.quads[index + 1])

    def handler(self, vector: int, software: bool, cpl: int) -> int | None:
        """Address that the CPU would go to; None where the gate is absent or forbids INT n."""
        index = self._index + vector * 2
        low = self._ram.quads[index]
        if not low >> 47 & 1 or (software and low >> 45 & 3 < cpl):
            return None
        high = self._ram.quads[index + 1]
        return (low & 0xFFFF) | (low >> 48) << 16 | (high & 0xFFFFFFFF) << 32


def push_frame(
    ram: Ram, stack_top: int, frame: tuple[int, int, int, int, int], error_code: int | None
) -> None:
    """What the CPU pushes on the ring-0 stack whose top has physical address `stack_top`.

    `frame`: RIP, CS, RFLAGS, RSP, SS. Without an error code its place stays below the frame.
    """
    _INTERRUPT_FRAME.pack_into(ram.buffer, stack_top - 48, error_code or 0, *frame)
