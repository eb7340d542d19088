"""Start-up time is a feature: what the hot commands import, read from the interpreter itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"dataclasses", "inspect", "pathlib", "typer", "lief", "capstone", "elftools", "unicorn"}
COMMANDS = {
    "help": ["--help"],
    "exec-trace": ["exec-trace", "--quiet", "fixtures/hello/hello"],
    "readelf": ["readelf", "-h", "fixtures/hello/hello"],
    "shebang": ["shebang", "--help"],
    "binfmt-misc": ["binfmt-misc", "--help"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_no_heavy_module_is_imported(name: str) -> None:
    code = (
        "import sys; from youcpu.cli import main; "
        f"main({COMMANDS[name]!r}); print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert not HEAVY & set(done.stderr.split())
