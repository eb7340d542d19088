"""README examples print what the README says; man pages and help name every option."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from youcpu.commands.elf.readelf_options import ROWS

ROOT = Path(__file__).parent.parent.parent.parent
HEADING = "## readelf, ldd, disasm"


def examples() -> list[tuple[str, str]]:
    section = (ROOT / "README.md").read_text(encoding="utf-8").split(HEADING)[1]
    section = section.split("\n## ")[0]
    found = []
    for block in re.findall(r"```console\n(.*?)```", section, flags=re.S):
        for part in re.split(r"^\$ youcpu ", block, flags=re.M)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


@pytest.mark.parametrize(("command", "output"), examples())
def test_readme_examples(youcpu, command: str, output: str) -> None:
    result = youcpu(*shlex.split(command), cwd=ROOT)
    assert result.stdout.decode() == output


def man_page(name: str) -> str:
    page = (ROOT / "man" / f"youcpu-{name}.1").read_text(encoding="utf-8")
    return page.replace("\\-", "-")


def test_readelf_options_are_in_help_and_man_page(youcpu) -> None:
    page, text = man_page("readelf"), youcpu("readelf", "--help").stdout.decode()
    for row in ROWS:
        for name in row.names:
            assert f"--{name}" in page
            assert f"--{name}" in text
