"""Every command has a man page, and the page has every option of the command's table."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from youcpu.cli import command_names

MAN = Path(__file__).parents[3] / "man"


@pytest.mark.parametrize("name", command_names())
def test_page_has_every_option(name: str) -> None:
    page = (MAN / f"youcpu-{name}.1").read_text().replace("\\-", "-").replace("\\fR", "")
    module = import_module(f"youcpu.commands.{name.replace('-', '_')}")
    missing = [
        option_name
        for option in getattr(module, "OPTIONS", [])
        for option_name in getattr(option, "names", [])
        if option_name not in page
    ]
    assert not missing


def test_the_front_page_names_every_command() -> None:
    page = (MAN / "youcpu.1").read_text()
    assert not [name for name in command_names() if f"youcpu-{name}" not in page]
