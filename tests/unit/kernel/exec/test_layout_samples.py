"""Registers, stack, auxv and maps of a new program as fixtures/exec/layout*.json have them."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import WORKDIR, samples
from tiny_images import ET_DYN, ET_EXEC, THREE_LOADS_AND_DATA, image

from youcpu.abi import auxv
from youcpu.hardware.cpu import CS, DS, ES, FS, GS, RAX, RIP, RSP, SS
from youcpu.kernel.mm.uaccess import copy_from_user, copy_from_user_partial, get_user
from youcpu.kernel.mm.vm_area import VM_EXEC, VM_READ, VM_WRITE
from youcpu.kernel.rlimit import RLIM_INFINITY, RLIMIT_STACK, Rlimits
from youcpu.kernel.task import Task
from youcpu.kernel.vfs.dcache import d_path
from youcpu.machine import Machine, MachineOptions

RUNS = {
    run["binary"]: run
    for run in samples("layout.json")["runs"]
    if run["personality"] == "ADDR_NO_RANDOMIZE"
}
LAYOUT2 = samples("layout2.json")
ADDR_COMPAT_LAYOUT = 0x0200000
# As long as those of the samples, which only their addresses tell.
ARGV, ENVP = [b"arg0", b"one"], [b"A=1", b"BB=22"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    workdir = tmp_path / WORKDIR.lstrip("/")
    workdir.mkdir(parents=True)
    loader = f"{WORKDIR}/ldprobe".encode()
    images = {
        "probe_exec": image(ET_EXEC, 0x400000),
        "probe_dynexec": image(ET_EXEC, 0x400000, interpreter=f"{WORKDIR}/ldexec".encode()),
        "probe_spie": image(ET_DYN, 0, THREE_LOADS_AND_DATA),
        "probe_pie": image(ET_DYN, 0, THREE_LOADS_AND_DATA, loader),
        "ldprobe": image(ET_DYN, 0, THREE_LOADS_AND_DATA),
    }
    for name, content in images.items():
        (workdir / name).write_bytes(content)
        (workdir / name).chmod(0o755)
    return tmp_path


class Started:
    """A program that is about to execute its first instruction."""

    def __init__(self, root: Path, name: str, **options: Any) -> None:
        place = MachineOptions(memory=32 << 20, rootfs=os.fsencode(root), cwd=b"/", **options)
        self.machine = Machine(place)
        self.task: Task = self.machine.execute(f"{WORKDIR}/{name}".encode(), ARGV, ENVP)
        self.state = self.machine.cpu.state

    def maps(self) -> list[str]:
        """Lines of /proc/PID/maps without device and inode."""
        return [self._line(area) for area in self.task.mm.areas]

    def _line(self, area: Any) -> str:
        flags, name = area.flags, self.task.mm.area_name(area)
        if area.file is not None:
            name = os.fsdecode(d_path(area.file.dentry, self.task.fs.root)[0])
        rights = "".join(
            letter if flags & bit else "-"
            for letter, bit in (("r", VM_READ), ("w", VM_WRITE), ("x", VM_EXEC))
        )
        offset = area.pgoff << 12 if area.file is not None else 0
        return f"{area.start:08x}-{area.end:08x} {rights}p {offset:08x} {name}".rstrip()

    def auxv(self) -> list[tuple[int, int]]:
        rows = struct.iter_unpack("<QQ", self.task.mm.auxv)
        return [(key, value) for key, value in rows]

    def string(self, address: int) -> bytes:
        return copy_from_user_partial(self.task, address, 64).split(b"\0")[0]


def sample_maps(lines: list[str]) -> list[str]:
    """The same form of the sample's lines; [vsyscall] is no area of ours."""
    pattern = re.compile(r"(\S+ \S+ \S+) \S+ \d+ *(.*)")
    found = [pattern.match(line) for line in lines if "[vsyscall]" not in line]
    return [f"{match[1]} {match[2]}".rstrip() for match in found if match]


@pytest.fixture(params=["probe_exec", "probe_spie", "probe_pie"])
def started(request: pytest.FixtureRequest, root: Path) -> Iterator[tuple[Started, dict[str, Any]]]:
    started = Started(root, request.param)
    yield started, RUNS[request.param]
    started.machine.close()


def test_maps(started: tuple[Started, dict[str, Any]]) -> None:
    program, sample = started
    assert program.maps() == sample_maps(sample["maps"])
    assert program.task.mm.brk == int(sample["brk"], 16)


def test_registers(started: tuple[Started, dict[str, Any]]) -> None:
    program, sample = started
    state, wanted = program.state, sample["regs"]
    assert state[RSP] == int(wanted["rsp"], 16)
    assert state[RIP] == int(wanted["entry"], 16)
    assert [state[i] for i in range(RAX, RAX + 16) if i != RSP] == [0] * 15
    assert program.machine.cpu.eflags() == int(wanted["rflags"], 16)
    selectors = {"cs": CS, "ss": SS, "ds": DS, "es": ES, "fs": FS, "gs": GS}
    for name, index in selectors.items():
        assert state[index] & 0xFFFF == int(wanted[name], 16), name
    assert (state[FS + 1], state[GS + 1]) == (sample["fsbase"], sample["gsbase"])
    fpu = program.machine.cpu.fxsave()
    assert struct.unpack_from("<HHB", fpu) == (int(sample["fcw"], 16), sample["fsw"], 0)
    assert struct.unpack_from("<I", fpu, 24) == (int(sample["mxcsr"], 16),)
    assert not any(fpu[160:416])


def test_auxv(started: tuple[Started, dict[str, Any]]) -> None:
    program, sample = started
    rows = program.auxv()
    assert [key for key, _ in rows] == [getattr(auxv, name) for name, _ in sample["auxv"]]
    mine = dict(rows)
    # The others tell of the CPU, the user, or the number of program headers.
    same = [
        "SYSINFO_EHDR", "PAGESZ", "CLKTCK", "PHENT", "BASE", "FLAGS", "ENTRY", "SECURE", "RANDOM",
        "EXECFN", "PLATFORM", "RSEQ_FEATURE_SIZE", "RSEQ_ALIGN",
    ]  # fmt: skip
    wanted = dict(sample["auxv"])
    for name in same:
        assert mine[getattr(auxv, f"AT_{name}")] == int(wanted[f"AT_{name}"], 16), name
    assert mine[auxv.AT_PHDR] & 0xFFF == 64


def test_stack(started: tuple[Started, dict[str, Any]]) -> None:
    program, sample = started
    task, pointer = program.task, program.state[RSP]
    assert get_user(task, pointer, 8) == len(ARGV)
    argv = [get_user(task, pointer + 8 + 8 * i, 8) for i in range(3)]
    envp = [get_user(task, pointer + 32 + 8 * i, 8) for i in range(3)]
    assert argv[:2] == [int(value, 16) for value in sample["argv_ptrs"]]
    assert envp[:2] == [int(value, 16) for value in sample["env_ptrs"]]
    assert (argv[2], envp[2]) == (0, 0)
    assert [program.string(address) for address in argv[:2]] == ARGV
    assert [program.string(address) for address in envp[:2]] == ENVP
    values = dict(program.auxv())
    assert program.string(values[auxv.AT_EXECFN]) == f"{WORKDIR}/{sample['binary']}".encode()
    assert program.string(values[auxv.AT_PLATFORM]) == b"x86_64"
    end = int(sample["stack_vma_end"], 16)
    assert copy_from_user(task, end - 8, 8) == bytes(8)
    start = pointer + 56
    assert copy_from_user(task, start, len(task.mm.auxv)) == task.mm.auxv


def vdso_end(program: Started) -> int:
    return next(area.end for area in program.task.mm.areas if area.name == "[vdso]")


@pytest.mark.parametrize("name", [name for name in LAYOUT2 if name.startswith("rlimit_")])
def test_mmap_base_by_stack_limit(root: Path, name: str) -> None:
    limit = int(name.removeprefix("rlimit_"))
    rlimits = Rlimits()
    rlimits.limits[RLIMIT_STACK] = (limit if limit >= 0 else RLIM_INFINITY, RLIM_INFINITY)
    program = Started(root, "probe_exec", rlimits=rlimits)
    assert vdso_end(program) == int(LAYOUT2[name][0], 16)
    program.machine.close()


def test_compat_layout(root: Path) -> None:
    program = Started(root, "probe_pie", personality=ADDR_COMPAT_LAYOUT)
    assert program.maps() == sample_maps(LAYOUT2["compat_layout"])
    program.machine.close()


def test_aslr_stays_within_the_ranges_of_600_runs(root: Path) -> None:
    """Within, and a little beyond: 600 runs do not reach the ends of their ranges."""
    ranges = {key: [int(value, 16) for value in pair] for key, pair in LAYOUT2["aslr_600"].items()}
    seen = set()
    for seed in range(6):
        program = Started(root, "probe_pie", aslr=True, seed=seed)
        areas = list(program.task.mm.areas)
        found = {
            "stack_end": areas[-1].end,
            "pie_base": areas[0].start,
            "mmap_top": max(area.end for area in areas[:-1]),
            "brk_minus_end_pie": program.task.mm.brk - areas[3].end,
            "end_minus_rsp": areas[-1].end - program.state[RSP],
        }
        for key, value in found.items():
            low, high = ranges[key]
            slack = (high - low) // 50
            assert low - slack <= value <= high + slack, key
        seen.add(tuple(found.values()))
        program.machine.close()
    assert len(seen) == 6
