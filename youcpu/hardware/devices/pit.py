"""8254 interval timer (Intel 231164): three 16-bit counters at 1.193182 MHz.

0x40 0x41 0x42  counters; 0: IRQ 0, 2: speaker, its gate is bit 0 of port 0x61
0x43            control word, latch and read-back commands
0x61            bit 0 gate 2, bit 1 speaker, bit 4 refresh, bit 5 output 2
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

FREQUENCY = 1_193_182
NS = 1_000_000_000
CONTROL, SPEAKER = 0x43, 0x61
PORTS = (0x40, 0x41, 0x42, CONTROL, SPEAKER)
_LSB, _MSB, _BOTH = 1, 2, 3
_REFRESH_NS = 15_085
_STATE = (
    "mode", "access", "bcd", "reload", "start", "held", "gate", "counting", "next_reload",
    "write_low", "read_high", "latch", "status", "null", "armed",
)  # fmt: skip


def to_ticks(time_ns: int) -> int:
    """Clock ticks since power-on."""
    return time_ns * FREQUENCY // NS


def to_ns(ticks: int) -> int:
    """First nanosecond at which so many ticks are over."""
    return -(-ticks * NS // FREQUENCY)


class Counter:
    """One counter. `start`: tick at which `reload` began to be counted down."""

    def __init__(self) -> None:
        self.mode, self.access, self.bcd = 3, _BOTH, 0
        self.reload = 0x10000
        self.start = 0
        #: Ticks counted before the gate went low (modes 0 and 4 pause); -1: not paused.
        self.held = -1
        self.gate = 1
        self.counting = 0
        #: Modes 2 and 3: a count written while counting, for the next cycle; 0: none.
        self.next_reload = 0
        #: First byte of a two-byte write; -1: none.
        self.write_low = -1
        self.read_high = 0
        self.latch = -1
        self.status = -1
        self.null = 0
        #: Modes 1 and 5: a count is there, a rising gate would start it.
        self.armed = 0

    def control(self, value: int) -> None:
        """A control word: mode and access; OUT goes to its initial state, counting stops."""
        self.access = value >> 4 & 3
        mode = value >> 1 & 7
        self.mode = mode & 3 if mode >= 6 else mode
        self.bcd = value & 1
        self.write_low, self.read_high = -1, 0
        self.latch = self.status = -1
        self.counting = self.next_reload = self.armed = 0
        self.held, self.null = -1, 1

    def settle(self, tick: int) -> None:
        """Take over a new count at the end of the cycle (modes 2 and 3)."""
        if self.next_reload and self.counting:
            over = (tick - self.start) // self.reload
            if over >= 1:
                self.start += self.reload * over
                self.reload, self.next_reload, self.null = self.next_reload, 0, 0

    def elapsed(self, tick: int) -> int:
        """Ticks counted since the count was loaded."""
        return self.held if self.held >= 0 else tick - self.start

    def value(self, tick: int) -> int:
        """The counting element, as it is read."""
        self.settle(tick)
        modulus = 10000 if self.bcd else 0x10000
        if not self.counting:
            count = self.reload % modulus
        else:
            done = self.elapsed(tick)
            if self.mode == 2:
                count = self.reload - done % self.reload
            elif self.mode == 3:
                high, phase = (self.reload + 1) // 2, done % self.reload
                count = (self.reload & ~1) - 2 * (phase if phase < high else phase - high)
            else:
                count = self.reload - done
            count %= modulus
        if self.bcd:
            return int(str(count), 16)
        return count

    def output(self, tick: int) -> bool:
        """OUT."""
        self.settle(tick)
        if not self.counting:
            return self.mode != 0
        if self.mode in (2, 3) and not self.gate:
            return True
        done = self.elapsed(tick)
        if self.mode in (0, 1):
            return done >= self.reload
        if self.mode == 2:
            return self.reload - done % self.reload != 1
        if self.mode == 3:
            return done % self.reload < (self.reload + 1) // 2
        return done != self.reload

    def next_rise(self, tick: int) -> int | None:
        """Tick of the next rising edge of OUT after `tick`; None: it stays."""
        self.settle(tick)
        if not self.counting or self.held >= 0:
            return None
        done = self.elapsed(tick)
        if self.mode in (2, 3):
            return self.start + (done // self.reload + 1) * self.reload if self.gate else None
        edge = self.reload + (1 if self.mode >= 4 else 0)
        return self.start + edge if done < edge else None

    def write(self, value: int, tick: int) -> None:
        """A byte of the count."""
        if self.access == _BOTH:
            if self.write_low < 0:
                self.write_low = value
                self.null = 1
                if self.mode == 0:
                    self.counting = 0  # the first byte disables counting
                return
            count, self.write_low = self.write_low | value << 8, -1
        else:
            count = value << 8 if self.access == _MSB else value
        self._load(count, tick)

    def _load(self, count: int, tick: int) -> None:
        if self.bcd:
            # Digits above 9 count as what they are; a real chip leaves that undefined.
            count = sum((count >> 4 * i & 0xF) * 10**i for i in range(4)) or 10000
        count = count or 0x10000
        if self.mode in (2, 3) and self.counting:
            self.settle(tick)
            self.next_reload, self.null = count, 1
            return
        self.reload, self.null = count, 0
        if self.mode in (1, 5):
            self.armed, self.null = 1, 1
            return
        self.start, self.counting = tick, 1
        self.held = 0 if not self.gate else -1

    def set_gate(self, gate: int, tick: int) -> None:
        """GATE changes: pauses, restarts or triggers, by the mode (table 5)."""
        self.settle(tick)
        rising, falling = gate and not self.gate, self.gate and not gate
        if falling and self.counting and self.mode in (0, 2, 3, 4):
            self.held = self.elapsed(tick)
        if rising:
            if self.mode in (1, 5) and self.armed:
                self.start, self.counting, self.null = tick, 1, 0
            elif self.mode in (2, 3) and self.counting:
                self.start = tick
                self.reload, self.next_reload = self.next_reload or self.reload, 0
            elif self.held >= 0:
                self.start = tick - self.held
            self.held = -1
        self.gate = gate

    def latch_count(self, tick: int) -> None:
        """A latch command; a second one before the read is ignored."""
        if self.latch < 0:
            self.latch = self.value(tick)

    def latch_status(self, tick: int) -> None:
        if self.status < 0:
            self.settle(tick)
            self.status = (
                self.output(tick) << 7
                | self.null << 6
                | self.access << 4
                | self.mode << 1
                | self.bcd
            )

    def read(self, tick: int) -> int:
        """A byte: latched status, latched count, or the count as it runs."""
        if self.status >= 0:
            value, self.status = self.status, -1
            return value
        count = self.latch if self.latch >= 0 else self.value(tick)
        if self.access == _BOTH:
            high = self.read_high
            self.read_high ^= 1
            if high:
                self.latch = -1
                return count >> 8
            return count & 0xFF
        self.latch = -1
        return count >> 8 if self.access == _MSB else count & 0xFF


class Pit:
    """The chip with the PC's port 0x61. `now`: virtual time in ns; `rise`: OUT 0 rises."""

    def __init__(self, now: Callable[[], int], rise: Callable[[], None]) -> None:
        self._now, self._rise = now, rise
        self.counters = [Counter() for _ in range(3)]
        self.counters[2].gate = 0
        self.speaker = 0
        #: Tick up to which edges of OUT 0 were told.
        self._told = 0

    def _tick(self) -> int:
        return to_ticks(self._now())

    def deadline(self) -> int | None:
        """Virtual time of the next rising edge of OUT 0, in ns."""
        edge = self.counters[0].next_rise(self._told)
        return None if edge is None else to_ns(edge)

    def advance(self) -> None:
        """Tell the edges up to now: one pulse, however many there were."""
        tick = self._tick()
        edge = self.counters[0].next_rise(self._told)
        self._told = tick
        if edge is not None and edge <= tick:
            self._rise()

    def read_port(self, port: int) -> int:
        if port == SPEAKER:
            now = self._now()
            output = self.counters[2].output(to_ticks(now))
            refresh = now // _REFRESH_NS & 1
            return self.speaker | self.counters[2].gate | refresh << 4 | output << 5
        if port == CONTROL:
            return 0xFF
        return self.counters[port & 3].read(self._tick())

    def write_port(self, port: int, value: int) -> None:
        tick = self._tick()
        if port == SPEAKER:
            self.speaker = value & 2
            self.counters[2].set_gate(value & 1, tick)
        elif port != CONTROL:
            self.counters[port & 3].write(value, tick)
            if port & 3 == 0:
                self._told = tick
        elif value >> 6 == 3:
            for number, counter in enumerate(self.counters):
                if value >> (number + 1) & 1:
                    if not value & 0x20:
                        counter.latch_count(tick)
                    if not value & 0x10:
                        counter.latch_status(tick)
        elif not value >> 4 & 3:
            self.counters[value >> 6].latch_count(tick)
        else:
            counter = self.counters[value >> 6]
            high = counter.output(tick)
            counter.control(value)
            if value >> 6 == 0 and not high and counter.output(tick):
                self._rise()

    def save(self) -> dict[str, Any]:
        """State for a snapshot."""
        counters = [[getattr(counter, key) for key in _STATE] for counter in self.counters]
        return {"counters": counters, "speaker": self.speaker, "told": self._told}

    def load(self, state: dict[str, Any]) -> None:
        """What `save` gave."""
        for counter, values in zip(self.counters, state["counters"], strict=True):
            for key, value in zip(_STATE, values, strict=True):
                setattr(counter, key, int(value))
            if not 0 < counter.reload <= 0x10000 or not 0 <= counter.next_reload <= 0x10000:
                raise ValueError("a count that no counter holds")
            if not 0 <= counter.mode <= 5 or counter.gate not in (0, 1):
                raise ValueError("a mode that no counter has")
        self.speaker, self._told = int(state["speaker"]), int(state["told"])
