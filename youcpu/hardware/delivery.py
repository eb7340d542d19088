"""Delivery of interrupts and exceptions through the guest's own tables: SDM vol. 3A, ch. 6, 20.

`deliver` does one attempt and tells each step of it; `take` goes on where an attempt itself
faults: the second exception, the double fault, the shutdown (table 6-5).

What is pushed, highest address first:

    long mode   SS RSP RFLAGS CS RIP [error code]          8 bytes each, RSP aligned to 16 before
    protected   [GS FS DS ES] [SS ESP] EFLAGS CS EIP [error code]    4 or 2 bytes, by the gate
    real mode   FLAGS CS IP                                2 bytes each
"""

from __future__ import annotations

from enum import Enum

from youcpu.hardware import descriptors as d
from youcpu.hardware import interrupts as trap
from youcpu.hardware.cpu import CR0, CS, DS, ES, FS, GS, HFLAGS, RIP, RSP, SS, Cpu
from youcpu.hardware.descriptors import (
    GateDescriptor,
    SegmentDescriptor,
    load_segment,
)
from youcpu.hardware.linear import LinearFault, LinearMemory
from youcpu.hardware.paging import CR0_PE
from youcpu.hardware.registers import GDT, IDT, LDT, TR
from youcpu.record import field, record

TF, IF, NT, RF, VM, AC = 1 << 8, 1 << 9, 1 << 14, 1 << 16, 1 << 17, 1 << 18
_MASK16, _MASK32, _MASK64 = (1 << 16) - 1, (1 << 32) - 1, (1 << 64) - 1
#: Bits of an error code that names a selector or a gate.
EXT, IDT_BIT = 1, 2

#: Exceptions after which RIP is still that of the instruction (SDM vol. 3A, table 6-1).
FAULTS = frozenset({0, 5, 6, 7, 10, 11, 12, 13, 14, 16, 17, 19, 21})
CONTRIBUTORY = frozenset({0, 10, 11, 12, 13, 21})
PAGE_FAULTS = frozenset({14, 20})


class Kind(Enum):
    """Where an interrupt comes from."""

    EXCEPTION = "exception"
    SOFTWARE = "software"  # INT n, INT3, INTO: the gate's DPL is checked
    EXTERNAL = "external"  # a device


@record(frozen=True)
class Cause:
    """What is to be delivered."""

    vector: int
    kind: Kind
    error_code: int | None = None
    #: SOFTWARE: RIP of the instruction, where a fault of its delivery leads back to.
    instruction: int | None = None


class Mode(Enum):
    """How the CPU looks the vector up."""

    REAL = "real"
    VIRTUAL_8086 = "virtual-8086"
    PROTECTED = "protected"
    LONG = "long"


@record(frozen=True)
class Point:
    """Where the CPU is."""

    cs: int
    rip: int
    flags: int
    ss: int
    rsp: int
    cpl: int


@record(frozen=True)
class Stack:
    """The stack that the frame goes on. `source`: "current", "RSP0", "IST3", "SS0:ESP0"."""

    source: str
    ss: int
    rsp: int  # before the first push, after aligning
    #: As the TSS or the register has it, before 64-bit mode aligns it to 16.
    found: int
    #: Linear address in the TSS; None: the stack in use.
    address: int | None = None


@record(frozen=True)
class Push:
    """One word that was pushed."""

    name: str
    address: int  # linear
    size: int
    value: int


@record(frozen=True)
class DeliveryFault:
    """Why an attempt failed: the exception that it raises instead."""

    vector: int
    error_code: int
    reason: str
    #: #PF: the address for CR2.
    address: int | None = None


@record
class Delivery:
    """One attempt to deliver, step by step; what was not reached is None."""

    cause: Cause
    mode: Mode
    before: Point
    table: int  # linear address of the IDT or IVT
    limit: int
    gate_address: int | None = None
    gate: GateDescriptor | None = None
    #: The gate's DPL was compared with CPL (SOFTWARE only).
    dpl_checked: bool = False
    descriptor_address: int | None = None
    descriptor: SegmentDescriptor | None = None  # the handler's code segment
    stack: Stack | None = None
    pushed: list[Push] = field(default_factory=list)
    after: Point | None = None
    fault: DeliveryFault | None = None
    #: What this machine cannot do: no fault of the guest.
    unsupported: str | None = None

    @property
    def delivered(self) -> bool:
        return self.after is not None


class _Refused(Exception):
    """A check failed: the exception to raise in its place."""

    def __init__(self, vector: int, error_code: int, reason: str) -> None:
        super().__init__(reason)
        self.vector, self.error_code, self.reason = vector, error_code, reason


class _Unsupported(Exception):
    """Something that exists and is not done here."""


def take(cpu: Cpu, memory: LinearMemory, cause: Cause) -> list[Delivery]:
    """Deliver, and what comes of it: the last attempt succeeded, or the CPU shuts down.

    Attempts in order. `last.fault` set: a triple fault; `last.unsupported`: see there.
    """
    attempts = [deliver(cpu, memory, cause)]
    while (fault := attempts[-1].fault) is not None:
        if cause.instruction is not None:
            cpu.state[RIP] = cause.instruction
        if fault.address is not None:
            memory.note_page_fault(fault.address)
        following = escalate(cause, fault)
        if following is None:
            return attempts
        cause = following
        attempts.append(deliver(cpu, memory, cause))
    return attempts


def escalate(first: Cause, fault: DeliveryFault) -> Cause | None:
    """What follows when delivering `first` raised `fault`; None: shutdown (table 6-5)."""
    second = fault.vector
    serious = second in CONTRIBUTORY or second in PAGE_FAULTS
    if first.kind is Kind.EXCEPTION and serious:
        if first.vector == trap.DOUBLE_FAULT:
            return None
        both = first.vector in CONTRIBUTORY and second in CONTRIBUTORY
        if both or first.vector in PAGE_FAULTS:
            return Cause(trap.DOUBLE_FAULT, Kind.EXCEPTION, 0)
    return Cause(second, Kind.EXCEPTION, fault.error_code)


def current_mode(cpu: Cpu) -> Mode:
    """The mode of `cpu.state`."""
    hflags = cpu.state[HFLAGS]
    if hflags & d.HF_LMA:
        return Mode.LONG
    if not cpu.state[CR0] & CR0_PE:
        return Mode.REAL
    return Mode.VIRTUAL_8086 if cpu.eflags() & VM else Mode.PROTECTED


def current_point(cpu: Cpu) -> Point:
    """Where `cpu.state` is."""
    s = cpu.state
    return Point(s[CS] & _MASK16, s[RIP], cpu.eflags(), s[SS] & _MASK16, s[RSP], s[HFLAGS] & 3)


def deliver(cpu: Cpu, memory: LinearMemory, cause: Cause) -> Delivery:
    """One attempt. `cpu.state` is changed only where it succeeds; pushes may remain in memory."""
    mode, state = current_mode(cpu), cpu.state
    before = current_point(cpu)
    if mode is Mode.VIRTUAL_8086:
        before = Point(before.cs, before.rip, before.flags, before.ss, before.rsp, 3)
    delivery = Delivery(cause, mode, before, state[IDT + 1], state[IDT + 2] & _MASK32)
    try:
        if mode is Mode.REAL:
            _deliver_real(cpu, memory, delivery)
        elif mode is Mode.LONG:
            _deliver_long(cpu, memory, delivery)
        else:
            _deliver_protected(cpu, memory, delivery)
    except LinearFault as fault:
        address = fault.address if fault.vector == trap.PAGE_FAULT else None
        reason = f"{fault.address:#x}: {fault.reason}"
        delivery.fault = DeliveryFault(fault.vector, fault.error_code, reason, address)
    except _Refused as refused:
        delivery.fault = DeliveryFault(refused.vector, refused.error_code, refused.reason)
    except _Unsupported as unsupported:
        delivery.unsupported = str(unsupported)
    else:
        delivery.after = current_point(cpu)
    return delivery


def _ext(cause: Cause) -> int:
    """EXT of an error code: the event is not the program's own INT n (SDM vol. 3A, 6.13)."""
    return 0 if cause.kind is Kind.SOFTWARE else EXT


def _pushed_flags(delivery: Delivery) -> int:
    """RFLAGS in the frame: RF is set for a fault, so that it may be gone over (SDM 17.3.1.1)."""
    flags, cause = delivery.before.flags, delivery.cause
    if cause.kind is Kind.EXCEPTION:
        flags = flags | RF if cause.vector in FAULTS else flags & ~RF
    elif cause.kind is Kind.SOFTWARE:
        flags &= ~RF
    return flags


# -- real mode: the interrupt vector table (SDM vol. 3A, 20.1.4) --


def _deliver_real(cpu: Cpu, memory: LinearMemory, delivery: Delivery) -> None:
    state, before, vector = cpu.state, delivery.before, delivery.cause.vector
    if vector * 4 + 3 > delivery.limit:
        raise _Refused(trap.GENERAL_PROTECTION, 0, "the vector lies beyond the table's limit")
    delivery.gate_address = delivery.table + vector * 4
    gate = delivery.gate = GateDescriptor.unpack(memory.read(delivery.gate_address, 4))
    delivery.stack = Stack("current", before.ss, before.rsp, before.rsp)
    flags = _pushed_flags(delivery) & _MASK16
    words = [("FLAGS", flags), ("CS", before.cs), ("IP", before.rip & _MASK16)]
    pointer = before.rsp
    for name, value in words:
        pointer = pointer & ~_MASK16 | (pointer - 2) & _MASK16
        address = (state[SS + 1] + (pointer & _MASK16)) & _MASK32
        memory.write(address, value.to_bytes(2, "little"))
        delivery.pushed.append(Push(name, address, 2, value))
    state[RSP] = pointer
    state[RIP] = gate.offset
    state[CS], state[CS + 1] = gate.selector, gate.selector << 4
    cpu.set_eflags(before.flags & ~(IF | TF | AC | RF))


# -- protected and long mode --


def _find_gate(memory: LinearMemory, delivery: Delivery, size: int) -> GateDescriptor:
    """The gate, with the checks of its own (SDM vol. 2A, INT n: pseudo code)."""
    cause = delivery.cause
    vector = cause.vector
    error = vector * 8 + IDT_BIT + _ext(cause)
    if vector * size + size - 1 > delivery.limit:
        raise _Refused(trap.GENERAL_PROTECTION, error, "the vector lies beyond the IDT's limit")
    address = delivery.gate_address = delivery.table + vector * size & _MASK64
    gate = delivery.gate = GateDescriptor.unpack(memory.read(address, size))
    if gate.type == d.TASK_GATE and not gate.segment and size == 8:
        if cause.kind is Kind.SOFTWARE and gate.dpl < delivery.before.cpl:
            raise _Refused(trap.GENERAL_PROTECTION, error, "the gate's DPL is below CPL")
        if gate.present:
            raise _Unsupported(f"vector {vector} leads to a task gate; task switches are not done")
    known = (d.INTERRUPT_GATE, d.TRAP_GATE)
    if size == 8:
        known += (d.INTERRUPT_GATE_16, d.TRAP_GATE_16, d.TASK_GATE)  # type: ignore[assignment]
    if gate.segment or gate.type not in known:
        reason = f"the entry is no interrupt or trap gate: {gate.type_name}"
        raise _Refused(trap.GENERAL_PROTECTION, error, reason)
    if cause.kind is Kind.SOFTWARE:
        delivery.dpl_checked = True
        if gate.dpl < delivery.before.cpl:
            reason = f"the gate's DPL {gate.dpl} is below CPL {delivery.before.cpl}"
            raise _Refused(trap.GENERAL_PROTECTION, error, reason)
    if not gate.present:
        raise _Refused(trap.SEGMENT_NOT_PRESENT, error, "the gate is not present")
    return gate


def _find_descriptor(
    cpu: Cpu, memory: LinearMemory, selector: int, vector: int, ext: int
) -> tuple[int, SegmentDescriptor]:
    """Address and value of a selector's descriptor; its absence raises `vector`."""
    state = cpu.state
    error = selector & 0xFFFC | ext
    table = LDT if selector & 4 else GDT
    if selector & 4 and not state[LDT] & 0xFFFC:
        raise _Refused(vector, error, f"selector {selector:#x} wants an LDT and there is none")
    if (selector & 0xFFF8) + 7 > state[table + 2] & _MASK32:
        raise _Refused(vector, error, f"selector {selector:#x} lies beyond its table's limit")
    address = state[table + 1] + (selector & 0xFFF8) & _MASK64
    return address, SegmentDescriptor.unpack(memory.read(address, 8))


def _find_code(
    cpu: Cpu, memory: LinearMemory, delivery: Delivery, gate: GateDescriptor
) -> SegmentDescriptor:
    """The handler's code segment (SDM vol. 3A, 6.12.1)."""
    ext, gp, selector = _ext(delivery.cause), trap.GENERAL_PROTECTION, gate.selector
    if not selector & 0xFFFC:
        raise _Refused(gp, ext, "the gate's selector is null")
    address, segment = _find_descriptor(cpu, memory, selector, gp, ext)
    delivery.descriptor_address, delivery.descriptor = address, segment
    error = selector & 0xFFFC | ext
    if not segment.code:
        raise _Refused(gp, error, f"selector {selector:#x} of the gate is no code segment")
    cpl = delivery.before.cpl
    if segment.dpl > cpl:
        raise _Refused(gp, error, f"the code segment's DPL {segment.dpl} is above CPL {cpl}")
    if not segment.present:
        raise _Refused(trap.SEGMENT_NOT_PRESENT, error, "the code segment is not present")
    if delivery.mode is Mode.LONG and (not segment.long or segment.big):
        raise _Refused(gp, error, f"selector {selector:#x} of the gate is no 64-bit code segment")
    if delivery.mode is Mode.VIRTUAL_8086 and (segment.conforming or segment.dpl):
        raise _Refused(gp, error, "out of virtual-8086 mode a handler runs in ring 0 only")
    if not segment.flags & d.ACCESSED:
        memory.write(address + 5, bytes([segment.flags >> 8 & 0xFF | 1]))
    return segment


def _handler_cpl(delivery: Delivery, segment: SegmentDescriptor) -> int:
    return delivery.before.cpl if segment.conforming else segment.dpl


def _load_code(cpu: Cpu, gate: GateDescriptor, segment: SegmentDescriptor, cpl: int) -> None:
    selector = gate.selector & 0xFFFC | cpl
    flags = segment.flags | d.ACCESSED
    load_segment(cpu.state, CS, selector, segment.base, segment.limit, flags)
    cpu.state[RIP] = gate.offset


def _handler_flags(gate: GateDescriptor, flags: int) -> int:
    return flags & ~(TF | NT | RF | VM | (IF if gate.clears_if else 0))


# -- long mode (SDM vol. 3A, 6.14) --


def _deliver_long(cpu: Cpu, memory: LinearMemory, delivery: Delivery) -> None:
    state, before, cause = cpu.state, delivery.before, delivery.cause
    gate = _find_gate(memory, delivery, 16)
    segment = _find_code(cpu, memory, delivery, gate)
    cpl = _handler_cpl(delivery, segment)
    stack = delivery.stack = _long_stack(cpu, memory, delivery, gate, cpl)
    words = [
        ("SS", before.ss),
        ("RSP", before.rsp),
        ("RFLAGS", _pushed_flags(delivery)),
        ("CS", before.cs),
        ("RIP", before.rip),
    ]
    if cause.error_code is not None:
        words.append(("error code", cause.error_code))
    pointer = stack.rsp - 8 * len(words) & _MASK64
    data = b"".join(value.to_bytes(8, "little") for _, value in reversed(words))
    top = stack.rsp
    try:
        memory.write(pointer, data, user=cpl == 3)
    except LinearFault:
        # Word by word from the top, as the CPU pushes: the first that fails is in CR2.
        for i, (_, value) in enumerate(words, 1):
            memory.write(top - 8 * i & _MASK64, value.to_bytes(8, "little"), user=cpl == 3)
    delivery.pushed = [
        Push(name, top - 8 * i & _MASK64, 8, value) for i, (name, value) in enumerate(words, 1)
    ]
    if not _canonical(gate.offset):
        raise _Refused(trap.GENERAL_PROTECTION, 0, "the handler's address is not canonical")
    if cpl != before.cpl:
        # A null selector with the new RPL (SDM vol. 3A, 6.14.2).
        load_segment(state, SS, cpl, 0, _MASK32, d.NULL_DATA | cpl << d.DPL_SHIFT)
    state[RSP] = pointer
    _load_code(cpu, gate, segment, cpl)
    cpu.set_eflags(_handler_flags(gate, before.flags))


def _canonical(address: int) -> bool:
    return (address >> 47) + 1 & 0x1FFFE == 0


def _long_stack(
    cpu: Cpu, memory: LinearMemory, delivery: Delivery, gate: GateDescriptor, cpl: int
) -> Stack:
    """RSP of the frame: from the interrupt stack table, of the new ring, or the one in use."""
    before, ext = delivery.before, _ext(delivery.cause)
    if not gate.ist and cpl == before.cpl:
        found, source, address = before.rsp, "current", None
    else:
        offset = 36 + 8 * (gate.ist - 1) if gate.ist else 4 + 8 * cpl
        source = f"IST{gate.ist}" if gate.ist else f"RSP{cpl}"
        selector = cpu.state[TR] & 0xFFFC
        if offset + 7 > cpu.state[TR + 2] & _MASK32:
            reason = f"the TSS ends before {source}"
            raise _Refused(trap.INVALID_TSS, selector | ext, reason)
        address = cpu.state[TR + 1] + offset & _MASK64
        found = int.from_bytes(memory.read(address, 8), "little")
    if not _canonical(found):
        raise _Refused(trap.STACK_FAULT, ext, f"the stack pointer {found:#x} is not canonical")
    ss = before.ss if cpl == before.cpl else cpl
    return Stack(source, ss, found & ~0xF, found, address)


# -- protected mode (SDM vol. 3A, 6.12) --


def _deliver_protected(cpu: Cpu, memory: LinearMemory, delivery: Delivery) -> None:
    state, before, cause = cpu.state, delivery.before, delivery.cause
    gate = _find_gate(memory, delivery, 8)
    segment = _find_code(cpu, memory, delivery, gate)
    cpl = _handler_cpl(delivery, segment)
    words = [
        ("EFLAGS", _pushed_flags(delivery)),
        ("CS", before.cs),
        ("EIP", before.rip & _MASK32),
    ]
    if cause.error_code is not None:
        words.append(("error code", cause.error_code))
    new_stack = None
    if cpl != before.cpl:
        delivery.stack, new_stack = _ring_stack(cpu, memory, delivery, cpl)
        words[:0] = [("SS", before.ss), ("ESP", before.rsp & _MASK32)]
        if delivery.mode is Mode.VIRTUAL_8086:
            segments = (("GS", GS), ("FS", FS), ("DS", DS), ("ES", ES))
            words[:0] = [(name, state[register] & _MASK16) for name, register in segments]
    else:
        delivery.stack = Stack("current", before.ss, before.rsp, before.rsp)
        new_stack = SegmentDescriptor(state[SS + 1], state[SS + 2] & _MASK32, state[SS + 2] >> 32)
    _push_legacy(memory, delivery, new_stack, words, 4 if gate.wide else 2, cpl)
    if gate.offset > segment.limit:
        raise _Refused(
            trap.GENERAL_PROTECTION, _ext(cause), "the handler lies beyond its segment's limit"
        )
    if cpl != before.cpl:
        if delivery.mode is Mode.VIRTUAL_8086:
            for register in (GS, FS, DS, ES):
                state[register] = state[register + 1] = state[register + 2] = 0
        ss = delivery.stack.ss
        cpu.set_eflags(before.flags & ~VM)
        flags = new_stack.flags | d.ACCESSED
        load_segment(state, SS, ss, new_stack.base, new_stack.limit, flags)
    mask = _MASK32 if new_stack.big else _MASK16
    pointer = delivery.stack.rsp
    size = sum(push.size for push in delivery.pushed)
    state[RSP] = (pointer & ~mask | (pointer - size) & mask) & _MASK32
    cpu.set_eflags(_handler_flags(gate, before.flags))
    _load_code(cpu, gate, segment, cpl)


def _ring_stack(
    cpu: Cpu, memory: LinearMemory, delivery: Delivery, cpl: int
) -> tuple[Stack, SegmentDescriptor]:
    """SS:ESP of an inner ring from the TSS, with the checks of SDM vol. 2A, INT n."""
    state, ext, ts = cpu.state, _ext(delivery.cause), trap.INVALID_TSS
    wide = (state[TR + 2] >> 32) >> 8 & 0xF in (d.TSS_AVAILABLE, d.TSS_BUSY)
    offset = 4 + 8 * cpl if wide else 2 + 4 * cpl
    size = 6 if wide else 4
    if offset + size - 1 > state[TR + 2] & _MASK32:
        reason = f"the TSS ends before the stack of ring {cpl}"
        raise _Refused(ts, state[TR] & 0xFFFC | ext, reason)
    address = state[TR + 1] + offset & _MASK32
    raw = memory.read(address, size)
    pointer, ss = (int.from_bytes(part, "little") for part in (raw[:-2], raw[-2:]))
    if not ss & 0xFFFC:
        raise _Refused(ts, ext, f"the TSS has a null selector as SS{cpl}")
    error = ss & 0xFFFC | ext
    _, segment = _find_descriptor(cpu, memory, ss, ts, ext)
    if ss & 3 != cpl or segment.dpl != cpl or not segment.writable:
        raise _Refused(ts, error, f"SS{cpl} {ss:#x} of the TSS is no writable stack of ring {cpl}")
    if not segment.present:
        raise _Refused(trap.STACK_FAULT, error, f"the segment of SS{cpl} is not present")
    return Stack(f"SS{cpl}:ESP{cpl}", ss, pointer, pointer, address), segment


def _push_legacy(
    memory: LinearMemory,
    delivery: Delivery,
    segment: SegmentDescriptor,
    words: list[tuple[str, int]],
    size: int,
    cpl: int,
) -> None:
    assert delivery.stack is not None
    mask = _MASK32 if segment.big else _MASK16
    pointer = delivery.stack.rsp
    error = _ext(delivery.cause)
    if delivery.stack.address is not None:
        error |= delivery.stack.ss & 0xFFFC
    for name, value in words:
        pointer = pointer - size & mask
        if not _in_segment(segment, pointer, size):
            reason = f"no room on the stack at {pointer:#x}: its segment ends"
            raise _Refused(trap.STACK_FAULT, error, reason)
        value &= (1 << 8 * size) - 1
        address = segment.base + pointer & _MASK32
        memory.write(address, value.to_bytes(size, "little"), user=cpl == 3)
        delivery.pushed.append(Push(name, address, size, value))


def _in_segment(segment: SegmentDescriptor, offset: int, size: int) -> bool:
    if not segment.flags & d.EXPAND_DOWN_OR_CONFORMING:
        return offset + size - 1 <= segment.limit
    top = _MASK32 if segment.big else _MASK16
    return segment.limit < offset and offset + size - 1 <= top
