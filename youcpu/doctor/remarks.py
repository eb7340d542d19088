"""What works but surely was not meant: remarks on a script that exec accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.doctor.finding import shown
from youcpu.doctor.interpreters import SEARCH
from youcpu.doctor.paths import inode_of
from youcpu.formats.shebang import BINPRM_BUF_SIZE, parse_shebang

if TYPE_CHECKING:
    from youcpu.dry_run import Verdict
    from youcpu.kernel.task import Task


def remarks(task: Task, verdict: Verdict) -> list[str]:
    """Sentences about the scripts of the chain."""
    found = []
    for one in verdict.rounds:
        if one.format == "script":
            found += _script(task, one.path, one.buffer, one.size)
    return found


def _script(task: Task, path: bytes, buffer: bytes, size: int) -> list[str]:
    line = parse_shebang(buffer)
    argument = line.argument
    found = []
    if line.newline is None and size > BINPRM_BUF_SIZE:
        found.append(
            f"the first line of {shown(path)} is longer than 256 bytes: "
            "its argument is cut, and nobody says so"
        )
    if argument is None:
        return found
    if argument.endswith(b"\r"):
        found.append(
            f"the first line of {shown(path)} ends in CR LF: the interpreter gets {shown(argument)}"
        )
    if line.interpreter.rpartition(b"/")[2] == b"env":
        found += _env(task, argument)
    return found


def _env(task: Task, argument: bytes) -> list[str]:
    """env gets all that follows as one argument."""
    if argument.startswith(b"-") or b"=" in argument:
        return []
    words = argument.split()
    if len(words) > 1:
        return [
            f"env gets one argument, {shown(argument)}, and looks for a program of that name: "
            f"write #!/usr/bin/env -S {argument.decode('utf-8', 'replace')}"
        ]
    if b"/" in argument or any(inode_of(task, place + b"/" + argument) for place in SEARCH):
        return []
    return [f"env will find {shown(argument)} only where PATH leads beyond the usual directories"]
