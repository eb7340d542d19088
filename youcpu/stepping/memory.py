"""Physical addresses of accesses back to the program's: the page tables, read backwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from youcpu.hardware.memory import PAGE_SHIFT, PAGE_SIZE, Ram
from youcpu.hardware.paging import PTE_ADDRESS, PTE_P
from youcpu.trace.steps import MemoryAccess

if TYPE_CHECKING:
    from youcpu.hardware.recording_cpu import Access
    from youcpu.kernel.task import Task

_OFFSET = PAGE_SIZE - 1


def physical_address(task: Task, address: int) -> int | None:
    """Where a user address leads by the task's tables, None: nowhere. Changes nothing."""
    if not 0 <= address < 1 << 47 or task.exited:
        return None
    entry = task.mm.page_table.entry(address)
    return entry & PTE_ADDRESS | address & _OFFSET if entry & PTE_P else None


def read_memory(ram: Ram, task: Task, address: int, size: int) -> bytes:
    """Bytes at a user address, as many as the program could read there. Changes nothing.

    Where no page is in yet they are what a fault would bring: the file's, or zeros.
    """
    found = bytearray()
    if task.exited:
        return b""
    while size > 0:
        physical = physical_address(task, address)
        count = min(size, PAGE_SIZE - (address & _OFFSET))
        if physical is not None:
            found += ram.bytes[physical : physical + count]
        elif (area := task.mm.areas.at(address)) is None:
            break
        elif area.file is None:
            found += bytes(count)
        else:
            offset = (area.page_index(address) << PAGE_SHIFT) + (address & _OFFSET)
            found += area.file.pread(count, offset).ljust(count, b"\0")
        address, size = address + count, size - count
    return bytes(found)


class VirtualAddresses:
    """Which of the program's pages a frame is. What was found is checked before it is believed."""

    def __init__(self) -> None:
        self._pages: dict[int, int] = {}

    def of(self, task: Task, physical: int, hints: Iterable[int]) -> int | None:
        """The user address of a physical one. `hints`: values of registers, likely near it."""
        frame, offset = physical >> PAGE_SHIFT, physical & _OFFSET
        page = self._pages.get(frame)
        if page is None or not self._leads(task, page, frame):
            page = self._search(task, frame, hints)
            if page is None:
                self._pages.pop(frame, None)
                return None
            self._pages[frame] = page
        return page | offset

    def _leads(self, task: Task, page: int, frame: int) -> bool:
        found = physical_address(task, page)
        return found is not None and found >> PAGE_SHIFT == frame

    def _search(self, task: Task, frame: int, hints: Iterable[int]) -> int | None:
        for hint in hints:
            for page in (hint & ~_OFFSET, (hint & ~_OFFSET) - PAGE_SIZE):
                if self._leads(task, page, frame):
                    return page
        for address, _, entry in task.mm.page_table.entries(0, 1 << 47):
            if entry & PTE_P and (entry & PTE_ADDRESS) >> PAGE_SHIFT == frame:
                return address
        return None


def memory_accesses(
    entries: Iterable[Access], addresses: VirtualAddresses, task: Task, hints: tuple[int, ...]
) -> Iterator[MemoryAccess]:
    """Entries of the log as accesses of the program; two halves of one operand are one."""
    last: MemoryAccess | None = None
    for physical, size, write, stored, there in entries:
        crosses = (physical & _OFFSET) + size > PAGE_SIZE
        found = MemoryAccess(
            addresses.of(task, physical, hints), physical, write, there,
            stored if write else there, not crosses,
        )  # fmt: skip
        if last is not None and _continues(last, found):
            last = MemoryAccess(
                last.address, last.physical, write, last.old + found.old, last.new + found.new
            )
            continue
        if last is not None:
            yield last
        last = found
    if last is not None:
        yield last


def _continues(first: MemoryAccess, second: MemoryAccess) -> bool:
    return (
        first.write == second.write
        and first.address is not None
        and first.address + first.size == second.address
        and first.old_known
        and second.old_known
    )
