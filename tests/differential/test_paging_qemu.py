"""Page tables made at random, in a guest under QEMU: every row of `info tlb`, `info mem` and
`gva2gpa`, from dumps with and without paging."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from paging_guest import Monitor, build
from running import Run

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("qemu-system-x86_64", "as", "ld"))),
    reason="qemu-system-x86_64 or binutils are not installed",
)


@pytest.mark.parametrize("mode", ["32", "pae", "4", "5"])
def test_random_tables(mode: str, tmp_path: Path, youcpu: Run, pytestconfig: pytest.Config) -> None:
    """`--long`: ten seeds."""
    for seed in range(10 if pytestconfig.getoption("--long") else 1):
        directory = tmp_path / str(seed)
        directory.mkdir()
        monitor = Monitor(build(mode, seed, directory), directory)
        try:
            leaves = monitor.ask("info tlb")
            # With five levels QEMU 7.2's passes over what is there.
            ranges = "" if mode == "5" else monitor.ask("info mem")
            addresses = some_addresses(leaves, seed)
            answers = [monitor.ask(f"gva2gpa {address:#x}").strip() for address in addresses]
            dumps = [directory / "dump", directory / "dump-paging"]
            monitor.ask(f"dump-guest-memory {dumps[0]}")
            monitor.ask(f"dump-guest-memory -p {dumps[1]}")
        finally:
            monitor.close()
        assert leaves.count("\n") > 24
        for dump in dumps:
            form = ("--format", "qemu")
            assert youcpu("pagewalk", str(dump), "--leaves", *form).stdout.decode() == leaves
            if ranges:
                assert youcpu("pagewalk", str(dump), "--ranges", *form).stdout.decode() == ranges
            asked = [f"{address:x}" for address in addresses]
            got = youcpu("pagewalk", str(dump), *form, *asked).stdout.decode().splitlines()
            assert got == answers


def some_addresses(leaves: str, seed: int) -> list[int]:
    """In mapped pages, near them, and anywhere."""
    chance = random.Random(seed)
    starts = [int(line.split(":")[0], 16) for line in leaves.splitlines()]
    mapped = [start + chance.getrandbits(12) for start in chance.choices(starts, k=100)]
    near = [start ^ 1 << chance.randrange(64) for start in chance.choices(starts, k=50)]
    return [0, *mapped, *near, *(chance.getrandbits(64) for _ in range(10))]
