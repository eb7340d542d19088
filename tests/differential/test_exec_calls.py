"""execve and execveat with bad arguments: fixtures/exec/calls.c on the host and on the machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from exec_host import compile_c
from running import Run


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """What calls.c expects in its directory."""
    directory = tmp_path / "w"
    directory.mkdir()
    for name, content, mode in (
        ("text", "no program\n", 0o755),
        ("nox", "no program\n", 0o644),
        ("lost", "#!/nonexistent/interpreter\n", 0o755),
        ("self", f"#!{directory}/self\n", 0o755),
        ("by-text", f"#!{directory}/text\n", 0o755),
    ):
        (directory / name).write_text(content)
        (directory / name).chmod(mode)
    for name, target in (("loop", "loop"), ("dangling", "nowhere"), ("link", "text")):
        (directory / name).symlink_to(target)
    return directory


def test_as_the_host(tmp_path: Path, files: Path, youcpu: Run) -> None:
    program = compile_c("calls", tmp_path)
    native = subprocess.run([str(program), str(files)], capture_output=True, check=True, text=True)
    machine = youcpu("exec-trace", "-q", str(program), str(files))
    assert machine.returncode == 0
    expected = native.stdout.splitlines()
    got = machine.stdout.decode().splitlines()
    assert len(expected) > 45
    differing = [pair for pair in zip(got, expected, strict=True) if pair[0] != pair[1]]
    release = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    if release < (6, 14):
        # AT_EXECVE_CHECK is of 6.14; ETXTBSY of the file came back in 6.13.
        differing = [(a, b) for a, b in differing if "check" not in a and "writing" not in a]
    assert not differing
