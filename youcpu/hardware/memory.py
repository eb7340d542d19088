"""Guest RAM: one anonymous host mapping, shared with the CPU, and its page frames."""

from __future__ import annotations

import mmap

PAGE_SHIFT = 12
PAGE_SIZE = 1 << PAGE_SHIFT
ZERO_PAGE = bytes(PAGE_SIZE)


class OutOfFrames(Exception):
    """No free page frame is left in guest RAM."""


class Ram:
    """`size` bytes of physical memory from address 0.

    `bytes` and `quads` are views of the same memory: the page tables are read and
    written as quadwords, `quads[physical_address >> 3]`.
    The host gives memory only to pages that are touched.
    """

    __slots__ = ("buffer", "bytes", "quads", "size")

    def __init__(self, size: int) -> None:
        if size % PAGE_SIZE or size <= 0:
            raise ValueError(f"RAM size {size} is not a multiple of {PAGE_SIZE}")
        self.size = size
        noreserve = getattr(mmap, "MAP_NORESERVE", 0x4000)
        self.buffer = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | noreserve)
        self.bytes = memoryview(self.buffer)
        self.quads = self.bytes.cast("Q")

    def forget(self, first: int, end: int) -> None:
        """Frames are zero again and the host has their memory back."""
        start, size = first << PAGE_SHIFT, (end - first) << PAGE_SHIFT
        if hasattr(self.buffer, "madvise") and hasattr(mmap, "MADV_DONTNEED"):
            self.buffer.madvise(mmap.MADV_DONTNEED, start, size)
        else:
            self.bytes[start : start + size] = bytes(size)


class FrameAllocator:
    """Page frames of a Ram by number (physical address >> 12), with reference counts.

    Frames are handed out in rising order from `first`, then from the free list: dense
    memory keeps the host's share small. Frame 0 is never handed out, 0 means "none".
    `ranges`: (first frame, frame behind) of the memory that may be used, rising and filled
    with zeros; without them it is all of the Ram.
    """

    __slots__ = (
        "_counts", "_end", "_free", "_later", "_managed", "_next", "_ranges", "first", "ram",
        "total",
    )  # fmt: skip

    def __init__(self, ram: Ram, first: int = 1, ranges: tuple[tuple[int, int], ...] = ()) -> None:
        frames = ram.size >> PAGE_SHIFT
        self.ram = ram
        #: Ranges that were not begun yet, and the frames in them.
        self._ranges = list(ranges) or [(max(first, 1), frames)]
        self._managed = sum(end - start for start, end in self._ranges)
        self.total = self._managed if ranges else frames
        self._next, self._end = self._ranges.pop(0)
        self._later = self._managed - (self._end - self._next)
        self.first = self._next
        self._free: list[int] = []
        self._counts = memoryview(mmap.mmap(-1, frames * 4)).cast("I")

    def add(self, first: int, end: int) -> None:
        """Frames that were someone else's may be used from now on: free_reserved_area()."""
        self._free += range(end - 1, first - 1, -1)
        self._managed += end - first
        self.total += end - first

    @property
    def used(self) -> int:
        """Frames handed out and not yet returned."""
        return self._managed - self.available

    @property
    def highest(self) -> int:
        """First frame that was never handed out: memory above it is untouched."""
        return self._next

    @property
    def available(self) -> int:
        """Frames that can still be handed out."""
        return self._end - self._next + self._later + len(self._free)

    def alloc(self) -> int:
        """A frame filled with zeros, reference count 1. Raises OutOfFrames."""
        # Never used ones are zero already: the host's anonymous memory.
        clean = not self._free
        frame = self.alloc_for_copy()
        if not clean:
            start = frame << PAGE_SHIFT
            self.ram.bytes[start : start + PAGE_SIZE] = ZERO_PAGE
        return frame

    def alloc_for_copy(self) -> int:
        """A frame with any content, for a caller that overwrites all of it."""
        if self._free:
            frame = self._free.pop()
        elif self._next < self._end:
            frame = self._next
            self._next += 1
        elif self._ranges:
            self._next, self._end = self._ranges.pop(0)
            self._later -= self._end - self._next
            return self.alloc_for_copy()
        else:
            raise OutOfFrames
        self._counts[frame] = 1
        return frame

    def alloc_run(self, count: int) -> int:
        """First of `count` adjacent zeroed frames never used before, or 0 if there are none."""
        if self._next + count > self._end:
            return 0
        first = self._next
        self._next += count
        for frame in range(first, first + count):
            self._counts[frame] = 1
        return first

    def get(self, frame: int) -> None:
        """One more user of a frame."""
        self._counts[frame] += 1

    def put(self, frame: int) -> None:
        """One user less; the last one returns the frame."""
        counts = self._counts
        if counts[frame] == 1:
            counts[frame] = 0
            self._free.append(frame)
        elif counts[frame] == 0:
            raise AssertionError(f"frame {frame:#x} returned twice")
        else:
            counts[frame] -= 1

    def count(self, frame: int) -> int:
        """How many users the frame has."""
        return self._counts[frame]
