"""Delivery rule by rule: SDM vol. 3A, chapter 6; the pseudo code of INT n in vol. 2A."""

from __future__ import annotations

import pytest
from tables import (
    CODE,
    CODE0,
    CODE3,
    CODE32,
    CONFORMING,
    DATA0,
    DATA3,
    DATA_AS_CODE,
    FLAGS,
    GDT_AT,
    HANDLER,
    HOLE,
    IDT_AT,
    IST_STACK,
    NOT_PRESENT,
    STACK,
    TSS_AT,
    TSS_SELECTOR,
    USER_CODE,
    USER_STACK,
    Tables,
)

from youcpu.hardware.cpu import CR2, CS, DS, ES, FS, GS, HFLAGS, RIP, RSP, SS
from youcpu.hardware.delivery import Cause, DeliveryFault, Kind, Mode, escalate
from youcpu.hardware.registers import GDT, IDT, LDT, TR

GP, NP, SS_FAULT, TS, PF = 13, 11, 12, 10, 14
INT, EXTERNAL, EXCEPTION = Kind.SOFTWARE, Kind.EXTERNAL, Kind.EXCEPTION
RF = 1 << 16


# -- long mode --


def test_same_ring() -> None:
    t = Tables()
    t.state[RSP] = STACK - 3
    t.gate(0x20)
    delivery = t.deliver(0x20, INT)
    top = (STACK - 3) & ~0xF
    assert t.state[RSP] == top - 40
    assert t.words()[:5] == [CODE, CODE0, FLAGS, STACK - 3, DATA0]
    assert (t.state[CS], t.state[RIP], t.state[SS]) == (CODE0, HANDLER, DATA0)
    assert t.cpu.eflags() == 2  # an interrupt gate clears IF
    assert delivery.stack is not None
    assert (delivery.stack.source, delivery.stack.rsp) == ("current", top)
    assert [(push.name, push.address) for push in delivery.pushed] == [
        ("SS", top - 8), ("RSP", top - 16), ("RFLAGS", top - 24), ("CS", top - 32),
        ("RIP", top - 40),
    ]  # fmt: skip


def test_from_ring_3_with_an_error_code() -> None:
    t = Tables(ring=3)
    t.gate(PF, dpl=0)
    delivery = t.deliver(PF, EXCEPTION, 7)
    assert t.words() == [7, USER_CODE, CODE3 | 3, FLAGS | RF, USER_STACK, DATA3 | 3]
    assert t.state[RSP] == STACK - 48
    assert (t.state[SS], t.state[HFLAGS] & 3) == (0, 0)  # a null selector in ring 0
    assert delivery.stack is not None
    assert (delivery.stack.source, delivery.stack.address) == ("RSP0", TSS_AT + 4)
    assert (delivery.before.cpl, delivery.after and delivery.after.cpl) == (3, 0)


def test_interrupt_stack_table() -> None:
    t = Tables()
    t.gate(8, ist=1)
    t.deliver(8, EXCEPTION, 0)
    assert t.state[RSP] == IST_STACK - 48
    assert t.state[SS] == DATA0  # the ring is the same


@pytest.mark.parametrize(("vector", "kind", "pushed"), [
    (PF, EXCEPTION, FLAGS | RF), (1, EXCEPTION, FLAGS), (3, INT, FLAGS), (0x20, EXTERNAL, FLAGS),
])  # fmt: skip
def test_rf_is_set_for_faults(vector: int, kind: Kind, pushed: int) -> None:
    t = Tables()
    t.gate(vector)
    t.deliver(vector, kind)
    assert t.words()[2] == pushed


def test_flags_in_the_handler() -> None:
    t = Tables()
    t.gate(0x20, type=15)
    t.cpu.set_eflags(0x5 | 1 << 8 | 1 << 9 | 1 << 14 | 1 << 10)
    t.deliver(0x20, INT)
    # A trap gate leaves IF; TF and NT go, the others stay.
    assert t.cpu.eflags() == 0x5 | 2 | 1 << 9 | 1 << 10


def test_dpl_is_checked_for_software_only() -> None:
    t = Tables(ring=3)
    t.gate(0x20)
    assert t.fault() == (GP, 0x20 * 8 + 2)
    assert t.deliver(0x20, EXTERNAL).delivered
    t = Tables(ring=3)
    t.gate(0x20, dpl=3)
    delivery = t.deliver(0x20, INT)
    assert delivery.delivered
    assert delivery.dpl_checked


@pytest.mark.parametrize("kind", [INT, EXTERNAL])
@pytest.mark.parametrize(
    ("gate", "fault"),
    [
        ({"present": 0}, (NP, 0x20 * 8 + 2)),
        ({"type": 5}, (GP, 0x20 * 8 + 2)),
        ({"type": 12}, (GP, 0x20 * 8 + 2)),
        ({"type": 6}, (GP, 0x20 * 8 + 2)),
        ({"selector": 0}, (GP, 0)),
        ({"selector": 3}, (GP, 0)),
        ({"selector": DATA_AS_CODE}, (GP, DATA_AS_CODE)),
        ({"selector": NOT_PRESENT}, (NP, NOT_PRESENT)),
        ({"selector": CODE32}, (GP, CODE32)),
        ({"selector": CODE3}, (GP, CODE3)),  # DPL above CPL
        ({"selector": 0x1000}, (GP, 0x1000)),
        ({"selector": CODE0 | 4}, (GP, CODE0 | 4)),  # no LDT
    ],
)
def test_gates_that_are_refused(gate: dict[str, int], fault: tuple[int, int], kind: Kind) -> None:
    t = Tables()
    t.gate(0x20, **gate)
    before = t.cpu.snapshot()
    vector, error_code = fault
    assert t.fault(0x20, kind) == (vector, error_code | (kind is EXTERNAL))
    assert t.cpu.snapshot() == before  # nothing has happened


def test_beyond_the_limit_of_the_idt() -> None:
    t = Tables()
    t.state[IDT + 2] = 0x20 * 16 + 14
    t.gate(0x20)
    assert t.fault() == (GP, 0x20 * 8 + 2)
    t.state[IDT + 2] += 1
    assert t.deliver(0x20, INT).delivered


def test_ldt_selector() -> None:
    t = Tables()
    t.state[LDT], t.state[LDT + 1], t.state[LDT + 2] = 0x58, GDT_AT, 0x1F
    t.gate(0x20, selector=CODE0 | 4)
    assert t.deliver(0x20, INT).delivered
    assert t.state[CS] == CODE0 | 4


def test_a_conforming_handler_stays_in_the_ring() -> None:
    t = Tables(ring=3)
    t.gate(0x20, selector=CONFORMING, dpl=3)
    t.deliver(0x20, INT)
    assert t.state[CS] == CONFORMING | 3
    assert t.state[HFLAGS] & 3 == 3
    assert t.state[RSP] == USER_STACK - 40
    assert t.state[SS] == DATA3 | 3


def test_stacks_that_are_refused() -> None:
    t = Tables(ring=3)
    t.gate(0x20, dpl=3)
    t.poke(TSS_AT + 4, (1 << 60).to_bytes(8, "little"))
    assert t.fault() == (SS_FAULT, 0)
    assert t.fault(0x20, EXTERNAL) == (SS_FAULT, 1)
    t.state[TR + 2] = 10 | 0x8B00 << 32
    assert t.fault() == (TS, TSS_SELECTOR)
    t = Tables()
    t.gate(0x20)
    t.state[RSP] = HOLE + 0x1000
    assert t.fault() == (PF, 2)
    delivery = t.deliver(0x20, INT)
    assert delivery.fault is not None
    # Of the first word that is pushed, SS, as under QEMU (test_interrupts_qemu.py: double_fault).
    assert delivery.fault.address == HOLE + 0x1000 - 8


def test_a_handler_at_a_wrong_address() -> None:
    t = Tables()
    t.gate(0x20, offset=1 << 50)
    assert t.fault() == (GP, 0)


def test_tables_that_are_not_mapped() -> None:
    t = Tables()
    t.state[IDT + 1] = HOLE
    assert t.fault() == (PF, 0)
    t = Tables()
    t.gate(0x20)
    t.state[GDT + 1] = HOLE
    assert t.fault() == (PF, 0)


def test_accessed_bit_of_the_code_segment() -> None:
    t = Tables()
    at = (GDT_AT + CODE0) >> 3
    t.ram.quads[at] &= ~(1 << 40)
    t.gate(0x20)
    t.deliver(0x20, INT)
    assert t.ram.quads[at] >> 40 & 1


# -- protected mode --


def test_protected_same_ring() -> None:
    t = Tables(long_mode=False)
    t.gate(0x20)
    t.deliver(0x20, INT)
    assert t.words(4)[:3] == [CODE, CODE0, FLAGS]
    assert t.state[RSP] == STACK - 12


def test_protected_from_ring_3() -> None:
    t = Tables(ring=3, long_mode=False)
    t.gate(GP, type=15)
    delivery = t.deliver(GP, EXCEPTION, 0x18)
    assert t.words(4) == [0x18, USER_CODE, CODE3 | 3, FLAGS | RF, USER_STACK, DATA3 | 3]
    assert (t.state[SS], t.state[HFLAGS] & 3, t.state[RSP]) == (DATA0, 0, STACK - 24)
    assert t.cpu.eflags() & 0x200
    assert delivery.stack is not None
    assert delivery.stack.source == "SS0:ESP0"


def test_sixteen_bit_gate_pushes_words() -> None:
    t = Tables(long_mode=False)
    t.state[RIP] = 0x1234
    t.gate(0x20, type=6, offset=0x5678)
    t.deliver(0x20, INT)
    assert t.words(2)[:3] == [0x1234, CODE0, FLAGS]
    assert t.state[RIP] == 0x5678


def test_task_gates_are_said() -> None:
    t = Tables(long_mode=False)
    t.gate(8, type=5)
    delivery = t.deliver(8, EXCEPTION, 0)
    assert delivery.unsupported is not None
    assert "task gate" in delivery.unsupported


@pytest.mark.parametrize(
    ("ss0", "fault"),
    [
        (0, (TS, 0)),
        (DATA3, (TS, DATA3)),
        (DATA0 | 3, (TS, DATA0)),
        (CODE0, (TS, CODE0)),
        (0x2000, (TS, 0x2000)),
    ],
)
def test_ring_0_stacks_that_are_refused(ss0: int, fault: tuple[int, int]) -> None:
    t = Tables(ring=3, long_mode=False)
    t.gate(0x20, dpl=3)
    t.poke(TSS_AT + 8, ss0.to_bytes(2, "little"))
    assert t.fault() == fault


def test_a_stack_segment_that_ends() -> None:
    t = Tables(long_mode=False)
    t.gate(0x20)
    t.state[SS + 2] = t.state[SS + 2] >> 32 << 32 | (STACK - 9)
    assert t.fault() == (SS_FAULT, 0)


def test_out_of_virtual_8086_mode() -> None:
    t = Tables(ring=3, long_mode=False)
    t.gate(GP)
    for i, register in enumerate((CS, SS, ES, DS, FS, GS)):
        t.state[register], t.state[register + 1] = 0x100 + i, (0x100 + i) << 4
    t.cpu.set_eflags(FLAGS | 1 << 17)
    delivery = t.deliver(GP, EXCEPTION, 0)
    assert delivery.mode is Mode.VIRTUAL_8086
    names = [push.name for push in delivery.pushed]
    assert names == ["GS", "FS", "DS", "ES", "SS", "ESP", "EFLAGS", "CS", "EIP", "error code"]
    assert [push.value for push in delivery.pushed[:5]] == [0x105, 0x104, 0x103, 0x102, 0x101]
    assert not t.cpu.eflags() & 1 << 17
    assert (t.state[DS], t.state[GS], t.state[CS]) == (0, 0, CODE0)


# -- real mode --


def test_real_mode() -> None:
    t = Tables()
    t.silicon.reset()
    state = t.state
    state[SS], state[SS + 1], state[RSP], state[RIP] = 0x100, 0x1000, 2, 0x1234
    t.poke(0x21 * 4, bytes.fromhex("7856 00f0"))
    t.cpu.set_eflags(0x303)
    delivery = t.deliver(0x21, INT)
    assert (state[CS], state[CS + 1], state[RIP]) == (0xF000, 0xF0000, 0x5678)
    assert state[RSP] == 0xFFFC  # it wraps
    assert bytes(t.ram.bytes[0x1000:0x1002]) == b"\x03\x03"
    assert bytes(t.ram.bytes[0x1000 + 0xFFFC : 0x11000]) == bytes.fromhex("3412 00f0")
    assert t.cpu.eflags() == 3
    assert [push.name for push in delivery.pushed] == ["FLAGS", "CS", "IP"]
    state[IDT + 2] = 0x21 * 4 + 2
    assert t.fault(0x21) == (GP, 0)


# -- what follows a fault --


@pytest.mark.parametrize(
    ("first", "second", "then"),
    [
        (0, GP, 8), (GP, NP, 8), (SS_FAULT, TS, 8), (PF, GP, 8), (PF, PF, 8),
        (GP, PF, PF), (6, GP, GP), (3, PF, PF), (1, NP, NP), (GP, 6, 6),
        (8, GP, None), (8, PF, None), (8, 6, 6),
    ],
)  # fmt: skip
def test_table_6_5(first: int, second: int, then: int | None) -> None:
    following = escalate(Cause(first, EXCEPTION), DeliveryFault(second, 0, ""))
    assert (following.vector if following is not None else None) == then


def test_interrupts_are_benign() -> None:
    for kind in (INT, EXTERNAL):
        following = escalate(Cause(GP, kind), DeliveryFault(PF, 2, ""))
        assert following is not None
        assert (following.vector, following.error_code) == (PF, 2)


def test_a_double_fault_is_delivered() -> None:
    t = Tables()
    t.gate(8, ist=1)
    attempts = t.take(GP, 0)
    assert [attempt.cause.vector for attempt in attempts] == [GP, 8]
    assert t.words()[:2] == [0, CODE]


def test_a_triple_fault_ends_it() -> None:
    t = Tables()
    attempts = t.take(GP, 0)
    assert [attempt.cause.vector for attempt in attempts] == [GP, 8]
    assert attempts[-1].fault is not None
    assert (attempts[-1].fault.vector, attempts[-1].fault.error_code) == (GP, 8 * 8 + 3)


def test_a_page_fault_of_a_delivery_sets_cr2() -> None:
    t = Tables()
    t.gate(GP)
    t.gate(PF, ist=1)
    t.state[RSP] = HOLE + 0x800
    attempts = t.take(GP, 0)
    assert [attempt.cause.vector for attempt in attempts] == [GP, PF]
    assert t.state[CR2] == HOLE + 0x800 - 8
    assert t.words()[0] == 2


def test_the_table_lies_where_it_says() -> None:
    t = Tables()
    t.gate(0x20)
    delivery = t.deliver(0x20, EXTERNAL)
    assert (delivery.table, delivery.gate_address) == (IDT_AT, IDT_AT + 0x200)
    assert delivery.descriptor_address == GDT_AT + CODE0
