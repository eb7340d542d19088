"""A static Rust program with threads and a child process, compared with a native run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from running import Run

SOURCE = Path(__file__).parents[2] / "fixtures/processes/threads_and_children.rs"


def test_threads_and_children(youcpu: Run, tmp_path: Path) -> None:
    compiler = shutil.which("rustc")
    if compiler is None:
        pytest.skip("rustc is not installed")
    program = tmp_path / "program"
    command = [compiler, "-O", "-C", "target-feature=+crt-static", "-o", str(program), str(SOURCE)]
    built = subprocess.run(command, capture_output=True, timeout=120, check=False)
    if built.returncode:
        pytest.skip(f"rustc does not link here: {built.stderr.decode()[-200:]}")
    native = subprocess.run([str(program)], capture_output=True, timeout=60, check=True)
    emulated = youcpu("exec-trace", "--quiet", str(program))
    assert (emulated.stdout, emulated.returncode) == (native.stdout, native.returncode)
