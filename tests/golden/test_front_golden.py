"""Exact output of the front door and of `youcpu syscalls`; `--update-golden` writes it anew."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import Run

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "front"
CASES: dict[str, tuple[int, tuple[str, ...]]] = {
    "syscalls-execve": (0, ("syscalls", "execve")),
    "syscalls-i386": (0, ("syscalls", "--i386", "--long", "pread64", "write", "waitpid")),
    "syscalls-pattern": (0, ("syscalls", "*stat*")),
    "syscalls-json": (0, ("syscalls", "--json", "clone", "io_setup", "afs_syscall")),
}


@pytest.mark.parametrize("name", CASES)
def test_golden(youcpu: Run, pytestconfig: pytest.Config, name: str) -> None:
    code, words = CASES[name]
    done = youcpu(*words, cwd=ROOT)
    real = done.stdout + done.stderr
    path = GOLDEN / f"{name}.txt"
    if pytestconfig.getoption("--update-golden"):
        path.write_bytes(real)
    assert path.read_bytes() == real
    assert done.returncode == code
