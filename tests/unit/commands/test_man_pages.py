"""Every command has a man page, and the page has each option of the table and of the help."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from running import Run

from youcpu.cli import command_names
from youcpu.commands._front.tables import table_of

MAN = Path(__file__).parents[3] / "man"


@pytest.mark.parametrize("name", command_names())
def test_table_help_and_page_have_the_same_options(youcpu: Run, name: str) -> None:
    page = (MAN / f"youcpu-{name}.1").read_text().replace("\\-", "-").replace("\\fR", "")
    known = {option_name for option in table_of(name, "").options for option_name in option.names}
    long_ones = {option for option in known if re.fullmatch("--[a-z][a-z0-9-]+", option)}
    told = set(re.findall(r"--[a-z][a-z0-9-]+", youcpu(name, "--help").stdout.decode()))
    assert told - {"--help", "--version"} == long_ones - {"--help", "--version"}
    assert not {option for option in known | told if option not in page}


def test_the_front_page_names_every_command() -> None:
    page = (MAN / "youcpu.1").read_text()
    assert not [name for name in command_names() if f"youcpu-{name}" not in page]
