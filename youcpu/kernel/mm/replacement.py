"""Which page goes when RAM is full: replacement policies behind one interface.

Linux's own (mm/vmscan.c) is a clock with two lists; these are the textbook's, exact enough to
be simulated by hand. What the hardware tells is the A bit of each entry, nothing else.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from youcpu.kernel.mm.reclaim import Page


class AccessBits(Protocol):
    """What a policy may ask the page tables."""

    def referenced(self, page: Page) -> bool:
        """Whether the page was used since this was asked last: tests and clears its A bits."""

    def young_pages(self) -> list[Page]:
        """All pages used since this was asked last, those that came first ahead; A is cleared."""


class ReplacementPolicy(Protocol):
    """Keeps pages in an order of its own."""

    name: str

    def add(self, page: Page) -> None:
        """A page came into memory."""

    def remove(self, page: Page) -> None:
        """It left: evicted, or freed by its owner."""

    def deactivate(self, pages: list[Page]) -> None:
        """Their user does not expect to use them soon; A is clear."""

    def candidates(self, bits: AccessBits) -> Iterator[Page]:
        """Pages to evict, the first choice first; the next is asked for where one cannot go.

        After an eviction nobody goes on with the iterator.
        """


class Fifo:
    """The page that came first goes first."""

    name = "fifo"

    def __init__(self) -> None:
        self._pages: dict[Page, None] = {}

    def add(self, page: Page) -> None:
        self._pages[page] = None

    def remove(self, page: Page) -> None:
        del self._pages[page]

    def deactivate(self, pages: list[Page]) -> None:
        """Use does not count here."""

    def candidates(self, bits: AccessBits) -> Iterator[Page]:
        yield from self._pages


class Clock:
    """FIFO with a second chance: a page used since the hand passed it goes round once more."""

    name = "clock"

    def __init__(self) -> None:
        #: From the hand on, once round.
        self._ring: dict[Page, None] = {}

    def add(self, page: Page) -> None:
        self._ring[page] = None

    def remove(self, page: Page) -> None:
        del self._ring[page]

    def deactivate(self, pages: list[Page]) -> None:
        self._ring = dict.fromkeys(pages) | self._ring

    def candidates(self, bits: AccessBits) -> Iterator[Page]:
        for _ in range(2 * len(self._ring)):
            page = next(iter(self._ring))
            if not bits.referenced(page):
                yield page
            del self._ring[page]
            self._ring[page] = None


class Lru:
    """The page whose last use is longest ago goes; A bits are sampled at each eviction."""

    name = "lru"

    def __init__(self) -> None:
        #: Least recently used first.
        self._pages: dict[Page, None] = {}

    def add(self, page: Page) -> None:
        self._pages[page] = None

    def remove(self, page: Page) -> None:
        del self._pages[page]

    def deactivate(self, pages: list[Page]) -> None:
        self._pages = dict.fromkeys(pages) | self._pages

    def candidates(self, bits: AccessBits) -> Iterator[Page]:
        pages = self._pages
        for page in bits.young_pages():
            del pages[page]
            pages[page] = None
        yield from pages


class Random:
    """Any page, by the seed."""

    name = "random"
    #: After so many that could not go, all are tried in turn.
    TRIES = 16

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._pages: list[Page] = []
        self._places: dict[Page, int] = {}

    def add(self, page: Page) -> None:
        self._places[page] = len(self._pages)
        self._pages.append(page)

    def remove(self, page: Page) -> None:
        place = self._places.pop(page)
        last = self._pages.pop()
        if last is not page:
            self._pages[place] = last
            self._places[last] = place

    def deactivate(self, pages: list[Page]) -> None:
        """Use does not count here."""

    def candidates(self, bits: AccessBits) -> Iterator[Page]:
        for _ in range(self.TRIES):
            yield self._pages[self._random.randrange(len(self._pages))]
        yield from self._pages


POLICIES = ("fifo", "clock", "lru", "random")


def make_policy(name: str, seed: int = 0) -> ReplacementPolicy:
    """A policy by its name. Raises KeyError."""
    if name == "random":
        return Random(seed)
    kinds: dict[str, type[Fifo] | type[Clock] | type[Lru]] = {"fifo": Fifo, "clock": Clock}
    return (kinds | {"lru": Lru})[name]()
