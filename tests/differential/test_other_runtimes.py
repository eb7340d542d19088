"""Static Rust and Go programs with threads and a child process, compared with a native run.

Go: the binary is committed, built from goroutines.go beside it by
`CGO_ENABLED=0 go build -trimpath -ldflags='-s -w'`; Rust is compiled here.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from running import Run

FIXTURES = Path(__file__).parents[2] / "fixtures/processes"
SOURCE = FIXTURES / "threads_and_children.rs"


def same_as_natively(youcpu: Run, program: Path) -> None:
    native = subprocess.run([str(program)], capture_output=True, timeout=60, check=True)
    emulated = youcpu("exec-trace", "--quiet", str(program))
    assert (emulated.stdout, emulated.returncode) == (native.stdout, native.returncode)


def test_go(youcpu: Run) -> None:
    program = FIXTURES / "goroutines"
    told = (FIXTURES / "goroutines.sha256").read_text().split()[0]
    assert hashlib.sha256(program.read_bytes()).hexdigest() == told
    same_as_natively(youcpu, program)


def test_rust(youcpu: Run, tmp_path: Path) -> None:
    compiler = shutil.which("rustc")
    if compiler is None:
        pytest.skip("rustc is not installed")
    program = tmp_path / "program"
    command = [compiler, "-O", "-C", "target-feature=+crt-static", "-o", str(program), str(SOURCE)]
    built = subprocess.run(command, capture_output=True, timeout=120, check=False)
    if built.returncode:
        pytest.skip(f"rustc does not link here: {built.stderr.decode()[-200:]}")
    same_as_natively(youcpu, program)
