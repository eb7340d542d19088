"""Runs single system calls under strace, with memory of known content."""

from __future__ import annotations

import struct
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

BASE = 0x10000000
REGION = 8192
SOURCE = Path(__file__).with_name("calls.c")


@dataclass
class Case:
    """A call: `memory` lies at BASE, the rest of the region is zero."""

    number: int
    arguments: tuple[int, ...]
    memory: bytes = b""
    #: Filled in by `run`: strace's line, the result, the region after the call.
    line: str = ""
    result: int = 0
    after: bytes = b""

    @property
    def raw(self) -> tuple[int, ...]:
        """The six registers."""
        values = [value & ((1 << 64) - 1) for value in self.arguments]
        return tuple((values + [0] * 6)[:6])


@dataclass
class Recorder:
    """The compiled program, and how to run it."""

    program: Path
    directory: Path
    options: tuple[str, ...] = field(default=())

    def run(self, cases: list[Case], options: tuple[str, ...] = ()) -> None:
        """One process does all `cases` in a row; each gets its line of strace."""
        feed = b"".join(
            struct.pack("<7QI", case.number, *case.raw, len(case.memory)) + case.memory
            for case in cases
        )
        log = self.directory / "strace.log"
        done = subprocess.run(
            ["strace", "-o", str(log), *options, str(self.program)],
            input=feed,
            capture_output=True,
            check=True,
            cwd=self.directory,
            env={"TZ": "UTC"},
            timeout=60,
        )
        answers = done.stdout
        size = 8 + REGION
        assert len(answers) == size * len(cases), done.stderr
        lines = _marked(log.read_text().splitlines())
        for index, (case, line) in enumerate(zip(cases, lines, strict=True)):
            answer = answers[index * size : (index + 1) * size]
            case.line = line
            case.result = struct.unpack_from("<q", answer)[0]
            case.after = answer[8:]


def _marked(lines: list[str]) -> list[str]:
    found = []
    for at, line in enumerate(lines[:-1]):
        if "syscall_0x3e8(" in line:
            found.append(lines[at + 1])
    return found


def build(directory: Path) -> Path:
    """Compile the program."""
    program = directory / "calls"
    command = ["gcc", "-O1", "-o", str(program), str(SOURCE)]
    subprocess.run(command, check=True, capture_output=True)
    return program
