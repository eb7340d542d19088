"""The kernel's access to a program's memory: all of it, a part, or EFAULT."""

from __future__ import annotations

import pytest
from address_space import R, Space, W, X, address

from youcpu.hardware.memory import PAGE_SIZE
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.uaccess import (
    PATH_MAX,
    copy_from_user,
    copy_from_user_partial,
    copy_to_user,
    get_user,
    getname,
    put_user,
    strncpy_from_user,
    writable_prefix,
)

WILD = [0, 1, 0x7FFFFFFFF000, 0x800000000000, 0xFFFF800000000000, (1 << 64) - 1, (1 << 63) - 1]


@pytest.fixture
def space() -> Space:
    space = Space()
    space.map(0, 3)
    space.map(3, 1, R)
    return space


def test_bytes_come_back_across_pages(space: Space) -> None:
    data = bytes(range(256)) * 40
    copy_to_user(space.task, address(0.5), data[:9000])
    assert copy_from_user(space.task, address(0.5), 9000) == data[:9000]
    assert space.data(1)[0] == data[PAGE_SIZE // 2]


@pytest.mark.parametrize("where", WILD)
def test_wild_addresses(space: Space, where: int) -> None:
    for access in (
        lambda: copy_from_user(space.task, where, 8),
        lambda: copy_to_user(space.task, where, b"12345678"),
        lambda: get_user(space.task, where, 4),
        lambda: getname(space.task, where),
    ):
        with pytest.raises(KernelError, match="EFAULT"):
            access()
    assert copy_from_user(space.task, where, 0) == b""
    copy_to_user(space.task, where, b"")
    assert copy_from_user_partial(space.task, where, 8) == b""
    assert writable_prefix(space.task, where, 8) == 0


def test_the_end_of_memory(space: Space) -> None:
    edge = address(4)
    assert copy_from_user(space.task, edge - 8, 8) == bytes(8)
    with pytest.raises(KernelError, match="EFAULT"):
        copy_from_user(space.task, edge - 8, 9)
    assert copy_from_user_partial(space.task, edge - 8, 100) == bytes(8)


def test_what_may_only_be_read_is_not_written(space: Space) -> None:
    with pytest.raises(KernelError, match="EFAULT"):
        copy_to_user(space.task, address(3), b"x")
    # Up to there it is.
    with pytest.raises(KernelError, match="EFAULT"):
        copy_to_user(space.task, address(3) - 4, b"12345678")
    assert copy_from_user(space.task, address(3) - 4, 8) == b"1234\0\0\0\0"
    assert writable_prefix(space.task, address(3) - 4, 100) == 4


def test_writing_code_asks_for_new_translations(space: Space) -> None:
    space.map(8, 1, R | W | X)
    copy_to_user(space.task, address(8), b"\x90")
    space.mm.stale_code = False
    copy_to_user(space.task, address(8), b"\xc3")
    assert space.mm.stale_code


def test_numbers(space: Space) -> None:
    put_user(space.task, address(0), 0x1122334455667788, 8)
    assert get_user(space.task, address(0), 4) == 0x55667788
    put_user(space.task, address(0), -1, 2)
    assert get_user(space.task, address(0), 8) == 0x112233445566FFFF


def test_strings(space: Space) -> None:
    copy_to_user(space.task, address(1) - 3, b"abcdef\0")
    assert strncpy_from_user(space.task, address(1) - 3, 100) == b"abcdef"
    assert strncpy_from_user(space.task, address(1) - 3, 7) == b"abcdef"
    assert strncpy_from_user(space.task, address(1) - 3, 6) is None
    copy_to_user(space.task, address(2), b"x" * 4096)
    # The page behind it is all zeros: the NUL is its first byte.
    assert strncpy_from_user(space.task, address(2), 5000) == b"x" * 4096
    with pytest.raises(KernelError, match="ENAMETOOLONG"):
        getname(space.task, address(2))
    assert getname(space.task, address(2) + 1) == b"x" * (PATH_MAX - 1)


def test_a_string_that_runs_into_nothing(space: Space) -> None:
    space.map(6, 1)
    copy_to_user(space.task, address(6), b"y" * 4096)
    with pytest.raises(KernelError, match="EFAULT"):
        strncpy_from_user(space.task, address(6), 5000)
    assert strncpy_from_user(space.task, address(6), 4096) is None
