"""Accounting of the kernel's own objects: mm/memcontrol.c (kmem).

Names, inodes, open files, pipe contents, locks lie in our process, not in guest RAM; each
takes its share of guest RAM all the same, so that no program can make us grow beyond it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.hardware.memory import PAGE_SHIFT, PAGE_SIZE, OutOfFrames

if TYPE_CHECKING:
    from youcpu.hardware.memory import FrameAllocator


class KernelMemory:
    """Frames set aside, never touched, for `used` bytes of kernel objects."""

    __slots__ = ("_held", "frames", "reserve", "used")

    def __init__(self, frames: FrameAllocator) -> None:
        self.frames = frames
        self.used = 0
        self._held: list[int] = []
        #: Frames that stay free for page tables and stacks: a sixteenth of RAM.
        self.reserve = frames.total >> 4

    @property
    def held(self) -> int:
        """Frames taken for objects of the kernel."""
        return len(self._held)

    def charge(self, size: int) -> bool:
        """Take `size` bytes; False: guest RAM is full."""
        need = (self.used + size + PAGE_SIZE - 1) >> PAGE_SHIFT
        more = need - len(self._held)
        if more > 0:
            if more > self.frames.available - self.reserve:
                return False
            try:
                self._held.extend(self.frames.alloc() for _ in range(more))
            except OutOfFrames:
                return False
        self.used += size
        return True

    def uncharge(self, size: int) -> None:
        """Give `size` bytes back."""
        self.used -= size
        keep = (self.used + PAGE_SIZE - 1) >> PAGE_SHIFT
        # Sixteen frames of slack: a lone byte to and fro must not churn.
        while len(self._held) > keep + 16:
            self.frames.put(self._held.pop())
