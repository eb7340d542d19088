"""Virtual time: what kernel/time/ and the TSC give. The blocks that the CPU executed drive it.

Two runs execute the same blocks, so they see the same times. Sleeping costs nothing: the
clock jumps to the next timer when nobody is runnable.
"""

from __future__ import annotations

from collections.abc import Callable

#: One basic block is about five instructions; at some 2.5 a nanosecond.
NS_PER_BLOCK = 2
NS_PER_SECOND = 1_000_000_000
#: What a way through the kernel is charged.
NS_PER_SYSCALL = 150
NS_PER_FAULT = 250
#: How long the machine has been up when the first program starts.
UPTIME_NS = 10_000_000_000


class Clock:
    """Monotonic time, `uptime_ns` at first; the wall clock starts at `epoch_ns`."""

    __slots__ = ("_blocks", "boot_realtime_ns", "extra_ns")

    def __init__(
        self, blocks: Callable[[], int], epoch_ns: int, uptime_ns: int = UPTIME_NS
    ) -> None:
        self._blocks = blocks
        #: Wall clock minus monotonic clock.
        self.boot_realtime_ns = epoch_ns - uptime_ns
        #: Time that passed outside of executed blocks.
        self.extra_ns = uptime_ns

    def blocks(self) -> int:
        """Basic blocks executed since power-on."""
        return self._blocks()

    def monotonic_ns(self) -> int:
        """CLOCK_MONOTONIC, also CLOCK_BOOTTIME."""
        return self._blocks() * NS_PER_BLOCK + self.extra_ns

    def realtime_ns(self) -> int:
        """CLOCK_REALTIME."""
        return self.boot_realtime_ns + self._blocks() * NS_PER_BLOCK + self.extra_ns

    def advance(self, ns: int) -> None:
        """Time passes without the program running."""
        self.extra_ns += ns

    def jump_to(self, monotonic_ns: int) -> None:
        """Sleep until then; the past is no place to go."""
        self.extra_ns += max(0, monotonic_ns - self.monotonic_ns())

    def blocks_until(self, monotonic_ns: int) -> int:
        """Blocks that may run before the time is reached, at least 1."""
        return max(1, (monotonic_ns - self.monotonic_ns()) // NS_PER_BLOCK)
