"""16550A: FIFOs, interrupts and their order, loopback, modem lines (National PC16550D)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from youcpu.hardware.devices.uart import Uart


class Line:
    """A Uart, what it sent, its interrupt line and its time."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self.irq = False
        self.ns = 0
        self.uart = Uart(lambda: self.ns, self._set_irq, self.sent.append)

    def _set_irq(self, level: bool) -> None:
        self.irq = level

    def read(self, register: int) -> int:
        return self.uart.read_port(0x3F8 + register)

    def write(self, register: int, value: int) -> None:
        self.uart.write_port(0x3F8 + register, value)

    def ready(self, ier: int, fcr: int = 0x81) -> Line:
        """FIFOs on, OUT2 on: as a driver has it."""
        self.write(2, fcr)
        self.write(4, 0x0B)
        self.write(1, ier)
        return self


@pytest.fixture
def line() -> Line:
    return Line()


def test_sending(line: Line) -> None:
    for byte in b"hello":
        assert line.read(5) & 0x60 == 0x60
        line.write(0, byte)
    assert line.sent == b"hello"


def test_registers_read_back(line: Line) -> None:
    line.write(3, 0x83)
    line.write(0, 0x34)
    line.write(1, 0x12)
    assert (line.read(0), line.read(1)) == (0x34, 0x12)
    line.write(3, 0x03)
    line.write(1, 0xFF)
    assert line.read(1) == 0x0F
    line.write(7, 0xA5)
    assert (line.read(7), line.read(3)) == (0xA5, 3)
    line.write(4, 0xFF)
    assert line.read(4) == 0x1F


def test_the_16550a_is_told_by_its_iir(line: Line) -> None:
    assert line.read(2) == 0x01
    line.write(2, 1)
    assert line.read(2) == 0xC1


def test_an_empty_transmitter_interrupts_once(line: Line) -> None:
    line.ready(2)
    assert line.irq
    assert line.read(2) == 0xC2
    assert not line.irq
    assert line.read(2) == 0xC1
    line.write(0, 65)
    assert line.irq


def test_received_data_at_the_trigger(line: Line) -> None:
    line.ready(1)  # trigger 8
    for byte in range(7):
        line.uart.receive(byte)
        assert not line.irq
    line.uart.receive(7)
    assert line.irq
    assert line.read(2) == 0xC4
    assert [line.read(0) for _ in range(8)] == list(range(8))
    assert not line.irq
    assert not line.read(5) & 1


def test_the_character_timeout(line: Line) -> None:
    line.ready(1)
    line.write(3, 3)
    line.uart.receive(65)
    assert not line.irq
    due = line.uart.deadline()
    # Four characters of ten bits at 9600 baud, the divisor after reset.
    assert due is not None
    assert 4_100_000 < due < 4_200_000
    line.ns = due
    line.uart.advance()
    assert line.irq
    assert line.read(2) == 0xCC
    assert line.read(0) == 65
    assert not line.irq
    assert line.uart.deadline() is None


def test_an_overrun_is_told_and_keeps_what_came_first(line: Line) -> None:
    line.ready(4)
    for byte in range(17):
        line.uart.receive(byte)
    assert line.irq
    assert line.read(2) == 0xC6
    assert line.read(5) & 3 == 3
    assert not line.read(5) & 2
    assert [line.read(0) for _ in range(16)] == list(range(16))


def test_without_fifo_the_newest_byte_stays(line: Line) -> None:
    line.write(4, 8)
    line.write(1, 1)
    line.uart.receive(1)
    assert line.irq
    line.uart.receive(2)
    assert line.read(5) & 3 == 3
    assert line.read(0) == 2


def test_clearing_the_fifo(line: Line) -> None:
    line.ready(1)
    line.uart.receive(1)
    line.write(2, 0x83)
    assert not line.read(5) & 1
    assert line.uart.room == 16


def test_interrupts_in_their_order(line: Line) -> None:
    line.ready(0xF, fcr=1)
    line.uart.receive(1)
    line.write(4, 0x18)
    line.write(4, 0x0B)  # the lines moved in loopback and back
    for _ in range(16):
        line.uart.receive(2)
    found = []
    clear: dict[int, Callable[[], object]] = {
        6: lambda: line.read(5), 4: lambda: [line.read(0) for _ in range(16)],
        2: lambda: None, 0: lambda: line.read(6),
    }  # fmt: skip
    while (cause := line.read(2) & 0xF) != 1:
        found.append(cause)
        clear[cause]()
    assert found == [6, 4, 2, 0]


def test_out2_lets_the_interrupt_through(line: Line) -> None:
    line.write(1, 2)
    assert not line.irq
    line.write(4, 8)
    assert line.irq


def test_loopback(line: Line) -> None:
    line.write(4, 0x10)
    line.write(0, 0x5A)
    assert not line.sent
    assert line.read(5) & 1
    assert line.read(0) == 0x5A
    for mcr, msr in ((0x11, 0x20), (0x12, 0x10), (0x14, 0x40), (0x18, 0x80)):
        line.write(4, mcr)
        assert line.read(6) & 0xF0 == msr
    assert line.read(6) & 0x0F == 0


def test_modem_lines_of_a_terminal(line: Line) -> None:
    assert line.read(6) == 0xB0


def test_state_goes_through_a_snapshot(line: Line) -> None:
    line.ready(5)
    line.uart.receive(9)
    other = Line()
    other.uart.load(line.uart.save())
    assert other.uart.save() == line.uart.save()
    assert other.read(0) == 9
