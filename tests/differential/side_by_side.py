"""One program run twice, on the host's kernel and on youcpu's, from the same state."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

NATIVE_SECONDS = 60
# The CPU is emulated, and the tests share it.
EMULATED_SECONDS = 150

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "SHELL": "/bin/sh",
}


@dataclass(frozen=True)
class Result:
    """What a user sees of a run; `status` as a shell tells it, 128+n for a signal."""

    stdout: bytes
    status: int
    stderr: bytes


def find_program(name: str) -> str | None:
    """Path of a program as the shell of ENVIRONMENT finds it; None where it is missing."""
    return shutil.which(name, path=ENVIRONMENT["PATH"])


def shell_status(returncode: int) -> int:
    return 128 - returncode if returncode < 0 else returncode


def run_native(argv: Sequence[str], cwd: Path, stdin: bytes = b"") -> Result:
    return finish(argv, cwd, stdin, ENVIRONMENT, NATIVE_SECONDS)


def run_emulated(
    argv: Sequence[str], cwd: Path, stdin: bytes = b"", options: Sequence[str] = ("--quiet",)
) -> Result:
    return finish(youcpu_command(argv, options), cwd, stdin, None, EMULATED_SECONDS)


def youcpu_command(argv: Sequence[str], options: Sequence[str]) -> list[str]:
    """exec-trace's command line which gives the program ENVIRONMENT, and nothing else."""
    variables = [
        text for name, value in ENVIRONMENT.items() for text in ("--env", f"{name}={value}")
    ]
    return [
        *(sys.executable, "-m", "youcpu", "exec-trace", *options),
        *("--clear-env", *variables, "--", *argv),
    ]


def finish(
    command: Sequence[str],
    cwd: Path,
    stdin: bytes,
    environment: Mapping[str, str] | None,
    seconds: float,
) -> Result:
    done = subprocess.run(
        command,
        cwd=cwd,
        input=stdin,
        env=os.environ if environment is None else environment,
        capture_output=True,
        timeout=seconds,
        check=False,
        # A terminal of whoever runs the tests is none of the program's business.
        start_new_session=True,
    )
    return Result(done.stdout, shell_status(done.returncode), done.stderr)
