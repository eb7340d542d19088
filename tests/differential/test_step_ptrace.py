"""`youcpu step` beside this machine's CPU: the programs of fixtures/step, single-stepped by ptrace.

The same RIPs, registers and flags, x87 and SSE state included, instruction by instruction; what is
undefined (step_undefined.py) or known not to be as on a CPU (step_states.KNOWN) is said there.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from differential.step_states import Comparison, extra_stop, native_states

from youcpu.cli import main
from youcpu.stepping.places import file_symbol

FIXTURES = Path(__file__).parents[2] / "fixtures" / "step"
PROGRAMS = sorted(
    line.split()[1] for line in (FIXTURES / "SHA256SUMS").read_text().splitlines() if line
)
FORBIDDEN = 77
#: Single-step stops of all programs together: what the acceptance asks for.
WANTED = 100_000
LIMIT = 2_800


@pytest.fixture(scope="session")
def stepper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The C program that single-steps, built; skips where that cannot be."""
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("no gcc to build the ptrace stepper with")
    if os.uname().machine != "x86_64":
        pytest.skip("the host is no x86-64")
    program = tmp_path_factory.mktemp("ptrace") / "ptrace_steps"
    source = Path(__file__).with_name("ptrace_steps.c")
    subprocess.run([compiler, "-O1", "-o", str(program), str(source)], check=True)
    return program


def test_checksums() -> None:
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=FIXTURES, check=True)


def test_enough_instructions(request: pytest.FixtureRequest) -> None:
    """The programs below are that many, and that long."""
    assert len(PROGRAMS) >= 30
    lengths = json.loads((FIXTURES / "lengths.json").read_text())
    assert set(lengths) == set(PROGRAMS)
    assert sum(min(length, LIMIT) for length in lengths.values()) >= WANTED


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_the_cpu(name: str, stepper: Path, tmp_path: Path, request: Any) -> None:
    limit = 50 * LIMIT if request.config.getoption("--long") else LIMIT
    program = str(FIXTURES / name)
    record = tmp_path / "record"
    place = file_symbol(Path(program).read_bytes(), "begin")
    with open(tmp_path / "out", "wb") as out:
        done = subprocess.run(
            [str(stepper), f"{place:x}", str(limit), str(record), program],
            stdin=subprocess.DEVNULL, stdout=out, check=False, timeout=120,
        )  # fmt: skip
    if done.returncode == FORBIDDEN:
        pytest.skip("this host forbids ptrace")
    assert done.returncode == 0
    ours = tmp_path / "steps"
    words = ["--json", "--clear-env", "--from", "begin", "--count", str(limit)]
    # In this process: sixty starts of Python would take longer than all the steps.
    assert main(["step", *words, "-o", str(ours), program]) in (0, 1)
    lines = [json.loads(line) for line in ours.read_text().splitlines()]
    steps = [line for line in lines if line["event"] == "step" and line["next"] is not None]
    states = native_states(record.read_bytes())
    next(states)
    comparison = Comparison(lines[0]["registers"])
    for step in steps:
        if extra_stop(step):
            next(states)
        native, image = next(states)
        comparison.step(step, native, image)
        if comparison.differences and int(step["next"], 16) != native["rip"]:
            break  # they went different ways: all that follows differs
    assert not comparison.differences
    length = json.loads((FIXTURES / "lengths.json").read_text())[name]
    assert comparison.steps == min(length, limit)
    assert next(states, None) is None or len(steps) == limit
