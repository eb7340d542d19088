"""Run a program; its family: forks, execs, copy-on-write.

Stage: processes
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TextIO

from youcpu.commands._processes.options import SCHEDULED_OPTIONS
from youcpu.options import LAST_OPTIONS, Option, Parsed, UsageError, run_command

if TYPE_CHECKING:
    from youcpu.launch import Outcome
    from youcpu.render.fork_tree.model import ForkTree

NAME = "fork-tree"
USAGE = """youcpu fork-tree [OPTIONS] [--] PROGRAM [ARG...]
       youcpu fork-tree --live [PID]"""
SUMMARY = """Runs PROGRAM and all that it starts on one emulated machine, and shows the tree:
each fork, exec and end, how long each process lived (virtual time), its page faults
by kind, and how many frames were its own at the end. The report goes to stderr (or
-o FILE), the programs' output stays their own."""
LIVE = Option("--live", "The host's own processes from /proc, of PID or of all; nothing is run.")
OWN_OPTIONS = [
    Option("--cow", "Each copy-on-write fault: page, frames, from whom, who still shares."),
    Option("--frames", "Who maps which frame when the first program ends."),
    Option("--at", "With --frames: after so much virtual time instead.", "MS"),
    LIVE,
    Option("-o --output", "Write the report to FILE (- is standard output).", "FILE"),
    Option("--json", "One document (docs/schema/fork-tree.json)."),
    Option(
        "--format",
        "text, json or chrome-trace (for Perfetto).",
        "FORM",
        choices="text json chrome-trace",
    ),
    Option("--svg", "Draw the tree to FILE as well.", "FILE"),
]
OPTIONS = [*OWN_OPTIONS, *SCHEDULED_OPTIONS, *LAST_OPTIONS]
EPILOG = """Exit code: the program's; 128+n for signal n; 127 not found, 126 not executable,
125 any other failure of ours, 2 wrong usage."""
FORMATS = ("text", "json", "chrome-trace")


def main(argv: list[str]) -> int:
    """Run the command."""
    if "--live" in argv:
        return _live(argv)
    return run_command(_answer, argv, NAME, (USAGE, SUMMARY, EPILOG), OPTIONS, interspersed=False)


def _answer(parsed: Parsed) -> int:
    if not parsed.operands:
        raise UsageError("which program?")
    return _checked(parsed)


def _checked(parsed: Parsed) -> int:
    """Raises UsageError."""
    from youcpu.launch import Failure, complain

    try:
        return _run(parsed)
    except Failure as failure:
        complain(NAME, str(failure))
        return failure.code


def _live(argv: list[str]) -> int:
    from youcpu.commands._processes.live import show_live

    options = [LIVE, *OWN_OPTIONS[4:6], *LAST_OPTIONS]
    return run_command(show_live, argv, NAME, (USAGE, SUMMARY, ""), options)


def _run(parsed: Parsed) -> int:
    from youcpu.commands._processes.machine import open_output, positive, wants_color
    from youcpu.launch import complain
    from youcpu.render.fork_tree.model import ForkTree

    form = "json" if parsed.flag("json") else parsed.value("format") or "text"
    if form not in FORMATS:
        raise UsageError(f"--format {form}: text, json or chrome-trace")
    at_ms = positive(parsed, "at", 0) if parsed.flag("at") else None
    if at_ms is not None and not parsed.flag("frames"):
        raise UsageError("--at says when --frames are shown")
    wants_color(parsed.value("color"), sys.stderr)
    picture = parsed.value("svg") or ""
    faults = parsed.flag("cow") or bool(picture) or form == "chrome-trace"
    tree = ForkTree(keep_faults=faults, frames=parsed.flag("frames") and at_ms is None)
    stream = open_output(parsed.value("output") or "")
    outcome = _execute(parsed, tree, at_ms)
    complain(NAME, outcome.message)
    _report(parsed, tree, form, stream)
    if picture:
        from youcpu.render.fork_tree.pictures import tree_svg

        with open_output(picture) as file:
            file.write(tree_svg(tree))
    return outcome.code


def _execute(parsed: Parsed, tree: ForkTree, at_ms: float | None) -> Outcome:
    from youcpu.commands._processes.machine import machine_options
    from youcpu.launch import environment, find_program, run
    from youcpu.machine import Machine
    from youcpu.trace.tracer import Tracer

    envp = environment(parsed.values("env"), parsed.flag("clear-env"))
    path = find_program(parsed.operands[0], envp, parsed.value("rootfs") or "/")
    tracer = Tracer()
    tracer.add(tree)
    machine = Machine(machine_options(parsed), tracer)

    def prepared(machine: Machine) -> None:
        if at_ms is not None:
            machine.snapshot_frames(int(at_ms * 1e6), tree.emit)

    try:
        return run(machine, path, [os.fsencode(word) for word in parsed.operands], envp,
                   prepared=prepared)  # fmt: skip
    finally:
        tracer.close()
        machine.close()


def _report(parsed: Parsed, tree: ForkTree, form: str, stream: TextIO) -> None:
    from youcpu.commands._processes.machine import wants_color, write

    if form == "json":
        import json

        from youcpu.render.fork_tree.document import document

        answer = document(tree, parsed.flag("cow"), parsed.flag("frames"))
        write(stream, json.dumps(answer, indent=1) + "\n")
        return
    if form == "chrome-trace":
        from youcpu.render.fork_tree.pictures import tree_chrome

        write(stream, tree_chrome(tree))
        return
    from youcpu.render.fork_tree.text import TextTree

    drawn = TextTree(tree, wants_color(parsed.value("color"), stream))
    lines = list(drawn.lines())
    if parsed.flag("cow"):
        lines += ["", *drawn.fault_lines()]
    if parsed.flag("frames"):
        lines += ["", *drawn.frame_lines()]
    write(stream, "\n".join(lines) + "\n")
