"""Shebang and binfmt_misc samples run on the machine: what the interpreter itself is told.

fixtures/exec/showargs.c stands for the samples' I: argv, AT_EXECFN, AT_FLAGS, AT_EXECFD, comm.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import FIXTURES, add_file, latin, samples

from youcpu.kernel.cred import Credentials
from youcpu.kernel.task import Task
from youcpu.machine import Machine, MachineOptions

SHEBANG = [
    case
    for case in samples("shebang_cases.json")["cases"]
    if case["result"]["outcome"] == "exec" and case["call"]["syscall"] == "execve"
    and "/proc/self/fd" not in case["call"]["path"]
]  # fmt: skip
MISC = [
    case
    for case in samples("binfmt_misc_cases.json")["exec"]
    if "call" in case and case["result"]["outcome"] == "exec" and "entry_writes" not in case
]


class SampleMachine(Machine):
    """The first task has the sample's ids."""

    uid = 0

    def new_task(self) -> Task:
        task = super().new_task()
        task.cred = Credentials.of(self.uid, self.uid)
        return task


@pytest.fixture(scope="session")
def showargs(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    if shutil.which("gcc") is None or os.uname().machine != "x86_64":
        pytest.skip("needs gcc for x86-64")
    target = tmp_path_factory.mktemp("showargs") / "I"
    flags = ["-O1", "-static", "-nostdlib", "-fno-stack-protector", "-o", str(target)]
    subprocess.run(["gcc", *flags, str(FIXTURES / "showargs.c")], check=True, capture_output=True)
    return target.read_bytes()


def run_sample(tree: Path, case: dict[str, Any], showargs: bytes, rules: list[str]) -> None:
    """showargs writes to our own standard output, which pytest catches."""
    for spec in case["files"]:
        add_file(tree, spec)
        if "elf" in spec:
            (tree / spec["path"].lstrip("/")).write_bytes(showargs)
    if "copy.elfx" in case["call"]["path"]:
        copy = tree / case["call"]["path"].lstrip("/")
        copy.write_bytes(showargs)
        copy.chmod(0o755)
    call = case["call"]
    options = MachineOptions(
        memory=64 << 20,
        rootfs=os.fsencode(tree),
        cwd=call.get("cwd", "/").encode(),
        timeout_s=20,
        binfmt=tuple(latin(rules)),
    )
    machine = SampleMachine(options)
    machine.uid = call.get("uid", 0)
    try:
        machine.execute(call["path"].encode("latin-1"), latin(call["argv"] or []), [b"E=1"])
        assert machine.run() == 42 << 8
    finally:
        machine.close()


def check(data: bytes, result: dict[str, Any]) -> None:
    argc, flags, execfd = struct.unpack_from("<iii", data)
    strings = [part.decode("latin-1") for part in data[12:].split(b"\0")[:-1]]
    assert strings[0] == result["execfn"]
    assert strings[1] == result["comm"]
    assert strings[2:] == result["argv"]
    assert argc == len(result["argv"])
    assert flags == result["at_flags"]
    assert (None if execfd < 0 else execfd) == result["execfd"]


@pytest.mark.parametrize("case", SHEBANG, ids=lambda case: f"{case['id']}-{case['desc'][:40]}")
def test_shebang(
    case: dict[str, Any], tree: Path, showargs: bytes, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    run_sample(tree, case, showargs, [])
    check(capfdbinary.readouterr().out, case["result"])


@pytest.mark.parametrize("case", MISC, ids=lambda case: f"{case['id']}-{case['desc'][:40]}")
def test_binfmt_misc(
    case: dict[str, Any], tree: Path, showargs: bytes, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    run_sample(tree, case, showargs, case["register"])
    check(capfdbinary.readouterr().out, case["result"])
