"""Every system call of files with random arguments: an errno, a result or a wait, nothing else.

As a hostile program would: pointers to nowhere and to the end of memory, descriptors of all
kinds, sizes and offsets at every border. The host's directory stays as it was, memory flat.
"""

from __future__ import annotations

import os
import random
import resource

import pytest

from youcpu.abi.args import Flags, Marker, OneOf
from youcpu.abi.args_file import DirectoryDescriptor, FileDescriptor, PathName
from youcpu.abi.syscalls import NUMBERS_X86_64
from youcpu.kernel.errors import Blocked
from youcpu.kernel.mm.fault import OutOfMemory
from youcpu.kernel.syscalls.table import SYSCALLS
from youcpu.kernel.vfs.mount import MountOptions

USER = 0x10000000
PATHS = [
    b"/", b"", b".", b"..", b"/etc/passwd", b"/proc/self/fd/3", b"/proc/self/root", b"/dev/null",
    b"/dev/full", b"/tmp/x", b"/tmp/d", b"/tmp/d/e", b"/proc/self/maps", b"/dev/shm/a", b"x", b"d/",
    b"/proc/self/exe", b"/dev/tty", b"/proc/self/fdinfo/0", b"/sys", b"/dev/zero", b"/dev/fd/4",
    b"/tmp/fifo", b"/tmp/" + b"n" * 300, b"\xff\xfe", b"/proc/1/task/1/cwd", b"/proc/sys/vm",
]  # fmt: skip


class Wild:
    def __init__(self, machine, seed: int) -> None:  # type: ignore[no-untyped-def]
        self.m = machine
        self.rng = random.Random(seed)
        self.prepare()

    def prepare(self) -> None:
        m = self.m
        m.call("mkdir", "/tmp/d", 0o755)
        m.call("mknod", "/tmp/fifo", 0o010644, 0)
        m.write_file("/tmp/x", b"content" * 100)
        for path in ("/tmp/x", "/dev/zero", "/dev/null", "/tmp/fifo"):
            m.open(path, os.O_RDWR)
        for path in ("/tmp/d", "/etc/passwd", "/proc/self/status"):
            m.open(path)
        m.call("pipe", m.buffer)
        m.call("socketpair", 1, 1, 0, m.buffer)
        m.call("socketpair", 1, 2, 0, m.buffer)
        m.call("eventfd2", 0, 0)
        m.call("epoll_create1", 0)
        m.call("timerfd_create", 1, 0)
        m.call("inotify_init1", 0)
        m.call("memfd_create", "m", 2)
        m.call("openat", -100, "/tmp", os.O_PATH, 0)

    def likely(self, marker: Marker) -> int:
        """An argument of the right kind, most of the time."""
        rng = self.rng
        if rng.random() < 0.25:
            return self.argument()
        if isinstance(marker, FileDescriptor | DirectoryDescriptor):
            return rng.choice([-100, *self.m.task.files])
        if isinstance(marker, PathName):
            return self.m.put(rng.choice(PATHS) + b"\0")
        if type(marker).__name__ in ("UnsignedLong", "SignedLong", "SignedInt", "UnsignedInt"):
            return rng.choice([0, 1, 2, 3, 8, 16, 64, 100, 4096, 70000])
        if isinstance(marker, Flags | OneOf):
            return rng.choice([0, 0, 1, 2, 0o100, 0o2000, 0o4000, 0x80000, 3])
        return rng.choice([self.m.buffer, self.argument()])

    def argument(self) -> int:
        rng = self.rng
        kind = rng.randrange(10)
        if kind < 3:
            return rng.randrange(-1, 26)
        if kind == 3:
            return self.m.put(rng.choice(PATHS) + b"\0")
        if kind == 4:
            data = bytes(rng.choice((0, 0, 0, 1, 2, 8, 0xFF)) for _ in range(64))
            return self.m.put(data)
        if kind == 5:
            # struct iovec or the like: pointers into memory and sizes.
            words = [self.m.buffer, rng.choice([0, 1, 8, 5000, 1 << 63, (1 << 64) - 1])] * 4
            return self.m.put(b"".join(word.to_bytes(8, "little") for word in words))
        if kind == 6:
            return USER + (8 << 20) - rng.randrange(0, 64)
        if kind == 7:
            borders = [0, 1, -1, 0x7FFFFFFF, 0x80000000, (1 << 63) - 1, 1 << 63, 0xFFFFFFFF]
            return rng.choice([*borders, 1 << 47, (1 << 47) - 4096, 0x7FFFF000, 1 << 40])
        if kind == 8:
            return 1 << rng.randrange(64)
        return rng.randrange(0, 1 << 17)

    def step(self, names: list[str]) -> None:
        name = self.rng.choice(names)
        row = SYSCALLS[NUMBERS_X86_64[name]]
        arguments = [self.likely(marker) for _, marker in row.parameters]
        try:
            result = self.m.call(name, *arguments)
        except (Blocked, OutOfMemory):
            self.m.task.restart = None
            return
        assert isinstance(result, int), (name, arguments)
        assert result >= -4095, (name, arguments, result)


def file_calls() -> list[str]:
    """Names of all system calls that kernel/syscalls' file families declare."""
    ours = {"attr", "eventpoll", "fcntl", "inotify", "ioctl", "namei", "net", "open", "pipe",
            "read_write", "readdir", "select", "splice", "stat", "sync", "timerfd", "utimes",
            "xattr"}  # fmt: skip
    return sorted(
        row.name for row in SYSCALLS.values() if row.handler.__module__.rpartition(".")[2] in ours
    )


@pytest.mark.parametrize("seed", range(4))
def test_wild_arguments(seed, tmp_path, make_machine, request) -> None:  # type: ignore[no-untyped-def]
    wild = Wild(make_machine(MountOptions(), size=256 << 20), seed)
    names = file_calls()
    assert len(names) > 120
    before = sorted(os.listdir("/tmp"))
    for number in range(20_000 if request.config.getoption("--long") else 2_500):
        wild.step(names)
        if number % 300 == 0:
            # By now much is closed, moved, locked: start anew.
            wild = Wild(make_machine(MountOptions(), size=256 << 20), seed + 1000 * number)
    after = [name for name in sorted(os.listdir("/tmp")) if name in ("x", "d", "fifo")]
    assert after == [name for name in before if name in ("x", "d", "fifo")]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 1 << 20
