"""The virtual clock and its timers: time is blocks, sleeping costs nothing, order is kept."""

from __future__ import annotations

import pytest

from youcpu.kernel.clock import NS_PER_BLOCK, Clock
from youcpu.kernel.timer import Timer, TimerQueue

EPOCH = 1_700_000_000_000_000_000


class Blocks:
    """What the CPU has executed."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> int:
        return self.count


@pytest.fixture
def blocks() -> Blocks:
    return Blocks()


@pytest.fixture
def clock(blocks: Blocks) -> Clock:
    return Clock(blocks, EPOCH)


def test_blocks_are_time(clock: Clock, blocks: Blocks) -> None:
    start, wall = clock.monotonic_ns(), clock.realtime_ns()
    blocks.count += 1000
    assert clock.monotonic_ns() - start == 1000 * NS_PER_BLOCK
    assert clock.realtime_ns() - wall == 1000 * NS_PER_BLOCK


def test_the_clock_never_goes_back(clock: Clock) -> None:
    now = clock.monotonic_ns()
    clock.jump_to(now + 500)
    assert clock.monotonic_ns() == now + 500
    clock.jump_to(now)
    assert clock.monotonic_ns() == now + 500
    clock.advance(7)
    assert clock.monotonic_ns() == now + 507


def test_blocks_until_a_time(clock: Clock) -> None:
    now = clock.monotonic_ns()
    assert clock.blocks_until(now + 100 * NS_PER_BLOCK) == 100
    assert clock.blocks_until(now) == 1
    assert clock.blocks_until(now - 5) == 1


def test_timers_fire_in_order(clock: Clock) -> None:
    timers, fired = TimerQueue(clock), []
    now = clock.monotonic_ns()
    for name, delay in (("late", 300), ("first", 100), ("second", 100), ("never", 200)):
        timer = timers.add(now + delay, lambda name=name: fired.append(name))
        if name == "never":
            timer.cancel()
            assert not timer.active
    assert timers.next_deadline() == now + 100
    assert not timers.run_expired()
    clock.jump_to(now + 250)
    assert timers.run_expired()
    assert fired == ["first", "second"]
    assert timers.next_deadline() == now + 300
    clock.jump_to(now + 1000)
    timers.run_expired()
    assert fired == ["first", "second", "late"]
    assert timers.next_deadline() is None


def test_a_timer_may_set_itself_again(clock: Clock) -> None:
    timers, times = TimerQueue(clock), []
    now = clock.monotonic_ns()

    def fire() -> None:
        times.append(clock.monotonic_ns() - now)
        if len(times) < 3:
            timers.add(clock.monotonic_ns() + 10, fire)

    timers.add(now + 10, fire)
    while (deadline := timers.next_deadline()) is not None:
        clock.jump_to(deadline)
        timers.run_expired()
    assert times == [10, 20, 30]


def test_a_timer_cancelled_by_another(clock: Clock) -> None:
    timers, fired = TimerQueue(clock), []
    now = clock.monotonic_ns()
    later: list[Timer] = []

    def cancel() -> None:
        later[0].cancel()

    timers.add(now + 1, cancel)
    later.append(timers.add(now + 1, lambda: fired.append("second")))
    clock.jump_to(now + 5)
    timers.run_expired()
    assert fired == []
