"""A swap area: mm/swapfile.c. Page slots outside guest RAM, each with a count of its users.

Users of a slot are the page-table entries that name it (abi/pte.py) and the swap cache, while a
page that was read from it lies unchanged in memory.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable

from youcpu.hardware.memory import PAGE_SHIFT, PAGE_SIZE


class SwapFull(Exception):
    """No slot is free."""


class SwapArea:
    """`size` bytes of swap. Slot 0 is never used: on a disk the area's header lies there."""

    __slots__ = ("_counts", "_data", "_free", "_next", "on_free", "slots")

    def __init__(self, size: int) -> None:
        self.slots = size >> PAGE_SHIFT
        self._counts: dict[int, int] = {}
        self._free: list[int] = []
        self._next = 1
        # Only what is written takes memory of the host.
        self._data = memoryview(mmap.mmap(-1, (self.slots + 1) << PAGE_SHIFT))
        #: Told of each slot that nobody uses any more.
        self.on_free: Callable[[int], None] = lambda slot: None

    @property
    def used(self) -> int:
        """Slots in use."""
        return len(self._counts)

    @property
    def free(self) -> int:
        """Slots that nobody uses."""
        return self.slots - self.used

    def alloc(self) -> int:
        """A slot with one user. Raises SwapFull."""
        if self._free:
            slot = self._free.pop()
        elif self._next <= self.slots:
            slot = self._next
            self._next += 1
        else:
            raise SwapFull
        self._counts[slot] = 1
        return slot

    def get(self, slot: int) -> None:
        """One more user: swap_duplicate()."""
        self._counts[slot] += 1

    def put(self, slot: int) -> None:
        """One user less; the last one frees the slot: swap_free()."""
        self._counts[slot] -= 1
        if not self._counts[slot]:
            del self._counts[slot]
            self._free.append(slot)
            self.on_free(slot)

    def count(self, slot: int) -> int:
        """How many users it has."""
        return self._counts.get(slot, 0)

    def data(self, slot: int) -> memoryview:
        """Its page."""
        start = slot << PAGE_SHIFT
        return self._data[start : start + PAGE_SIZE]
