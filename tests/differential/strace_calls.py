"""Runs single system calls under strace, with memory of known content."""

from __future__ import annotations

import struct
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from youcpu.abi.syscalls import NUMBERS_X86_64

BASE = 0x10000000
REGION = 8192
SOURCE = Path(__file__).with_name("calls.c")
PASSWD = b"/etc/passwd\0"
#: c_iflag, c_oflag, c_cflag, c_lflag, c_line, c_cc of a usual terminal.
TERMIOS = struct.pack("<IIIIB", 0x500, 5, 0xBF, 0x8A3B, 0) + bytes(
    (3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 255, 18, 15, 23, 22, 255, 0, 0)
)
#: Those that strace knows on x86: what only ARM has (46, 50, 54, 55, 60 to 63) is left out, and
#: what would change the process for good.
PRCTL_OPTIONS = [
    option for option in range(70) if option not in (4, 9, 22, 29, 45, 50, 54, 55, 60, 62, 63)
]


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


def call(name: str, *arguments: int, memory: bytes = b"") -> Case:
    """A case by the call's name."""
    return Case(NUMBERS_X86_64[name], arguments, memory)


def quads(*values: int) -> bytes:
    """64-bit words."""
    return struct.pack(f"<{len(values)}Q", *(value & (1 << 64) - 1 for value in values))


def ints(*values: int) -> bytes:
    """32-bit words."""
    return struct.pack(f"<{len(values)}I", *(value & (1 << 32) - 1 for value in values))


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
