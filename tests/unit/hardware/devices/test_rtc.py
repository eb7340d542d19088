"""MC146818A: the time, its formats, setting it, interrupts."""

from __future__ import annotations

from youcpu.hardware.devices.rtc import Rtc

EPOCH = 951_827_696  # 2000-02-29 12:34:56 UTC, a Tuesday
S = 1_000_000_000


class Clock:
    """An Rtc and its time."""

    def __init__(self, epoch: int = EPOCH) -> None:
        self.ns = 0
        self.irq = False
        self.rtc = Rtc(lambda: self.ns, self._set_irq, epoch * S)

    def _set_irq(self, level: bool) -> None:
        self.irq = level

    def read(self, index: int) -> int:
        self.rtc.write_port(0x70, index)
        return self.rtc.read_port(0x71)

    def write(self, index: int, value: int) -> None:
        self.rtc.write_port(0x70, index)
        self.rtc.write_port(0x71, value)

    def time(self) -> list[int]:
        return [self.read(index) for index in (0x32, 9, 8, 7, 4, 2, 0, 6)]


def test_bcd_time() -> None:
    assert Clock().time() == [0x20, 0x00, 0x02, 0x29, 0x12, 0x34, 0x56, 3]


def test_binary_and_twelve_hours() -> None:
    clock = Clock()
    clock.write(0xB, 4 | 2)
    assert clock.time() == [20, 0, 2, 29, 12, 34, 56, 3]
    clock.write(0xB, 4)
    assert clock.read(4) == 0x80 | 12
    clock.ns = 12 * 3600 * S
    assert clock.read(4) == 12
    clock.write(0xB, 0)
    clock.ns = 22 * 3600 * S
    assert clock.read(4) == 0x10


def test_time_goes_on() -> None:
    clock = Clock()
    clock.ns = 5 * S
    assert clock.time()[5:7] == [0x35, 0x01]


def test_setting_the_time() -> None:
    clock = Clock()
    clock.write(0xB, 0x82)
    for index, value in (
        (0x32, 0x19),
        (9, 0x99),
        (8, 0x12),
        (7, 0x31),
        (4, 0x23),
        (2, 0x59),
        (0, 0x58),
    ):
        clock.write(index, value)
    clock.ns = 100 * S
    assert clock.time()[:3] == [0x19, 0x99, 0x12]
    clock.write(0xB, 0x02)
    clock.ns = 102 * S
    assert clock.time() == [0x20, 0, 1, 1, 0, 0, 0, 7]


def test_update_in_progress_before_each_second() -> None:
    clock = Clock()
    assert not clock.read(0xA) & 0x80
    clock.ns = S - 100_000
    assert clock.read(0xA) & 0x80
    clock.ns = S
    assert not clock.read(0xA) & 0x80


def run(clock: Clock, until: int) -> list[tuple[int, int]]:
    """Deadlines up to a time, each taken."""
    seen: list[tuple[int, int]] = []
    while (due := clock.rtc.deadline()) is not None and due <= until:
        clock.ns = due
        clock.rtc.advance()
        if clock.irq:
            seen.append((due, clock.read(0xC)))
    return seen


def test_update_ended_interrupts() -> None:
    clock = Clock()
    clock.write(0xB, 0x12)
    seen = [(due, flags & 0x90) for due, flags in run(clock, 3 * S)]
    assert seen == [(i * S, 0x90) for i in (1, 2, 3)]
    assert not clock.irq


def test_periodic_interrupts() -> None:
    clock = Clock()
    clock.write(0xA, 0x26)  # 1024 Hz
    clock.write(0xB, 0x42)
    seen = run(clock, S)
    assert len(seen) == 1024
    assert {flags & 0x40 for _, flags in seen} == {0x40}


def test_the_alarm() -> None:
    clock = Clock()
    for index, value in ((1, 0x58), (3, 0xFF), (5, 0xFF)):
        clock.write(index, value)
    clock.write(0xB, 0x22)
    assert [due for due, _ in run(clock, 130 * S)] == [2 * S, 62 * S, 122 * S]


def test_flags_rise_without_interrupts_too() -> None:
    clock = Clock()
    clock.ns = S
    assert clock.read(0xC) & 0x10
    assert clock.read(0xC) == 0
    assert not clock.irq


def test_memory_and_validity() -> None:
    clock = Clock()
    clock.rtc.set_memory_size(64 << 20)
    assert clock.read(0x17) | clock.read(0x18) << 8 == 63 << 10
    assert clock.read(0x34) | clock.read(0x35) << 8 == 48 << 4
    assert clock.read(0xD) == 0x80
    clock.write(0xD, 0)
    clock.write(0x50, 0x77)
    assert (clock.read(0xD), clock.read(0x50)) == (0x80, 0x77)


def test_state_goes_through_a_snapshot() -> None:
    clock = Clock()
    clock.write(0x50, 1)
    other = Clock(0)
    other.rtc.load(clock.rtc.save())
    assert other.time() == clock.time()
