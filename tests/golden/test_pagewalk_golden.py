"""Exact output of `youcpu pagewalk`: golden files, the README's examples, its picture.

`--update-golden` writes the golden files, the README's outputs and the picture anew.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

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


def shell(line: str) -> str:
    """Run one line as a user types it, `youcpu` being this tree's."""
    function = f'youcpu() {{ "{sys.executable}" -m youcpu "$@"; }}'
    result = subprocess.run(
        ["bash", "-c", f"{function}\n{line}"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        check=False,
    )
    return result.stdout.decode() + result.stderr.decode()


EXAMPLE = re.compile(r"^```console\n\$ (youcpu pagewalk .*)\n((?:.*\n)*?)```$", re.MULTILINE)


def test_readme_examples(pytestconfig: pytest.Config) -> None:
    readme = ROOT / "README.md"
    text = readme.read_text()
    found = EXAMPLE.findall(text)
    assert len(found) >= 5
    for line, output in found:
        real = shell(line)
        if pytestconfig.getoption("--update-golden"):
            text = text.replace(f"$ {line}\n{output}```", f"$ {line}\n{real}```")
            readme.write_text(text)
        else:
            assert output == real, line


def test_readme_picture(pytestconfig: pytest.Config) -> None:
    picture = shell(f"youcpu pagewalk {L4} 7ffe9421ef90 --access x --svg -")
    if pytestconfig.getoption("--update-golden"):
        (ROOT / PICTURE).write_text(picture)
    assert (ROOT / PICTURE).read_text() == picture
    assert PICTURE in (ROOT / "README.md").read_text()


def test_man_page_has_every_option() -> None:
    help_text = shell("youcpu pagewalk --help")
    man = (ROOT / "man" / "youcpu-pagewalk.1").read_text().replace("\\-", "-")
    options = set(re.findall(r"--[a-z][a-z0-9-]+", help_text)) - {"--help"}
    assert len(options) > 20
    assert {option for option in options if option not in man} == set()
