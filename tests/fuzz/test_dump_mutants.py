"""Malformed dumps: one clear line or a walk that says what is missing; no traceback, no hang.

Seeded mutants of real dumps: truncated, bytes flipped in headers, notes and tables, segments
moved over each other and past the end, tables that lead to themselves or nowhere.
"""

from __future__ import annotations

import io
import lzma
import random
import struct
import time
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from youcpu.cli import main
from youcpu.hardware import paging_tables

FIXTURES = Path(__file__).parents[2] / "fixtures" / "paging"
EXTREMES = (0, 1, 7, 0xFFF, 0x1000, 1 << 31, (1 << 32) - 1, 1 << 47, 1 << 63, (1 << 64) - 1)
TASKS = (
    (),
    ("--leaves", "--limit", "50000"),
    ("--stats",),
    ("401000", "8048000", "ffff888000000000", "--access", "w"),
    ("--frame", "3e4000", "--limit", "1000"),
    ("--format", "qemu"),
    ("--quiz", "--solve"),
)


@pytest.fixture(autouse=True)
def less_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same limits, reached earlier: other tests of this process watch its memory."""
    monkeypatch.setattr(paging_tables, "RANGES_LIMIT", 200_000)


def dumps() -> list[bytes]:
    found = [
        lzma.decompress((FIXTURES / guest / "tables.elf.xz").read_bytes())
        for guest in ("x86-32", "l4-80m-pti", "l5-80m")
    ]
    plain = found[0][0x518:]
    lime = struct.pack("<4sIQQ8x", b"EMiL", 1, 0x1017000, 0x1017000 + len(plain) - 1) + plain
    return [*found, lime]


def mutant(dice: random.Random, data: bytes) -> bytes:
    """One dump with one kind of damage."""
    mutated = bytearray(data)
    elf = data.startswith(b"\x7fELF")
    kind = dice.choice((0, 1, 2, 3, 4, 5) if elf else (0, 1, 4, 5))
    count = int.from_bytes(data[56:58], "little") if elf else 0
    headers_end = min(64 + 56 * count, 4096)
    if kind == 0:
        return bytes(mutated[: dice.randrange(len(mutated))])
    if kind == 1:  # bytes of the headers and notes
        for _ in range(dice.randrange(1, 8)):
            mutated[dice.randrange(headers_end + 0x340)] = dice.randrange(256)
    elif kind == 2:  # one field of a program header
        place = 64 + 56 * dice.randrange(count) + 8 * dice.randrange(1, 7)
        struct.pack_into("<Q", mutated, place, dice.choice(EXTREMES))
    elif kind == 3:  # a segment over another
        first, second = (64 + 56 * dice.randrange(count) for _ in range(2))
        mutated[first + 24 : first + 32] = mutated[second + 24 : second + 32]
    elif kind == 4:  # bytes anywhere
        for _ in range(dice.randrange(1, 200)):
            mutated[dice.randrange(len(mutated))] = dice.randrange(256)
    else:  # tables: entries copied over others, so that they loop and cross
        for _ in range(dice.randrange(1, 300)):
            source, target = (dice.randrange(headers_end, len(mutated) - 8) & -8 for _ in range(2))
            mutated[target : target + 8] = mutated[source : source + 8]
    return bytes(mutated)


def run(arguments: list[str]) -> tuple[int, str]:
    stderr = io.StringIO()
    with redirect_stdout(io.StringIO()), redirect_stderr(stderr):
        code = main(["pagewalk", *arguments])
    return code, stderr.getvalue()


def check(path: Path, task: tuple[str, ...]) -> str:
    """Ask one mutant; "refused", "damage" (told, and used) or "whole"."""
    start = time.perf_counter()
    code, complaint = run([str(path), *task])
    if code == 1 and "tell it with --cr3" in complaint:  # the note went: ask all the same
        code, complaint = run([str(path), *task, "--cr3", "1017000", "--levels", "32"])
    assert code in (0, 1), (task, complaint)
    assert all(line.startswith("youcpu pagewalk: ") for line in complaint.splitlines())
    assert len(complaint.splitlines()) <= 13
    assert code == 0 or complaint
    assert time.perf_counter() - start < 20, task
    return "refused" if code else "damage" if complaint else "whole"


def test_mutants(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    dice = random.Random("dump mutants")
    originals = dumps()
    path = tmp_path / "mutant"
    ends: Counter[str] = Counter()
    count = 2000 if pytestconfig.getoption("--long") else 120
    for number in range(count):
        path.write_bytes(mutant(dice, dice.choice(originals)))
        ends[check(path, TASKS[number % len(TASKS)])] += 1
    print(dict(ends))
    assert ends["refused"]
    assert ends["damage"] > count // 5
    assert ends["whole"] > count // 10


def test_random_memory_as_tables(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """Tables that are noise: every mode reads them to an end."""
    dice = random.Random("noise")
    path = tmp_path / "noise"
    for number in range(30 if pytestconfig.getoption("--long") else 5):
        words = [dice.getrandbits(64) & 0xFFFF | 1 for _ in range(8 * 512)]
        path.write_bytes(struct.pack(f"<{len(words)}Q", *words))
        for levels in ("4", "5", "pae", "32"):
            task = (*TASKS[number % len(TASKS)], "--cr3", "1000", "--levels", levels)
            check(path, task)
