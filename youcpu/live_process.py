"""A live process of the host, as /proc lets us see it (Documentation/admin-guide/mm/pagemap.rst).

The kernel shows no page tables: /proc/PID/pagemap has 64 bits a page of the user half,

     63      62      61   60..58 57       56        55          54....................0
    +-------+-------+----+------+--------+---------+----------+------------------------+
    |present|swapped|file| free |uffd-wp |mapped   |soft-dirty|frame, or swap type (4..0)|
    |       |       |    |      |        |once     |          |and offset (54..5)      |
    +-------+-------+----+------+--------+---------+----------+------------------------+

and the frames only to CAP_SYS_ADMIN (zero otherwise).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

PAGE_SIZE = 4096
PM_FRAME = (1 << 55) - 1
PM_SOFT_DIRTY = 1 << 55
PM_EXCLUSIVE = 1 << 56
PM_UFFD_WP = 1 << 57
PM_FILE = 1 << 61
PM_SWAP = 1 << 62
PM_PRESENT = 1 << 63
PAGEMAP_FLAGS = (
    (PM_SOFT_DIRTY, "soft-dirty"),
    (PM_EXCLUSIVE, "once"),
    (PM_UFFD_WP, "uffd-wp"),
    (PM_FILE, "file"),
)
CHUNK_PAGES = 1 << 16
NOTHING = bytes(CHUNK_PAGES * 8)
SPARSE = 1 << 30  # areas from this size on are looked up in smaps first


class MappedArea(NamedTuple):
    """A line of /proc/PID/maps."""

    start: int
    end: int
    rights: str  # "rwxp"
    name: str


class MappedPage(NamedTuple):
    """A page that is present or swapped out, with its word of pagemap."""

    address: int
    word: int

    @property
    def physical(self) -> int | None:
        """Physical address; None where the kernel hides it or the page is in swap."""
        frame = self.word & PM_FRAME
        return frame * PAGE_SIZE if self.word & PM_PRESENT and frame else None

    @property
    def swap(self) -> tuple[int, int] | None:
        """(type, offset) of the swap entry."""
        if not self.word & PM_SWAP:
            return None
        return self.word & 0x1F, (self.word & PM_FRAME) >> 5

    @property
    def flags(self) -> list[str]:
        return [name for bit, name in PAGEMAP_FLAGS if self.word & bit]


def mapped_areas(pid: int) -> list[MappedArea]:
    """The vm_areas of a process. Raises OSError."""
    areas = []
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as file:
        for line in file:
            fields = line.rstrip("\n").split(None, 5)
            start, _, end = fields[0].partition("-")
            # A file's name may hold anything: what is not printable stays off the terminal.
            name = fields[5] if len(fields) > 5 else ""
            name = "".join(char if char.isprintable() else "?" for char in name)
            areas.append(MappedArea(int(start, 16), int(end, 16), fields[1], name))
    return areas


def empty_areas(pid: int) -> set[int]:
    """Starts of areas in which no page is present or swapped, by /proc/PID/smaps."""
    empty: set[int] = set()
    start, pages = -1, 0
    with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as file:
        for line in file:
            head, _, rest = line.partition(" ")
            if not head.endswith(":"):
                if start >= 0 and not pages:
                    empty.add(start)
                start, pages = int(head.partition("-")[0], 16), 0
            elif head in ("Rss:", "Swap:"):
                pages += int(rest.split()[0])
    if start >= 0 and not pages:
        empty.add(start)
    return empty


def mapped_pages(pid: int, areas: list[MappedArea]) -> Iterator[tuple[MappedArea, MappedPage]]:
    """Every page of `areas` that pagemap has something to say of. Raises OSError."""
    sparse = any(area.end - area.start >= SPARSE for area in areas)
    empty = empty_areas(pid) if sparse else set()
    with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as file:
        for area in areas:
            if area.start in empty and area.end - area.start >= SPARSE:
                continue
            for page in _area_pages(file.fileno(), area):
                yield area, page


def _area_pages(descriptor: int, area: MappedArea) -> Iterator[MappedPage]:
    first, last = area.start // PAGE_SIZE, area.end // PAGE_SIZE
    while first < last:
        try:
            data = os.pread(descriptor, min(last - first, CHUNK_PAGES) * 8, first * 8)
        except OSError:  # [vsyscall] lies in the kernel half
            return
        if not data:
            return
        count = len(data) // 8
        if data != NOTHING[: len(data)]:
            for page, word in enumerate(struct.unpack(f"<{count}Q", data), first):
                if word & (PM_PRESENT | PM_SWAP):
                    yield MappedPage(page * PAGE_SIZE, word)
        first += count


def page_at(pid: int, address: int) -> MappedPage | None:
    """What pagemap says of one address; None where it says nothing. Raises OSError."""
    page = address // PAGE_SIZE
    with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as file:
        try:
            data = os.pread(file.fileno(), 8, page * 8)
        except (OSError, OverflowError):
            return None
    return MappedPage(page * PAGE_SIZE, int.from_bytes(data, "little")) if len(data) == 8 else None


def table_bytes(pid: int) -> int | None:
    """Memory that the process's page tables take: VmPTE. Raises OSError."""
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("VmPTE:"):
                return int(line.split()[1]) * 1024
    return None
