"""The recorder's machine code is its source's."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.image import Image
from youcpu.hardware import recording_cpu

SOURCE = Path(recording_cpu.__file__).with_suffix(".s")


def test_the_code_is_that_of_the_source(tmp_path: Path) -> None:
    if shutil.which("as") is None:
        pytest.skip("no GNU as to assemble the source with")
    target = tmp_path / "recorder.o"
    subprocess.run(["as", "--64", "-o", str(target), str(SOURCE)], check=True)
    elf = ElfFile(Image(memoryview(target.read_bytes()), 0))
    elf.resolve_header()
    assert elf.load_sections()
    text = next(section for section in elf.sections or [] if section.type == 1)
    data = target.read_bytes()[text.offset : text.offset + text.size]
    assert data == recording_cpu._CODE


def test_cells_are_those_of_the_source() -> None:
    told = {}
    for line in SOURCE.read_text().splitlines():
        for part in line.partition("#")[0].split(";"):
            words = part.replace(",", " ").split()
            if words[:1] == [".set"] and words[-2:] == ["*", "8"]:
                told[words[1]] = int(words[2])
    assert told == {cell.name: cell.value for cell in recording_cpu.Cell}
