"""Run commands on one CPU: who had it when, and why it changed.

Stage: time
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TextIO

from youcpu.commands._processes.options import SCHEDULED_OPTIONS
from youcpu.options import LAST_OPTIONS, Option, Parsed, UsageError, run_command

if TYPE_CHECKING:
    from youcpu.render.sched.model import Schedule

NAME = "sched"
USAGE = "youcpu sched [OPTIONS] -c CMD [-c CMD ...]"
SUMMARY = """Runs shell commands together on the one CPU of an emulated machine, and shows a
Gantt chart with the reason for each switch, and for each task its slices, switches,
wait, response and turnaround (virtual time). The same run gives the same chart.
The report goes to stderr (or -o FILE), the commands' output stays their own."""
OWN_OPTIONS = [
    Option("-c --command", "A command, run by /bin/sh -c.", "CMD", many=True),
    Option("--nice", "Nice value of each command in turn, apart by commas.", "N,..."),
    Option("--compare", "All policies, one after the other, side by side."),
    Option("--width", "Columns of the chart (72).", "N"),
    Option("-o --output", "Write the report to FILE (- is standard output).", "FILE"),
    Option("--json", "One document (docs/schema/sched.json)."),
    Option(
        "--format",
        "text, json or chrome-trace (for Perfetto).",
        "FORM",
        choices="text json chrome-trace",
    ),
    Option("--svg", "Draw the chart to FILE as well.", "FILE"),
]
OPTIONS = [*OWN_OPTIONS, *SCHEDULED_OPTIONS, *LAST_OPTIONS]
EPILOG = """Exit code: that of the first command; 128+n for signal n; 125 any failure of ours,
2 wrong usage."""
FORMATS = ("text", "json", "chrome-trace")
SHELL = b"/bin/sh"


def main(argv: list[str]) -> int:
    """Run the command."""
    return run_command(_answer, argv, NAME, (USAGE, SUMMARY, EPILOG), OPTIONS)


def _answer(parsed: Parsed) -> int:
    if parsed.operands:
        raise UsageError(f"{parsed.operands[0]}: commands are given by -c")
    if not parsed.values("command"):
        raise UsageError("which commands? -c CMD for each")
    return _checked(parsed)


def _checked(parsed: Parsed) -> int:
    """Raises UsageError."""
    from youcpu.launch import Failure, complain

    try:
        return _run(parsed)
    except Failure as failure:
        complain(NAME, str(failure))
        return failure.code


def _run(parsed: Parsed) -> int:
    from youcpu.commands._processes.machine import open_output, positive
    from youcpu.kernel.sched import POLICIES

    form = "json" if parsed.flag("json") else parsed.value("format") or "text"
    if form not in FORMATS:
        raise UsageError(f"--format {form}: text, json or chrome-trace")
    if form == "chrome-trace" and parsed.flag("compare"):
        raise UsageError("--compare has no timeline: text or json")
    width = int(positive(parsed, "width", 72))
    nice = _nice_values(parsed)
    policies = list(POLICIES) if parsed.flag("compare") else [None]
    stream = open_output(parsed.value("output") or "")
    schedules = []
    code = 0
    for policy in policies:
        schedule, code = _schedule(parsed, policy, nice)
        schedules.append(schedule)
    _report(parsed, schedules, form, stream, width)
    picture = parsed.value("svg")
    if picture:
        from youcpu.render.sched.document import schedule_svg

        with open_output(picture) as file:
            file.write(schedule_svg(schedules[0]))
    return code


def _nice_values(parsed: Parsed) -> list[int]:
    count = len(parsed.values("command"))
    text = parsed.value("nice")
    if text is None:
        return [0] * count
    try:
        values = [int(word) for word in text.split(",")]
    except ValueError:
        values = []
    if len(values) > count or not values or not all(-20 <= value <= 19 for value in values):
        raise UsageError(f"--nice {text}: a number from -20 to 19 for each command is wanted")
    return values + [0] * (count - len(values))


def _schedule(parsed: Parsed, policy: str | None, nice: list[int]) -> tuple[Schedule, int]:
    """One run on a machine of its own. Raises Failure."""
    from youcpu.commands._processes.machine import machine_options
    from youcpu.launch import Failure, complain, environment, run
    from youcpu.machine import KernelError, Machine
    from youcpu.render.sched.model import Schedule
    from youcpu.trace.tracer import Tracer

    options = machine_options(parsed, policy)
    envp = environment(parsed.values("env"), parsed.flag("clear-env"))
    commands = [os.fsencode(command) for command in parsed.values("command")]
    schedule = Schedule(options.policy)
    tracer = Tracer()
    tracer.add(schedule)
    machine = Machine(options, tracer)
    clock = machine.kernel.clock

    def prepared(machine: Machine) -> None:
        schedule.begin(machine.first_pid, clock.realtime_ns())
        for command, value in zip(commands[1:], nice[1:], strict=True):
            try:
                machine.execute_beside(SHELL, [b"sh", b"-c", command], envp, value)
            except KernelError as error:
                raise Failure(f"/bin/sh: {error.errno.text}") from None
        machine.set_nice(machine.first_pid, nice[0])

    try:
        outcome = run(machine, SHELL, [b"sh", b"-c", commands[0]], envp, prepared=prepared)
        schedule.finish(clock.realtime_ns(), clock.blocks())
    finally:
        tracer.close()
        machine.close()
    complain(NAME, outcome.message)
    return schedule, outcome.code


def _report(
    parsed: Parsed, schedules: list[Schedule], form: str, stream: TextIO, width: int
) -> None:
    from youcpu.commands._processes.machine import wants_color, write
    from youcpu.render.sched.document import document, schedule_chrome
    from youcpu.render.sched.text import comparison, gantt, table

    if form == "json":
        import json

        write(stream, json.dumps(document(schedules), indent=1) + "\n")
        return
    if form == "chrome-trace":
        write(stream, schedule_chrome(schedules[0]))
        return
    color = wants_color(parsed.value("color"), stream)
    if parsed.flag("compare"):
        lines = list(comparison(schedules, color))
    else:
        lines = [*gantt(schedules[0], width, color), "", *table(schedules[0], color)]
    write(stream, "\n".join(lines) + "\n")
