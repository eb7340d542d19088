"""vm_areas of an address space: struct vm_area_struct, mm/vma.c."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING

from youcpu.record import record

if TYPE_CHECKING:
    from youcpu.kernel.mm.page_cache import AddressSpace
    from youcpu.kernel.vfs.file import File

PAGE_SHIFT = 12

# include/linux/mm.h
VM_READ, VM_WRITE, VM_EXEC, VM_SHARED = 1, 2, 4, 8
VM_MAYREAD, VM_MAYWRITE, VM_MAYEXEC, VM_MAYSHARE = 0x10, 0x20, 0x40, 0x80
VM_GROWSDOWN = 0x100
VM_PFNMAP = 0x400
VM_LOCKED, VM_IO = 0x2000, 0x4000
VM_SEQ_READ, VM_RAND_READ = 0x8000, 0x10000
VM_DONTCOPY = 0x20000
VM_DONTEXPAND = 0x40000
VM_LOCKONFAULT = 0x80000
VM_ACCOUNT, VM_NORESERVE = 0x100000, 0x200000
VM_WIPEONFORK = 0x2000000
VM_DONTDUMP = 0x4000000
VM_HUGEPAGE, VM_NOHUGEPAGE = 0x20000000, 0x40000000
#: mlock, madvise and the like leave these alone.
VM_SPECIAL = VM_IO | VM_DONTEXPAND | VM_PFNMAP
VM_RIGHTS = VM_READ | VM_WRITE | VM_EXEC

#: mm/mmap.c: nothing may be mapped this close below a growing stack (256 pages).
STACK_GUARD_GAP = 256 << PAGE_SHIFT


class AnonVma:
    """struct anon_vma: areas whose private pages belong to one family; made by the first fault.

    `forked`: a child's, which has its parent's family above it and takes no others in.
    """

    __slots__ = ("forked",)

    def __init__(self, forked: bool = False) -> None:
        self.forked = forked


@record(eq=False)
class VmArea:
    """Addresses [start, end) with the same rights and backing.

    `pgoff`: page of the file at `start`; of anonymous memory start >> 12 when it was mapped.
    `name`: [vdso], [vvar]; "" of all others, of which MM.area_name knows more.
    `special`: pages of [vdso] and [vvar], which are no file's; such an area is never cut.
    `anon_vma`: None while the area has no private page. It decides what can merge.
    """

    start: int
    end: int
    flags: int
    pgoff: int
    file: File | None = None
    name: str = ""
    anon_vma: AnonVma | None = None
    special: AddressSpace | None = None

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.end - self.start

    def lowest(self) -> int:
        """Where the guard gap of a growing area begins; `start` of any other."""
        if self.flags & VM_GROWSDOWN:
            return max(0, self.start - STACK_GUARD_GAP)
        return self.start

    def page_index(self, address: int) -> int:
        """Page of the backing file (or of anonymous memory) at an address."""
        return self.pgoff + ((address - self.start) >> PAGE_SHIFT)

    def can_follow(self, before: VmArea) -> bool:
        """Whether both are one area: adjacent, alike, and their pages in sequence."""
        return (
            before.end == self.start
            and before.flags == self.flags
            and before.file is self.file
            and before.name == self.name
            and before.special is self.special is None
            and before.pgoff + (before.size >> PAGE_SHIFT) == self.pgoff
            and compatible(before.anon_vma, self.anon_vma)
        )

    def anon_vma_prepare(self, areas: VmAreas) -> None:
        """__anon_vma_prepare(): the first private page; a like neighbour's family is joined."""
        near = self._reusable(areas.following(self)) or self._reusable(areas.before(self))
        self.anon_vma = near or AnonVma()

    def _reusable(self, near: VmArea | None) -> AnonVma | None:
        """reusable_anon_vma(): of a neighbour that differs in nothing but rights."""
        if near is None or near.anon_vma is None or near.anon_vma.forked:
            return None
        low, high = (self, near) if self.start < near.start else (near, self)
        alike = (
            low.end == high.start
            and low.file is high.file
            and not (low.flags ^ high.flags) & ~VM_RIGHTS
            and low.pgoff + (low.size >> PAGE_SHIFT) == high.pgoff
        )
        return near.anon_vma if alike else None


def compatible(one: AnonVma | None, other: AnonVma | None) -> bool:
    """is_mergeable_anon_vma(): private pages of two families stay in two areas."""
    if one is None or other is None:
        family = one or other
        return family is None or not family.forked
    return one is other


class VmAreas:
    """The areas of one address space in order of their addresses, never overlapping."""

    __slots__ = ("_areas", "_starts")

    def __init__(self) -> None:
        self._areas: list[VmArea] = []
        self._starts: list[int] = []

    def __len__(self) -> int:
        return len(self._areas)

    def __iter__(self) -> Iterator[VmArea]:
        return iter(self._areas)

    def at(self, address: int) -> VmArea | None:
        """The area that holds an address."""
        index = bisect_right(self._starts, address) - 1
        if index >= 0:
            area = self._areas[index]
            if address < area.end:
                return area
        return None

    def after(self, address: int) -> VmArea | None:
        """The first area that ends above an address: find_vma()."""
        index = bisect_right(self._starts, address) - 1
        if index >= 0 and address < self._areas[index].end:
            return self._areas[index]
        return self._areas[index + 1] if index + 1 < len(self._areas) else None

    def before(self, area: VmArea) -> VmArea | None:
        """The neighbour below."""
        index = bisect_left(self._starts, area.start)
        return self._areas[index - 1] if index else None

    def following(self, area: VmArea) -> VmArea | None:
        """The neighbour above."""
        index = bisect_right(self._starts, area.start)
        return self._areas[index] if index < len(self._areas) else None

    def overlapping(self, start: int, end: int) -> list[VmArea]:
        """Areas with any address in [start, end), in order."""
        index = bisect_right(self._starts, start) - 1
        if index < 0 or self._areas[index].end <= start:
            index += 1
        stop = bisect_left(self._starts, end)
        return self._areas[index:stop]

    def insert(self, area: VmArea, merge_below: bool = True) -> VmArea:
        """Add an area and merge it with its neighbours; returns what now covers it."""
        index = bisect_left(self._starts, area.start)
        if merge_below and index and area.can_follow(self._areas[index - 1]):
            below = self._areas[index - 1]
            below.end = area.end
            below.anon_vma = below.anon_vma or area.anon_vma
            area = below
            index -= 1
        else:
            self._areas.insert(index, area)
            self._starts.insert(index, area.start)
        if index + 1 < len(self._areas) and self._areas[index + 1].can_follow(area):
            area.end = self._areas[index + 1].end
            area.anon_vma = area.anon_vma or self._areas[index + 1].anon_vma
            del self._areas[index + 1], self._starts[index + 1]
        return area

    def append(self, area: VmArea) -> None:
        """Add an area above all others, as it is: for a copy of an address space."""
        self._areas.append(area)
        self._starts.append(area.start)

    def remove(self, area: VmArea) -> None:
        """Take an area out."""
        index = bisect_left(self._starts, area.start)
        assert self._areas[index] is area
        del self._areas[index], self._starts[index]

    def move_start(self, area: VmArea, start: int) -> None:
        """Grow or shrink an area at its lower end."""
        index = bisect_left(self._starts, area.start)
        self._starts[index] = area.start = start

    def split(self, address: int) -> None:
        """Make an area boundary at `address` if an area lies across it."""
        area = self.at(address)
        if area is None or area.start == address:
            return
        upper = VmArea(
            address, area.end, area.flags, area.page_index(address), area.file, area.name,
            area.anon_vma,
        )  # fmt: skip
        area.end = address
        index = bisect_left(self._starts, address)
        self._areas.insert(index, upper)
        self._starts.insert(index, address)

    def highest_gap(self, size: int, low: int, high: int) -> int | None:
        """Start of the highest hole of `size` bytes in [low, high): unmapped_area_topdown()."""
        above = bisect_left(self._starts, high)
        top = min(high, self._areas[above].lowest()) if above < len(self._areas) else high
        for index in range(above - 1, -1, -1):
            area = self._areas[index]
            if area.end <= top and top - area.end >= size:
                break
            top = min(top, area.lowest())
        start = top - size
        return start if start >= low else None

    def lowest_gap(self, size: int, low: int, high: int) -> int | None:
        """Start of the lowest hole of `size` bytes in [low, high): unmapped_area()."""
        bottom = low
        for area in self._areas:
            if area.end <= low:
                continue
            if area.lowest() - bottom >= size:
                break
            bottom = max(bottom, area.end)
        return bottom if bottom + size <= high else None
