"""Files of a --rw directory: what the program does there is found on the host, byte for byte."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from youcpu.abi.errno import Errno
from youcpu.kernel.vfs.mount import MountOptions

AT_FDCWD, AT_SYMLINK_FOLLOW = -100, 0x400
KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 1, 2, 16


@pytest.fixture
def shared(make_machine, tmp_path: Path):  # type: ignore[no-untyped-def]
    """A machine that may write below tmp_path."""
    return make_machine(MountOptions(writable=(os.fsencode(tmp_path),)))


def test_a_nameless_file_gets_its_name(shared, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    fd = shared.open(str(tmp_path), os.O_TMPFILE | os.O_RDWR, 0o640)
    assert shared.call("write", fd, b"nameless", 8) == 8
    assert list(tmp_path.iterdir()) == []
    again = shared.open(f"/proc/self/fd/{fd}")
    assert shared.read(again) == b"nameless"
    source, target = f"/proc/self/fd/{fd}", str(tmp_path / "named")
    assert shared.call("linkat", AT_FDCWD, source, AT_FDCWD, target, AT_SYMLINK_FOLLOW) == 0
    assert (tmp_path / "named").read_bytes() == b"nameless"
    assert (tmp_path / "named").stat().st_mode & 0o777 == 0o640


def test_a_removed_file_can_be_opened_again(shared, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "file").write_bytes(b"content")
    fd = shared.open(str(tmp_path / "file"), os.O_RDWR)
    assert shared.call("unlink", str(tmp_path / "file")) == 0
    assert shared.read(shared.open(f"/proc/self/fd/{fd}")) == b"content"
    source, target = f"/proc/self/fd/{fd}", str(tmp_path / "back")
    answer = shared.call("linkat", AT_FDCWD, source, AT_FDCWD, target, AT_SYMLINK_FOLLOW)
    assert answer == -Errno.ENOENT


def test_fallocate_reaches_the_host(shared, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10_000)
    fd = shared.open(str(path), os.O_RDWR)
    answer = shared.call("fallocate", fd, PUNCH_HOLE | KEEP_SIZE, 10, 5000)
    if answer == -Errno.EOPNOTSUPP:
        pytest.skip("the file system of tmp_path punches no holes")
    assert answer == 0
    assert path.read_bytes() == b"x" * 10 + bytes(5000) + b"x" * 4990
    assert shared.call("fallocate", fd, KEEP_SIZE, 20_000, 100) == 0
    assert path.stat().st_size == 10_000
    assert shared.call("fallocate", fd, 0, 20_000, 100) == 0
    assert path.stat().st_size == 20_100


def test_access_three_gives_no_descriptor_to_write_by(shared, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "file").write_bytes(b"content")
    assert shared.open(str(tmp_path / "file"), 3) >= 0
    assert shared.open(str(tmp_path / "file"), os.O_WRONLY | os.O_TRUNC) >= 0
    assert (tmp_path / "file").read_bytes() == b""


def acl(*entries: tuple[int, int]) -> bytes:
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", t, r, 2**32 - 1) for t, r in entries)


@pytest.mark.parametrize("host", [False, True])
def test_a_minimal_acl_is_the_mode(host, make_machine, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "file").write_bytes(b"")
    machine = make_machine(
        MountOptions(writable=(os.fsencode(tmp_path),)) if host else MountOptions()
    )
    path, name = str(tmp_path / "file"), "system.posix_acl_access"
    value = acl((1, 6), (4, 4), (0x20, 0))
    assert machine.call("setxattr", path, name, value, len(value), 0) == 0
    assert machine.stat(path)[3] & 0o777 == 0o640
    assert machine.call("getxattr", path, name, machine.buffer, 100) == -Errno.ENODATA
    named = acl((1, 6), (2, 4), (4, 4), (0x10, 4), (0x20, 0))
    assert machine.call("setxattr", path, name, named, len(named), 0) == -Errno.EOPNOTSUPP
    assert machine.call("setxattr", path, name, value[:-1], len(value) - 1, 0) == -Errno.EINVAL
    twice = acl((1, 6), (1, 6), (4, 4), (0x20, 0))
    assert machine.call("setxattr", path, name, twice, len(twice), 0) == -Errno.EINVAL
    assert machine.call("setxattr", path, name, value[:4], 4, 0) == 0
    assert machine.call("removexattr", path, name) == 0


@pytest.mark.parametrize(
    ("name", "errno"),
    [("nonsense", Errno.EOPNOTSUPP), ("user.", Errno.EINVAL), ("user.none", Errno.ENODATA)],
)
def test_names_of_attributes_have_a_namespace(machine, name: str, errno: Errno) -> None:  # type: ignore[no-untyped-def]
    machine.write_file("/tmp/youcpu-file", b"")
    assert machine.call("getxattr", "/tmp/youcpu-file", name, machine.buffer, 10) == -errno
    assert machine.call("removexattr", "/tmp/youcpu-file", name) == -errno


@pytest.mark.parametrize(
    ("mask", "known"),
    [(0, 0x173F), (0x7FF, 0x17FF), (0x40, 0x17FF), (0x4000, 0x473F), (0x47FF, 0x47FF)],
)
def test_statx_tells_what_is_asked_for(machine, mask: int, known: int) -> None:  # type: ignore[no-untyped-def]
    """As Linux 6.18 answers on ext4."""
    machine.write_file("/tmp/youcpu-file", b"")
    assert machine.call("statx", AT_FDCWD, "/tmp/youcpu-file", 0, mask, machine.buffer) == 0
    assert struct.unpack_from("<I", machine.get(256))[0] == known
