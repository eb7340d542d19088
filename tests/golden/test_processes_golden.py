"""Exact output of fork-tree: golden files, the README's picture.

The family of fixtures/family is a static binary, so the figures are the same on every host.
`--update-golden` writes the golden files and the picture anew.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from running import Run

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "processes"
FAMILY = "fixtures/family/family"
PICTURE = "docs/pictures/fork-tree.svg"
CASES: dict[str, tuple[str, ...]] = {
    "tree": (),
    "cow": ("--cow",),
    "frames": ("--frames",),
    "json": ("--json", "--cow", "--frames"),
    "chrome": ("--format", "chrome-trace"),
    "color": ("--color", "always", "--cow"),
}


def report(youcpu: Run, *options: str) -> str:
    words = ("--epoch", "0", "--clear-env", "-o", "-", *options, "--", FAMILY)
    done = youcpu("fork-tree", *words, cwd=ROOT)
    assert done.returncode == 0
    text: str = done.stdout.decode().replace(str(ROOT), "ROOT")
    return text


def squeezed(text: str) -> str:
    """Columns behind a path move with its length: spaces of such lines count once."""
    lines = text.splitlines()
    return "\n".join(" ".join(line.split()) if "ROOT" in line else line for line in lines)


def test_the_binary_is_the_one_of_the_checksum() -> None:
    told = (ROOT / "fixtures/family/SHA256SUMS").read_text().split()[0]
    assert hashlib.sha256((ROOT / FAMILY).read_bytes()).hexdigest() == told


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str, youcpu: Run, pytestconfig: pytest.Config) -> None:
    text = report(youcpu, *CASES[name])
    path = GOLDEN / f"{name}.txt"
    if pytestconfig.getoption("--update-golden"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert squeezed(text) == squeezed(path.read_text())


def test_readme_picture(youcpu: Run, pytestconfig: pytest.Config, tmp_path: Path) -> None:
    drawn = tmp_path / "tree.svg"
    report(youcpu, "--svg", str(drawn))
    if pytestconfig.getoption("--update-golden"):
        (ROOT / PICTURE).write_text(drawn.read_text())
    assert (ROOT / PICTURE).read_text() == drawn.read_text()
    assert PICTURE in (ROOT / "README.md").read_text()
