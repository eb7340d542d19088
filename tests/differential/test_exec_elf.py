"""Seeded malformed ELF files against the host's own kernel.

500 in a dry run: one that the host ran, or killed after the point of no return, must come
out as "exec". 300 more run on the machine: errno, signal or exit code must be the host's.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from pathlib import Path

import pytest
from exec_host import FIXTURES, HostKernel, compile_c

from youcpu.dry_run import DryRun
from youcpu.kernel.exec.binprm import ExecError
from youcpu.machine import Machine, MachineOptions

SEED = 611
SIZES = (1, 2, 4, 8)
VALUES = (0, 1, 2, 3, 6, 31, 32, 55, 56, 57, 63, 64, 0x78, 0xFF, 0x1000, 0x1001, 0xFFFF, 0x10000)
HUGE = (1 << 31, 1 << 32, 1 << 47, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
#: Where program headers and what they describe begin: a mutation never touches the code.
PHDR = 0x40
PT_INTERP = 3


def with_interpreter(base: bytes, path: bytes) -> bytes:
    """The base program with a PT_INTERP before its PT_LOAD; the path follows the code."""
    image = bytearray(base)
    load = bytes(image[PHDR : PHDR + 56])
    code = bytes(image[PHDR + 56 :])
    at = PHDR + 112 + len(code)
    words = (at, at, at, len(path), len(path), 1)
    interp = (PT_INTERP).to_bytes(4, "little") + (4).to_bytes(4, "little")
    interp += b"".join(word.to_bytes(8, "little") for word in words)
    image[56:58] = (2).to_bytes(2, "little")
    return bytes(image[:PHDR]) + interp + load + code + path


class Images:
    """Valid programs with one to three fields spoilt, or cut."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.random = random.Random(seed)
        bases = json.loads((FIXTURES / "elf_cases.json").read_text())["bases"]
        fixed, dynamic = (bytes.fromhex(bases[name]) for name in ("base1", "base1_dyn"))
        base = os.fsencode(directory)
        self.interpreters = [
            base + b"/ld",
            base + b"/spoilt",
            base + b"/short",
            base + b"/script",
            base + b"/nx",
            base + b"/missing",
            base,
            b"",
            b"ld",
        ]
        for name, content in (
            ("ld", dynamic),
            ("nx", dynamic),
            ("short", b"\x7fELF"),
            ("script", b"#!/bin/true\n" + b" " * 64),
        ):
            (directory / name).write_bytes(content)
            (directory / name).chmod(0o644 if name == "nx" else 0o755)
        self.directory = directory
        self.bases = (fixed, dynamic)

    def image(self) -> bytes:
        choose = self.random.random()
        base = self.random.choice(self.bases)
        if choose < 0.4:
            path = self.random.choice(self.interpreters)
            end = b"\0" if self.random.random() < 0.9 else b"x"
            base = with_interpreter(base, path + end)
            if path.endswith(b"/spoilt"):
                spoilt = self.spoil(self.bases[1])
                (self.directory / "spoilt").write_bytes(spoilt)
                (self.directory / "spoilt").chmod(0o755)
                return base
        return self.spoil(base)

    def spoil(self, base: bytes) -> bytes:
        image = bytearray(base)
        headers = PHDR + 56 * image[56]
        for _ in range(self.random.randrange(1, 4)):
            size = self.random.choice(SIZES)
            at = self.random.randrange(0, headers - size) & -size
            value = self.random.choice(VALUES if self.random.random() < 0.7 else HUGE)
            if self.random.random() < 0.2:
                value = self.random.getrandbits(64)
            image[at : at + size] = (value & ((1 << 8 * size) - 1)).to_bytes(size, "little")
        if self.random.random() < 0.1:
            del image[self.random.randrange(len(image)) :]
        return bytes(image)


def test_elf_files_as_the_host(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    launch = compile_c("launch", tmp_path)
    directory = tmp_path / "w"
    directory.mkdir()
    images = Images(directory, SEED)
    place = DryRun(cwd=os.fsencode(directory))
    count = 20_000 if request.config.getoption("--long") else 500
    refused = 0
    with HostKernel(launch, directory) as host:
        for number in range(count):
            path = directory / f"e{number}"
            path.write_bytes(images.image())
            path.chmod(0o755)
            name = os.fsencode(path)
            answer = host.execve(name, [b"e"])
            verdict = place.execve(name, [b"e"])
            got = verdict.error.errno.name if verdict.error else None
            assert got == answer.errno, (SEED, number, path.read_bytes().hex())
            refused += got is not None
            path.unlink()
    assert count // 10 < refused < count - count // 10


def on_the_machine(path: Path) -> tuple[str, object]:
    """("errno", name), ("signal", number) or ("exit", code) of a run of our own."""
    options = MachineOptions(memory=1 << 30, cwd=os.fsencode(path.parent), timeout_s=20)
    machine = Machine(options)
    try:
        machine.execute(os.fsencode(path), [b"e"], [])
        status = machine.run()
    except ExecError as error:
        return ("signal", 11) if error.fatal else ("errno", error.errno.name)
    finally:
        machine.close()
    return ("signal", status & 0x7F) if status & 0x7F else ("exit", status >> 8)


def wants_too_much(image: bytes) -> bool:
    """A PT_LOAD beyond our RAM: the host has more, and its overcommit decides."""
    count = int.from_bytes(image[56:58], "little")
    start = int.from_bytes(image[32:40], "little")
    sizes = (
        int.from_bytes(image[at + 40 : at + 48], "little")
        for at in range(start, start + 56 * min(count, 4), 56)
    )
    return any(1 << 30 <= size < 1 << 47 for size in sizes)


def test_elf_files_run_as_on_the_host(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """How the files end: exit code or signal, also after the point of no return."""
    launch = compile_c("launch", tmp_path)
    directory = tmp_path / "w"
    directory.mkdir()
    images = Images(directory, SEED + 1)
    count = 5_000 if request.config.getoption("--long") else 300
    ends: Counter[str] = Counter()
    with HostKernel(launch, directory) as host:
        for number in range(count):
            path = directory / f"e{number}"
            image = images.image()
            path.write_bytes(image)
            path.chmod(0o755)
            answer = host.execve(os.fsencode(path), [b"e"])
            expected: tuple[str, object] = ("exit", answer.exit)
            if answer.errno:
                expected = ("errno", answer.errno)
            elif answer.signal:
                expected = ("signal", answer.signal)
            got = on_the_machine(path)
            spoilt = directory / "spoilt"
            interpreter = spoilt.read_bytes() if spoilt.exists() else b"\0" * 64
            path.unlink()
            if got != expected and (wants_too_much(image) or wants_too_much(interpreter)):
                ends["too much"] += 1
                continue
            if got != expected and far_beyond_the_end(image):
                ends["offset"] += 1
                continue
            assert got == expected, (SEED, number, image.hex())
            ends[expected[0]] += 1
    assert min(ends["exit"], ends["signal"]) > count // 8
    assert ends["too much"] + ends["offset"] < count // 20


def far_beyond_the_end(image: bytes) -> bool:
    """A PT_LOAD from beyond what the host's file system can hold (s_maxbytes): it says so."""
    return any(
        1 << 40 <= int.from_bytes(image[at + 8 : at + 16], "little") < 1 << 63
        for at in (PHDR, PHDR + 56)
    )
