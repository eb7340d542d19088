"""Small stacks on the machine: fixtures/exec/limits_cases.json, what passes E2BIG and then dies.

Where the samples' kernel put the stack at random, the rows say "largest" for its luck; here
nothing is random: the strings, the vectors and the auxv must fit into RLIMIT_STACK.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from conftest import WORKDIR, samples

from youcpu.kernel.exec.binprm import ExecError
from youcpu.kernel.rlimit import RLIMIT_STACK, Rlimits
from youcpu.machine import Machine, MachineOptions

LAST = [
    case for case in samples("limits_cases.json")["cases"] if case["desc"].startswith("last total")
]
I_PATH = f"{WORKDIR}/I".encode()


def run(tree: Path, argv: list[bytes], limit: int) -> str:
    """ "exit 42", "SIGSEGV" or an errno."""
    rlimits = Rlimits()
    rlimits.limits[RLIMIT_STACK] = (limit, limit)
    options = MachineOptions(
        memory=64 << 20, rootfs=os.fsencode(tree), cwd=b"/", timeout_s=20, rlimits=rlimits
    )
    machine = Machine(options)
    try:
        machine.execute(I_PATH, argv, [])
        status = machine.run()
    except ExecError as error:
        return "SIGSEGV" if error.fatal else error.errno.name
    finally:
        machine.close()
    return f"exit {status >> 8}" if not status & 0x7F else f"signal {status & 0x7F}"


def argv_of(strings: int) -> list[bytes]:
    """Strings of that many bytes in all, with the file's name."""
    left = strings - len(I_PATH) - 1 - 2
    if left > 100_000:
        return [b"A", b"x" * 99_999, b"x" * (left - 100_001)]
    return [b"A", b"x" * (left - 1)]


@pytest.mark.parametrize("case", LAST, ids=lambda case: str(case["rlimit_stack"]))
def test_full_to_the_brim(case: dict[str, Any], tree: Path) -> None:
    """No room for the vectors: too late to return, so the program is killed."""
    assert run(tree, argv_of(case["strings"]), case["rlimit_stack"]) == "SIGSEGV"
    argv = argv_of(case["strings"])
    argv[-1] += b"x"
    assert run(tree, argv, case["rlimit_stack"]) == "E2BIG"


@pytest.mark.parametrize("limit", [16384, 65536, 102400, 131072])
def test_with_room_for_the_vectors(limit: int, tree: Path) -> None:
    assert run(tree, argv_of(min(limit, 131072) - 4096), limit) == "exit 42"
