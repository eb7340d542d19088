"""CMOS real-time clock, MC146818A: index at port 0x70, data at 0x71, IRQ 8.

    0 2 4 6 7 8 9   seconds minutes hours weekday day month year; 1 3 5 alarm; 0x32 century
    A  UIP, divider, rate    B  SET PIE AIE UIE SQWE DM 24/12 DSE
    C  IRQF PF AF UF, cleared by reading    D  VRT

The time is a given epoch and the virtual time since; nothing of the host's clock.
"""

from __future__ import annotations

import time
from calendar import timegm
from collections.abc import Callable
from typing import Any

PORTS = (0x70, 0x71)
IRQ = 8
NS = 1_000_000_000
CENTURY = 0x32
#: The first nanosecond of the year 10000.
_LAST_YEAR = 253_402_300_800 * NS
A, B, C, D = 0xA, 0xB, 0xC, 0xD
B_SET, B_PIE, B_AIE, B_UIE, B_BINARY, B_24H = 0x80, 0x40, 0x20, 0x10, 4, 2
C_IRQF, C_PF, C_AF, C_UF = 0x80, 0x40, 0x20, 0x10
#: UIP is high so long before a second begins (MC146818A, table 5: 244 us).
_UIP_NS = 244_000
_TIME_REGISTERS = frozenset({0, 2, 4, 6, 7, 8, 9, CENTURY})
_RANGES = {0: (0, 59), 2: (0, 59), 4: (0, 23), 7: (1, 31), 8: (1, 12)}


class Rtc:
    """The clock and its 128 bytes. `now`: virtual ns; `epoch_ns`: Unix time at power-on."""

    def __init__(
        self, now: Callable[[], int], set_irq: Callable[[bool], None], epoch_ns: int
    ) -> None:
        self._now, self._set_irq = now, set_irq
        self.cmos = bytearray(128)
        self.index = 0
        #: Unix time minus virtual time, in ns.
        self.offset_ns = epoch_ns
        self.cmos[A], self.cmos[B], self.cmos[D] = 0x26, B_24H, 0x80
        #: Virtual time up to which flags of C were raised.
        self._seen = 0

    def set_memory_size(self, size: int) -> None:
        """Base and extended memory, where a PC's firmware leaves them."""
        extended = min(max(size - (1 << 20), 0) >> 10, 0xFFFF)
        above_16m = min(max(size - (16 << 20), 0) >> 16, 0xFFFF)
        for register, value in ((0x15, 640), (0x17, extended), (0x30, extended), (0x34, above_16m)):
            self.cmos[register : register + 2] = value.to_bytes(2, "little")

    def _unix_ns(self) -> int:
        return self.offset_ns + self._now()

    def _encode(self, value: int) -> int:
        return value if self.cmos[B] & B_BINARY else value // 10 << 4 | value % 10

    def _decode(self, value: int) -> int:
        return value if self.cmos[B] & B_BINARY else (value >> 4) * 10 + (value & 0xF)

    def _fields(self) -> dict[int, int]:
        """Time registers as they are read."""
        t = time.gmtime(self._unix_ns() // NS)
        hour = t.tm_hour
        if not self.cmos[B] & B_24H:
            hour = self._encode((hour + 11) % 12 + 1) | (0x80 if t.tm_hour >= 12 else 0)
        else:
            hour = self._encode(hour)
        encode = self._encode
        return {
            0: encode(t.tm_sec), 2: encode(t.tm_min), 4: hour, 6: encode((t.tm_wday + 1) % 7 + 1),
            7: encode(t.tm_mday), 8: encode(t.tm_mon), 9: encode(t.tm_year % 100),
            CENTURY: encode(t.tm_year // 100),
        }  # fmt: skip

    def _set_time(self) -> None:
        """The registers as written become the time."""
        c, decode = self.cmos, self._decode
        hour = c[4]
        if not c[B] & B_24H:
            hour = decode(hour & 0x7F) % 12 + (12 if hour & 0x80 else 0)
        else:
            hour = decode(hour)
        fields = {0: decode(c[0]), 2: decode(c[2]), 4: hour, 7: decode(c[7]), 8: decode(c[8])}
        for register, (low, high) in _RANGES.items():
            fields[register] = min(max(fields[register], low), high)
        year = decode(c[CENTURY]) * 100 + decode(c[9])
        unix = timegm((year, fields[8], fields[7], fields[4], fields[2], fields[0]))
        self.offset_ns = unix * NS - self._now()

    # -- interrupts --

    def _period(self) -> int:
        """Ns between periodic interrupts; 0: none."""
        rate = self.cmos[A] & 0xF
        if not rate or self.cmos[A] >> 4 & 7 > 2:
            return 0
        return NS * (1 << (rate + 7 if rate < 3 else rate) - 1) // 32768

    def deadline(self) -> int | None:
        """Virtual time of the next interrupt that is enabled, in ns."""
        b, now = self.cmos[B], self._seen
        due = []
        if b & B_PIE and (period := self._period()):
            due.append((now // period + 1) * period)
        if b & (B_UIE | B_AIE) and not b & B_SET:
            due.append(now + NS - (self.offset_ns + now) % NS)
        return min(due, default=None)

    def advance(self) -> None:
        """Raise the flags of what has passed."""
        before, now = self._seen, self._now()
        self._seen = now
        flags = 0
        period = self._period()
        if period and now // period != before // period:
            flags |= C_PF
        first, last = (self.offset_ns + before) // NS, (self.offset_ns + now) // NS
        if first != last and not self.cmos[B] & B_SET:
            flags |= C_UF
            if self._alarm_between(first, last):
                flags |= C_AF
        if flags:
            self.cmos[C] |= flags
            self._update()

    def _alarm_between(self, first: int, last: int) -> bool:
        """Whether the alarm's time of day came; 0xC0 and above: any (don't care)."""
        alarm = [self.cmos[register] for register in (5, 3, 1)]
        for second in range(max(first + 1, last - 86400), last + 1):
            t = time.gmtime(second)
            hour = self._encode(t.tm_hour)
            if not self.cmos[B] & B_24H:
                hour = self._encode((t.tm_hour + 11) % 12 + 1) | (0x80 if t.tm_hour >= 12 else 0)
            shown = (hour, self._encode(t.tm_min), self._encode(t.tm_sec))
            if all(want >= 0xC0 or want == has for want, has in zip(alarm, shown, strict=True)):
                return True
        return False

    def _update(self) -> None:
        active = bool(self.cmos[C] & self.cmos[B] & (C_PF | C_AF | C_UF))
        self.cmos[C] = self.cmos[C] & ~C_IRQF | (C_IRQF if active else 0)
        self._set_irq(active)

    # -- ports --

    def read_port(self, port: int) -> int:
        if port == PORTS[0]:
            return 0xFF
        self.advance()
        index, b = self.index, self.cmos[B]
        if index in _TIME_REGISTERS and not b & B_SET:
            return self._fields()[index] & 0xFF
        if index == A:
            near = NS - self._unix_ns() % NS <= _UIP_NS and not b & B_SET
            return self.cmos[A] & 0x7F | (0x80 if near else 0)
        if index == C:
            value = self.cmos[C]
            self.cmos[C] = 0
            self._set_irq(False)
            return value
        return self.cmos[index]

    def write_port(self, port: int, value: int) -> None:
        if port == PORTS[0]:
            self.index = value & 0x7F  # bit 7 masks NMI
            return
        self.advance()
        index = self.index
        if index in (C, D):
            return
        if index == B:
            self._write_b(value)
        elif index == A:
            self.cmos[A] = value & 0x7F
        elif index in _TIME_REGISTERS:
            if not self.cmos[B] & B_SET:
                self._freeze()
            self.cmos[index] = value
            if not self.cmos[B] & B_SET:
                self._set_time()
        else:
            self.cmos[index] = value

    def _freeze(self) -> None:
        for register, shown in self._fields().items():
            self.cmos[register] = shown & 0xFF

    def _write_b(self, value: int) -> None:
        before = self.cmos[B]
        if value & B_SET and not before & B_SET:
            self._freeze()
            value &= ~B_UIE  # SET clears UIE
        self.cmos[B] = value
        if before & B_SET and not value & B_SET:
            self._set_time()
        self._update()

    def save(self) -> dict[str, Any]:
        """State for a snapshot."""
        return {
            "cmos": self.cmos.hex(), "index": self.index,
            "offset_ns": self.offset_ns, "seen": self._seen,
        }  # fmt: skip

    def load(self, state: dict[str, Any]) -> None:
        """What `save` gave."""
        cmos = bytearray.fromhex(state["cmos"])
        if len(cmos) != len(self.cmos):
            raise ValueError("CMOS of another size")
        self.cmos, self.index = cmos, int(state["index"]) & 0x7F
        self.offset_ns, self._seen = int(state["offset_ns"]), int(state["seen"])
        if not 0 <= self.offset_ns < _LAST_YEAR or not 0 <= self._seen < _LAST_YEAR:
            raise ValueError("a time that no clock shows")
