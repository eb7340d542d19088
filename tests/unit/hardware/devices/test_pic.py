"""8259A: initialization, priorities, end of interrupt, both triggers (Intel 231468)."""

from __future__ import annotations

import pytest

from youcpu.hardware.devices.pic import PicPair

MASTER, SLAVE = 0x20, 0xA0


def initialized(icw1: int = 0x11, icw4: int = 1, mask: tuple[int, int] = (0, 0)) -> PicPair:
    """As Linux does it: vectors from 0x30 and 0x38."""
    pair = PicPair()
    for port, base, icw3 in ((MASTER, 0x30, 4), (SLAVE, 0x38, 2)):
        pair.write_port(port, icw1)
        for value in (base, icw3, icw4):
            pair.write_port(port + 1, value)
    pair.write_port(MASTER + 1, mask[0])
    pair.write_port(SLAVE + 1, mask[1])
    return pair


def isr(pair: PicPair, port: int = MASTER) -> int:
    pair.write_port(port, 0x0B)
    return pair.read_port(port)


def irr(pair: PicPair, port: int = MASTER) -> int:
    pair.write_port(port, 0x0A)
    return pair.read_port(port)


@pytest.mark.parametrize("irq", [0, 1, 3, 4, 7, 8, 9, 14, 15])
def test_vector_and_in_service(irq: int) -> None:
    pair = initialized()
    pair.set_irq(irq, True)
    assert pair.output
    assert pair.acknowledge() == 0x30 + irq
    assert isr(pair) == (1 << irq if irq < 8 else 4)
    assert isr(pair, SLAVE) == (1 << irq - 8 if irq >= 8 else 0)
    assert not pair.output


def test_the_mask_reads_back_and_holds_a_request_back() -> None:
    pair = initialized(mask=(0xFB, 0xFF))
    pair.set_irq(4, True)
    assert not pair.output
    assert irr(pair) == 0x10
    assert pair.read_port(MASTER + 1) == 0xFB
    pair.write_port(MASTER + 1, 0xEB)
    assert pair.output


def test_lower_priorities_wait_for_the_end_of_interrupt() -> None:
    pair = initialized()
    pair.set_irq(1, True)
    assert pair.acknowledge() == 0x31
    pair.set_irq(3, True)
    assert not pair.output
    pair.set_irq(0, True)
    assert pair.acknowledge() == 0x30
    pair.write_port(MASTER, 0x20)  # non-specific: the highest in service, 0
    assert isr(pair) == 2
    assert not pair.output
    pair.write_port(MASTER, 0x61)  # specific
    assert pair.acknowledge() == 0x33


def test_an_edge_counts_once_a_level_again() -> None:
    pair = initialized()
    pair.write_port(0x4D0, 1 << 5)
    for irq in (3, 5):
        pair.set_irq(irq, True)
        assert pair.acknowledge() == 0x30 + irq
        pair.write_port(MASTER, 0x20)
    assert pair.output  # IRQ 5 is still high
    pair.set_irq(5, False)
    assert not pair.output


def test_elcr_takes_only_what_may_be_level_triggered() -> None:
    pair = PicPair()
    pair.write_port(0x4D0, 0xFF)
    pair.write_port(0x4D1, 0xFF)
    assert (pair.read_port(0x4D0), pair.read_port(0x4D1)) == (0xF8, 0xDE)


def test_a_request_that_vanishes_is_spurious() -> None:
    pair = initialized()
    pair.set_irq(3, True)
    pair.set_irq(3, False)
    assert pair.acknowledge() == 0x37
    assert isr(pair) == 0
    # On the slave: its IRQ 7, and the master has the cascade in service.
    pair.slave.set_line(1, True)
    pair.master.set_line(2, True)
    pair.slave.set_line(1, False)
    assert pair.acknowledge() == 0x3F
    assert (isr(pair), isr(pair, SLAVE)) == (4, 0)


def test_rotation() -> None:
    pair = initialized()
    for irq in (2 + 1, 4):
        pair.set_irq(irq, True)
    assert pair.acknowledge() == 0x33
    pair.write_port(MASTER, 0xA0)  # rotate on non-specific EOI: 3 is the lowest now
    pair.set_irq(3, False)
    pair.set_irq(3, True)
    assert pair.acknowledge() == 0x34
    pair.write_port(MASTER, 0x64)
    pair.write_port(MASTER, 0xC0 | 5)  # set priority: 5 lowest, 6 highest
    for irq in (0, 6):
        pair.set_irq(irq, True)
    assert pair.acknowledge() == 0x36


def test_automatic_end_of_interrupt() -> None:
    pair = initialized(icw4=3)
    pair.set_irq(1, True)
    assert pair.acknowledge() == 0x31
    assert isr(pair) == 0


def test_special_mask_mode_lets_lower_ones_through() -> None:
    pair = initialized()
    pair.set_irq(1, True)
    pair.acknowledge()
    pair.set_irq(4, True)
    assert not pair.output
    pair.write_port(MASTER, 0x68)
    pair.write_port(MASTER + 1, 1 << 1)
    assert pair.acknowledge() == 0x34


def test_poll_is_an_acknowledge() -> None:
    pair = initialized()
    pair.set_irq(4, True)
    pair.write_port(MASTER, 0x0C)
    assert pair.read_port(MASTER) == 0x84
    assert isr(pair) == 0x10
    pair.write_port(MASTER, 0x0C)
    assert pair.read_port(MASTER) & 0x80 == 0


def test_icw1_forgets_all() -> None:
    pair = initialized(mask=(0xFF, 0xFF))
    pair.set_irq(4, True)
    pair.write_port(MASTER, 0x11)
    assert irr(pair) == 0  # an edge must come anew
    for value in (0x40, 4, 1):
        pair.write_port(MASTER + 1, value)
    assert pair.read_port(MASTER + 1) == 0
    pair.set_irq(4, False)
    pair.set_irq(4, True)
    assert pair.acknowledge() == 0x44


def test_state_goes_through_a_snapshot() -> None:
    pair = initialized(mask=(0x12, 0x34))
    pair.set_irq(0, True)
    copy = PicPair()
    copy.load(pair.save())
    assert copy.save() == pair.save()
    assert copy.acknowledge() == 0x30
