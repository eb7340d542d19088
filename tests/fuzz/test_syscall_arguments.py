"""Seeded random arguments straight into every handler of the table, with a live task.

Only KernelError, Blocked, OutOfMemory, OutOfFrames and reboot(2)'s SystemEnd may come out, each
call ends within seconds, and our memory does not grow.
"""

from __future__ import annotations

import random
import resource
import struct
import time
from functools import reduce
from operator import or_
from typing import Any

import pytest

from youcpu.abi.args import (
    Flags,
    Marker,
    OneOf,
    Pointer,
    SignedInt,
    SignedLong,
    UnsignedInt,
    UnsignedLong,
)
from youcpu.abi.args_file import DirectoryDescriptor, FileDescriptor, PathName
from youcpu.abi.args_process import Identity
from youcpu.abi.args_signal import SignalNumber
from youcpu.hardware.memory import OutOfFrames
from youcpu.kernel.errors import Blocked, KernelError
from youcpu.kernel.exec.binprm import ExecError
from youcpu.kernel.mm.fault import OutOfMemory
from youcpu.kernel.mm.uaccess import copy_to_user
from youcpu.kernel.panic import SystemEnd
from youcpu.kernel.syscalls import load_all
from youcpu.kernel.syscalls.table import SYSCALLS
from youcpu.machine import Machine, MachineOptions

OPEN, CLOSE, DUP2, MMAP, PIPE, EVENTFD, SOCKETPAIR, EPOLL_CREATE = 2, 3, 33, 9, 22, 290, 53, 213
BUFFER, BUFFER_SIZE = 0x1000_0000, 0x10000
SECONDS_A_CALL = 3.0
PATHS = [
    b"/", b"", b".", b"..", b"/tmp", b"/tmp/a", b"/etc/passwd", b"/bin/true", b"/proc/self/maps",
    b"/proc/self/fd/3", b"/dev/null", b"/dev/zero", b"/dev/full", b"/tmp/a/b/../c", b"x" * 255,
    b"y" * 256, b"/proc/self/root", b"/proc/1/cwd", b"\xff\xfe", b"security.x", b"user.test",
]  # fmt: skip

load_all()


class Victim:
    """A machine whose first program is loaded and will never run."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.machine = Machine(MachineOptions(memory=24 << 20, epoch_ns=10**18, seed=seed))
        self.task: Any = self.machine.execute(b"/bin/true", [b"true"], [b"A=1"])
        self.call(MMAP, BUFFER, BUFFER_SIZE, 3, 0x32, -1, 0)
        self.fill()
        copy_to_user(self.task, BUFFER, b"/dev/null\0")
        null = self.call(OPEN, BUFFER, 2)
        for fd in range(3):
            self.call(DUP2, null, fd)
        self.call(PIPE, BUFFER + 64)
        copy_to_user(self.task, BUFFER, b"/tmp/fuzz\0")
        self.call(OPEN, BUFFER, 0o102, 0o644)
        copy_to_user(self.task, BUFFER, b"/etc\0")
        self.call(OPEN, BUFFER, 0o200000)
        for number, arguments in ((EVENTFD, (3, 0)), (EPOLL_CREATE, (1,))):
            if number in SYSCALLS:
                self.call(number, *arguments)

    def call(self, number: int, *arguments: int) -> int:
        registers = [argument & (1 << 64) - 1 for argument in arguments] + [0] * 6
        return SYSCALLS[number].dispatch(self.task, *registers[:6]) or 0

    def fill(self) -> None:
        """New content of the buffer: paths, small numbers, pointers into itself, noise."""
        chance = self.random
        parts = []
        for index in range(256):
            kind = index % 4
            if kind == 0:
                part = chance.choice(PATHS) + b"\0"
            elif kind == 1:
                part = struct.pack("<8Q", *(self.number() for _ in range(8)))
            elif kind == 2:
                part = struct.pack("<8Q", *(self.address() for _ in range(8)))
            else:
                part = chance.randbytes(64)
            parts.append(part[:256].ljust(256, b"\0"))
        try:
            copy_to_user(self.task, BUFFER, b"".join(parts))
        except KernelError:
            pass  # unmapped by one of the calls

    def address(self) -> int:
        chance = self.random
        if chance.random() < 0.8:
            return BUFFER + chance.randrange(256) * 256 + chance.choice([0, 0, 0, 8, 255])
        return chance.choice([
            0, 1, 8, 4096, BUFFER + BUFFER_SIZE - 1, BUFFER + BUFFER_SIZE, self.task.mm.start_stack,
            0x7FFFFFFFE000, 0x7FFFFFFFF000, 0x800000000000, 0xFFFF888000000000, (1 << 64) - 1,
            (1 << 64) - 4096, 1 << 63,
        ])  # fmt: skip

    def number(self) -> int:
        chance = self.random
        kind = chance.randrange(8)
        if kind < 3:
            return chance.randrange(16)
        if kind == 3:
            return 1 << chance.randrange(64)
        if kind == 4:
            return chance.randrange(1 << 16)
        if kind == 5:
            return (1 << 64) - chance.randrange(1, 300)
        if kind == 6:
            return chance.getrandbits(64)
        return chance.choice([
            4096, 8, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, (1 << 63) - 1, 1 << 63, 1 << 40, 0x22,
            0x32, 1000, 1001, 0o100, 0x1000, 0x10000,
        ])  # fmt: skip

    def argument(self) -> int:
        return self.address() if self.random.random() < 0.45 else self.number()

    def likely(self, marker: Marker) -> int:
        """An argument that such a parameter may well have."""
        chance = self.random
        if isinstance(marker, FileDescriptor | DirectoryDescriptor):
            return chance.choice([*self.task.files.files, (1 << 64) - 100])
        if isinstance(marker, PathName):
            return BUFFER + 1024 * chance.randrange(64)
        if isinstance(marker, Flags):
            values = [value for _, value in marker.table.pairs]
            chosen = chance.sample(values, min(len(values), chance.choice([0, 1, 1, 2, 3])))
            return reduce(or_, chosen, 0)
        if isinstance(marker, OneOf):
            return chance.choice(marker.table.pairs)[1] & (1 << 64) - 1
        if isinstance(marker, SignalNumber):
            return chance.randrange(65)
        if isinstance(marker, Identity):
            return chance.choice([0, self.task.pid, self.task.pid, 1, (1 << 64) - 1])
        if isinstance(marker, UnsignedLong | SignedLong | UnsignedInt | SignedInt):
            return chance.choice([0, 1, 2, 8, 8, 8, 16, 24, 64, 128, 4096, 8192, 100_000])
        if type(marker) is Pointer:
            return BUFFER + 4096 * chance.randrange(-4, 20)
        return self.address()

    def wild(self, number: int) -> None:
        """One call. Whatever is no refusal comes out."""
        strange = self.random.choice([0.0, 0.1, 0.1, 0.5, 1.0])
        arguments = [
            self.argument() if self.random.random() < strange else self.likely(marker)
            for _, marker in SYSCALLS[number].parameters
        ]
        arguments += [self.argument() for _ in range(6 - len(arguments))]
        start = time.monotonic()
        try:
            SYSCALLS[number].dispatch(self.task, *arguments)
        except (KernelError, ExecError, OutOfMemory, OutOfFrames, Blocked, SystemEnd):
            pass
        except Exception as error:
            text = ", ".join(hex(argument) for argument in arguments)
            error.add_note(f"{SYSCALLS[number].name}({text})")
            raise
        spent = time.monotonic() - start
        assert spent < SECONDS_A_CALL, f"{SYSCALLS[number].name}{arguments} took {spent:.1f} s"
        task = self.task
        task.restart = None
        task.end_signal_wait()
        task.restore_mask = None

    @property
    def usable(self) -> bool:
        return not self.task.exited and self.task.state != "T"

    def close(self) -> None:
        self.machine.close()


def run(seed: int, calls: int, numbers: list[int]) -> None:
    chance = random.Random(seed)
    victim = Victim(seed)
    for index in range(calls):
        if index % 200 == 199 or not victim.usable:
            victim.close()
            victim = Victim(seed * 100_000 + index)
        if index % 20 == 0:
            victim.fill()
        victim.wild(chance.choice(numbers))
    victim.close()


@pytest.mark.parametrize("seed", range(8))
def test_any_call(seed: int, pytestconfig: pytest.Config) -> None:
    run(seed, 40_000 if pytestconfig.getoption("--long") else 1_500, sorted(SYSCALLS))


@pytest.mark.parametrize("number", sorted(SYSCALLS), ids=lambda number: SYSCALLS[number].name)
def test_each_call(number: int, pytestconfig: pytest.Config) -> None:
    run(number, 1_000 if pytestconfig.getoption("--long") else 40, [number])


def test_memory_stays() -> None:
    """After the machines above are gone, more of the same costs nothing."""
    run(1, 400, sorted(SYSCALLS))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run(2, 2_000, sorted(SYSCALLS))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10
