"""Where an address really leads: page tables of dumps and processes, level by level.

Stage: memory
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import typer

from youcpu.commands._pagewalk import options as o
from youcpu.commands._pagewalk.show import (
    complain,
    show_answers,
    show_diff,
    show_qemu,
    show_quiz,
)

if TYPE_CHECKING:
    from youcpu.commands._pagewalk.space import Space
    from youcpu.stopped_machine import Overrides


def command(
    source: o.Words = None,
    pid: o.Pid = None,
    ranges: o.Ranges = False,
    leaves: o.Leaves = False,
    stats: o.Stats = False,
    frame: o.Frame = None,
    diff: o.Diff = None,
    access: o.AccessKind = None,
    user: o.User = True,
    ac: o.Ac = False,
    format: o.Format = "text",
    json: o.Json = False,
    svg: o.Svg = None,
    cpu: o.Cpu = None,
    cr3: o.Cr3 = None,
    levels: o.Levels = None,
    cr0: o.Cr0 = None,
    cr4: o.Cr4 = None,
    efer: o.Efer = None,
    pkru: o.Pkru = None,
    physical_bits: o.PhysicalBits = 52,
    explain: o.Explain = False,
    quiz: o.Quiz = False,
    seed: o.Seed = 0,
    questions: o.Questions = o.QUESTIONS,
    solve: o.Solve = False,
    limit: o.Limit = o.LEAVES_LIMIT,
    color: o.Color = "auto",
) -> int:
    """Walk page tables as the CPU does."""
    words = list(source or [])
    named = pid is None and diff is None
    if named and not words:
        raise typer.BadParameter("no source: a dump file, --pid PID or --diff A B")
    paths = [words.pop(0)] if named else list(diff or ())
    addresses = tuple(o.parsed_addresses(words))
    tasks = {"ranges": ranges, "leaves": leaves, "stats": stats, "mappings": frame is not None}
    task = o.chosen_task(tasks | {"diff": diff is not None, "quiz": quiz}, addresses)
    form = "json" if json else o.one_of(format, o.FORMATS, "--format")
    where = o.hexadecimal(frame, "--frame") if frame is not None else 0
    asked = o.parsed_access(access, user, ac)
    painted = o.wants_color(color)
    query = o.Query(
        task, addresses, where, asked, form, painted, explain, svg, seed, questions, solve, limit
    )
    told = o.hexadecimals({"cr3": cr3, "cr0": cr0, "cr4": cr4, "efer": efer, "pkru": pkru})
    mode = None if levels is None else o.one_of(levels, o.LEVELS, "--levels")
    if pid is not None:
        return _ask_process(pid, query)
    from youcpu.stopped_machine import Overrides

    return _ask_dumps(
        paths, cpu, Overrides(**told, levels=mode, physical_bits=physical_bits), query
    )


command.__dict__["interspersed"] = True


def _ask_process(pid: int, query: o.Query) -> int:
    from youcpu.commands._pagewalk.process import HIDDEN, ProcessSpace

    if query.format == "qemu" or query.access or query.task in ("diff", "quiz"):
        raise typer.BadParameter("--pid: the host shows no page tables, only what lies in them")
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


def _ask_dumps(paths: list[str], cpu: int | None, told: Overrides, query: o.Query) -> int:
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


def _ask_tables(spaces: list[Space], query: o.Query) -> int:
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
