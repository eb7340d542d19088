"""Splitting, merging and holes of areas against the rules of mm/vma.c."""

from __future__ import annotations

import random

import pytest
from address_space import BASE, R, Space, W, X, address

from youcpu.hardware.memory import PAGE_SIZE
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.mmap import MAY_ALL, get_unmapped_area, protect
from youcpu.kernel.mm.vm_area import (
    STACK_GUARD_GAP,
    VM_GROWSDOWN,
    AnonVma,
    VmArea,
    VmAreas,
    compatible,
)


@pytest.fixture
def space() -> Space:
    return Space()


def test_alike_neighbours_are_one_area(space: Space) -> None:
    space.map(0, 2)
    space.map(4, 2)
    assert space.areas() == [(0, 2, "rw"), (4, 6, "rw")]
    space.map(2, 2)
    assert space.areas() == [(0, 6, "rw")]
    assert space.mm.total_vm == 6


def test_other_rights_stay_apart(space: Space) -> None:
    space.map(0, 2, R)
    space.map(2, 2, R | W)
    space.map(4, 2, R | X)
    assert space.areas() == [(0, 2, "r"), (2, 4, "rw"), (4, 6, "rx")]


def test_pages_of_a_file_merge_in_sequence_only(space: Space) -> None:
    file = space.file(bytes(8 * PAGE_SIZE))
    space.map(0, 2, R, file, 0)
    space.map(2, 2, R, file, 2)
    assert space.areas() == [(0, 4, "r")]
    space.map(4, 2, R, file, 6)
    assert space.areas() == [(0, 4, "r"), (4, 6, "r")]
    # Each area holds the file once.
    assert file.refs == 3
    space.mm.unmap(address(1), address(2))
    assert file.refs == 4
    space.mm.unmap(address(0), address(6))
    assert file.refs == 1


def test_unmapping_the_middle_leaves_two(space: Space) -> None:
    space.map(0, 6)
    space.mm.unmap(address(2), address(4))
    assert space.areas() == [(0, 2, "rw"), (4, 6, "rw")]
    assert space.mm.total_vm == 4
    space.mm.unmap(address(-1), address(9))
    assert space.areas() == []
    assert space.mm.total_vm == 0


def test_protecting_the_middle_splits_and_comes_together_again(space: Space) -> None:
    space.map(0, 6)
    protect(space.mm, address(2), address(4), R)
    assert space.areas() == [(0, 2, "rw"), (2, 4, "r"), (4, 6, "rw")]
    protect(space.mm, address(2), address(4), R | W)
    assert space.areas() == [(0, 6, "rw")]


def test_protect_stops_at_a_hole_with_what_came_before_done(space: Space) -> None:
    space.map(0, 2)
    space.map(3, 2)
    with pytest.raises(KernelError, match="ENOMEM"):
        protect(space.mm, address(0), address(5), R)
    assert space.areas() == [(0, 2, "r"), (3, 5, "rw")]


def test_private_pages_of_two_families_stay_apart(space: Space) -> None:
    space.map(0, 1)
    space.map(2, 1)
    space.touch(0, write=True)
    space.touch(2, write=True)
    space.map(1, 1)
    assert space.areas() == [(0, 2, "rw"), (2, 3, "rw")]


def test_neighbours_that_differ_in_rights_share_a_family(space: Space) -> None:
    space.map(0, 4)
    protect(space.mm, address(2), address(4), R)
    space.touch(0, write=True)
    protect(space.mm, address(2), address(4), R | W)
    space.touch(2, write=True)
    assert space.areas() == [(0, 4, "rw")]


@pytest.mark.parametrize(
    ("one", "other", "merges"),
    [
        (None, None, True),
        (AnonVma(), None, True),
        (None, AnonVma(), True),
        (AnonVma(), AnonVma(), False),
        (AnonVma(forked=True), None, False),
        (None, AnonVma(forked=True), False),
    ],
)
def test_which_families_merge(one: AnonVma | None, other: AnonVma | None, merges: bool) -> None:
    assert compatible(one, other) == merges
    assert one is None or compatible(one, one)


# -- holes --


def areas_of(*ranges: tuple[int, int], flags: int = R) -> VmAreas:
    areas = VmAreas()
    for start, end in ranges:
        areas.insert(VmArea(address(start), address(end), flags, 0))
    return areas


def test_the_highest_hole() -> None:
    areas = areas_of((2, 4), (6, 8))
    page = PAGE_SIZE
    assert areas.highest_gap(2 * page, BASE, address(10)) == address(8)
    assert areas.highest_gap(2 * page, BASE, address(9)) == address(4)
    assert areas.highest_gap(3 * page, BASE - 8 * page, address(9)) == address(-1)
    assert areas.highest_gap(2 * page, BASE, address(3)) == address(0)
    assert areas.highest_gap(3 * page, BASE, address(9)) is None


def test_the_lowest_hole() -> None:
    areas = areas_of((2, 4), (6, 8))
    page = PAGE_SIZE
    assert areas.lowest_gap(2 * page, BASE, address(10)) == address(0)
    assert areas.lowest_gap(2 * page, address(1), address(10)) == address(4)
    assert areas.lowest_gap(3 * page, BASE, address(20)) == address(8)
    assert areas.lowest_gap(3 * page, BASE, address(10)) is None


def test_nothing_goes_into_the_guard_of_a_stack() -> None:
    areas = areas_of((1000, 1001), flags=R | VM_GROWSDOWN)
    top = areas.highest_gap(PAGE_SIZE, BASE, address(1000))
    assert top == address(1000) - STACK_GUARD_GAP - PAGE_SIZE


def test_holes_against_a_plain_search() -> None:
    chance = random.Random(7)
    for _ in range(300):
        taken = [chance.random() < 0.4 for _ in range(24)]
        areas = VmAreas()
        for page, used in enumerate(taken):
            if used:
                areas.insert(VmArea(address(page), address(page + 1), chance.choice([R, W]), 99))
        size = chance.randint(1, 4)
        low, high = sorted(chance.sample(range(25), 2))
        fits = [
            start for start in range(low, high - size + 1) if not any(taken[start : start + size])
        ]
        highest = areas.highest_gap(size * PAGE_SIZE, address(low), address(high))
        lowest = areas.lowest_gap(size * PAGE_SIZE, address(low), address(high))
        assert highest == (address(fits[-1]) if fits else None)
        assert lowest == (address(fits[0]) if fits else None)


@pytest.mark.parametrize(
    ("hint", "size", "flags", "errno"),
    [
        (BASE + 1, PAGE_SIZE, 0x10, "EINVAL"),
        (0x7FFFFFFFF000, PAGE_SIZE, 0x10, "ENOMEM"),
        (0x7FFFFFFFE000, 2 * PAGE_SIZE, 0x10, "ENOMEM"),
        (0, PAGE_SIZE, 0x10, "EPERM"),
        (address(1), PAGE_SIZE, 0x100000, "EEXIST"),
        (0, 1 << 47, 0, "ENOMEM"),
    ],
)
def test_places_that_are_refused(
    space: Space, hint: int, size: int, flags: int, errno: str
) -> None:
    space.map(0, 4)
    with pytest.raises(KernelError, match=errno):
        get_unmapped_area(space.mm, hint, size, flags)


def test_a_free_hint_is_taken_and_a_taken_one_is_not(space: Space) -> None:
    space.mm.mmap_base = address(100)
    space.map(0, 4)
    assert get_unmapped_area(space.mm, address(10), PAGE_SIZE, 0) == address(10)
    assert get_unmapped_area(space.mm, address(2), PAGE_SIZE, 0) == address(99)
    assert get_unmapped_area(space.mm, 0, PAGE_SIZE, 0x40) == 0x40000000  # MAP_32BIT


def test_an_area_knows_its_pages() -> None:
    area = VmArea(address(4), address(8), R | MAY_ALL, 100)
    assert area.page_index(address(5.5)) == 101
    assert area.size == 4 * PAGE_SIZE
