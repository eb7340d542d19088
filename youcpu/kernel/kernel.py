"""Machine-wide kernel state: what Linux keeps in globals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.hardware.memory import FrameAllocator, Ram

if TYPE_CHECKING:
    from youcpu.kernel.task import Task


class Kernel:
    """RAM and its frames, the tasks, the clock, the seeded randomness."""

    def __init__(self, ram: Ram, frames: FrameAllocator) -> None:
        self.ram = ram
        self.frames = frames
        self.tasks: dict[int, Task] = {}
