"""Record locks, flock and memfd seals, after fcntl(2), flock(2), memfd_create(2)."""

from __future__ import annotations

import os
import struct

import pytest

from youcpu.abi.errno import Errno
from youcpu.kernel.errors import Blocked

F_GETLK, F_SETLK, F_SETLKW = 5, 6, 7
F_OFD_SETLK = 37
READ, WRITE, UNLOCK = 0, 1, 2
SEAL, SHRINK, GROW, NO_WRITE = 1, 2, 4, 8


def lock(machine, fd: int, command: int, kind: int, start: int, length: int) -> int:  # type: ignore[no-untyped-def]
    return machine.call("fcntl", fd, command, struct.pack("<hh4xqqi4x", kind, 0, start, length, 0))


@pytest.fixture
def file(machine):  # type: ignore[no-untyped-def]
    machine.write_file("/tmp/youcpu-locked", b"0" * 100)
    return machine.open("/tmp/youcpu-locked", os.O_RDWR)


def test_one_process_never_blocks_itself(machine, file) -> None:  # type: ignore[no-untyped-def]
    other = machine.open("/tmp/youcpu-locked", os.O_RDWR)
    assert lock(machine, file, F_SETLK, WRITE, 0, 10) == 0
    assert lock(machine, other, F_SETLK, WRITE, 5, 10) == 0
    context = machine.task.files.get(file).inode.locks
    assert [(r.start, r.end) for r in context.records] == [(0, 14)]
    assert lock(machine, file, F_SETLK, UNLOCK, 5, 2) == 0
    assert sorted((r.start, r.end) for r in context.records) == [(0, 4), (7, 14)]
    # Closing any descriptor of the file drops them all.
    machine.call("close", other)
    assert context.records == []


def test_open_file_locks_conflict(machine, file) -> None:  # type: ignore[no-untyped-def]
    other = machine.open("/tmp/youcpu-locked", os.O_RDWR)
    assert lock(machine, file, F_OFD_SETLK, WRITE, 0, 0) == 0
    assert lock(machine, other, F_OFD_SETLK, READ, 50, 1) == -Errno.EAGAIN
    with pytest.raises(Blocked):
        lock(machine, other, F_SETLKW, READ, 50, 1)
    address = machine.put(struct.pack("<hh4xqqi4x", READ, 0, 0, 0, 0))
    assert machine.call("fcntl", other, F_GETLK, address) == 0
    assert struct.unpack("<hh4xqqi4x", machine.get(32, address)) == (WRITE, 0, 0, 0, -1)
    machine.call("close", file)
    assert lock(machine, other, F_OFD_SETLK, READ, 50, 1) == 0


def test_flock(machine, file) -> None:  # type: ignore[no-untyped-def]
    other = machine.open("/tmp/youcpu-locked")
    assert machine.call("flock", file, 2) == 0
    assert machine.call("flock", other, 1 | 4) == -Errno.EAGAIN
    assert machine.call("flock", file, 1) == 0
    assert machine.call("flock", other, 1 | 4) == 0
    assert machine.call("flock", other, 3) == -Errno.EINVAL


def test_memfd_seals(machine) -> None:  # type: ignore[no-untyped-def]
    fd = machine.call("memfd_create", "m", 2)
    assert machine.call("write", fd, b"abc", 3) == 3
    assert machine.call("fcntl", fd, 1033, SHRINK | GROW) == 0
    assert machine.call("ftruncate", fd, 1) == -Errno.EPERM
    assert machine.call("ftruncate", fd, 10) == -Errno.EPERM
    assert machine.call("pwrite64", fd, b"xyz", 3, 2) == 1
    assert machine.call("fcntl", fd, 1033, NO_WRITE | SEAL) == 0
    assert machine.call("pwrite64", fd, b"xyz", 3, 0) == -Errno.EPERM
    assert machine.call("fcntl", fd, 1033, NO_WRITE) == -Errno.EPERM
    again = machine.open(f"/proc/self/fd/{fd}", os.O_RDWR)
    assert machine.call("write", again, b"x", 1) == -Errno.EPERM
    assert machine.call("fcntl", fd, 1034, 0) == SHRINK | GROW | NO_WRITE | SEAL
    unsealable = machine.call("memfd_create", "m", 0)
    assert machine.call("fcntl", unsealable, 1033, SHRINK) == -Errno.EPERM
