"""ELF samples run for real on the machine: exit codes and signals of fixtures/exec/elf_cases.json.

What cannot be as on that kernel is listed in NOT_HERE with the reason.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from conftest import WORKDIR, add_file, elf_image, moved, samples

from youcpu.abi.signal import Sig
from youcpu.kernel.cred import Credentials
from youcpu.kernel.errors import KernelError
from youcpu.kernel.exec.binprm import ExecError
from youcpu.kernel.task import Task
from youcpu.machine import Machine, MachineOptions

NOT_HERE = {
    90: "ASLR put the stack elsewhere in the sample; here the stack is at its top",
    192: "32-bit programs do not run on this machine",
    193: "32-bit programs do not run on this machine",
    195: "32-bit programs do not run on this machine",
}
CASES = [
    case for case in samples("elf_cases.json")["cases"] if case["result"]["outcome"] != "errno"
]


class SampleMachine(Machine):
    """A machine whose first task has the ids of the sample."""

    uid = 0

    def new_task(self) -> Task:
        task = super().new_task()
        task.cred = Credentials.of(self.uid, self.uid)
        return task


def outcome_of(case: dict[str, Any], root: Path, path: str) -> tuple[str, int | str]:
    """("exec", exit code), ("signal", name) or ("errno", name)."""
    options = MachineOptions(
        memory=64 << 20,
        rootfs=os.fsencode(root),
        cwd=WORKDIR.encode(),
        timeout_s=20,
        personality=int(case.get("personality", "0"), 0),
    )
    machine = SampleMachine(options)
    machine.uid = case.get("uid", 0)
    try:
        machine.execute(path.encode(), [b"t"], [])
        status = machine.run()
    except ExecError as error:
        return ("signal", "SIGSEGV") if error.fatal else ("errno", error.errno.name)
    except KernelError as error:
        return "errno", error.errno.name
    finally:
        machine.close()
    if status & 0x7F:
        return "signal", Sig(status & 0x7F).name
    return "exec", status >> 8


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['id']}-{case['desc'][:40]}")
def test_as_the_kernel(case: dict[str, Any], tree: Path) -> None:
    if case["id"] in NOT_HERE:
        pytest.skip(NOT_HERE[case["id"]])
    path = f"{WORKDIR}/t.elf"
    for spec in case.get("files", []):
        add_file(tree, {**spec, "hex": moved(bytes.fromhex(spec["hex"])).hex()})
    mode = "0o111" if case["desc"].startswith("ELF mode 0111") else "0o755"
    add_file(tree, {"path": path, "hex": elf_image(case).hex(), "mode": mode})
    result = case["result"]
    expected = result["signal"] if result["outcome"] == "signal" else result["exit"]
    assert outcome_of(case, tree, path) == (result["outcome"], expected)
