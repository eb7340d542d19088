"""The reference string of a run: which page was used after which, and what no policy can beat.

Pages have keys that they keep in memory, in swap and in their files (kernel/mm/reclaim.py). An
event is a key and what happened to it, as one number: key << KIND_BITS | kind.
What is a use, and why the A bits agree with it to the last one: docs/design/0012.
"""

from __future__ import annotations

import heapq
from array import array
from typing import TYPE_CHECKING

from youcpu.hardware.cpu import CR3, RIP
from youcpu.hardware.memory import PAGE_SHIFT, PAGE_SIZE
from youcpu.hardware.paging import PTE_A
from youcpu.hardware.references import CODE, CROSSES, ReferenceRing
from youcpu.kernel.mm.mm import TASK_SIZE
from youcpu.kernel.mm.page_table import entry_frame

if TYPE_CHECKING:
    from youcpu.kernel.mm.mm import MM
    from youcpu.kernel.mm.reclaim import Page
    from youcpu.machine import Machine

#: Kinds of events. USED; FREED by its owner, or sent away by it; KEPT: the next page must not
#: take its place; REFUSED: the policy chose it and it could not go (locked, swap full); BORN: the
#: use that follows makes it, nothing is read; COLD: it may go early (madvise(2)).
USED, FREED, KEPT, REFUSED, BORN, COLD = range(6)
KIND_BITS = 3
KIND = (1 << KIND_BITS) - 1
#: A longer string is cut: 256 MB.
MOST_EVENTS = 64 << 20
_NEVER = 1 << 62


class ReferenceRecorder:
    """Listens to the CPU and to reclaim of one machine; `events` is the string."""

    def __init__(self, machine: Machine) -> None:
        reclaim = machine.kernel.reclaim
        assert reclaim is not None
        self.reclaim = reclaim
        self.cpu = machine.cpu
        self.state = machine.cpu.state
        self.ring = ReferenceRing(machine.cpu)
        self.events = array("Q")
        self.cut = False
        reclaim.listener = self
        machine.between_slices = self._take

    # -- what reclaim tells: Listener ------------------------------------------------------------

    def drain(self) -> None:
        """Take over what the CPU used, as long as frames hold what they held then."""
        self._take()
        # A fault in the second half of an access across two pages leaves Unicorn's memory hooks
        # shut (size_recur_mem) until the CPU is started anew.
        self.cpu.stop()

    def _take(self) -> None:
        entries = self.ring.take()
        mm = self._current()
        known: dict[int, list[int]] = {}
        last = -1
        for entry in entries:
            keys = known.get(entry)
            if keys is None:
                keys = known[entry] = self._keys(mm, entry)
            for key in keys:
                if key != last:
                    self._append(key, USED)
                last = key
        if mm is not None:
            self._take_fetch(mm)

    def _take_fetch(self, mm: MM) -> None:
        """The block at RIP: the CPU looked it up, and so set A, but stopped before it ran."""
        address = self.state[RIP]
        for page in (self._young_page(mm, address), self._young_page(mm, address + PAGE_SIZE)):
            if page is None:
                return
            self._append(page.key, USED)

    def used(self, page: Page) -> None:
        self._append(page.key, USED)

    def kept(self, page: Page) -> None:
        self._append(page.key, KEPT)

    def refused(self, page: Page) -> None:
        self._append(page.key, REFUSED)

    def born(self, page: Page) -> None:
        self._append(page.key, BORN)

    def cold(self, page: Page) -> None:
        self._append(page.key, COLD)

    def freed(self, key: int) -> None:
        self._append(key, FREED)

    def close(self) -> None:
        """The run is over: what is freed from now on is not part of it."""
        self.reclaim.listener = None

    # -- from entries to pages ---------------------------------------------------------------------

    def _append(self, key: int, kind: int) -> None:
        if len(self.events) >= MOST_EVENTS:
            self.cut = True
        else:
            self.events.append(key << KIND_BITS | kind)

    def _current(self) -> MM | None:
        root = self.state[CR3]
        return next((mm for mm in self.reclaim.mms if mm.cr3 == root), None)

    def _keys(self, mm: MM | None, entry: int) -> list[int]:
        """The pages of one entry: two where it crosses a border."""
        if mm is None:
            return []
        number = entry >> 2
        pages = self.reclaim.pages
        if not entry & CODE:
            page = pages.get(number)
            found = [page]
            if entry & CROSSES:
                found += [self._young_page(mm, end) for end in self._ends(mm, number)]
        else:
            found = [self._page_at(mm, number << PAGE_SHIFT)]
            if entry & CROSSES:
                found.append(self._page_at(mm, number + 1 << PAGE_SHIFT))
        return [page.key for page in found if page is not None]

    def _ends(self, mm: MM, frame: int) -> list[int]:
        """Where a frame ends, at each address where this address space has it."""
        page = self.reclaim.pages.get(frame)
        if page is None:  # the page of zeros, or of a file in memory
            entries = mm.page_table.entries(0, TASK_SIZE)
            return [at + PAGE_SIZE for at, _, entry in entries if entry_frame(entry) == frame]
        return [
            one.area.start + (page.index + 1 - one.area.pgoff << PAGE_SHIFT)
            for one in self.reclaim.mappings(page)
            if one.mm is mm
        ]

    def _young_page(self, mm: MM, address: int) -> Page | None:
        entry = mm.page_table.entry(address)
        return self.reclaim.pages.get(entry_frame(entry)) if entry & PTE_A else None

    def _page_at(self, mm: MM, address: int) -> Page | None:
        return self.reclaim.pages.get(entry_frame(mm.page_table.entry(address)))


def next_uses(events: array[int]) -> array[int]:
    """For each event the index of its page's next use before it is freed; _NEVER: none."""
    following = array("Q", bytes(8 * len(events)))
    coming: dict[int, int] = {}
    for index in range(len(events) - 1, -1, -1):
        event = events[index]
        key = event >> KIND_BITS
        following[index] = coming.get(key, _NEVER)
        if event & KIND == USED:
            coming[key] = index
        elif event & KIND == FREED:
            coming.pop(key, None)
    return following


def optimum(events: array[int], frames: int) -> int:
    """Loads of Belady's MIN: the page whose next use is farthest goes."""
    following = next_uses(events)
    resident: dict[int, int] = {}
    heap: list[tuple[int, int]] = []
    loads, kept = 0, -1
    for index, event in enumerate(events):
        key, kind = event >> KIND_BITS, event & KIND
        if kind == FREED:
            resident.pop(key, None)
            continue
        if kind == KEPT:
            kept = key
        if kind != USED:
            continue
        if key not in resident:
            loads += 1
            if len(resident) >= frames:
                _evict_farthest(resident, heap, kept)
            kept = -1
        if resident.get(key) != following[index]:
            resident[key] = following[index]
            heapq.heappush(heap, (-following[index], key))
    return loads


def _evict_farthest(resident: dict[int, int], heap: list[tuple[int, int]], kept: int) -> None:
    held = None
    while heap:
        entry = heapq.heappop(heap)
        key = entry[1]
        if resident.get(key) != -entry[0]:
            continue  # used or freed since
        if key == kept:
            held = entry
            continue
        del resident[key]
        break
    if held is not None:
        heapq.heappush(heap, held)


def count_references(events: array[int]) -> int:
    """Uses in the string."""
    return sum(event & KIND == USED for event in events)
