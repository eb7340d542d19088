"""Exact output of `youcpu pagewalk`: golden files and the README's picture.

`--update-golden` writes the golden files and the picture anew.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from running import Run

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "pagewalk"
PICTURE = "docs/pictures/pagewalk.svg"
L4, PTI, L5, X86 = (
    f"fixtures/paging/{guest}/tables.elf.xz"
    for guest in ("l4-80m", "l4-80m-pti", "l5-80m", "x86-32")
)
ADDRESSES = ("401000", "ffffffffa109d123", "0", "800000000000")

CASES: dict[str, tuple[str, ...]] = {
    "ranges-l5": (L5,),
    "leaves-x86-32": (X86, "--leaves"),
    "walks": (L4, *ADDRESSES, "--explain"),
    "walks-x86-32": (X86, "8048123", "c1000000", "--access", "w"),
    "walks-l5": (L5, "401000", "ff33c408c12675ed"),
    "access-user": (L4, *ADDRESSES, "--access", "w"),
    "access-kernel": (L4, *ADDRESSES, "--access", "x", "--kernel", "--cr4", "100020"),
    "stats": (L4, "--stats", "--explain"),
    "stats-x86-32": (X86, "--stats"),
    "frame-page": (L4, "--frame", "3e4000"),
    "frame-table": (L4, "--frame", "1e9d000"),
    "frame-root": (L4, "--frame", "1e7c000"),
    "frame-nobody": (X86, "--frame", "7f000000"),
    "diff": ("--diff", L4, PTI),
    "quiz": (L5, "--quiz", "--seed", "7"),
    "quiz-solved": (X86, "--quiz", "--seed", "7", "--solve"),
    "qemu-ranges": (X86, "--format", "qemu"),
    "qemu-walks": (L4, *ADDRESSES, "--format", "qemu"),
    "json-walk": (L4, "401000", "--access", "w", "--json"),
    "json-stats": (PTI, "--stats", "--json"),
    "svg-walk": (L4, "401000", "--access", "w", "--svg", "-"),
    "color": (L4, "401000", "--access", "w", "--color", "always"),
}


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "100"}


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str, pytestconfig: pytest.Config) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "youcpu", "pagewalk", *CASES[name]],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        check=False,
    )
    text = result.stdout.decode() + result.stderr.decode()
    path = GOLDEN / f"{name}.txt"
    if pytestconfig.getoption("--update-golden"):
        path.write_text(text)
    assert text == path.read_text()
    assert result.returncode == 0


def test_readme_picture(youcpu: Run, pytestconfig: pytest.Config) -> None:
    words = ("pagewalk", L4, "7ffe9421ef90", "--access", "x", "--svg", "-")
    picture = youcpu(*words, cwd=ROOT).stdout.decode()
    if pytestconfig.getoption("--update-golden"):
        (ROOT / PICTURE).write_text(picture)
    assert (ROOT / PICTURE).read_text() == picture
    assert PICTURE in (ROOT / "README.md").read_text()
