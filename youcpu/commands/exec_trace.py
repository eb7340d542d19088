"""Run a program; show how it was executed and what it called.

Stage: run
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Literal, TextIO

from youcpu.commands._exec.machine_options import (
    ASLR_OPTION,
    MACHINE_OPTIONS,
    PAGING_OPTIONS,
    WRITE_OPTION,
)
from youcpu.options import LAST_OPTIONS, Option, Parsed, UsageError, run_command

if TYPE_CHECKING:
    from youcpu.machine import Machine, MachineOptions
    from youcpu.render.strace.lines import LineOptions
    from youcpu.render.trace_sinks import TraceOptions
    from youcpu.trace.tracer import Tracer

NAME = "exec-trace"
USAGE = "youcpu exec-trace [OPTIONS] [--] PROGRAM [ARG...]"
SUMMARY = """Runs PROGRAM on an emulated x86-64 machine, in a sandbox, and traces it: how the
kernel executed it and each system call, in strace's form. The trace goes to
stderr (or -o FILE), the program's own output stays its own. The program sees
the host's files; what it writes lands in an overlay that is gone at the end."""
OPTIONS = [
    Option("-q --quiet", "Run without tracing."),
    Option("-o --output", "Write the trace to FILE.", "FILE"),
    Option("-f --follow", "With -o: a pid before each line; -ff: FILE.PID for each process."),
    Option("-e --expression", "trace=SET, signal=SET, status=SET, as strace's.", "EXPR", many=True),
    Option("-s --string-size", "Show at most N bytes of a string (32).", "N"),
    Option("-y --paths", "Show the paths behind descriptors."),
    Option("-v --verbose", "Show all fields of structures."),
    Option("-r --relative", "Virtual time since the line before."),
    Option("-t --time", "Virtual time of day; -tt with microseconds, -ttt since 1970."),
    Option("-T --durations", "Virtual time spent in each call."),
    Option("-c --summary", "Count the calls instead of showing them."),
    Option("-C --summary-too", "Show the calls and count them."),
    Option("--stages", "Show the stages of execve before the calls."),
    Option("--stages-only", "Stop before the first instruction of the program."),
    Option("--faults", "Show each page fault: address, access, what satisfied it."),
    Option("--maps", "Show the address space at exit."),
    Option("--insn", "Show the first N instructions (all) with symbols.", "[N]"),
    Option("--json", "JSON Lines, one event a line (docs/schema/exec-trace.json)."),
    Option("--explain", "Tell the story of the exec; of a failure the reason and the mend."),
    WRITE_OPTION,
    *MACHINE_OPTIONS,
    ASLR_OPTION,
    *PAGING_OPTIONS,
    Option("--compare", "With --ram: run under each policy, and tell what the best could do."),
    Option("--personality", "Flags of personality(2), a number.", "N"),
    Option("--binfmt", "Register a binfmt_misc rule first.", "RULE", many=True),
    *LAST_OPTIONS,
]
EPILOG = """Exit code: the program's; 128+n for signal n; 127 not found, 126 not executable,
125 any other failure of ours, 2 wrong usage."""


def main(argv: list[str]) -> int:
    """Run the command."""
    return run_command(_answer, argv, NAME, (USAGE, SUMMARY, EPILOG), OPTIONS, interspersed=False)


def _answer(parsed: Parsed) -> int:
    if not parsed.operands:
        raise UsageError("which program?")
    return _trace(parsed)


def _trace(parsed: Parsed) -> int:
    """Raises UsageError."""
    from youcpu.launch import Failure, complain, environment, find_program
    from youcpu.trace.tracer import Tracer

    try:
        options = machine_options(parsed)
        envp = environment(parsed.values("env"), parsed.flag("clear-env"))
        root = parsed.value("rootfs") or "/"
        path = find_program(parsed.operands[0], envp, root)
        tracer = Tracer()
        _listen(tracer, parsed)
    except Failure as failure:
        complain(NAME, str(failure))
        return failure.code
    return _execute(tracer, options, parsed, path, envp)


def machine_options(parsed: Parsed) -> MachineOptions:
    """The machine that the options ask for. Raises UsageError, Failure."""
    from youcpu.commands._exec.paging import paging_limits
    from youcpu.launch import parse_epoch, parse_size
    from youcpu.machine import MachineOptions

    return MachineOptions(
        memory=parse_size(parsed.value("memory") or "2G"),
        seed=number(parsed, "seed", 0),
        epoch_ns=parse_epoch(parsed.value("epoch") or ""),
        aslr=parsed.flag("aslr"),
        rootfs=os.fsencode(parsed.value("rootfs") or "/"),
        writable=tuple(os.fsencode(directory) for directory in parsed.values("rw")),
        cwd=os.fsencode(cwd) if (cwd := parsed.value("cwd")) else None,
        timeout_s=_seconds(parsed),
        personality=number(parsed, "personality", 0),
        paging=paging_limits(parsed),
        binfmt=tuple(os.fsencode(rule) for rule in parsed.values("binfmt")),
    )


def number(parsed: Parsed, key: str, default: int) -> int:
    """A whole number, decimal or 0x. Raises UsageError."""
    text = parsed.value(key)
    if text is None:
        return default
    try:
        return int(text, 0)
    except ValueError:
        raise UsageError(f"--{key} {text}: a number is wanted") from None


def _seconds(parsed: Parsed) -> float | None:
    text = parsed.value("timeout")
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise UsageError(f"--timeout {text}: seconds are wanted")
    return seconds


def _listen(tracer: Tracer, parsed: Parsed) -> None:
    """The sinks that the options ask for. Raises UsageError, Failure."""
    if parsed.flag("quiet"):
        return
    from youcpu.launch import same_place
    from youcpu.render.trace_sinks import make_sinks

    shown = trace_options(parsed)
    name = parsed.value("output") or ""
    apart = parsed.count("follow") > 1 and bool(name)
    stream = sys.stderr if apart else _open_output(name)
    # Where the program writes to the same place, each line goes out at once.
    together = stream is sys.stderr and (stream.isatty() or same_place(1, 2))
    shown.buffered = not together
    shown.color = wants_color(parsed.value("color") or "auto", stream)
    tracer.string_limit = shown.lines.style.string_limit
    tracer.verbose = parsed.flag("verbose") or shown.json
    tracer.fd_paths = parsed.flag("paths")
    tracer.only_syscalls(shown.filters.syscalls)
    if apart:
        from youcpu.render.per_process import PerProcessSink

        tracer.add(PerProcessSink(partial(_open_own, name), shown))
        return
    for sink in make_sinks(_writer(stream), shown):
        tracer.add(sink)


def trace_options(parsed: Parsed) -> TraceOptions:
    """What of the run is shown. Raises UsageError."""
    from youcpu.render.trace_sinks import TraceOptions
    from youcpu.trace.filters import FilterError, parse_filters

    try:
        filters = parse_filters(parsed.values("expression"))
    except FilterError as error:
        raise UsageError(f"-e: {error}") from None
    return TraceOptions(
        lines=_line_options(parsed),
        filters=filters,
        json=parsed.flag("json"),
        calls=not parsed.flag("summary"),
        summary=parsed.flag("summary") or parsed.flag("summary-too"),
        stages=parsed.flag("stages") or parsed.flag("stages-only") or parsed.flag("json"),
        faults=parsed.flag("faults"),
        maps=parsed.flag("maps"),
        paging=parsed.flag("ram"),
        instructions=parsed.flag("insn"),
    )


def wants_color(when: str, stream: TextIO) -> bool:
    """--color auto, always or never; NO_COLOR and TERM=dumb count in auto. Raises UsageError."""
    if when not in ("auto", "always", "never"):
        raise UsageError(f"--color {when}: auto, always or never")
    if when != "auto":
        return when == "always"
    plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not plain


def _open_own(name: str, pid: int) -> TextIO:
    """-ff: the file of one process."""
    return _open_output(f"{name}.{pid}", "a")


def _open_output(name: str, mode: Literal["w", "a"] = "w") -> TextIO:
    if not name:
        return sys.stderr
    try:
        return open(name, mode, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        from youcpu.launch import FAILED, Failure

        raise Failure(f"{name}: {error.strerror}", FAILED) from None


def _writer(stream: TextIO) -> Callable[[str], object]:
    def write(text: str) -> None:
        stream.write(text)
        stream.flush()

    return write


def _line_options(parsed: Parsed) -> LineOptions:
    from youcpu.render.strace.lines import LineOptions
    from youcpu.render.strace.values import Style

    times = ("none", "time", "microseconds", "unix")[min(parsed.count("time"), 3)]
    if parsed.flag("relative"):
        times = "relative"
    limit = number(parsed, "string-size", 32)
    if limit < 0:
        raise UsageError(f"-s {limit}: a length is wanted")
    style = Style(string_limit=limit, verbose=parsed.flag("verbose"))
    pids = "always" if parsed.flag("follow") and parsed.flag("output") else "bracketed"
    return LineOptions(style, timestamps=times, durations=parsed.flag("durations"), pids=pids)


def _watch_instructions(parsed: Parsed) -> Callable[[Machine], None]:
    limit = int(parsed.value("insn") or 0)

    def prepared(machine: Machine) -> None:
        from youcpu.instructions import InstructionTrace

        InstructionTrace(machine, limit)

    return prepared


def _execute(
    tracer: Tracer, options: MachineOptions, parsed: Parsed, path: bytes, envp: list[bytes]
) -> int:
    from youcpu.launch import FAILED, complain, run
    from youcpu.machine import Machine, RuleRefused

    argv = [os.fsencode(word) for word in parsed.operands]
    if parsed.flag("compare"):
        return _compare(parsed, options, path, argv, envp)
    if parsed.flag("explain"):
        _explain(path, argv, envp, options)
    machine = Machine(options, tracer)
    try:
        prepared = _watch_instructions(parsed) if tracer.instructions else None
        outcome = run(machine, path, argv, envp, parsed.flag("stages-only"), prepared)
    except RuleRefused as error:
        complain(NAME, str(error))
        return FAILED
    finally:
        tracer.close()
        machine.close()
    complain(NAME, outcome.message)
    if outcome.event.outcome == "errno" and not parsed.flag("explain"):
        _explain(path, argv, envp, options)
    return outcome.code


def _compare(
    parsed: Parsed, options: MachineOptions, path: bytes, argv: list[bytes], envp: list[bytes]
) -> int:
    """--compare: no trace, a table of policies."""
    from youcpu.commands._exec.paging import compare
    from youcpu.launch import Failure, complain

    try:
        outcome, table = compare(options, path, argv, envp)
        complain(NAME, outcome.message)
        _writer(_open_output(parsed.value("output") or ""))(table)
    except Failure as failure:
        complain(NAME, str(failure))
        return failure.code
    return outcome.code


def _explain(path: bytes, argv: list[bytes], envp: list[bytes], options: MachineOptions) -> None:
    """The story of the exec, to stderr."""
    from youcpu.commands._exec.explain import explain_exec

    sys.stderr.write("\n".join(explain_exec(path, argv, envp, options)) + "\n")
