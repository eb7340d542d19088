"""What a program can make us keep is bounded by guest RAM: data, names, attributes, open files."""

from __future__ import annotations

import os
import struct

import pytest

from youcpu.abi.errno import Errno
from youcpu.kernel.vfs.mount import MountOptions

RAM = 16 << 20


@pytest.fixture
def small(make_machine):  # type: ignore[no-untyped-def]
    """A machine with 16 MiB."""
    return make_machine(MountOptions(), size=RAM)


def test_data_ends_in_enospc_and_comes_back(small) -> None:  # type: ignore[no-untyped-def]
    free = small.kernel.frames.available
    fd = small.open("/tmp/youcpu-big", os.O_RDWR | os.O_CREAT)
    chunk = bytes(64 << 10)
    written = 0
    while (done := small.call("write", fd, small.buffer, len(chunk))) > 0:
        written += done
    assert done == -Errno.ENOSPC
    assert RAM // 2 < written < RAM
    assert small.kernel.frames.available >= small.kernel.vfs.kmem.reserve - 8
    small.call("close", fd)
    assert small.call("unlink", "/tmp/youcpu-big") == 0
    assert small.kernel.frames.available > free - 64


def test_sparse_files_cost_nothing(small) -> None:  # type: ignore[no-untyped-def]
    fd = small.open("/dev/shm/youcpu-sparse", os.O_RDWR | os.O_CREAT)
    assert small.call("ftruncate", fd, 1 << 60) == 0
    used = small.kernel.frames.used
    assert small.call("pwrite64", fd, b"end", 3, (1 << 60) - 3) == 3
    assert small.call("pread64", fd, small.buffer, 100, 1 << 50) == 100
    assert small.get(100) == bytes(100)
    assert small.kernel.frames.used <= used + 8
    assert small.call("lseek", fd, 0, 3) == (1 << 60) - 4096  # SEEK_DATA
    assert small.call("fallocate", fd, 3, 0, 1 << 60) == 0  # punch all
    assert small.call("fallocate", fd, 0, 0, 1 << 50) == -Errno.ENOSPC
    assert small.call("pwrite64", fd, b"x", 1, (1 << 63) - 1) == -Errno.EINVAL


@pytest.mark.parametrize("kind", ["mkdir", "symlink", "mknod", "setxattr", "eventfd", "epoll"])
def test_objects_end_in_an_errno(kind, small) -> None:  # type: ignore[no-untyped-def]
    small.task.files.limit = 1 << 20
    epfd = small.call("epoll_create1", 0)
    for number in range(200_000):
        if kind == "mkdir":
            done = small.call("mkdir", f"/tmp/youcpu-{number}", 0o755)
        elif kind == "symlink":
            done = small.call("symlink", "t" * 4000, f"/tmp/youcpu-{number}")
        elif kind == "mknod":
            done = small.call("mknod", f"/tmp/youcpu-{number}", 0o010644, 0)
        elif kind == "setxattr":
            small.call("mkdir", "/tmp/youcpu-x", 0o755)
            name = f"user.{number}"
            done = small.call("setxattr", "/tmp/youcpu-x", name, small.buffer, 65536, 0)
        elif kind == "eventfd":
            done = small.call("eventfd2", 0, 0)
        else:
            fd = small.call("dup", 1) if number else small.call("eventfd2", 0, 0)
            done = small.call("epoll_ctl", epfd, 1, fd, struct.pack("<IQ", 1, 0))
        if done < 0:
            break
    assert done in (-Errno.ENOSPC, -Errno.ENFILE, -Errno.ENOMEM)
    assert small.kernel.vfs.kmem.used < RAM


def test_descriptor_limit_and_lowest_free(machine) -> None:  # type: ignore[no-untyped-def]
    fds = []
    while (fd := machine.open("/dev/null")) >= 0:
        fds.append(fd)
    assert fd == -Errno.EMFILE
    assert fds == list(range(1024))
    for fd in (700, 3, 512):
        machine.call("close", fd)
    assert [machine.open("/dev/null") for _ in range(3)] == [3, 512, 700]
    assert machine.call("fcntl", 0, 0, 1024) == -Errno.EINVAL
    assert machine.call("dup2", 0, 1024) == -Errno.EBADF


def test_many_open_host_files_need_few_host_descriptors(tmp_path, machine) -> None:  # type: ignore[no-untyped-def]
    machine.task.files.limit = 1 << 20
    for number in range(2000):
        (tmp_path / str(number)).write_text(str(number))
    before = len(os.listdir("/proc/self/fd"))
    fds = [machine.open(f"{tmp_path}/{number}") for number in range(2000)]
    assert len(os.listdir("/proc/self/fd")) < before + 300
    assert [int(machine.read(fd, 10)) for fd in fds] == list(range(2000))
    for fd in fds:
        machine.call("close", fd)
