"""Commands of a Debian system on the emulated machine, compared with the host's own kernel.

stdout, exit code and what they say on stderr must be equal, and the files that they leave:
below the directory for those that may write (`--rw`), none at all for the others.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import workspace
from debian_commands import COMMANDS, Command
from side_by_side import Result, find_program, run_emulated, run_native

Outcome = tuple[Result, dict[str, tuple[object, ...]]]


@pytest.mark.parametrize("command", COMMANDS, ids=[command.name for command in COMMANDS])
def test_command_answers_as_natively(command: Command, tmp_path: Path) -> None:
    program = command.argv[0]
    if not program.startswith("./"):
        found = find_program(program)
        if found is None:
            pytest.skip(f"{program} is not installed")
        program = found
    argv = (program, *command.argv[1:])
    native, native_files = natively(command, argv, tmp_path / "w")
    emulated, emulated_files = on_youcpu(command, argv, tmp_path / "w")
    assert emulated == native
    assert emulated_files == native_files


def natively(command: Command, argv: tuple[str, ...], room: Path) -> Outcome:
    workspace.make(room)
    before = workspace.snapshot(room)
    result = run_native(argv, room, standard_input(command, room))
    files = workspace.snapshot(room)
    assert (files != before) == command.writes, "the row's `writes` is wrong"
    return result, files


def on_youcpu(command: Command, argv: tuple[str, ...], room: Path) -> Outcome:
    workspace.make(room)
    options = ["--quiet", *(["--rw", str(room)] if command.writes else [])]
    result = run_emulated(argv, room, standard_input(command, room), options)
    return result, workspace.snapshot(room)


def standard_input(command: Command, room: Path) -> bytes:
    return (room / command.stdin).read_bytes() if command.stdin else b""


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.writes], ids=lambda c: c.name)
def test_without_rw_nothing_reaches_the_host(command: Command, tmp_path: Path) -> None:
    program = find_program(command.argv[0])
    if program is None:
        pytest.skip(f"{command.argv[0]} is not installed")
    room = workspace.make(tmp_path / "w")
    before = workspace.snapshot(room)
    argv = (program, *command.argv[1:])
    native, _ = natively(command, argv, tmp_path / "w")
    workspace.make(room)
    emulated = run_emulated(argv, room, standard_input(command, room))
    assert workspace.snapshot(room) == before
    assert emulated == native
