"""The C programs under fixtures/: what their head comments say, and how they are compiled.

A head comment tells what the program shows, and may have lines of these kinds:

    Compiler: musl-gcc              instead of gcc
    Build: -static | -pie           flags of each way to build it, apart by |
    Run: one "two words" | three    arguments of each run, apart by |
    Options: --memory 64M           of youcpu, for this program
    Judge: native | stated          whether its answers are compared with a native run
    Ends: exit 0 | signal KILL      how it may end, where there is no native run
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

FIXTURES = Path(__file__).parents[2] / "fixtures"
COMPILE = ("-std=gnu17", "-O1", "-w", "-fno-stack-protector")


@dataclass(frozen=True)
class CSource:
    path: Path

    @property
    def name(self) -> str:
        return self.path.stem

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    def told(self, key: str, default: str = "") -> str:
        """What the head comment says after `key:`."""
        head = self.text.partition("*/")[0]
        line = re.search(rf"^ \* {key}: (.*)$", head, re.MULTILINE)
        return line[1].strip() if line else default

    def alternatives(self, key: str) -> list[list[str]]:
        """`a b | c` as [["a", "b"], ["c"]]; [[]] where the key is missing."""
        return [shlex.split(part) for part in self.told(key).split("|")]

    @property
    def makes_files(self) -> bool:
        return "make_file(" in self.text or "O_CREAT" in self.text

    def missing_compiler(self) -> str | None:
        """The compiler's name where it is not installed."""
        compiler = self.told("Compiler", "gcc")
        return None if shutil.which(compiler) else compiler

    def compile(self, flags: list[str], directory: Path) -> Path:
        """Build it as directory/name, once; CalledProcessError with the compiler's words."""
        program = directory / self.name
        if not program.exists():
            directory.mkdir(parents=True, exist_ok=True)
            command = [
                *(self.told("Compiler", "gcc"), *COMPILE, "-I", str(self.path.parent)),
                *(str(self.path), "-o", str(program), *flags, "-lm"),
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        return program


def sources(directory: str) -> list[CSource]:
    return [CSource(path) for path in sorted((FIXTURES / directory).glob("*.c"))]
