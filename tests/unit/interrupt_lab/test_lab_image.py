"""The lab's image: what its source makes, and what its tables tell."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from youcpu.interrupt_lab.image import PATH, LabImage
from youcpu.interrupt_lab.programs import PROGRAMS, row_of
from youcpu.interrupt_lab.rings import PROBES

SOURCE = Path(__file__).parents[3] / "fixtures" / "interrupt-lab"


def test_checksum() -> None:
    wanted, name = (SOURCE / "SHA256SUMS").read_text().split()
    assert name == "youcpu/interrupt_lab/lab.elf"
    assert hashlib.sha256(Path(PATH).read_bytes()).hexdigest() == wanted


def test_the_source_makes_the_image(tmp_path: Path) -> None:
    if shutil.which("as") is None or shutil.which("ld") is None:
        pytest.skip("no binutils")
    version = subprocess.run(["as", "--version"], capture_output=True, text=True, check=True)
    if " 2.40" not in version.stdout.splitlines()[0]:
        pytest.skip("another binutils pads with other no-ops")
    shutil.copytree(SOURCE, tmp_path / "lab")
    for command in (
        ["as", "--64", "-I", ".", "-o", "lab.o", "lab.S"],
        ["ld", "-T", "lab.lds", "-z", "max-page-size=4096", "-z", "noexecstack",
         "--no-warn-rwx-segments", "--build-id=none", "-o", "lab.elf", "lab.o"],
    ):  # fmt: skip
        subprocess.run(command, cwd=tmp_path / "lab", check=True)
    assert (tmp_path / "lab" / "lab.elf").read_bytes() == Path(PATH).read_bytes()


def test_every_row_has_a_text() -> None:
    image = LabImage()
    rows = image.rows("row.")
    assert {row_of(name, rows) for name in PROGRAMS} == {*rows} - {"rings"}
    assert set(image.rows("probe.")) == set(PROBES)


def test_names_of_addresses() -> None:
    image = LabImage()
    assert image.name(image.symbols["page_fault"] + 3) == "page_fault+0x3"
    assert image.name(image.symbols["program.int80"] + 5) == "program+0x5"
    assert image.name(0xFFFFFFFF90000000) == ""
    assert image.name(0) == ""
