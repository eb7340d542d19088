"""What satisfies a page fault, and what does not: mm/memory.c, arch/x86/mm/fault.c."""

from __future__ import annotations

import pytest
from address_space import SHARED, R, Space, W, X, address

from youcpu.hardware.memory import PAGE_SIZE
from youcpu.hardware.paging import PTE_D, PTE_NX, PTE_P, PTE_U, PTE_W
from youcpu.kernel.mm.dup_mmap import dup_mmap
from youcpu.kernel.mm.fault import OutOfMemory, handle_mm_fault, populate
from youcpu.kernel.mm.mmap import MAY_ALL, protect
from youcpu.kernel.mm.vm_area import VM_GROWSDOWN, VM_NORESERVE, VmArea


@pytest.fixture
def space() -> Space:
    return Space()


def test_reads_of_untouched_memory_share_the_zero_page(space: Space) -> None:
    space.map(0, 2)
    used = space.frames.used
    assert space.touch(0) == "zero"
    assert space.touch(1) == "zero"
    assert space.frame(0) == space.frame(1) == space.zero_frame
    assert not space.mm.page_table.entry(address(0)) & PTE_W
    # Three tables and no page.
    assert space.frames.used == used + 3


def test_a_write_gets_a_page_of_zeros(space: Space) -> None:
    space.map(0, 1)
    assert space.touch(0, write=True) == "anon"
    assert space.frame(0) != space.zero_frame
    assert not any(space.data(0))
    entry = space.mm.page_table.entry(address(0))
    assert (
        entry & (PTE_P | PTE_W | PTE_U | PTE_D | PTE_NX) == PTE_P | PTE_W | PTE_U | PTE_D | PTE_NX
    )
    assert space.touch(0, write=True) == "spurious"


def test_a_write_after_a_read_leaves_the_zero_page(space: Space) -> None:
    space.map(0, 1)
    space.touch(0)
    space.mm.stale_tlb = False
    assert space.touch(0, write=True) == "anon"
    assert space.mm.stale_tlb


@pytest.mark.parametrize(
    ("rights", "read", "write", "execute"),
    [
        (R, "zero", "SIGSEGV 2", "SIGSEGV 2"),
        (R | W, "zero", "anon", "SIGSEGV 2"),
        (R | X, "zero", "SIGSEGV 2", "zero"),
        (0, "SIGSEGV 2", "SIGSEGV 2", "SIGSEGV 2"),
        (W, "zero", "anon", "SIGSEGV 2"),
        (X, "zero", "SIGSEGV 2", "zero"),
    ],
)
def test_rights(space: Space, rights: int, read: str, write: str, execute: str) -> None:
    space.map(0, 3, rights)
    assert space.touch(0) == read
    assert space.touch(1, write=True) == write
    assert space.touch(2, instr=True) == execute


def test_nothing_there(space: Space) -> None:
    space.map(0, 1)
    assert space.touch(1) == "SIGSEGV 1"
    assert space.touch(-0.001) == "SIGSEGV 1"


def test_pages_of_a_file_are_shared_and_read_once(space: Space) -> None:
    file = space.file(b"".join(bytes([i]) * PAGE_SIZE for i in range(4)))
    space.map(0, 4, R, file)
    space.map(10, 4, R | W, file)
    assert space.touch(2) == "file"
    assert space.touch(12) == "file"
    assert space.frame(2) == space.frame(12)
    assert space.data(2)[0] == 2
    assert file.fills == 1
    # The neighbours were mapped with it: fault around.
    assert space.frame(0)
    assert space.frame(3)


def test_a_private_write_copies(space: Space) -> None:
    file = space.file(b"x" * PAGE_SIZE)
    space.map(0, 1, R | W, file)
    space.map(2, 1, R | W | SHARED, file)
    assert space.touch(0, write=True) == "copy"
    space.data(0)[0] = ord("y")
    assert space.touch(2) == "file"
    assert space.data(2)[0] == ord("x")
    assert space.touch(2, write=True) == "shared"
    assert file.mapping.dirty == {0}
    assert space.touch(0) == "spurious"


def test_a_copy_after_a_read(space: Space) -> None:
    file = space.file(b"x" * PAGE_SIZE)
    space.map(0, 1, R | W, file)
    space.touch(0)
    old = space.frame(0)
    assert space.touch(0, write=True) == "copy"
    assert space.frame(0) != old
    assert space.frames.count(old) == 1  # the cache's own


def test_beyond_the_end_of_a_file(space: Space) -> None:
    file = space.file(b"x" * (PAGE_SIZE + 1))
    space.map(0, 4, R | W, file)
    assert space.touch(1) == "file"
    assert bytes(space.data(1)[:3]) == b"x\0\0"
    assert space.touch(2) == "SIGBUS 2"
    assert space.touch(3, write=True) == "SIGBUS 2"


def test_a_shorter_file_takes_its_pages_away(space: Space) -> None:
    file = space.file(b"x" * (3 * PAGE_SIZE))
    space.map(0, 3, R | W | SHARED, file)
    space.map(4, 3, R | W, file)
    for page in (0, 1, 2):
        space.touch(page)
        space.touch(4 + page, write=True)
    file.inode.size = PAGE_SIZE + 10
    file.mapping.truncate(file.inode.size)
    assert space.frame(2) == space.frame(6) == 0
    assert space.touch(2) == space.touch(6) == "SIGBUS 2"
    assert bytes(space.data(1)[8:12]) == b"xx\0\0"
    assert space.mm.stale_tlb


# -- after fork --


def test_copy_and_reuse_after_a_fork(space: Space) -> None:
    space.map(0, 2)
    space.touch(0, write=True)
    space.data(0)[0] = 7
    child = space.new_mm()
    dup_mmap(space.mm, child)
    shared = space.frame(0)
    assert space.frame(0, child) == shared
    assert space.frames.count(shared) == 2
    assert handle_mm_fault(child, address(0), True) == "copy"
    assert space.ram.bytes[space.frame(0, child) << 12] == 7
    # The parent is the last owner now.
    assert space.touch(0, write=True) == "reuse"
    assert space.frame(0) == shared
    child.release()


def test_a_child_alone_reuses(space: Space) -> None:
    space.map(0, 1)
    space.touch(0, write=True)
    child = space.new_mm()
    dup_mmap(space.mm, child)
    space.mm.release()
    assert handle_mm_fault(child, address(0), True) == "reuse"
    child.release()


# -- rights that change --


def test_mprotect_of_present_pages(space: Space) -> None:
    space.map(0, 1)
    space.touch(0, write=True)
    frame = space.frame(0)
    protect(space.mm, address(0), address(1), 0)
    assert not space.mm.page_table.entry(address(0)) & PTE_P
    assert space.frame(0) == frame
    assert space.touch(0) == "SIGSEGV 2"
    protect(space.mm, address(0), address(1), R | W)
    assert space.touch(0, write=True) in ("spurious", "reuse")
    assert space.frame(0) == frame
    protect(space.mm, address(0), address(1), R | X)
    assert not space.mm.page_table.entry(address(0)) & (PTE_W | PTE_NX)


# -- stacks --


def stack(space: Space, page: int) -> VmArea:
    flags = R | W | VM_GROWSDOWN | MAY_ALL
    return space.mm.add_area(VmArea(address(page), address(page + 1), flags, address(page) >> 12))


def test_a_stack_grows_down_to_its_limit(space: Space) -> None:
    area = stack(space, 1000)
    space.mm.stack_limit = 64 * PAGE_SIZE
    assert space.touch(990, write=True) == "anon"
    assert area.start == address(990)
    assert space.mm.total_vm == 11
    assert space.touch(1001 - 64, write=True) == "anon"
    assert space.touch(1001 - 65, write=True) == "SIGSEGV 1"


def test_a_stack_keeps_its_distance(space: Space) -> None:
    stack(space, 1000)
    space.map(600, 1)
    assert space.touch(601 + 256, write=True) == "anon"
    assert space.touch(601 + 255, write=True) == "SIGSEGV 1"
    # What cannot be accessed does not count.
    protect(space.mm, address(600), address(601), 0)
    assert space.touch(602, write=True) == "anon"


def test_a_stack_grows_within_the_address_limit(space: Space) -> None:
    stack(space, 1000)
    space.mm.address_limit = 8 * PAGE_SIZE
    assert space.touch(993, write=True) == "anon"
    assert space.touch(992, write=True) == "SIGSEGV 1"


# -- frames --


def test_populate_does_what_can_be_done(space: Space) -> None:
    file = space.file(b"x" * PAGE_SIZE)
    space.map(0, 2)
    space.map(2, 2, R, file)
    space.map(4, 1, 0)
    assert not populate(space.mm, address(0), address(5))
    assert space.frame(0)
    assert space.frame(1)
    assert space.frame(2)
    assert not space.frame(3)
    assert populate(space.mm, address(0), address(3))


def test_memory_runs_out() -> None:
    space = Space(ram_pages=16)
    space.map(0, 64, R | W | VM_NORESERVE)
    while space.frames.available:
        space.mm.fault_in(address(space.frames.available), True)
    with pytest.raises(OutOfMemory):
        space.touch(63, write=True)
    space.mm.release()
    assert space.frames.used == 1  # the zero page


def test_all_frames_come_back(space: Space) -> None:
    before = space.frames.used
    file = space.file(b"x" * (8 * PAGE_SIZE))
    mm = space.mm = space.new_mm()
    space.map(0, 8)
    space.map(20, 8, R | W, file)
    space.map(40, 8, R | W | SHARED, file)
    space.map(5000, 3)
    for page in (0, 1, 7, 20, 23, 41, 47, 5000, 5002):
        space.touch(page, write=page % 2 == 0)
    child = space.new_mm()
    dup_mmap(mm, child)
    handle_mm_fault(child, address(0), True)
    mm.unmap(address(2), address(6))
    protect(mm, address(40), address(44), 0)
    child.release()
    mm.release()
    assert file.refs == 1
    file.mapping.release()
    assert space.frames.used == before
