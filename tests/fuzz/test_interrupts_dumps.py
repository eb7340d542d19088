"""Dumps whose CPU note and memory are damaged: tables as far as they go, or a clear error."""

from __future__ import annotations

import lzma
import random
from pathlib import Path

import pytest

from youcpu.cli import main

ROOT = Path(__file__).parents[2]
FORMS = (["--bits"], ["--json"], ["--vector", "14"], [])


def test_mutants(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], pytestconfig: pytest.Config
) -> None:
    sources = [
        lzma.decompress((ROOT / f"fixtures/paging/{guest}/tables.elf.xz").read_bytes())
        for guest in ("l4-80m", "x86-32")
    ]
    chance = random.Random(15)
    path = tmp_path / "mutant.elf"
    for number in range(1000 if pytestconfig.getoption("--long") else 40):
        data = bytearray(chance.choice(sources))
        note = data.index(b"QEMU")
        for _ in range(chance.randrange(1, 6)):
            near = chance.random() < 0.8
            place = note + chance.randrange(480) if near else chance.randrange(len(data))
            data[place] = chance.choice((0, 0xFF, chance.randrange(256)))
        if chance.random() < 0.05:
            del data[chance.randrange(len(data)) :]
        path.write_bytes(data)
        code = main(["interrupts", "--dump", str(path), *FORMS[number % len(FORMS)]])
        printed = capsys.readouterr()
        assert code in (0, 1)
        assert (code == 0) == bool(printed.out)
        assert code == 0 or printed.err.startswith("youcpu interrupts: ")
