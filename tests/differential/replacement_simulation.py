"""Page replacement simulated on a reference string, as a textbook does it: lists and sets.

Written apart from youcpu/kernel/mm/: it knows events (youcpu/references.py), not page tables. A
page is used or not since it was looked at last; where a real machine has A bits, here is a set.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from youcpu.references import BORN, COLD, FREED, KEPT, KIND, KIND_BITS, REFUSED, USED

#: How often `random` draws before it takes the first page that can go.
TRIES = 16


class Simulation:
    """Loads and reads of one policy with a number of frames."""

    def __init__(self, policy: str, frames: int, seed: int = 0) -> None:
        self.policy = policy
        self.frames = frames
        self.random = random.Random(seed)
        #: Resident pages, first to go ahead; `random` keeps no order but that of its list.
        self.pages: list[int] = []
        self.used: set[int] = set()
        self.arrival: dict[int, int] = {}
        #: Pages that cannot go when the next one comes in.
        self.fixed: set[int] = set()
        self.born = -1
        self.loads = 0
        #: Loads that a device had to serve: all but fresh pages of zeros and copies.
        self.reads = 0

    def run(self, events: Iterable[int]) -> Simulation:
        """Take the whole string."""
        on: dict[int, Callable[[int], None]] = {
            USED: self.use, FREED: self.remove, KEPT: self.fixed.add, REFUSED: self.fixed.add,
            BORN: self.bear, COLD: self.cool,
        }  # fmt: skip
        arrival, use_again = self.arrival, self.used.add
        for event in events:
            key = event >> KIND_BITS
            if not event & KIND and key in arrival:  # nearly all
                use_again(key)
            else:
                on[event & KIND](key)
        return self

    def use(self, key: int) -> None:
        if key not in self.arrival:
            while len(self.pages) >= self.frames:
                self.remove(self.victim())
            self.loads += 1
            self.reads += key != self.born
            self.pages.append(key)
            self.arrival[key] = self.loads
            self.fixed.clear()
            self.born = -1
        self.used.add(key)

    def bear(self, key: int) -> None:
        self.born = key

    def cool(self, key: int) -> None:
        self.used.discard(key)
        if self.policy in ("clock", "lru"):
            self.pages.remove(key)
            self.pages.insert(0, key)

    def remove(self, key: int) -> None:
        if self.arrival.pop(key, None) is None:
            return
        self.used.discard(key)
        if self.policy == "random":
            # The last one takes its place.
            self.pages[self.pages.index(key)] = self.pages[-1]
            self.pages.pop()
        else:
            self.pages.remove(key)

    def victim(self) -> int:
        if self.policy == "lru":
            young = sorted(self.used, key=self.arrival.__getitem__)
            self.pages = [key for key in self.pages if key not in self.used] + young
            self.used.clear()
        while self.policy == "clock":
            key = self.pages[0]
            if key not in self.used and key not in self.fixed:
                return key
            self.used.discard(key)
            self.pages.append(self.pages.pop(0))
        if self.policy == "random":
            for _ in range(TRIES):
                key = self.pages[self.random.randrange(len(self.pages))]
                if key not in self.fixed:
                    return key
        return next(key for key in self.pages if key not in self.fixed)
