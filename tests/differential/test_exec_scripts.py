"""2,000 seeded random scripts: the dry run against the host's own kernel.

Blanks, tabs, NULs, CR, lengths around the end of the 256-byte buffer, nesting.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from exec_host import HostKernel, compile_c

from youcpu.dry_run import DryRun

SEED = 20261123
BLANKS = [b"", b"", b" ", b" ", b"\t", b"  ", b" \t "]
ODD_BLANKS = [b"\r", b"\0", b"\x0b", b"\xc2\xa0"]
TAILS = [b"", b"a", b"a b", b"a\tb ", b"-x\r", b"a\0b", b"\0", b" ", b"\xff", b'"a b"', b"a" * 300]
ENDS = [b"\n", b"\n", b"\n", b"", b"\r\n", b" \n", b"\t \n", b"\0\n", b"\nmore\n"]


class Scripts:
    """Random scripts in a directory that has I, a copy without x bits, a directory, loops."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.directory = directory
        self.random = random.Random(seed)
        self.base = os.fsencode(directory)
        (directory / "nx").write_bytes((directory / "I").read_bytes())
        (directory / "nx").chmod(0o644)
        (directory / "d").mkdir()
        (directory / "garbage").write_bytes(b"garbage\n")
        (directory / "garbage").chmod(0o755)
        (directory / "loop").symlink_to("loop")
        self.names: list[bytes] = []
        for size in range(240, 256):
            # Paths of exactly so many bytes that lead to I.
            name = self.base + b"/" + b"i" * (size - len(self.base) - 1)
            os.symlink("I", name)
            self.names.append(name)
        self.scripts: list[bytes] = []

    def interpreter(self) -> bytes:
        choose = self.random.random()
        if choose < 0.55:
            return self.base + b"/I"
        if choose < 0.68:
            return self.random.choice(self.names)
        if choose < 0.88 and self.scripts:
            return self.random.choice(self.scripts[-40:])
        odd = [b"I", b"", b"nx", b"d", b"garbage", b"loop", b"missing", b"I/", b"I/x", b"./I"]
        return self.random.choice(odd)

    def content(self) -> bytes:
        pick = self.random.choice
        head = (
            b"#!" if self.random.random() < 0.95 else pick([b"", b"#", b" #!", b"\xef\xbb\xbf#!"])
        )
        before, after = (
            pick(ODD_BLANKS if self.random.random() < 0.07 else BLANKS) for _ in range(2)
        )
        line = head + before + self.interpreter() + after + pick(TAILS)
        if self.random.random() < 0.3:
            # A blank, the end of the line, or a byte of the argument around the buffer's end.
            size = self.random.randrange(251, 260)
            line = line[:size].ljust(size, pick([b" ", b"x", b"\t", b"\0", b"y"]))
        return line + pick(ENDS) + pick([b"", b"", b"tail"])

    def write(self, number: int) -> bytes:
        name = self.base + b"/s%d" % number
        with open(name, "wb") as file:
            file.write(self.content())
        os.chmod(name, 0o755)
        self.scripts.append(name)
        return name


def test_scripts_as_the_host(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    launch = compile_c("launch", tmp_path)
    directory = tmp_path / "w"
    directory.mkdir()
    compile_c("showargs", tmp_path, "-static", "-nostdlib", "-fno-stack-protector")
    (tmp_path / "showargs").rename(directory / "I")
    count = 60_000 if request.config.getoption("--long") else 2_000
    scripts = Scripts(directory, SEED)
    place = DryRun(cwd=os.fsencode(directory))
    ran = 0
    with HostKernel(launch, directory) as host:
        for number in range(count):
            name = scripts.write(number)
            argv = [[b"A", b"B"], [b""], [b"A"], []][number % 4]
            host_answer = host.execve(name, argv)
            verdict = place.execve(name, argv)
            content = Path(os.fsdecode(name)).read_bytes()
            got = verdict.error.errno.name if verdict.error else None
            assert got == host_answer.errno, (SEED, number, content)
            if got is None:
                ran += 1
                told = (
                    verdict.at_flags,
                    verdict.execfd,
                    verdict.execfn,
                    verdict.comm,
                    verdict.argv,
                )
                assert told == host_answer.told(), (SEED, number, content)
    # Enough of both kinds, or the test proves little.
    assert count // 4 < ran < count - count // 4
