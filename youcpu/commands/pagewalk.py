"""Where an address really leads: page tables, level by level.

Stage: memory
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from youcpu.commands._pagewalk.options import (
    EPILOG,
    NAME,
    OPTIONS,
    SUMMARY,
    USAGE,
    Query,
    number_of,
    overrides_of,
    query_of,
)
from youcpu.commands._pagewalk.show import (
    complain,
    show_answers,
    show_diff,
    show_qemu,
    show_quiz,
)
from youcpu.options import Parsed, UsageError, help_text, parse, usage_error

if TYPE_CHECKING:
    from youcpu.commands._pagewalk.space import Space
    from youcpu.stopped_machine import Overrides


def main(argv: list[str]) -> int:
    """Run the command."""
    try:
        # What follows `--` is a program to run: it is no operand of ours.
        program: list[str] = []
        if "--" in argv:
            place = argv.index("--")
            argv, program = argv[:place], argv[place + 1 :]
            if not program:
                raise UsageError("-- wants a program to run")
        parsed = parse(argv, OPTIONS)
        if parsed.flag("help"):
            sys.stdout.write(help_text(USAGE, SUMMARY, OPTIONS, EPILOG))
            return 0
        return _ask(parsed, program)
    except UsageError as error:
        return usage_error(NAME, error)


def _ask(parsed: Parsed, program: list[str]) -> int:
    if program:
        return _ask_program(parsed, program)
    for name in ("at", "process", "clear-env", "ram", "swap", "page-replacement"):
        if parsed.flag(name):
            raise UsageError(f"--{name} wants a program: -- PROGRAM [ARG...]")
    pid = number_of(parsed, "pid")
    # What stands before the addresses: two dumps, one, or none.
    count = 2 if parsed.flag("diff") else 0 if pid is not None else 1
    sources, addresses = parsed.operands[:count], parsed.operands[count:]
    if len(sources) < count:
        wanted = (
            "--diff wants two dumps"
            if count == 2
            else "no source: a dump, --pid PID, or -- PROGRAM"
        )
        raise UsageError(wanted)
    query = query_of(parsed, addresses)
    if pid is not None:
        return _ask_process(pid, query)
    return _ask_dumps(sources, number_of(parsed, "cpu"), overrides_of(parsed), query)


def _ask_process(pid: int, query: Query) -> int:
    from youcpu.commands._pagewalk.process import HIDDEN, ProcessSpace

    if query.format == "qemu" or query.access or query.task in ("diff", "quiz"):
        raise UsageError("--pid: the host shows no page tables, only what lies in them")
    try:
        space = ProcessSpace(pid)
        if query.task in ("leaves", "mappings") and space.frames_hidden():
            code = complain(space.view.name, HIDDEN)
            if query.task == "mappings":
                return code
        return show_answers(space, query)
    except (FileNotFoundError, ProcessLookupError):
        return complain(f"pid {pid}", "no such process")
    except PermissionError as error:
        return complain(f"pid {pid}", f"{error.filename}: {error.strerror}")


def _ask_program(parsed: Parsed, words: list[str]) -> int:
    from youcpu.commands._exec.paging import paging_limits
    from youcpu.commands._pagewalk.machine import ProgramRun, chosen_first
    from youcpu.launch import Failure
    from youcpu.machine import MachineOptions
    from youcpu.moments import parse_moment

    if parsed.flag("pid"):
        raise UsageError("--pid and a program at once: ask for one of them")
    texts, addresses = [parsed.value("at") or "exit"], parsed.operands
    if parsed.flag("diff"):
        texts, addresses = parsed.operands[:2], parsed.operands[2:]
        if len(texts) < 2 or parsed.flag("at"):
            raise UsageError("--diff wants two moments: --diff exec exit -- PROGRAM")
    query = query_of(parsed, addresses)
    process = number_of(parsed, "process")
    try:
        moments = [parse_moment(text) for text in texts]
        options = MachineOptions(paging=paging_limits(parsed))
        run = ProgramRun(words, options, parsed.flag("clear-env"))
        try:
            found = [chosen_first(spaces, process) for spaces in run.spaces(moments)]
            return _ask_tables(found[0] if len(found) == 1 else [one[0] for one in found], query)
        finally:
            run.close()
    except Failure as failure:
        if failure.code == 2:
            raise UsageError(str(failure)) from None
        return complain(words[0], failure)


def _ask_dumps(paths: list[str], cpu: int | None, told: Overrides, query: Query) -> int:
    from youcpu.commands._pagewalk.dumps import all_spaces, tell_damage, tell_missing
    from youcpu.formats.errors import FormatError
    from youcpu.hardware.paging_tables import TooManyRanges
    from youcpu.stopped_machine import NoTables, open_dump

    if cpu is None and query.format == "qemu":
        cpu = 0  # as the monitor's default
    name = paths[0]
    spaces: list[Space] = []
    with ExitStack() as stack:
        try:
            for name in paths:
                machine = stack.enter_context(open_dump(name))
                tell_damage(name, machine.image.damage)
                spaces += all_spaces(machine, cpu, told)[: 1 if query.task == "diff" else None]
            code = _ask_tables(spaces, query)
        except (FormatError, NoTables, TooManyRanges) as error:
            return complain(name, error)
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            return complain(error.filename or name, error.strerror or error)
        for space in spaces:
            tell_missing(space)
        return code


def _ask_tables(spaces: list[Space], query: Query) -> int:
    from youcpu.commands._pagewalk.answers import TableAnswers

    if query.task == "diff":
        return show_diff(spaces[0], spaces[1], query)
    if query.task == "quiz":
        return show_quiz(spaces[0], query)
    if query.format == "qemu":
        return show_qemu(spaces[0], query)
    answers = TableAnswers(spaces)
    if query.task == "leaves":
        count = sum(pages for _, pages in answers.stats_view().leaves)
        if count > query.limit:
            return complain(
                answers.view.name,
                f"{count:,} leaves: more than --limit {query.limit}; --stats tells where from",
            )
    return show_answers(answers, query)
