"""Commands of many processes and threads, compared with the host's own kernel.

stdout and exit code must be equal, and the files that those leave which may write.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import workspace
from debian_commands import Command
from pipelines import COMMANDS, PROJECT
from side_by_side import find_program, run_emulated, run_native


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_processes_answer_as_natively(command: Command, tmp_path: Path) -> None:
    program = find_program(command.argv[0])
    if program is None:
        pytest.skip(f"{command.argv[0]} is not installed")
    argv = (program, *command.argv[1:])
    room = prepare(tmp_path / "w")
    native = run_native(argv, room)
    native_files = workspace.snapshot(room)
    room = prepare(room)
    emulated = run_emulated(argv, room, options=options(command, room))
    assert (emulated.stdout, emulated.status) == (native.stdout, native.status), emulated.stderr
    if command.writes:
        assert names(workspace.snapshot(room)) == names(native_files)


def names(tree: dict[str, tuple[object, ...]]) -> dict[str, object]:
    """Path -> mode; of git's database and of compilers' outputs the content may differ."""
    return {path: about[0] for path, about in tree.items()}


def options(command: Command, room: Path) -> list[str]:
    return ["--quiet", *(["--rw", str(room)] if command.writes else [])]


def prepare(room: Path) -> Path:
    workspace.make(room)
    for name, text in PROJECT.items():
        path = room / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return room
