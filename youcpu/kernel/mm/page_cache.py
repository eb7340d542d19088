"""Pages of files in memory: struct address_space, mm/filemap.c."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from youcpu.hardware.memory import PAGE_SHIFT, PAGE_SIZE, FrameAllocator

if TYPE_CHECKING:
    from youcpu.kernel.mm.mm import MM

#: Linux maps up to 64 KiB around a file fault (fault_around_bytes) and reads ahead.
READAHEAD_PAGES = 16


class BackingStore(Protocol):
    """Where the pages of a file come from."""

    def fill(self, offset: int, into: memoryview) -> int:
        """Read file bytes at `offset` into a buffer; returns how many there were."""


class AddressSpace:
    """The cached pages of one inode: page index -> frame. All mappings of a file share it.

    The cache holds one reference to each frame; a page table entry holds another.
    """

    __slots__ = ("backing", "code", "dirty", "frames", "mappers", "pages")

    def __init__(self, frames: FrameAllocator, backing: BackingStore | None = None) -> None:
        self.frames = frames
        self.backing = backing
        self.pages: dict[int, int] = {}
        #: Indices written through a shared mapping since the last write-back.
        self.dirty: set[int] = set()
        #: Indices that an executable entry maps or mapped (mm/code_pages.py).
        self.code: set[int] = set()
        #: Address spaces that have or had areas of the file (i_mmap).
        self.mappers: set[MM] = set()

    def frame(self, index: int, file_pages: int = 0) -> int:
        """The frame of page `index`, read in if need be. Raises OutOfFrames.

        `file_pages`: length of the file in pages; up to READAHEAD_PAGES of the aligned
        window around the page are read with one call of the backing store.
        """
        frame = self.pages.get(index)
        if frame is not None:
            return frame
        if self.backing is None:
            frame = self.frames.alloc()
            self.pages[index] = frame
            return frame
        start = index - index % READAHEAD_PAGES
        end = min(start + READAHEAD_PAGES, max(file_pages, index + 1))
        while start < index and start in self.pages:
            start += 1
        if any(i in self.pages for i in range(start, end)):
            start, end = index, index + 1
        return self._read_run(self.backing, start, end, index)

    def _read_run(self, backing: BackingStore, start: int, end: int, index: int) -> int:
        count = end - start
        first = self.frames.alloc_run(count) if count > 1 else 0
        if not first:
            start, count = index, 1
            first = self.frames.alloc()
        address = first << PAGE_SHIFT
        backing.fill(
            start << PAGE_SHIFT, self.frames.ram.bytes[address : address + count * PAGE_SIZE]
        )
        for i in range(count):
            self.pages[start + i] = first + i
        return self.pages[index]

    def truncate(self, size: int) -> None:
        """The file now ends at `size`: drop the pages beyond, zero the rest of the last."""
        last = (size + PAGE_SIZE - 1) >> PAGE_SHIFT
        for mm in self.mappers:
            mm.unmap_mapping(self, last)
        for index in [i for i in self.pages if i >= last]:
            self.frames.put(self.pages.pop(index))
            self.dirty.discard(index)
        self.zero_tail(size)

    def zero_tail(self, size: int) -> None:
        """The rest of the page in which the file ends: what a mapping wrote there is gone."""
        tail = size & (PAGE_SIZE - 1)
        frame = self.pages.get(size >> PAGE_SHIFT)
        if tail and frame is not None:
            address = frame << PAGE_SHIFT
            self.frames.ram.bytes[address + tail : address + PAGE_SIZE] = bytes(PAGE_SIZE - tail)

    def release(self) -> None:
        """The inode is gone: give all frames back."""
        for frame in self.pages.values():
            self.frames.put(frame)
        self.pages.clear()
        self.dirty.clear()
