"""Where a new program's memory lies: fixtures/exec/layout.json and layout2.json, without ASLR.

The probes are built here as the samples' were: a read-only, a code and a data segment with
a bss, five program headers (ten for the PIE). There is no vDSO: AT_SYSINFO_EHDR is missing.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import pytest
from conftest import WORKDIR, samples

from youcpu.abi import auxv as auxv_names
from youcpu.kernel.rlimit import RLIM_INFINITY, RLIMIT_STACK, Rlimits
from youcpu.kernel.task import Task
from youcpu.machine import Machine, MachineOptions

RUNS = {
    run["binary"]: run
    for run in samples("layout.json")["runs"]
    if run["personality"] == "ADDR_NO_RANDOMIZE"
}
LIMITS = samples("layout2.json")
COMPAT_LAYOUT, NO_RANDOMIZE = 0x0200000, 0x0040000
#: Of the host's CPU and kernel, not of the layout.
NOT_COMPARED = {"AT_SYSINFO_EHDR", "AT_MINSIGSTKSZ", "AT_HWCAP", "AT_HWCAP2"}
NULL, LOAD, INTERP, NOTE = 0, 1, 3, 4


def probe(kind: int, count: int, base: int, data: int, interpreter: str = "") -> bytes:
    """ELF of `count` program headers; its data segment lies in file page `data`, 0 for bss only."""
    path = interpreter.encode() + b"\0"
    segments = [
        (LOAD, 4, 0, base, 0x400, 0x400, 0x1000),
        (LOAD, 5, 0x1000, base + 0x1000, 0x10, 0x10, 0x1000),
        (LOAD, 6, data, base + 0x2000, 0x10 if data else 0, 0x6000 if data else 0x5000, 0x1000),
    ]
    if interpreter:
        segments.insert(0, (INTERP, 4, 0x300, base + 0x300, len(path), len(path), 1))
    while len(segments) < count:
        segments.append((NULL, 0, 0, 0, 0, 0, 0))
    head = b"\x7fELF\2\1\1".ljust(16, b"\0")
    head += struct.pack(
        "<HHIQQQIHHHHHH", kind, 62, 1, base + 0x1000, 64, 0, 0, 64, 56, count, 0, 0, 0
    )
    for kind_, flags, offset, vaddr, filesz, memsz, align in segments:
        head += struct.pack("<IIQQQQQQ", kind_, flags, offset, vaddr, vaddr, filesz, memsz, align)
    image = bytearray(head.ljust(0x3000, b"\0"))
    image[0x300 : 0x300 + len(path)] = path
    image[0x1000:0x100C] = bytes.fromhex("bf2a000000b83c0000000f05")
    return bytes(image)


PROBES = {
    "probe_exec": probe(2, 5, 0x400000, 0),
    "probe_dynexec": probe(2, 5, 0x400000, 0),
    "probe_spie": probe(3, 8, 0, 0x2000),
    "probe_pie": probe(3, 10, 0, 0x2000, f"{WORKDIR}/ldprobe"),
    "ldprobe": probe(3, 8, 0, 0x2000),
}


def started(
    tree: Path, name: str, personality: int = 0, limit: int = 8 << 20
) -> tuple[Machine, Task]:
    """The machine just before the first instruction of a probe."""
    for file, image in PROBES.items():
        path = tree / f"{WORKDIR}/{file}".lstrip("/")
        path.write_bytes(image)
        path.chmod(0o755)
    rlimits = Rlimits()
    rlimits.limits[RLIMIT_STACK] = (limit, RLIM_INFINITY)
    options = MachineOptions(
        memory=64 << 20,
        rootfs=os.fsencode(tree),
        cwd=b"/",
        personality=personality,
        rlimits=rlimits,
    )
    machine = Machine(options)
    # As long as the samples' strings: argv of 5 and 4 bytes, envp of 4 and 6.
    task = machine.execute(f"{WORKDIR}/{name}".encode(), [b"aaaa", b"bbb"], [b"E=1", b"F=two"])
    return machine, task


def auxv_of(task: Task) -> dict[str, int]:
    names = {
        v: k for k, v in vars(auxv_names).items() if k.startswith("AT_") and isinstance(v, int)
    }
    return {names[kind]: value for kind, value in struct.iter_unpack("<QQ", task.mm.auxv)}


@pytest.mark.parametrize("name", RUNS)
def test_without_aslr(name: str, tree: Path) -> None:
    run: dict[str, Any] = RUNS[name]
    machine, task = started(tree, name)
    try:
        check_vectors(run, task)
        check_maps(run, task)
        assert task.mm.start_brk == int(run["brk"], 16)
    finally:
        machine.close()


def check_vectors(run: dict[str, Any], task: Task) -> None:
    """auxv in its order, strings and pointers where they were."""
    got = auxv_of(task)
    wanted = [(row[0], int(row[1], 16)) for row in run["auxv"] if row[0] != "AT_SYSINFO_EHDR"]
    assert list(got) == [row[0] for row in wanted]
    for key, value in wanted:
        if key not in NOT_COMPARED and key not in ("AT_UID", "AT_EUID", "AT_GID", "AT_EGID"):
            assert got[key] == value, key
    mm = task.mm
    assert mm.arg_start == int(run["argv_ptrs"][0], 16)
    assert mm.env_start == int(run["env_ptrs"][0], 16)
    # One pair of words less than with a vDSO.
    assert mm.start_stack == int(run["regs"]["rsp"], 16) + 16


def check_maps(run: dict[str, Any], task: Task) -> None:
    """Every mapping but the vDSO's and the bss's neighbours, by address and rights."""
    wanted = set()
    for line in run["maps"]:
        span, rights = line.split()[:2]
        if "[v" not in line:
            wanted.add((*(int(part, 16) for part in span.split("-")), rights[:3]))
    got = set()
    for area in task.mm.vm_areas():
        rights = "".join(
            letter if area.flags & bit else "-" for letter, bit in (("r", 1), ("w", 2), ("x", 4))
        )
        got.add((area.start, area.end, rights))
    assert got == wanted


@pytest.mark.parametrize("key", [key for key in LIMITS if key.startswith("rlimit_")])
def test_mmap_base(key: str, tree: Path) -> None:
    limit = int(key.removeprefix("rlimit_"))
    machine, task = started(tree, "probe_exec", limit=RLIM_INFINITY if limit < 0 else limit)
    try:
        assert task.mm.mmap_base == int(LIMITS[key][0], 16)
    finally:
        machine.close()


def test_compat_layout(tree: Path) -> None:
    """ADDR_COMPAT_LAYOUT: the interpreter at a third of the address space."""
    machine, task = started(tree, "probe_pie", COMPAT_LAYOUT | NO_RANDOMIZE)
    try:
        first = int(LIMITS["compat_layout"][0].split("-")[0], 16)
        assert auxv_of(task)["AT_BASE"] == first
    finally:
        machine.close()
