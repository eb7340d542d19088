"""The tree in RAM: what PageTable says is what a walk of the hardware's own tables finds."""

from __future__ import annotations

import random

import pytest

from youcpu.hardware.memory import PAGE_SHIFT, PAGE_SIZE, FrameAllocator, OutOfFrames, Ram
from youcpu.hardware.paging import PTE_ADDRESS, PTE_P
from youcpu.kernel.mm.page_table import PageTable

KERNEL = [(i << 12 | 3) if i else 0 for i in range(256)]


def walk(table: PageTable, address: int) -> int:
    """The leaf entry by four levels, as the CPU finds it."""
    frame = table.root
    for shift in (39, 30, 21):
        entry = table.quads[(frame << PAGE_SHIFT >> 3) + (address >> shift & 511)]
        if not entry & PTE_P:
            return 0
        frame = (entry & PTE_ADDRESS) >> PAGE_SHIFT
    return table.quads[(frame << PAGE_SHIFT >> 3) + (address >> 12 & 511)]


@pytest.fixture
def table() -> PageTable:
    return PageTable(FrameAllocator(Ram(256 * PAGE_SIZE)), KERNEL)


def test_the_kernel_half_is_in_every_root(table: PageTable) -> None:
    base = (table.root << PAGE_SHIFT >> 3) + 256
    assert table.quads[base : base + 256].tolist() == KERNEL


def test_slots_are_where_the_cpu_looks(table: PageTable) -> None:
    chance = random.Random(3)
    entries = {}
    for _ in range(40):
        address = chance.randrange(1 << 47) & -PAGE_SIZE
        entries[address] = chance.randrange(1, 1 << 20) << 12 | 7
        table.quads[table.slot(address)] = entries[address]
    for address, entry in entries.items():
        assert walk(table, address) == table.entry(address) == entry
        assert walk(table, address ^ 1 << 12) == table.entry(address ^ 1 << 12)
    found = [(address, entry) for address, _, entry in table.entries(0, 1 << 47)]
    assert found == sorted(entries.items())


def test_a_part_of_the_entries(table: PageTable) -> None:
    for page in range(0, 2000, 100):
        table.quads[table.slot(page << 12)] = page << 12 | 7
    found = [address >> 12 for address, _, _ in table.entries(300 << 12, 901 << 12)]
    assert found == [300, 400, 500, 600, 700, 800, 900]


def test_tables_go_when_their_range_is_free(table: PageTable) -> None:
    used = table.frames.used
    for address in (0x1000, 1 << 21, 1 << 30, 1 << 39):
        table.quads[table.slot(address)] = 0
    assert table.frames.used > used
    table.free_tables(1 << 21, 2 << 21)
    assert table.entry(1 << 21) == 0
    assert 1 not in table.leaf_tables
    assert 0 in table.leaf_tables
    table.free_tables(0, 1 << 47)
    assert table.frames.used == used
    assert table.table_frames == 1


def test_release_gives_all_back(table: PageTable) -> None:
    for address in (0, 1 << 33, 1 << 46):
        table.slot(address)
    table.release()
    assert table.frames.used == 0


def test_no_frame_for_a_table() -> None:
    table = PageTable(FrameAllocator(Ram(4 * PAGE_SIZE)), [0] * 256)
    with pytest.raises(OutOfFrames):
        table.slot(0)
    assert table.entry(0) == 0
