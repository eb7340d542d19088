"""Damaged ELF files from sound ones, by seed: for the fuzz tests of all that reads ELF.

Five kinds of damage: flipped bytes, truncation, fields swapped, huge or odd numbers in fields, and
chains (versions, hashes, notes) that loop or lead out.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

FIXTURES = Path(__file__).parent.parent.parent / "fixtures" / "elf"
SOUND = (
    "shape-x86_64.so",
    "shape-x86_64.o",
    "shape-i686.so",
    "shape-mips.so",
    "shape-s390x.so",
    "shape-arm.so",
    "shape-riscv64.so",
    "shape-x86_64.a",
)
ODD = (0, 1, 2, 3, 7, 8, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
ODD_64 = (*ODD, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)

Mutation = Callable[[bytearray, random.Random], None]


def flip(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 2, 8, 32))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def truncate(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def swap(data: bytearray, rng: random.Random) -> None:
    size = rng.choice((2, 4, 8))
    first, second = (position(data, rng, size) for _ in range(2))
    data[first : first + size], data[second : second + size] = (
        data[second : second + size],
        data[first : first + size],
    )


def number(data: bytearray, rng: random.Random) -> None:
    size = rng.choice((2, 4, 8))
    for _ in range(rng.choice((1, 1, 2, 4))):
        place = position(data, rng, size)
        value = rng.choice(ODD_64) & ((1 << 8 * size) - 1)
        data[place : place + size] = value.to_bytes(size, rng.choice(("little", "big")))


def chain(data: bytearray, rng: random.Random) -> None:
    """A word of the tables in the middle of the file made small, or a copy of its neighbour."""
    for _ in range(rng.choice((1, 2, 4))):
        place = rng.randrange(0, max(len(data) - 8, 1)) & ~3
        if rng.random() < 0.5:
            data[place : place + 4] = data[place + 4 : place + 8]
        else:
            data[place : place + 4] = rng.choice((0, 1, 4, 16, 20)).to_bytes(4, "little")


def position(data: bytearray, rng: random.Random, size: int) -> int:
    """A field: of the file header, of the section headers (they end the file), or anywhere."""
    last = max(len(data) - size, 0)
    where = rng.random()
    if where < 0.3:
        return min(rng.randrange(0, 64) & ~1, last)
    if where < 0.7:
        return max(last - (rng.randrange(0, 1600) & ~3), 0)
    return rng.randrange(0, last + 1)


MUTATIONS: tuple[Mutation, ...] = (flip, truncate, swap, number, chain)


def mutants(count: int, seed: int = 1) -> Iterator[tuple[str, bytes]]:
    """(what it is, its bytes), the same for the same seed."""
    rng = random.Random(seed)
    sound = [(name, (FIXTURES / name).read_bytes()) for name in SOUND]
    for serial in range(count):
        name, original = sound[serial % len(sound)]
        mutation = rng.choice(MUTATIONS)
        data = bytearray(original)
        mutation(data, rng)
        yield f"{serial}:{name}:{mutation.__name__}", bytes(data)
