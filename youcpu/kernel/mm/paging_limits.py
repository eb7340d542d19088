"""How much RAM programs get, how much swap, and by which policy: set when the machine is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from youcpu.hardware.memory import PAGE_SHIFT, Ram
from youcpu.record import record

if TYPE_CHECKING:
    from youcpu.kernel.mm.reclaim import LimitedFrames, Reclaim


@record(frozen=True)
class PagingLimits:
    """Sizes in bytes; `policy` is one of replacement.POLICIES."""

    ram: int
    swap: int = 0
    policy: str = "clock"

    def make(
        self, ram: Ram, flush_code: Callable[[], None], seed: int
    ) -> tuple[LimitedFrames, Reclaim]:
        """The frames of a machine and what keeps programs within them."""
        from youcpu.kernel.mm.reclaim import LimitedFrames, Reclaim
        from youcpu.kernel.mm.replacement import make_policy
        from youcpu.kernel.mm.swap import SwapArea

        frames = LimitedFrames(ram, flush_code)
        policy = make_policy(self.policy, seed)
        return frames, Reclaim(frames, self.ram >> PAGE_SHIFT, SwapArea(self.swap), policy)
