"""Seeded random memory calls: every answer and every mapping as the host's kernel gives them."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from memory_peers import HostPeer, OurPeer, Peer

MMAP, MPROTECT, MUNMAP, MREMAP, MSYNC, MINCORE, MADVISE = 9, 10, 11, 25, 26, 27, 28
PREAD64, PWRITE64, FTRUNCATE, MEMFD_CREATE, CLOSE = 17, 18, 77, 319, 3
MLOCK, MUNLOCK, MLOCK2 = 149, 150, 325
PAGE = 4096
LOW, PAGES = 0x2000_0000_0000, 24
HIGH = LOW + PAGES * PAGE
#: Room for names, buffers; mapped by hand in both.
SCRATCH = 0x1FFF_0000_0000
FILE_PAGES = 12

pytestmark = pytest.mark.skipif(
    shutil.which("gcc") is None, reason="no C compiler for the host's side"
)


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Peer, Peer]]:
    directory: Path = tmp_path_factory.mktemp("peer")
    host, ours = HostPeer(directory), OurPeer()
    yield host, ours
    host.close()
    ours.close()


class Sequence:
    """One seed's calls, made by both kernels in turn."""

    def __init__(self, peers: tuple[Peer, Peer], seed: int) -> None:
        self.host, self.ours = peers
        self.random = random.Random(seed)
        self.log: list[str] = []
        self.call(MUNMAP, SCRATCH, PAGE)
        self.call(MMAP, SCRATCH, PAGE, 3, 0x32, -1, 0)
        self.fds = []
        for _ in range(2):
            fd = self.call(MEMFD_CREATE, SCRATCH + 64, 0)
            assert fd >= 0
            self.fds.append(fd)
            self.call(FTRUNCATE, fd, FILE_PAGES * PAGE // 2 + 100)
        self.call(MUNMAP, LOW - 16 * PAGE, (PAGES + 32) * PAGE)

    def close(self) -> None:
        for fd in self.fds:
            self.call(CLOSE, fd)
        self.call(MUNMAP, LOW - 16 * PAGE, (PAGES + 32) * PAGE)

    def same(self, what: str, host: str, ours: str) -> str:
        self.log.append(f"{what} = {host}")
        assert ours == host, "\n".join([*self.log[-160:], f"ours: {ours}"])
        return host

    def call(self, number: int, *arguments: int) -> int:
        text = f"{number}({', '.join(hex(argument) for argument in arguments)})"
        host, ours = self.host.call(number, *arguments), self.ours.call(number, *arguments)
        if number == MREMAP and int(host) > 0 and not LOW <= int(host) < HIGH and int(ours) > 0:
            # Each kernel chose a place of its own: it goes again.
            self.host.call(MUNMAP, int(host), arguments[2])
            self.ours.call(MUNMAP, int(ours), arguments[2])
            return 0
        return int(self.same(text, host, ours))

    def read(self, address: int) -> str:
        """A byte of memory."""
        return self.same(f"read {address:x}", self.host.read(address), self.ours.read(address))

    def step(self) -> None:
        """One random operation, and a look at the mappings."""
        operation = self.random.choices(
            [self.mmap, self.munmap, self.mprotect, self.mremap, self.madvise, self.touch,
             self.file, self.others],
            [6, 3, 5, 3, 3, 10, 4, 1],
        )[0]  # fmt: skip
        operation()
        maps = self.host.maps(LOW, HIGH)
        self.same("maps", maps, self.ours.maps(LOW, HIGH))

    def range(self, most: int = 8) -> tuple[int, int]:
        start = self.random.randrange(PAGES)
        size = self.random.randint(1, min(most, PAGES - start))
        length = size * PAGE - self.random.choice([0, 0, 0, 1, 4095])
        return LOW + start * PAGE + (self.random.random() < 0.02), length

    def prot(self) -> int:
        return self.random.choice([0, 1, 1, 3, 3, 3, 2, 5, 7, 4])

    def mmap(self) -> None:
        address, length = self.range()
        flags = self.random.choice([0x10, 0x10, 0x10, 0x100000])  # FIXED, FIXED_NOREPLACE
        kind = self.random.choice([0x22, 0x22, 0x21, 0x2, 0x1, 0x3, 0x4022, 0x20])
        fd, offset = -1, 0
        if not kind & 0x20:
            fd = self.random.choice(self.fds)
            offset = self.random.randrange(FILE_PAGES) * PAGE
        if self.random.random() < 0.1:
            kind |= 0x8000  # MAP_POPULATE
        self.call(MMAP, address, length, self.prot(), flags | kind, fd, offset)

    def munmap(self) -> None:
        self.call(MUNMAP, *self.range(5))

    def mprotect(self) -> None:
        self.call(MPROTECT, *self.range(6), self.prot())

    def mremap(self) -> None:
        address, length = self.range(5)
        new = self.random.randint(0, 6) * PAGE
        flags, target = self.random.choice([0, 1, 3, 3, 5, 7, 2, 8]), self.range(1)[0]
        if self.random.random() < 0.1:
            length = 0
        self.call(MREMAP, address, length, new, flags, target)

    def madvise(self) -> None:
        # DONTNEED, forking, dumping, POPULATE, WILLNEED, reading ahead, huge pages
        advice = self.random.choice(
            [4, 4, 4, 10, 11, 16, 17, 18, 19, 22, 23, 3, 0, 1, 2, 14, 15, 99]
        )
        self.call(MADVISE, *self.range(6), advice)

    def touch(self) -> None:
        address = LOW + self.random.randrange(PAGES * PAGE)
        if self.random.random() < 0.5:
            self.read(address)
        else:
            value = self.random.randrange(1, 256)
            host, ours = self.host.write(address, value), self.ours.write(address, value)
            self.same(f"write {address:x} {value}", host, ours)

    def file(self) -> None:
        fd = self.random.choice(self.fds)
        offset = self.random.randrange(FILE_PAGES * PAGE)
        match self.random.randrange(4):
            case 0:
                self.call(FTRUNCATE, fd, offset if self.random.random() < 0.7 else offset & -PAGE)
            case 1:
                # From the window into the file; tmpfs of 6.16+ grows a file by an EFAULT too.
                source = LOW + self.random.randrange(PAGES * PAGE)
                if not any("sig" in self.read(source + index) for index in (0, 2999)):
                    self.call(PWRITE64, fd, source, 3000, offset)
            case 2:
                self.call(PREAD64, fd, LOW + self.random.randrange(PAGES * PAGE), 5000, offset)
            case 3:
                self.call(PREAD64, fd, SCRATCH + 128, 2000, offset)
                for index in (0, 1, 1999):
                    self.read(SCRATCH + 128 + index)

    def others(self) -> None:
        match self.random.randrange(4):
            case 0:
                self.call(MSYNC, *self.range(), self.random.choice([1, 2, 4, 5, 6, 0, 8]))
            case 1:
                self.call(MLOCK, *self.range(3))
            case 2:
                self.call(MUNLOCK, *self.range(8))
            case 3:
                self.call(MLOCK2, *self.range(3), self.random.choice([0, 1, 2]))


@pytest.mark.parametrize("seed", range(12))
def test_random_calls(peers: tuple[Peer, Peer], seed: int, pytestconfig: pytest.Config) -> None:
    long = pytestconfig.getoption("--long")
    for round_ in range(40 if long else 1):
        sequence = Sequence(peers, seed + 1000 * round_)
        for _ in range(400 if long else 150):
            sequence.step()
        sequence.close()
