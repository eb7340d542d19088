"""Less RAM than programs touch: mm/vmscan.c, mm/swap_state.c, do_swap_page() of mm/memory.c.

Only pages of programs count: anonymous ones, and pages of the host's files. Page tables, the
kernel half and files in memory (tmpfs, changes to the overlay) are the kernel's and stay. Before
a fault takes a frame, room is made: a clean page of a file is dropped, a changed one written
back, an anonymous one goes to swap unless swap still holds the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol
from weakref import ref

from youcpu.abi.pte import decode_swap, encode_swap
from youcpu.hardware.memory import PAGE_SHIFT, PAGE_SIZE, FrameAllocator, OutOfFrames, Ram
from youcpu.hardware.paging import PTE_A, PTE_D, PTE_NX, PTE_W
from youcpu.kernel.mm import fault
from youcpu.kernel.mm.page_table import entry_frame
from youcpu.kernel.mm.rmap import Mapping, find_mappings
from youcpu.kernel.mm.swap import SwapArea, SwapFull
from youcpu.kernel.mm.vm_area import VM_LOCKED, VM_SHARED, VM_WRITE
from youcpu.record import fields, record
from youcpu.trace.events import PagingEvent

if TYPE_CHECKING:
    from youcpu.kernel.mm.mm import MM
    from youcpu.kernel.mm.page_cache import AddressSpace
    from youcpu.kernel.mm.replacement import ReplacementPolicy
    from youcpu.kernel.mm.vm_area import VmArea
    from youcpu.kernel.vfs.inode import Inode

#: One instruction may touch this many pages and more at once (code, operands, across borders).
LEAST_FRAMES = 16
#: With swap full and so few pages of files left, programs would only read them again and again
#: (file_is_tiny of mm/vmscan.c): memory is out.
LEAST_FILE_PAGES = 8
#: Frames that held code are used again only after the CPU dropped its translations: so many
#: at a time.
QUARANTINE = 2048


class LimitedFrames(FrameAllocator):
    """Frames that tell `on_free` when they come back; files are read a page at a time."""

    __slots__ = ("code", "flush_code", "on_free", "quarantine")

    def __init__(self, ram: Ram, flush_code: Callable[[], None]) -> None:
        super().__init__(ram)
        self.flush_code = flush_code
        self.on_free: Callable[[int], None] = lambda frame: None
        #: Frames in use that the CPU may hold translations of; returned ones of that kind.
        self.code: set[int] = set()
        self.quarantine: list[int] = []

    @property
    def used(self) -> int:
        return super().used - len(self.quarantine)

    def alloc_for_copy(self) -> int:
        if not self.available and self.quarantine:
            self._forget_code()
        return super().alloc_for_copy()

    def alloc_run(self, count: int) -> int:
        return 0

    def put(self, frame: int) -> None:
        if self._counts[frame] != 1:
            super().put(frame)
            return
        self.on_free(frame)
        if frame not in self.code:
            super().put(frame)
            return
        self._counts[frame] = 0
        self.code.discard(frame)
        self.quarantine.append(frame)
        if len(self.quarantine) >= QUARANTINE:
            self._forget_code()

    def _forget_code(self) -> None:
        self.flush_code()
        self._free += self.quarantine
        self.quarantine.clear()


class Page:
    """A page of a program in memory: struct page. `mapping` None: anonymous.

    `slot`: of swap, whose bytes are the page's as long as no entry is dirty; 0: none.
    `key` names the page for good, in memory or not; `number` counts pages as they come in.
    """

    __slots__ = ("frame", "index", "inode", "key", "mapping", "number", "seen", "slot")

    def __init__(self, frame: int, index: int, key: int, number: int) -> None:
        self.frame = frame
        self.index = index
        self.key = key
        self.number = number
        self.mapping: AddressSpace | None = None
        self.inode: ref[Inode] | None = None
        self.slot = 0
        #: Where it was mapped last: (address space, address).
        self.seen: tuple[MM, int] | None = None


class Listener(Protocol):
    """Hears which pages are used, for the reference string: youcpu/references.py."""

    def drain(self) -> None:
        """Page tables or frames are about to change: look at what was used until now."""

    def used(self, page: Page) -> None:
        """The page was brought in, or the kernel used it."""

    def kept(self, page: Page) -> None:
        """The next page to come in must not take this one's place."""

    def refused(self, page: Page) -> None:
        """The policy chose this page, and it cannot go now."""

    def born(self, page: Page) -> None:
        """The page that comes in next is made, not read."""

    def cold(self, page: Page) -> None:
        """Whoever used the page wants it to go early."""

    def freed(self, key: int) -> None:
        """The page is no more."""


@record
class PagingCounts:
    """What happened so far."""

    minor: int = 0
    major: int = 0
    #: Pages that came into memory, for whatever reason.
    loads: int = 0
    file_reads: int = 0
    swap_ins: int = 0
    swap_outs: int = 0
    #: Evicted without a write: of files, or swap held the same bytes.
    dropped: int = 0
    #: Pages of files that were written back first.
    written: int = 0
    most_frames: int = 0
    most_slots: int = 0


class Reclaim:
    """Keeps the pages of all programs within `limit` frames."""

    def __init__(
        self, frames: LimitedFrames, limit: int, swap: SwapArea, policy: ReplacementPolicy
    ) -> None:
        self.frames = frames
        self.ram = frames.ram
        self.limit = limit
        self.swap = swap
        self.policy = policy
        self.counts = PagingCounts()
        self.listener: Listener | None = None
        #: Pages in memory by frame; all address spaces; unchanged pages by their slot of swap.
        self.pages: dict[int, Page] = {}
        self.mms: dict[MM, None] = {}
        self.cache: dict[int, Page] = {}
        #: Used by entries that are gone (folio_mark_accessed).
        self._young: set[Page] = set()
        self._slot_keys: dict[int, int] = {}
        self._file_keys: dict[AddressSpace, dict[int, int]] = {}
        self._keys = self._file_pages = 0
        frames.on_free = self._page_freed
        swap.on_free = self._slot_freed

    # -- what address spaces tell --------------------------------------------------------------

    def add_mm(self, mm: MM) -> None:
        """A new address space. The kernel's own accesses go the long way, by `touched`."""
        mm.reclaim = self
        mm.leaf_tables = {}
        self.mms[mm] = None

    def forget_mm(self, mm: MM) -> None:
        """It is gone."""
        self.mms.pop(mm, None)

    def before_change(self) -> None:
        """Entries of page tables are about to lead elsewhere, without a fault."""
        if self.listener is not None:
            self.listener.drain()

    def zapped_young(self, frame: int) -> None:
        """An entry with A set is about to go: the page was used, whoever else maps it."""
        page = self.pages.get(frame)
        if page is not None:
            self._young.add(page)

    def touched(self, mm: MM, address: int, write: bool) -> None:
        """The kernel uses a page of a program: as the CPU would set the bits."""
        if write:
            mm.ram.quads[mm.page_table.slot(address)] |= PTE_D
        mm.page_table.mark_young(address)
        if self.listener is not None:
            page = self.pages.get(entry_frame(mm.page_table.entry(address)))
            if page is not None:
                self.listener.used(page)

    def event(self, pid: int, time_ns: int) -> PagingEvent:
        """All counts, for the tracer."""
        counts = self.counts
        return PagingEvent(
            pid, time_ns, self.policy.name, self.limit, self.swap.slots,
            **{name: getattr(counts, name) for name in fields(counts)},
        )  # fmt: skip

    # -- faults --------------------------------------------------------------------------------

    def fault(self, mm: MM, area: VmArea, address: int, write: bool) -> str:
        """fault.do_fault() with room made first. Raises BadAccess, OutOfFrames."""
        if self.listener is not None:
            self.listener.drain()
        entry = mm.page_table.entry(address)
        frame = entry_frame(entry)
        if entry and not frame:
            return self._swap_in(mm, area, address, entry, write)
        read_in = not frame and self._read_in(area, address)
        if write and not area.flags & VM_SHARED and self._needs_frame(mm, area, address):
            source = frame or self._cached(area, address)
            self._make_room(source)
            # Only now: the policy may have asked for the bit, and cleared it.
            if mm.page_table.entry(address) & PTE_A:
                self.zapped_young(frame)
        outcome = fault.do_fault(mm, area, address, write)
        self._note(mm, area, address, write)
        if read_in:
            self.counts.major += 1
            return fault.READ_IN
        self.counts.minor += 1
        return outcome

    def _needs_frame(self, mm: MM, area: VmArea, address: int) -> bool:
        """A private page is about to be written: do_wp_page() takes over the last user's."""
        frame = mm.mapped_frame(address)
        if frame:
            return frame == mm.zero_frame or self.frames.count(frame) > 1
        index = area.page_index(address)
        if area.special is not None:
            return index in area.special.pages
        # Behind the end of its file there is SIGBUS, and no page.
        return area.file is None or index << PAGE_SHIFT < area.file.inode.size

    def _cached(self, area: VmArea, address: int) -> int:
        mapping = area.file.inode.mapping if area.file is not None else None
        return mapping.pages.get(area.page_index(address), 0) if mapping is not None else 0

    def _read_in(self, area: VmArea, address: int) -> bool:
        """Bring a page of a file into the page cache; False: it was there, or is no such page."""
        if area.file is None:
            return False
        inode = area.file.inode
        mapping, index = inode.mapping, area.page_index(address)
        if mapping is None or mapping.backing is None or index in mapping.pages:
            return False
        if index << PAGE_SHIFT >= inode.size:
            return False
        self._make_room(0)
        frame = mapping.frame(index)
        page = self._add(frame, index, self._file_key(mapping, index))
        page.mapping, page.inode = mapping, ref(inode)
        self._file_pages += 1
        self._young.add(page)
        self.counts.file_reads += 1
        return True

    def _note(self, mm: MM, area: VmArea, address: int, write: bool) -> None:
        """A fault was served: a new page counts, a written one is swap's no more."""
        frame = entry_frame(mm.page_table.entry(address))
        if frame == mm.zero_frame:
            return
        # handle_pte_fault(): pte_mkyoung(). The CPU will walk here, but others may run before.
        mm.page_table.mark_young(address)
        page = self.pages.get(frame)
        if page is not None:
            if write and page.slot:
                self._drop_slot(page)
            if self.listener is not None:
                self.listener.used(page)
        elif area.anon_vma is not None and frame != self._cached(area, address):
            self._keys += 1
            page = self._add(frame, area.page_index(address), self._keys, born=True)
        else:
            return
        page.seen = mm, address

    def _add(self, frame: int, index: int, key: int, born: bool = False) -> Page:
        counts = self.counts
        counts.loads += 1
        page = self.pages[frame] = Page(frame, index, key, counts.loads)
        counts.most_frames = max(counts.most_frames, len(self.pages))
        self.policy.add(page)
        if self.listener is not None:
            if born:
                self.listener.born(page)
            self.listener.used(page)
        return page

    def _file_key(self, mapping: AddressSpace, index: int) -> int:
        keys = self._file_keys.setdefault(mapping, {})
        if index not in keys:
            self._keys += 1
            keys[index] = self._keys
        return keys[index]

    def _swap_in(self, mm: MM, area: VmArea, address: int, entry: int, write: bool) -> str:
        """do_swap_page()."""
        slot = decode_swap(entry)
        page = self.cache.get(slot)
        outcome = fault.SWAP_CACHE
        if page is None:
            outcome = fault.SWAP_IN
            page = self._read_slot(area.page_index(address), slot)
            self.counts.major += 1
        else:
            self.frames.get(page.frame)
            self.counts.minor += 1
            if self.listener is not None:
                self.listener.used(page)
        # This entry and the swap cache: nobody else has the page, here or there.
        exclusive = self.swap.count(slot) == 2 and self.frames.count(page.frame) == 1
        new = fault.leaf_entry(area, page.frame, False)
        if exclusive and area.flags & VM_WRITE:
            new |= PTE_W | PTE_D if write else PTE_W
        self.ram.quads[mm.page_table.slot(address)] = new
        mm.page_table.mark_young(address)
        page.seen = mm, address
        self.swap.put(slot)
        if write and exclusive:
            self._drop_slot(page)
        elif write:
            self.fault(mm, area, address, True)
        return outcome

    def _read_slot(self, index: int, slot: int) -> Page:
        self._make_room(0)
        frame = self.frames.alloc_for_copy()
        start = frame << PAGE_SHIFT
        self.ram.bytes[start : start + PAGE_SIZE] = self.swap.data(slot)
        page = self._add(frame, index, self._slot_keys[slot])
        page.slot = slot
        self.swap.get(slot)
        self.cache[slot] = page
        self.counts.swap_ins += 1
        return page

    def _drop_slot(self, page: Page) -> None:
        """The page in memory differs from swap from now on: delete_from_swap_cache()."""
        slot, page.slot = page.slot, 0
        del self.cache[slot]
        if self.swap.count(slot) > 1:
            # What the others find in swap is another page from now on.
            self._keys += 1
            self._slot_keys[slot] = self._keys
        else:
            del self._slot_keys[slot]
        self.swap.put(slot)

    # -- what goes -----------------------------------------------------------------------------

    def _make_room(self, kept: int) -> None:
        """Evict until one frame more may be taken; not frame `kept`. Raises OutOfFrames."""
        if self.listener is not None and kept in self.pages:
            self.listener.kept(self.pages[kept])
        while len(self.pages) >= self.limit:
            if not self.swap.free and self._file_pages <= LEAST_FILE_PAGES:
                raise OutOfFrames
            for page in self.policy.candidates(self):
                if page.frame == kept:
                    continue
                if self.evict(page):
                    break
                if self.listener is not None:
                    self.listener.refused(page)
            else:
                raise OutOfFrames

    def evict(self, page: Page) -> bool:
        """Send a page out of memory. False: it cannot go."""
        found = self.mappings(page)
        if self.frames.count(page.frame) != len(found) + (page.mapping is not None):
            return False
        if any(mapping.area.flags & VM_LOCKED for mapping in found):
            return False
        if page.mapping is None:
            return self._swap_out(page, found)
        return self._drop(page, page.mapping, found)

    def mappings(self, page: Page) -> list[Mapping]:
        """Every entry that leads to the page."""
        users = self.frames.count(page.frame) - (page.mapping is not None)
        if not users:
            return []
        if users == 1 and page.seen is not None:
            # The only one is mostly where the last fault was.
            mm, address = page.seen
            table, area = mm.page_table.leaf_tables.get(address >> 21), mm.areas.at(address)
            if table is not None and area is not None:
                slot = table + (address >> 12 & 511)
                entry = self.ram.quads[slot]
                if entry_frame(entry) == page.frame:
                    return [Mapping(mm, area, slot, entry)]
        mms = self.mms if page.mapping is None else page.mapping.mappers
        return find_mappings(mms, page.frame, page.index, page.mapping)

    def _swap_out(self, page: Page, found: list[Mapping]) -> bool:
        swap = self.swap
        if page.slot and any(mapping.entry & PTE_D for mapping in found):
            self._drop_slot(page)
        if not page.slot:
            try:
                page.slot = swap.alloc()
            except SwapFull:
                return False
            start = page.frame << PAGE_SHIFT
            swap.data(page.slot)[:] = self.ram.bytes[start : start + PAGE_SIZE]
            self._slot_keys[page.slot] = page.key
            self.counts.swap_outs += 1
            self.counts.most_slots = max(self.counts.most_slots, swap.used)
        else:
            self.counts.dropped += 1
        entry = encode_swap(0, page.slot, exclusive=len(found) == 1)
        for _ in found:
            swap.get(page.slot)
        self._leave(page)
        self._unmap(page.frame, found, entry)
        self.cache.pop(page.slot, None)
        swap.put(page.slot)
        return True

    def _drop(self, page: Page, mapping: AddressSpace, found: list[Mapping]) -> bool:
        if mapping.pages.get(page.index) != page.frame:
            return False
        dirty = page.index in mapping.dirty
        if dirty:
            inode = page.inode() if page.inode is not None else None
            if inode is None or not inode.write_page(page.index):
                # The overlay keeps what was changed: the page is a file's in memory now.
                self._leave(page)
                return True
        self._leave(page)
        if page.index in mapping.code:
            self.frames.code.add(page.frame)
        self._unmap(page.frame, found, 0)
        mapping.dirty.discard(page.index)
        del mapping.pages[page.index]
        self.frames.put(page.frame)
        if dirty:
            self.counts.written += 1
        else:
            self.counts.dropped += 1
        return True

    def _leave(self, page: Page) -> None:
        """It does not count any more."""
        del self.pages[page.frame]
        self._file_pages -= page.mapping is not None
        self._young.discard(page)
        self.policy.remove(page)

    def _unmap(self, frame: int, found: list[Mapping], entry: int) -> None:
        """try_to_unmap(): `entry` in place of each entry that maps the frame."""
        for mapping in found:
            self.ram.quads[mapping.slot] = entry
            mapping.mm.stale_tlb = True
            if not mapping.entry & PTE_NX:
                self.frames.code.add(frame)
            self.frames.put(frame)

    # -- what the page tables say --------------------------------------------------------------

    def referenced(self, page: Page) -> bool:
        """folio_referenced(): test and clear the A bits of a page."""
        young = page in self._young
        self._young.discard(page)
        for mapping in self.mappings(page):
            if mapping.entry & PTE_A:
                young = True
                self.ram.quads[mapping.slot] = mapping.entry & ~PTE_A
                mapping.mm.stale_tlb = True
        return young

    def young_pages(self) -> list[Page]:
        """All pages with A set in some entry, which is cleared; those that came first ahead."""
        quads = self.ram.quads
        found = {page.number: page for page in self._young}
        self._young.clear()
        for mm in self.mms:
            for table in mm.page_table.young_tables():
                mm.stale_tlb = True
                entries = quads[table : table + 512].tolist()
                # PROT_NONE ones too: they were used before they became so.
                for i in [i for i, entry in enumerate(entries) if entry & PTE_A]:
                    page = self.pages.get(entry_frame(entries[i]))
                    if page is not None:
                        found[page.number] = page
                        quads[table + i] = entries[i] & ~PTE_A
        return [found[number] for number in sorted(found)]

    # -- what is freed by its owners -----------------------------------------------------------

    def _page_freed(self, frame: int) -> None:
        page = self.pages.get(frame)
        if page is None:
            return
        if self.listener is not None:
            self.listener.drain()
        self._leave(page)
        if page.slot:
            # Others may have it in swap still, but nobody here.
            del self.cache[page.slot]
            self.swap.put(page.slot)
        if self.listener is not None:
            self.listener.freed(page.key)

    def _slot_freed(self, slot: int) -> None:
        key = self._slot_keys.pop(slot, None)
        if key is not None and self.listener is not None:
            self.listener.freed(key)
