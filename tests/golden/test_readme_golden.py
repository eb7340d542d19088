"""The examples of the README, run as a user types them: what is shown is what comes out.

A `console` block is the same on every host. In a `text` block stand what differs from host to
host, and excerpts; nobody checks those.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ (.*)\n", re.MULTILINE)
OMITTED = "…"


def examples() -> list[list[tuple[str, str]]]:
    """(command, output) of the examples, those of one block together, in the README's order."""
    pieces = [COMMAND.split(block)[1:] for block in BLOCK.findall(README.read_text())]
    return [list(zip(block[::2], block[1::2], strict=True)) for block in pieces]


def shell(line: str, cwd: Path) -> str:
    """What a terminal shows after one line, `youcpu` being this tree's."""
    function = f'youcpu() {{ "{sys.executable}" -m youcpu "$@"; }}'
    done = subprocess.run(
        ["bash", "-c", f"{function}\n{line}"],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "100"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return done.stdout.decode()


def pattern(shown: str) -> str:
    """A line `…` stands for lines left out, a `…` inside a line for a part of it."""
    lines = re.escape(f"\n{shown}").replace(f"\n{OMITTED}\\\n", "\n(?:.*\\\n)*")
    return lines.replace(OMITTED, ".*")


def test_an_omission_stands_for_lines_or_for_a_part_of_one() -> None:
    assert re.fullmatch(pattern("a\n…\nd …f\n"), "\na\nb\nc\nd /e/f\n")
    assert not re.fullmatch(pattern("a\n…\nd …f\n"), "\na\nb\nd\nf\n")
    assert not re.fullmatch(pattern("a\n…\nd\n"), "\na\nb\nd\ne\n")
    assert not re.fullmatch(pattern("a\nb\n"), "\na\n")


@pytest.mark.parametrize("block", examples(), ids=lambda block: block[0][0][:40])
def test_example(block: list[tuple[str, str]], tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """Run beside the fixtures, so that what an example writes does not land in the project."""
    (tmp_path / "fixtures").symlink_to(ROOT / "fixtures")
    for line, shown in block:
        real = shell(line, tmp_path)
        if pytestconfig.getoption("--update-golden") and OMITTED not in shown:
            text = README.read_text()
            README.write_text(text.replace(f"$ {line}\n{shown}", f"$ {line}\n{real}"))
        elif not re.fullmatch(pattern(shown), f"\n{real}"):
            assert real == shown, line


def test_the_examples_are_found() -> None:
    commands = {line.partition("youcpu ")[2].split(" ")[0] for ((line, _), *_) in examples()}
    assert len(examples()) >= 30
    assert {"", "tour", "step", "boot", "pagewalk", "readelf", "shebang"} <= commands
