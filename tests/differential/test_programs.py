"""Small programs that print facts of the kernel, compared with the host's own kernel.

Sources in fixtures/programs. Their stdout and exit status must be equal, and so must the files
they leave below `--rw`; without it nothing of theirs may reach the host.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
import workspace
from c_sources import CSource, sources
from side_by_side import Result, run_emulated, run_native


class Case(NamedTuple):
    source: CSource
    flags: list[str]
    arguments: list[str]

    @property
    def label(self) -> str:
        return " ".join([self.source.name, *self.flags, *self.arguments])


CASES = [
    Case(source, flags, arguments)
    for source in sources("programs")
    for flags in source.alternatives("Build")
    for arguments in source.alternatives("Run")
]


@pytest.fixture(scope="session")
def build_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("programs")


def build(case: Case, directory: Path) -> Path:
    if missing := case.source.missing_compiler():
        pytest.skip(f"{missing} is not installed")
    return case.source.compile(case.flags, directory / "".join(["b", *case.flags]))


def fresh(room: Path) -> Path:
    shutil.rmtree(room, ignore_errors=True)
    room.mkdir()
    return room


def native_run(case: Case, program: Path, room: Path) -> Result:
    return run_native([str(program), *case.arguments], fresh(room))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_program_answers_as_natively(case: Case, build_directory: Path, tmp_path: Path) -> None:
    program, room = build(case, build_directory), tmp_path / "room"
    native = native_run(case, program, room)
    emulated = run_emulated([str(program), *case.arguments], fresh(room))
    assert emulated.stdout.decode() == native.stdout.decode()
    assert emulated == native
    assert not list(room.iterdir()), "what it writes stays in the overlay"


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.source.makes_files], ids=lambda case: case.label
)
def test_files_below_rw_are_as_natively(case: Case, build_directory: Path, tmp_path: Path) -> None:
    program, room = build(case, build_directory), tmp_path / "room"
    native = native_run(case, program, room)
    left = workspace.snapshot(room)
    options = ["--quiet", "--rw", str(room)]
    emulated = run_emulated([str(program), *case.arguments], fresh(room), options=options)
    assert emulated.stdout.decode() == native.stdout.decode()
    assert emulated == native
    assert workspace.snapshot(room) == left


def test_there_are_fifty_programs() -> None:
    assert len(sources("programs")) >= 50
