"""Timers of the virtual clock: kernel/time/hrtimer.c."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from youcpu.kernel.clock import Clock


class Timer:
    """A callback at a monotonic time; cancelled by `cancel`, gone once it fired."""

    __slots__ = ("callback", "deadline_ns")

    def __init__(self, deadline_ns: int, callback: Callable[[], None]) -> None:
        self.deadline_ns = deadline_ns
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """It will not fire."""
        self.callback = None

    @property
    def active(self) -> bool:
        """Neither fired nor cancelled."""
        return self.callback is not None


class TimerQueue:
    """Pending timers by deadline; equal deadlines fire in the order they were set."""

    __slots__ = ("_heap", "_sequence", "clock")

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._heap: list[tuple[int, int, Timer]] = []
        self._sequence = 0

    def add(self, deadline_ns: int, callback: Callable[[], None]) -> Timer:
        """Call `callback` when the monotonic clock reaches `deadline_ns`."""
        timer = Timer(deadline_ns, callback)
        self._sequence += 1
        heapq.heappush(self._heap, (deadline_ns, self._sequence, timer))
        return timer

    def next_deadline(self) -> int | None:
        """When the next timer fires; None: no timer is set."""
        while self._heap and not self._heap[0][2].active:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def run_expired(self) -> bool:
        """Fire all timers whose time has come; whether there was one."""
        fired = False
        while (deadline := self.next_deadline()) is not None:
            if deadline > self.clock.monotonic_ns():
                break
            timer = heapq.heappop(self._heap)[2]
            callback, timer.callback = timer.callback, None
            if callback is not None:
                callback()
                fired = True
        return fired
