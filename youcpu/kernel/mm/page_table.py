"""Page tables of a process in guest RAM: arch/x86/include/asm/pgtable*.h, mm/memory.c.

Four levels of nine bits each; a leaf entry maps one 4 KiB page. `leaf_tables` finds the
lowest table of an address with one look-up where the hardware walks four levels.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from youcpu.hardware.memory import PAGE_SHIFT, FrameAllocator
from youcpu.hardware.paging import PTE_A, PTE_ADDRESS, PTE_D, PTE_P, PTE_U, PTE_W

#: Linux marks PROT_NONE pages so (_PAGE_PROTNONE): a frame is there, the CPU does not see it.
#: Its address bits are inverted, so that they name no cacheable memory (L1TF, since 4.18).
PTE_PROTNONE = 1 << 8
_TABLE = PTE_P | PTE_W | PTE_U | PTE_A | PTE_D
_ENTRIES = 512


def entry_frame(entry: int) -> int:
    """Frame that a leaf entry holds, PROT_NONE ones too; 0: none (empty, or in swap)."""
    if entry & PTE_P:
        return (entry & PTE_ADDRESS) >> PAGE_SHIFT
    return (~entry & PTE_ADDRESS) >> PAGE_SHIFT if entry & PTE_PROTNONE else 0


class PageTable:
    """The tree below one CR3. The kernel half is shared: `kernel_half` are its 256 entries."""

    __slots__ = ("_used", "frames", "leaf_tables", "quads", "root")

    def __init__(self, frames: FrameAllocator, kernel_half: list[int]) -> None:
        self.frames = frames
        self.quads = frames.ram.quads
        self.root = frames.alloc()
        #: address >> 21 -> index in `quads` of the page table with its entries.
        self.leaf_tables: dict[int, int] = {}
        #: Entries in use of each directory (by frame), so that empty ones go back.
        self._used: dict[int, int] = {self.root: 0}
        base = (self.root << PAGE_SHIFT) >> 3
        self.quads[base + 256 : base + 512] = array("Q", kernel_half)

    def entry(self, address: int) -> int:
        """The leaf entry of an address, 0 where there is no table."""
        table = self.leaf_tables.get(address >> 21)
        return 0 if table is None else self.quads[table + ((address >> 12) & 511)]

    def slot(self, address: int) -> int:
        """Index in `quads` of the leaf entry, tables made as needed. Raises OutOfFrames."""
        table = self.leaf_tables.get(address >> 21)
        if table is None:
            table = self._make_tables(address)
        return table + ((address >> 12) & 511)

    def _make_tables(self, address: int) -> int:
        frame = self.root
        for shift in (39, 30, 21):
            index = (frame << PAGE_SHIFT >> 3) + ((address >> shift) & 511)
            entry = self.quads[index]
            if entry & PTE_P:
                frame = (entry & PTE_ADDRESS) >> PAGE_SHIFT
                continue
            child = self.frames.alloc()
            self._used[frame] += 1
            self._used[child] = 0
            self.quads[index] = (child << PAGE_SHIFT) | _TABLE
            frame = child
        table = self.leaf_tables[address >> 21] = frame << PAGE_SHIFT >> 3
        return table

    def entries(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """(address, index in quads, entry) of the non-empty leaf entries in [start, end)."""
        quads = self.quads
        for key in self._tables(start, end):
            base = key << 21
            table = self.leaf_tables[key]
            first = max(start, base) - base >> 12
            last = min(end, base + (1 << 21)) - base + 0xFFF >> 12
            for i, entry in enumerate(quads[table + first : table + last].tolist(), first):
                if entry:
                    yield base + (i << 12), table + i, entry

    def runs(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """(address, index in quads, entries) of the part of each leaf table in [start, end)."""
        for key in self._tables(start, end):
            base = key << 21
            first = max(start, base)
            last = min(end, base + (1 << 21))
            yield first, self.leaf_tables[key] + (first - base >> 12), last - first >> 12

    def _tables(self, start: int, end: int) -> list[int]:
        """Keys of the leaf tables that touch [start, end), in order."""
        first, last = start >> 21, (end - 1) >> 21
        if last - first < len(self.leaf_tables):
            return [key for key in range(first, last + 1) if key in self.leaf_tables]
        return sorted(key for key in self.leaf_tables if first <= key <= last)

    def directory_slot(self, address: int) -> int:
        """Index in `quads` of the entry that leads to the leaf table of an address."""
        frame = self.root
        for shift in (39, 30):
            entry = self.quads[(frame << PAGE_SHIFT >> 3) + ((address >> shift) & 511)]
            frame = (entry & PTE_ADDRESS) >> PAGE_SHIFT
        return (frame << PAGE_SHIFT >> 3) + ((address >> 21) & 511)

    def mark_young(self, address: int) -> None:
        """Set A where the CPU sets it: in the entry of an address that has one, and above."""
        self.quads[self.slot(address)] |= PTE_A
        self.quads[self.directory_slot(address)] |= PTE_A

    def young_tables(self) -> list[int]:
        """Leaf tables that the CPU walked since this was asked last: A of their entries above.

        The bits are cleared; the TLB must be flushed for them to be set again.
        """
        quads = self.quads
        found = []
        for key, table in self.leaf_tables.items():
            slot = self.directory_slot(key << 21)
            if quads[slot] & PTE_A:
                quads[slot] &= ~PTE_A
                found.append(table)
        return found

    def free_tables(self, floor: int, ceiling: int) -> None:
        """Return the leaf tables that lie wholly in [floor, ceiling): nothing is mapped there."""
        for key in self._tables(floor, ceiling):
            if floor <= key << 21 and (key + 1) << 21 <= ceiling:
                self._free_leaf(key)

    def _free_leaf(self, key: int) -> None:
        del self.leaf_tables[key]
        address = key << 21
        path = [self.root]
        for shift in (39, 30):
            entry = self.quads[(path[-1] << PAGE_SHIFT >> 3) + ((address >> shift) & 511)]
            path.append((entry & PTE_ADDRESS) >> PAGE_SHIFT)
        for shift, frame in ((21, path[2]), (30, path[1]), (39, path[0])):
            index = (frame << PAGE_SHIFT >> 3) + ((address >> shift) & 511)
            child = (self.quads[index] & PTE_ADDRESS) >> PAGE_SHIFT
            self.quads[index] = 0
            self._used.pop(child, None)
            self.frames.put(child)
            self._used[frame] -= 1
            if self._used[frame]:
                break

    def release(self) -> None:
        """Return all tables and the root. The leaf entries are cleared already."""
        for key in list(self.leaf_tables):
            self._free_leaf(key)
        self.frames.put(self.root)

    @property
    def table_frames(self) -> int:
        """How many frames the tree itself takes."""
        return len(self._used)
