"""The host's own kernel as the judge of exec: many execs through fixtures/exec/launch.c."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path
from types import TracebackType

import pytest

FIXTURES = Path(__file__).parents[2] / "fixtures/exec"


def compile_c(name: str, directory: Path, *flags: str) -> Path:
    """A program of fixtures/exec, or skip where there is no compiler for this machine."""
    if os.uname().machine != "x86_64" or os.uname().sysname != "Linux":
        pytest.skip("needs an x86-64 Linux host to compare with")
    if shutil.which("gcc") is None:
        pytest.skip("gcc is missing")
    target = directory / name
    command = ["gcc", "-O1", "-o", str(target), *flags, str(FIXTURES / f"{name}.c")]
    subprocess.run(command, check=True, capture_output=True)
    return target


class HostAnswer:
    """What the kernel did: errno name, or how the program ended and what it wrote."""

    def __init__(self, error: int, status: int, data: bytes) -> None:
        import errno

        self.errno = errno.errorcode[error] if error else None
        self.signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        self.exit = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
        self.data = data

    def told(self) -> tuple[int, int | None, bytes, bytes, list[bytes]]:
        """(AT_FLAGS, AT_EXECFD, execfn, comm, argv) as showargs wrote them."""
        argc, flags, execfd = struct.unpack_from("<iii", self.data)
        strings = self.data[12:].split(b"\0")
        assert len(strings) == argc + 3
        return flags, None if execfd < 0 else execfd, strings[0], strings[1], strings[2:-1]


class HostKernel:
    """A running launch. `prefix`: command that it runs below (unshare)."""

    def __init__(self, launch: Path, cwd: Path, prefix: tuple[str, ...] = ()) -> None:
        self.process = subprocess.Popen(
            [*prefix, str(launch)], cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __enter__(self) -> HostKernel:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(10)

    def ask(self, *words: bytes) -> HostAnswer:
        """One request and its answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        request = struct.pack("<I", len(words))
        request += b"".join(struct.pack("<I", len(word)) + word for word in words)
        self.process.stdin.write(request)
        self.process.stdin.flush()
        error, status, size = struct.unpack("<iiI", self.process.stdout.read(12))
        return HostAnswer(error, status, self.process.stdout.read(size))

    def execve(self, path: bytes, argv: list[bytes]) -> HostAnswer:
        """execve with an empty environment."""
        return self.ask(b"x", path, *argv)
