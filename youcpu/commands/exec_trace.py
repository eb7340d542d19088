"""Run a program on the emulated machine and show how it was executed and what it called.

Stage: run
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from youcpu.launch import (
    FAILED,
    Failure,
    Outcome,
    complain,
    environment,
    find_program,
    parse_epoch,
    parse_size,
    run,
    same_place,
)
from youcpu.machine import Machine, MachineOptions
from youcpu.trace.tracer import Sink, Tracer

if TYPE_CHECKING:
    from youcpu.render.strace.lines import LineOptions

Option = typer.Option


def command(
    program: Annotated[list[str], typer.Argument(metavar="PROGRAM [ARG...]", help="what to run")],
    quiet: Annotated[bool, Option("--quiet", "-q", help="run without tracing")] = False,
    output: Annotated[str, Option("--output", "-o", metavar="FILE", help="trace to FILE")] = "",
    expression: Annotated[
        list[str] | None,
        Option("-e", metavar="EXPR", help="trace=SET, signal=SET or status=SET, as strace's"),
    ] = None,
    string_size: Annotated[int, Option("-s", metavar="N", min=0, help="longest string shown")] = 32,
    paths: Annotated[bool, Option("-y", help="paths behind descriptors")] = False,
    verbose: Annotated[bool, Option("-v", help="all fields of structures")] = False,
    relative: Annotated[bool, Option("-r", help="virtual time since the last line")] = False,
    timestamps: Annotated[int, Option("-t", count=True, help="virtual time of day; -tt, -ttt")] = 0,
    durations: Annotated[bool, Option("-T", help="virtual time spent in calls")] = False,
    summary: Annotated[bool, Option("-c", help="count calls instead of showing them")] = False,
    both: Annotated[bool, Option("-C", help="show the calls and count them")] = False,
    stages_only: Annotated[
        bool, Option("--stages-only", help="stop before the first instruction")
    ] = False,
    faults: Annotated[bool, Option("--faults", help="show each page fault")] = False,
    maps: Annotated[bool, Option("--maps", help="show the address space at exit")] = False,
    instructions: Annotated[
        int, Option("--insn", metavar="N", help="show the first N instructions", min=0)
    ] = 0,
    json: Annotated[bool, Option("--json", help="JSON Lines, an event a line")] = False,
    writable: Annotated[
        list[str] | None, Option("--rw", metavar="DIR", help="let writes through below DIR")
    ] = None,
    rootfs: Annotated[str, Option("--rootfs", metavar="DIR", help="DIR is the program's /")] = "/",
    memory: Annotated[str, Option("--memory", metavar="SIZE", help="guest RAM")] = "2G",
    timeout: Annotated[
        float | None, Option("--timeout", metavar="SECONDS", help="end the run after so long")
    ] = None,
    cwd: Annotated[str, Option("--cwd", metavar="DIR", help="working directory")] = "",
    env: Annotated[list[str] | None, Option("--env", metavar="K=V", help="set a variable")] = None,
    clear_env: Annotated[bool, Option("--clear-env", help="start with no variables")] = False,
    seed: Annotated[int, Option("--seed", help="of all randomness")] = 0,
    epoch: Annotated[
        str, Option("--epoch", metavar="SECONDS", help="virtual time at the start; default now")
    ] = "",
    aslr: Annotated[bool, Option("--aslr", help="random addresses, from the seed")] = False,
    personality: Annotated[
        str, Option("--personality", metavar="NUMBER", help="as personality(2)")
    ] = "0",
    color: Annotated[str, Option("--color", metavar="WHEN", help="auto, always, never")] = "auto",
) -> int:
    """Run PROGRAM on an emulated x86-64 machine, sandboxed, and trace it.

    The trace goes to stderr (or -o FILE), the program's own output stays its own.
    Writes to files land in an overlay that is gone at the end, but for --rw.
    Exit code: the program's; 128+n for signal n; 125, 126 or 127 where it cannot be run.
    """
    try:
        options = MachineOptions(
            memory=parse_size(memory),
            seed=seed,
            epoch_ns=parse_epoch(epoch),
            aslr=aslr,
            rootfs=os.fsencode(rootfs),
            writable=tuple(os.fsencode(directory) for directory in writable or ()),
            cwd=os.fsencode(cwd) if cwd else None,
            timeout_s=timeout,
            personality=int(personality, 0),
        )
        envp = environment(env or [], clear_env)
        path = find_program(program[0], envp, rootfs)
        stream = _open_output(output)
    except Failure as failure:
        complain("exec-trace", str(failure))
        return failure.code
    tracer = Tracer()
    tracer.string_limit, tracer.verbose, tracer.fd_paths = string_size, verbose, paths
    if not quiet:
        lines = _line_options(string_size, paths, verbose, relative, timestamps, durations)
        tracer.add(_strace_sink(stream, lines))
    outcome = _execute(
        tracer, options, path, [os.fsencode(arg) for arg in program], envp, stages_only
    )
    complain("exec-trace", outcome.message)
    return outcome.code


def _open_output(name: str) -> TextIO:
    """Where the trace goes. Raises Failure."""
    if not name:
        return sys.stderr
    try:
        return open(name, "w", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise Failure(f"{name}: {error.strerror}", FAILED) from None


def _strace_sink(stream: TextIO, lines: LineOptions) -> Sink:
    from youcpu.render.strace.lines import StraceSink

    # Where the program writes to the same place, each line goes out at once.
    together = stream is sys.stderr and (stream.isatty() or same_place(1, 2))
    return StraceSink(_writer(stream), lines, buffered=not together)


def _writer(stream: TextIO) -> Callable[[str], object]:
    def write(text: str) -> None:
        stream.write(text)
        stream.flush()

    return write


def _line_options(
    string_size: int, paths: bool, verbose: bool, relative: bool, timestamps: int, durations: bool
) -> LineOptions:
    from youcpu.render.strace.lines import LineOptions
    from youcpu.render.strace.values import Style

    times = "relative" if relative else ("none", "time", "microseconds", "unix")[min(timestamps, 3)]
    style = Style(string_limit=string_size, verbose=verbose)
    return LineOptions(style, timestamps=times, durations=durations)


def _execute(
    tracer: Tracer, options: MachineOptions, path: bytes, argv: list[bytes], envp: list[bytes],
    stages_only: bool,
) -> Outcome:  # fmt: skip
    machine = Machine(options, tracer)
    try:
        return run(machine, path, argv, envp, stages_only)
    finally:
        tracer.close()
        machine.close()
