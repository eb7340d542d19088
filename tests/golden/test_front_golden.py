"""Exact output of the front door and of commands without golden files elsewhere.

Their input are static programs of ours, so that it is the same on every host.
`--update-golden` writes the files anew.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from running import Run

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "front"
HELLO = "fixtures/hello/hello"
CASES: dict[str, tuple[int, tuple[str, ...]]] = {
    "exec-trace-hello": (3, ("exec-trace", "--epoch", "0", "--clear-env", "--faults", HELLO)),
    "exec-trace-json": (3, ("exec-trace", "--epoch", "0", "--clear-env", "--json", HELLO)),
    "disasm-fields": (0, ("disasm", "--hex", "66 f2 0f 38 f1 44 8e 10 83 c3 0a", "--fields")),
    "disasm-json": (0, ("disasm", "--json", "--section", ".text", HELLO)),
    "ldd-static": (0, ("ldd", HELLO)),
    "tour-list": (0, ("tour", "--list")),
    "syscalls-execve": (0, ("syscalls", "execve")),
    "syscalls-i386": (0, ("syscalls", "--i386", "--long", "pread64", "write", "waitpid")),
    "syscalls-pattern": (0, ("syscalls", "*stat*")),
    "syscalls-json": (0, ("syscalls", "--json", "clone", "io_setup", "afs_syscall")),
}


@pytest.mark.parametrize("name", CASES)
def test_golden(youcpu: Run, pytestconfig: pytest.Config, name: str) -> None:
    code, words = CASES[name]
    done = youcpu(*words, cwd=ROOT)
    _compare(name, done.stdout + done.stderr, pytestconfig)
    assert done.returncode == code


def _compare(name: str, real: bytes, config: pytest.Config) -> None:
    real = real.replace(os.fsencode(ROOT), b"/src")
    path = GOLDEN / f"{name}.txt"
    if config.getoption("--update-golden"):
        path.write_bytes(real)
    assert path.read_bytes() == real


@pytest.mark.parametrize("form", ["text", "json"])
def test_sched(youcpu: Run, pytestconfig: pytest.Config, tmp_path: Path, form: str) -> None:
    """A static program of ours stands for /bin/sh, for the host's differs from host to host."""
    (tmp_path / "bin").mkdir()
    shutil.copy(ROOT / "fixtures/family/family", tmp_path / "bin/sh")
    words = ["sched", "--rootfs", str(tmp_path), "--cwd", "/", "--epoch", "0", "--clear-env"]
    words += ["--policy", "fixed", "--timeslice", "0.001"]
    done = youcpu(*words, "--format", form, "-c", "one", "-c", "two", "--nice", "0,5", "-o", "-")
    _compare(f"sched-{form}", done.stdout, pytestconfig)
    assert done.returncode == 3
