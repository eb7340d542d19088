"""A CPU before a delivery: tables in RAM as a test wants them, in each mode."""

from __future__ import annotations

from youcpu.hardware import descriptors as d
from youcpu.hardware.cpu import CR0, CS, HFLAGS, RIP, RSP, SS, Cpu
from youcpu.hardware.delivery import Cause, Delivery, Kind, deliver, take
from youcpu.hardware.descriptors import load_segment
from youcpu.hardware.interrupts import Gate, segment_descriptor, tss_descriptor
from youcpu.hardware.linear import LinearMemory
from youcpu.hardware.memory import Ram
from youcpu.hardware.paging import CR0_PE, PTE_A, PTE_D, PTE_P, PTE_PS, PTE_U, PTE_W
from youcpu.hardware.registers import GDT, IDT, TR
from youcpu.hardware.silicon import Silicon

ROOT, GDT_AT, IDT_AT, TSS_AT = 0x1000, 0x4000, 0x5000, 0x6000
STACK, USER_STACK, IST_STACK = 0x8000, 0x9000, 0xA000
CODE, USER_CODE, HANDLER = 0x10000, 0x11000, 0x12000
HOLE = 0x200000
CODE0, DATA0, CODE3, DATA3, DATA_AS_CODE, NOT_PRESENT, CODE32, CONFORMING = range(8, 72, 8)
TSS_SELECTOR = 0x50
FLAGS = 0x202
_CODE_FLAGS, _DATA_FLAGS = 0x00AF9B00, d.NULL_DATA


class Tables:
    """RAM with a GDT, an IDT and a TSS; `state` is that of a program in `ring`."""

    def __init__(self, ring: int = 0, long_mode: bool = True) -> None:
        self.ram = Ram(4 << 20)
        self.cpu = Cpu(self.ram)
        self.silicon = Silicon(self.cpu)
        self.memory = LinearMemory(self.cpu)
        self.state = self.cpu.state
        self.long_mode = long_mode
        self._map()
        gdt = {
            CODE0: segment_descriptor(True, 0, long_mode),
            DATA0: segment_descriptor(False, 0),
            CODE3: segment_descriptor(True, 3, long_mode),
            DATA3: segment_descriptor(False, 3),
            DATA_AS_CODE: segment_descriptor(False, 0),
            NOT_PRESENT: segment_descriptor(True, 0, long_mode) & ~(1 << 47),
            CODE32: segment_descriptor(True, 0, not long_mode),
            CONFORMING: segment_descriptor(True, 0, long_mode) | 1 << 42,
        }
        for selector, value in gdt.items():
            self.ram.quads[(GDT_AT + selector) >> 3] = value
        self.ram.quads[(GDT_AT + TSS_SELECTOR) >> 3] = tss_descriptor(TSS_AT)[0]
        if long_mode:
            self.silicon.enter_long_mode(ROOT, GDT_AT, 0x5F, CODE0, DATA0, CODE)
        else:
            self._enter_protected()
        state = self.state
        state[IDT + 1], state[IDT + 2] = IDT_AT, 0xFFF
        state[TR], state[TR + 1], state[TR + 2] = TSS_SELECTOR, TSS_AT, 103 | 0x8B00 << 32
        self.ram.quads[(TSS_AT + 4) >> 3] = 0
        self.poke(TSS_AT + 4, STACK.to_bytes(8, "little"))
        self.poke(TSS_AT + 36, IST_STACK.to_bytes(8, "little"))
        if not long_mode:
            self.poke(TSS_AT + 8, DATA0.to_bytes(4, "little"))
        state[RSP] = STACK
        if ring:
            load_segment(state, SS, DATA3 | 3, 0, 0xFFFFFFFF, _DATA_FLAGS | 3 << 13)
            flags = (_CODE_FLAGS if long_mode else 0x00CF9B00) | 3 << 13
            load_segment(state, CS, CODE3 | 3, 0, 0xFFFFFFFF, flags)
            state[RSP], state[RIP] = USER_STACK, USER_CODE
        self.cpu.set_eflags(FLAGS)

    def _map(self) -> None:
        """The first 2 MiB, identity, for all; what lies above is not there."""
        table = PTE_P | PTE_W | PTE_U | PTE_A
        quads = self.ram.quads
        quads[ROOT >> 3] = ROOT + 0x1000 | table
        quads[(ROOT >> 3) + 512] = ROOT + 0x2000 | table
        quads[(ROOT >> 3) + 1024] = table | PTE_D | PTE_PS

    def _enter_protected(self) -> None:
        self.silicon.reset()
        state = self.state
        state[CR0] |= CR0_PE
        state[HFLAGS] |= d.HF_PE
        state[GDT + 1], state[GDT + 2] = GDT_AT, 0x5F
        load_segment(state, SS, DATA0, 0, 0xFFFFFFFF, _DATA_FLAGS)
        load_segment(state, CS, CODE0, 0, 0xFFFFFFFF, 0x00CF9B00)
        state[RIP] = CODE

    def poke(self, address: int, data: bytes) -> None:
        self.ram.bytes[address : address + len(data)] = data

    def gate(
        self, vector: int, selector: int = CODE0, offset: int = HANDLER, **fields: int
    ) -> None:
        """A gate, in the format of the mode; fields of Gate."""
        present = bool(fields.pop("present", 1))
        low, high = Gate(offset, selector, present=present, **fields).pack()  # type: ignore[arg-type]
        size = 16 if self.long_mode else 8
        self.poke(IDT_AT + vector * size, (low | high << 64).to_bytes(16, "little")[:size])

    def deliver(
        self, vector: int, kind: Kind = Kind.EXCEPTION, error_code: int | None = None
    ) -> Delivery:
        return deliver(self.cpu, self.memory, Cause(vector, kind, error_code))

    def take(self, vector: int, error_code: int | None = None) -> list[Delivery]:
        return take(self.cpu, self.memory, Cause(vector, Kind.EXCEPTION, error_code))

    def fault(self, vector: int = 0x20, kind: Kind = Kind.SOFTWARE) -> tuple[int, int]:
        """Vector and error code of the exception that an attempt raises."""
        delivery = self.deliver(vector, kind)
        assert delivery.fault is not None
        assert delivery.after is None
        return delivery.fault.vector, delivery.fault.error_code

    def words(self, size: int = 8) -> list[int]:
        """What lies on the stack at RSP, up to its top."""
        raw = bytes(self.ram.bytes[self.state[RSP] : self.state[RSP] + 6 * size])
        return [int.from_bytes(raw[i : i + size], "little") for i in range(0, len(raw), size)]
