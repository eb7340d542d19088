"""8254: counting in each mode, latches, read-back, gate (Intel 231164)."""

from __future__ import annotations

import pytest

from youcpu.hardware.devices.pit import Pit, to_ns


class Clock:
    """A Pit and its virtual time, in ticks of its clock."""

    def __init__(self) -> None:
        self.ns = 0
        self.rises = 0
        self.pit = Pit(lambda: self.ns, self._rise)

    def _rise(self) -> None:
        self.rises += 1

    def at(self, ticks: int) -> Clock:
        self.ns = to_ns(ticks)
        self.pit.advance()
        return self

    def program(self, counter: int, mode: int, count: int, bcd: int = 0) -> None:
        self.pit.write_port(0x43, counter << 6 | 0x30 | mode << 1 | bcd)
        self.pit.write_port(0x40 + counter, count & 0xFF)
        self.pit.write_port(0x40 + counter, count >> 8)

    def count(self, counter: int = 0) -> int:
        self.pit.write_port(0x43, counter << 6)
        low = self.pit.read_port(0x40 + counter)
        return low | self.pit.read_port(0x40 + counter) << 8

    def out(self, counter: int) -> int:
        self.pit.write_port(0x43, 0xE0 | 2 << counter)
        return self.pit.read_port(0x40 + counter) >> 7


@pytest.mark.parametrize(("mode", "counts"), [
    (0, [100, 99, 1, 0, 0xFFFF]), (2, [100, 99, 1, 100, 99]), (3, [100, 98, 2 + 98, 2 * 50, 98]),
    (4, [100, 99, 1, 0, 0xFFFF]),
])  # fmt: skip
def test_counting(mode: int, counts: list[int]) -> None:
    clock = Clock()
    clock.program(0, mode, 100)
    ticks = [0, 1, 99, 100, 101]
    if mode == 3:  # by twos, and again after half the period
        ticks = [0, 1, 50, 100, 101]
    assert [clock.at(tick).count() for tick in ticks] == counts


def test_outputs() -> None:
    outputs = {}
    for mode in (0, 2, 3, 4):
        clock = Clock()
        clock.program(0, mode, 10)
        outputs[mode] = "".join(str(clock.at(tick).out(0)) for tick in range(21))
    assert outputs == {
        0: "0" * 10 + "1" * 11,  # high at the terminal count
        2: "1" * 9 + "0" + "1" * 9 + "0" + "1",  # low for one clock
        3: "1" * 5 + "0" * 5 + "1" * 5 + "0" * 5 + "1",
        4: "1" * 10 + "0" + "1" * 10,  # a strobe
    }


def test_odd_square_wave() -> None:
    clock = Clock()
    clock.program(0, 3, 5)
    assert "".join(str(clock.at(tick).out(0)) for tick in range(10)) == "1110011100"


@pytest.mark.parametrize(("mode", "rises"), [(0, 1), (2, 3), (3, 3), (4, 1)])
def test_interrupts_come_at_rising_edges(mode: int, rises: int) -> None:
    clock = Clock()
    clock.program(0, mode, 1000)
    clock.rises = 0
    while (due := clock.pit.deadline()) is not None and due <= to_ns(3500):
        clock.ns = due
        clock.pit.advance()
    assert clock.rises == rises


def test_a_count_of_zero_is_the_largest() -> None:
    clock = Clock()
    clock.program(0, 2, 0)
    assert clock.pit.deadline() == to_ns(0x10000)
    assert clock.at(1).count() == 0xFFFF


def test_a_latch_holds_until_read_and_is_not_overwritten() -> None:
    clock = Clock()
    clock.program(0, 2, 1000)
    clock.at(10).pit.write_port(0x43, 0)
    clock.at(20).pit.write_port(0x43, 0)
    assert clock.at(30).pit.read_port(0x40) | clock.pit.read_port(0x40) << 8 == 990
    assert clock.pit.read_port(0x40) | clock.pit.read_port(0x40) << 8 == 970


def test_read_back_of_status_and_count() -> None:
    clock = Clock()
    clock.pit.write_port(0x43, 0x34)
    clock.pit.write_port(0x43, 0xE2)  # status only
    assert clock.pit.read_port(0x40) == 0xF4  # OUT high, null count, both bytes, mode 2
    clock.program(0, 2, 1000)
    clock.at(5).pit.write_port(0x43, 0xC2)  # both: status comes first
    assert clock.pit.read_port(0x40) == 0xB4
    assert clock.pit.read_port(0x40) | clock.pit.read_port(0x40) << 8 == 995


def test_one_byte_accesses() -> None:
    clock = Clock()
    clock.pit.write_port(0x43, 0x14)  # LSB, mode 2
    clock.pit.write_port(0x40, 50)
    assert clock.at(10).pit.read_port(0x40) == 40
    clock.pit.write_port(0x43, 0x24)  # MSB
    clock.pit.write_port(0x40, 2)
    assert clock.pit.read_port(0x40) == 2


def test_a_new_count_waits_for_the_end_of_the_period() -> None:
    clock = Clock()
    clock.program(0, 2, 100)
    clock.at(40)
    clock.pit.write_port(0x40, 50)
    clock.pit.write_port(0x40, 0)
    assert clock.at(60).count() == 40
    assert clock.at(110).count() == 40
    assert clock.at(150).count() == 50


def test_mode_0_stops_between_the_bytes() -> None:
    clock = Clock()
    clock.program(0, 0, 1000)
    clock.at(10).pit.write_port(0x40, 0x20)
    assert clock.pit.deadline() is None
    clock.at(500).pit.write_port(0x40, 0)
    assert clock.pit.deadline() == to_ns(532)


def test_bcd() -> None:
    clock = Clock()
    clock.program(0, 0, 0x1000, bcd=1)
    assert clock.at(1).count() == 0x0999


def test_channel_2_and_its_gate() -> None:
    clock = Clock()
    clock.program(2, 0, 100)
    assert clock.at(500).count(2) == 100  # the gate is low
    clock.pit.write_port(0x61, 1)
    assert clock.at(540).count(2) == 60
    assert not clock.pit.read_port(0x61) & 0x20
    clock.pit.write_port(0x61, 0)
    assert clock.at(900).count(2) == 60
    clock.pit.write_port(0x61, 3)
    assert clock.at(960).pit.read_port(0x61) & 0x23 == 0x23


def test_a_gate_triggers_modes_1_and_5() -> None:
    for mode, low in ((1, range(10, 20)), (5, range(20, 21))):
        clock = Clock()
        clock.program(2, mode, 10)
        clock.at(10).pit.write_port(0x61, 1)
        outs = [clock.at(tick).out(2) for tick in range(10, 25)]
        assert [tick for tick, out in enumerate(outs, 10) if not out] == list(low)


def test_state_goes_through_a_snapshot() -> None:
    clock = Clock()
    clock.program(0, 2, 1000)
    clock.at(10)
    other = Clock()
    other.pit.load(clock.pit.save())
    assert other.at(30).count() == 970
