"""Start-up time is a feature: what each command imports, read from the interpreter itself.

A command's help wants its table of options and nothing of the machine; a run wants what its stage
needs. `MAY` says which of the watched modules that is; all others must stay away.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Set
from pathlib import Path
from typing import NamedTuple

import pytest

from youcpu.cli import command_names, help_text

ROOT = Path(__file__).parents[2]
#: Slow to import, or great: third parties, and what of the standard library is worth avoiding.
LIBRARIES = {
    "argparse", "asyncio", "capstone", "dataclasses", "elftools", "email", "http", "inspect",
    "lief", "pathlib", "subprocess", "textual", "typer", "unicorn", "xml",
}  # fmt: skip
#: Rooms of the house, and modules of the machine's level.
ROOMS = {
    f"youcpu.{room}"
    for room in ("abi", "doctor", "dry_run", "formats", "hardware", "kernel", "launch", "machine")
} | {"youcpu.render", "youcpu.trace", "youcpu.commands._front"}
WATCHED = LIBRARIES | ROOMS
MACHINE = {
    f"youcpu.{room}" for room in ("abi", "formats", "hardware", "kernel", "machine", "trace")
}
RUN = MACHINE | {"youcpu.launch", "youcpu.render"}
DRY_ROOMS = ("abi", "dry_run", "doctor", "formats", "hardware", "kernel", "render", "trace")
DRY = {f"youcpu.{room}" for room in DRY_ROOMS}
#: capstone's own imports.
CAPSTONE = {"capstone", "inspect", "pathlib", "subprocess"}
LAB = {"youcpu.abi", "youcpu.formats", "youcpu.hardware", "youcpu.render"}
FILE = {"youcpu.abi", "youcpu.formats", "youcpu.render"}
TYPER = LIBRARIES - {"lief", "unicorn", "capstone", "elftools", "textual"}
HELLO = "fixtures/hello/hello"


class Start(NamedTuple):
    """A command line, what its run may import, and what its help may."""

    words: tuple[str, ...]
    may: Set[str]
    help_may: Set[str] = frozenset()


MAY = {
    "exec-trace": Start((HELLO,), RUN),
    "fork-tree": Start((HELLO,), RUN),
    "sched": Start(("-c", "true"), RUN),
    "pagewalk": Start(("--stats", "--", HELLO), RUN),
    "shebang": Start(("--root", "fixtures/exec/root", "/home/tool"), DRY),
    "binfmt-misc": Start(("check", ":e:E::x::/bin/sh:"), DRY),
    "readelf": Start(("-h", HELLO), FILE, FILE),
    "ldd": Start((HELLO,), FILE, FILE),
    "disasm": Start(("--hex", "90"), FILE | CAPSTONE, FILE),
    "initramfs": Start(("-o", "/dev/null", HELLO), {"youcpu.abi", "youcpu.formats"}),
    "syscalls": Start(("read",), RUN),
    "interrupts": Start(("--run", "int80"), LAB | CAPSTONE),
    "rings": Start(("cli",), LAB),
    # At a terminal and in a pipe: typer's own imports, a pool of threads, and the options' table.
    "tour": Start(("--list",), LIBRARIES - {"lief", "unicorn", "capstone"}, TYPER),
    "step": Start(("--count", "3", "--", HELLO), RUN | CAPSTONE),
    "boot": Start(("-q",), MACHINE | {"youcpu.launch", "youcpu.render"}),
    "completion": Start(("bash",), WATCHED),
}  # fmt: skip


def loaded(*words: str) -> set[str]:
    """The watched modules that a command line brings in, in an interpreter of its own."""
    code = (
        "import sys; from youcpu.cli import main\n"
        f"try: main({list(words)!r})\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
        cwd=ROOT,
    )
    return WATCHED & set(done.stderr.split())


def test_every_command_is_in_the_table() -> None:
    assert set(MAY) == set(command_names())


@pytest.mark.parametrize("name", command_names())
def test_a_run_imports_what_it_needs(name: str) -> None:
    assert loaded(name, *MAY[name].words) <= MAY[name].may


@pytest.mark.parametrize("name", command_names())
def test_help_imports_the_options_only(name: str) -> None:
    assert loaded(name, "--help") <= MAY[name].help_may


def test_the_front_page_imports_no_command() -> None:
    code = "import sys; from youcpu.cli import main; main([]); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(done.stderr.split())
    assert {name for name in modules if name.startswith("youcpu")} == {"youcpu", "youcpu.cli"}
    assert not modules & LIBRARIES
    assert done.stdout == help_text()
