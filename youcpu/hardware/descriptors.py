"""Segment and gate descriptors as they lie in memory: Intel SDM vol. 3A, 3.4.5, 6.11, 8.2.

A segment descriptor (8 bytes; a 64-bit system descriptor has 8 more with base 63..32):

     63 ..... 56 55 54 53 52 51 ... 48 47 46..45 44 43 ... 40 39 ............ 16 15 ........ 0
    +-----------+--+--+--+--+---------+--+------+--+---------+------------------+-------------+
    | base      |G |DB|L |A |limit    |P | DPL  |S |  type   |  base 23..0      | limit 15..0 |
    | 31..24    |  |  |  |VL|19..16   |  |      |  |         |                  |             |
    +-----------+--+--+--+--+---------+--+------+--+---------+------------------+-------------+
"""

from __future__ import annotations

import struct
from functools import lru_cache

from youcpu.hardware.registers import CS, DS, EFLAGS, ES, HFLAGS, SS
from youcpu.record import record

VM = 1 << 17  # RFLAGS
#: What a segment register keeps of a descriptor: its high doubleword.
G, DB, L, PRESENT, SYSTEM_S = 1 << 23, 1 << 22, 1 << 21, 1 << 15, 1 << 12
DPL_SHIFT = 13
CODE, EXPAND_DOWN_OR_CONFORMING, WRITABLE_OR_READABLE, ACCESSED = 1 << 11, 1 << 10, 1 << 9, 1 << 8
#: A flat data segment for a null selector in 64-bit mode, but for its DPL.
NULL_DATA = G | DB | PRESENT | SYSTEM_S | WRITABLE_OR_READABLE | ACCESSED

# hflags: QEMU's summary of the mode, by which it translates code.
HF_CPL, HF_INHIBIT_IRQ, HF_CS32, HF_SS32 = 3, 1 << 3, 1 << 4, 1 << 5
HF_ADDSEG, HF_PE, HF_LMA, HF_CS64 = 1 << 6, 1 << 7, 1 << 14, 1 << 15

TSS16_AVAILABLE, LDT_TYPE, TSS16_BUSY, TASK_GATE = 1, 2, 3, 5
INTERRUPT_GATE_16, TRAP_GATE_16 = 6, 7
TSS_AVAILABLE, TSS_BUSY = 9, 11
INTERRUPT_GATE, TRAP_GATE = 14, 15

SYSTEM_TYPES = {
    TSS16_AVAILABLE: "16-bit TSS", LDT_TYPE: "LDT", TSS16_BUSY: "16-bit TSS (busy)",
    4: "16-bit call gate", TASK_GATE: "task gate", INTERRUPT_GATE_16: "16-bit interrupt gate",
    TRAP_GATE_16: "16-bit trap gate", TSS_AVAILABLE: "TSS", TSS_BUSY: "TSS (busy)",
    12: "call gate", INTERRUPT_GATE: "interrupt gate", TRAP_GATE: "trap gate",
}  # fmt: skip


@record(frozen=True)
class SegmentDescriptor:
    """One entry of the GDT or LDT; `flags` is its high doubleword, `limit` in bytes."""

    base: int
    limit: int
    flags: int

    @classmethod
    @lru_cache(maxsize=512)  # a guest has few, and each interrupt reads them
    def unpack(cls, raw: bytes) -> SegmentDescriptor:
        """From 8 bytes, or from 16 of a 64-bit system descriptor."""
        low, high = struct.unpack_from("<II", raw)
        base = low >> 16 | (high & 0xFF) << 16 | high & 0xFF000000
        if len(raw) >= 16:
            base |= int.from_bytes(raw[8:12], "little") << 32
        limit = low & 0xFFFF | high & 0xF0000
        if high & G:
            limit = limit << 12 | 0xFFF
        return cls(base, limit, high)

    @property
    def present(self) -> bool:
        return bool(self.flags & PRESENT)

    @property
    def dpl(self) -> int:
        return self.flags >> DPL_SHIFT & 3

    @property
    def type(self) -> int:
        return self.flags >> 8 & 0xF

    @property
    def system(self) -> bool:
        """No code or data: a TSS, an LDT or a gate."""
        return not self.flags & SYSTEM_S

    @property
    def code(self) -> bool:
        return bool(self.flags & SYSTEM_S and self.flags & CODE)

    @property
    def conforming(self) -> bool:
        return self.code and bool(self.flags & EXPAND_DOWN_OR_CONFORMING)

    @property
    def writable(self) -> bool:
        """A data segment that may be written: what SS wants."""
        return bool(
            self.flags & SYSTEM_S and not self.flags & CODE and self.flags & WRITABLE_OR_READABLE
        )

    @property
    def long(self) -> bool:
        """64-bit code."""
        return bool(self.flags & L)

    @property
    def big(self) -> bool:
        """32-bit code (D) or stack (B)."""
        return bool(self.flags & DB)


@record(frozen=True)
class GateDescriptor:
    """One entry of an IDT of any mode; a real-mode entry is its offset and segment alone."""

    selector: int
    offset: int
    type: int = INTERRUPT_GATE
    dpl: int = 0
    present: bool = True
    ist: int = 0
    #: The S bit, which a gate has clear.
    segment: bool = False

    @classmethod
    @lru_cache(maxsize=512)
    def unpack(cls, raw: bytes) -> GateDescriptor:
        """From 4 bytes (real mode), 8 (protected mode) or 16 (long mode)."""
        if len(raw) == 4:
            offset, selector = struct.unpack("<HH", raw)
            return cls(selector, offset)
        low, high = struct.unpack_from("<II", raw)
        type_ = high >> 8 & 0xF
        offset = low & 0xFFFF
        ist = 0
        if type_ in (INTERRUPT_GATE, TRAP_GATE) or len(raw) == 16:
            offset |= high & 0xFFFF0000
        if len(raw) == 16:
            offset |= int.from_bytes(raw[8:12], "little") << 32
            ist = high & 7
        present, dpl = bool(high & PRESENT), high >> DPL_SHIFT & 3
        return cls(low >> 16, offset, type_, dpl, present, ist, bool(high & SYSTEM_S))

    @property
    def type_name(self) -> str:
        if self.segment:
            return "code or data segment"
        return SYSTEM_TYPES.get(self.type, f"reserved type {self.type}")

    @property
    def wide(self) -> bool:
        """Pushes doublewords in protected mode, not words."""
        return self.type in (INTERRUPT_GATE, TRAP_GATE)

    @property
    def clears_if(self) -> bool:
        return self.type in (INTERRUPT_GATE, INTERRUPT_GATE_16)


def load_segment(
    state: memoryview, register: int, selector: int, base: int, limit: int, flags: int
) -> None:
    """A segment register with its hidden part into `state`, and the mode that follows from it.

    `register` is one of ES..GS of registers.py. CPL follows SS, as in QEMU (trap 3).
    """
    state[register] = selector
    state[register + 1] = base
    state[register + 2] = limit | flags << 32
    settle_mode(state)


def settle_mode(state: memoryview) -> None:
    """hflags from the segment registers, as QEMU computes them when it loads one."""
    code, stack = state[CS + 2] >> 32, state[SS + 2] >> 32
    hflags = state[HFLAGS] & ~(HF_CPL | HF_CS32 | HF_SS32 | HF_ADDSEG | HF_CS64)
    if hflags & HF_PE:
        hflags |= stack >> DPL_SHIFT & 3
    if hflags & HF_LMA and code & L:
        state[HFLAGS] = hflags | HF_CS32 | HF_CS64 | HF_SS32
        return
    if code & DB:
        hflags |= HF_CS32
    if stack & DB:
        hflags |= HF_SS32
    bases = state[DS + 1] | state[ES + 1] | state[SS + 1]
    if not hflags & HF_PE or not hflags & HF_CS32 or bases or state[EFLAGS] & VM:
        hflags |= HF_ADDSEG  # also in virtual-8086 mode
    state[HFLAGS] = hflags
