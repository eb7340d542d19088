"""Load averages and idle time: kernel/sched/loadavg.c.

Every five seconds and a tick the number of runnable tasks goes into three averages that fade
over one, five and fifteen minutes. Between two events of the scheduler the number does not
change, so the samples are taken when the next event comes.
"""

from __future__ import annotations

FSHIFT = 11
FIXED_1 = 1 << FSHIFT
#: LOAD_FREQ: 5 s and a tick of 4 ms.
LOAD_FREQ_NS = 5_004_000_000
#: 1/exp(5 s / 1, 5 and 15 min).
EXP = (1884, 2014, 2037)
#: More samples than that end at the same number: an idle machine sleeps for years.
_ENOUGH = 20_000


def calc_load(load: int, exp: int, active: int) -> int:
    """One sample: calc_load()."""
    new = load * exp + active * (FIXED_1 - exp)
    if active >= load:
        new += FIXED_1 - 1
    return new // FIXED_1


class LoadAverage:
    """avenrun[], as fixed-point numbers."""

    __slots__ = ("averages", "idle_ns", "next_ns")

    def __init__(self, now_ns: int) -> None:
        self.averages = [0, 0, 0]
        self.next_ns = now_ns + LOAD_FREQ_NS
        #: Time in which nobody could run.
        self.idle_ns = 0

    def advance(self, now_ns: int, active: int) -> None:
        """So many tasks were runnable up to now."""
        if now_ns < self.next_ns:
            return
        samples = (now_ns - self.next_ns) // LOAD_FREQ_NS + 1
        self.next_ns += samples * LOAD_FREQ_NS
        for _ in range(min(samples, _ENOUGH)):
            self.averages = [
                calc_load(load, exp, active * FIXED_1)
                for load, exp in zip(self.averages, EXP, strict=True)
            ]

    def text(self) -> str:
        """The first three fields of /proc/loadavg, rounded."""
        rounded = [load + FIXED_1 // 200 for load in self.averages]
        return " ".join(
            f"{load >> FSHIFT}.{(load & (FIXED_1 - 1)) * 100 >> FSHIFT:02}" for load in rounded
        )
