"""Where an address really leads: page tables of dumps and processes, level by level.

Stage: memory
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from youcpu.commands._pagewalk.answers import Answers
    from youcpu.commands._pagewalk.space import Space
    from youcpu.hardware.paging_access import Access
    from youcpu.stopped_machine import Overrides

LEVELS = ("4", "5", "pae", "32")
FORMATS = ("text", "qemu", "json")
LEAVES_LIMIT = 20_000_000
QUESTIONS = 3


@dataclass(frozen=True, slots=True)
class Query:
    """The command line, checked."""

    task: str  # walks leaves ranges stats mappings diff quiz
    addresses: tuple[int, ...]
    frame: int
    access: Access | None
    format: str
    color: bool
    explain: bool
    svg: str | None
    seed: int
    questions: int
    solve: bool
    limit: int


def command(
    source: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SOURCE] [ADDR]...",
            help="A dump (ELF core, LiME, raw; .xz, .zst; - is standard input), then addresses "
            "in hexadecimal (- reads them from standard input).",
        ),
    ] = None,
    pid: Annotated[int | None, typer.Option(help="A live process of the host.")] = None,
    ranges: Annotated[bool, typer.Option("--ranges", help="Merged ranges (default).")] = False,
    leaves: Annotated[bool, typer.Option("--leaves", help="Every page.")] = False,
    stats: Annotated[bool, typer.Option("--stats", help="Tables, leaves by size.")] = False,
    frame: Annotated[
        str | None, typer.Option(metavar="ADDR", help="Who maps this physical frame.")
    ] = None,
    diff: Annotated[
        tuple[str, str] | None, typer.Option(metavar="A B", help="What changed from A to B.")
    ] = None,
    access: Annotated[
        str | None, typer.Option(metavar="r|w|x", help="Would this access pass, or which fault?")
    ] = None,
    user: Annotated[
        bool, typer.Option("--user/--kernel", help="The access comes from ring 3, or ring 0.")
    ] = True,
    ac: Annotated[bool, typer.Option("--ac", help="RFLAGS.AC is set: it lifts SMAP.")] = False,
    format: Annotated[
        str, typer.Option(metavar="text|qemu|json", help="qemu: as QEMU's monitor prints.")
    ] = "text",
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    svg: Annotated[
        str | None, typer.Option(metavar="FILE", help="Draw the walks or ranges to FILE.")
    ] = None,
    cpu: Annotated[int | None, typer.Option(help="CPU of the dump whose tables count.")] = None,
    cr3: Annotated[
        str | None, typer.Option(metavar="ADDR", help="The first table, where the dump lacks it.")
    ] = None,
    levels: Annotated[
        str | None, typer.Option(metavar="4|5|pae|32", help="Paging mode, where the dump lacks it.")
    ] = None,
    cr0: Annotated[str | None, typer.Option(metavar="HEX", help="CR0 (WP, PG).")] = None,
    cr4: Annotated[
        str | None, typer.Option(metavar="HEX", help="CR4 (PSE, PAE, LA57, SMEP, SMAP, PKE).")
    ] = None,
    efer: Annotated[str | None, typer.Option(metavar="HEX", help="EFER (LMA, NXE).")] = None,
    pkru: Annotated[str | None, typer.Option(metavar="HEX", help="PKRU.")] = None,
    physical_bits: Annotated[
        int, typer.Option(min=32, max=52, help="MAXPHYADDR: bits above it are reserved.")
    ] = 52,
    explain: Annotated[
        bool, typer.Option("--explain", help="Tell what each level means, with its source.")
    ] = False,
    quiz: Annotated[bool, typer.Option("--quiz", help="Translate addresses by hand.")] = False,
    seed: Annotated[int, typer.Option(help="Of the quiz's questions.")] = 0,
    questions: Annotated[int, typer.Option(min=1, help="How many.")] = QUESTIONS,
    solve: Annotated[bool, typer.Option("--solve", help="Answer the quiz.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Most leaves to list.")] = LEAVES_LIMIT,
    color: Annotated[str, typer.Option(metavar="auto|always|never")] = "auto",
) -> int:
    """Walk page tables as the CPU does."""
    words = list(source or [])
    tasks = {"ranges": ranges, "leaves": leaves, "stats": stats, "mappings": frame is not None}
    tasks |= {"diff": diff is not None, "quiz": quiz}
    path = words.pop(0) if words and pid is None and diff is None else None
    if path is None and pid is None and diff is None:
        raise typer.BadParameter("no source: a dump file, --pid PID or --diff A B")
    addresses = tuple(_addresses(words))
    query = Query(
        task=_task(tasks, addresses),
        addresses=addresses,
        frame=_hex(frame, "--frame") or 0,
        access=_access(access, user, ac),
        format="json" if json else _one_of(format, FORMATS, "--format"),
        color=_color(color),
        explain=explain,
        svg=svg,
        seed=seed,
        questions=questions,
        solve=solve,
        limit=limit,
    )
    told = {
        name: _hex(value, f"--{name}")
        for name, value in (
            ("cr3", cr3),
            ("cr0", cr0),
            ("cr4", cr4),
            ("efer", efer),
            ("pkru", pkru),
        )
    }
    mode = None if levels is None else _one_of(levels, LEVELS, "--levels")
    if pid is not None:
        return _ask_process(pid, query)
    from youcpu.stopped_machine import Overrides

    overrides = Overrides(**told, levels=mode, physical_bits=physical_bits)
    return _ask_dumps(list(diff) if diff else [str(path)], cpu, overrides, query)


command.__dict__["interspersed"] = True


def _task(tasks: dict[str, bool], addresses: tuple[int, ...]) -> str:
    chosen = [name for name, wanted in tasks.items() if wanted]
    chosen += ["walks"] if addresses else []
    if len(chosen) > 1:
        raise typer.BadParameter(f"{' and '.join(chosen)} at once: ask for one of them")
    return chosen[0] if chosen else "ranges"


def _hex(text: str | None, option: str) -> int | None:
    if text is None:
        return None
    try:
        value = int(text.replace("_", ""), 16)
    except ValueError:
        value = -1
    if not 0 <= value < 1 << 64:
        raise typer.BadParameter(f"{option}: {text!r} is not a hexadecimal number of 64 bits")
    return value


def _addresses(words: list[str]) -> Iterator[int]:
    for word in words:
        texts = [word]
        if word == "-":
            texts = [line.split()[0] for line in sys.stdin if line.strip()]
        for text in texts:
            yield _hex(text.rstrip(":"), "ADDR") or 0


def _one_of(text: str, choices: tuple[str, ...], option: str) -> str:
    if text not in choices:
        raise typer.BadParameter(f"{option}: {text!r} is none of {', '.join(choices)}")
    return text


def _access(kind: str | None, user: bool, ac: bool) -> Access | None:
    if kind is None:
        return None
    from youcpu.hardware.paging_access import Access

    return Access(_one_of(kind, ("r", "w", "x"), "--access"), user, ac)


def _color(choice: str) -> bool:
    _one_of(choice, ("auto", "always", "never"), "--color")
    if choice != "auto":
        return choice == "always"
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain


def _complain(name: str, reason: object) -> int:
    print(f"youcpu pagewalk: {name}: {reason}", file=sys.stderr)
    return 1


def _write(lines: Iterable[str]) -> None:
    iterator = iter(lines)
    while chunk := list(islice(iterator, 4096)):
        sys.stdout.write("\n".join(chunk) + "\n")


def _ask_process(pid: int, query: Query) -> int:
    from youcpu.commands._pagewalk.process import ProcessSpace

    if query.format == "qemu" or query.access or query.task in ("diff", "quiz"):
        raise typer.BadParameter("--pid: the host shows no page tables, only what lies in them")
    try:
        return _answer(ProcessSpace(pid), query)
    except (FileNotFoundError, ProcessLookupError):
        return _complain(f"pid {pid}", "no such process")
    except PermissionError as error:
        return _complain(f"pid {pid}", f"{error.filename}: {error.strerror}")


def _ask_dumps(paths: list[str], cpu: int | None, told: Overrides, query: Query) -> int:
    from youcpu.commands._pagewalk.dumps import all_spaces, tell_damage, tell_missing
    from youcpu.formats.errors import FormatError
    from youcpu.hardware.paging_tables import TooManyRanges
    from youcpu.stopped_machine import NoTables, open_dump

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
            return _complain(name, error)
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            return _complain(error.filename or name, error.strerror or error)
        for space in spaces:
            tell_missing(space)
        return code


def _ask_tables(spaces: list[Space], query: Query) -> int:
    from youcpu.commands._pagewalk.answers import TableAnswers

    if query.task == "diff":
        return _show_diff(spaces[0], spaces[1], query)
    if query.task == "quiz":
        return _show_quiz(spaces[0], query)
    if query.format == "qemu":
        return _show_qemu(spaces[0], query)
    answers = TableAnswers(spaces)
    if query.task == "leaves":
        count = sum(pages for _, pages in answers.stats_view().leaves)
        if count > query.limit:
            return _complain(
                answers.view.name,
                f"{count:,} leaves: more than --limit {query.limit}; --stats tells where from",
            )
    return _answer(answers, query)


def _answer(answers: Answers, query: Query) -> int:
    if query.svg is not None:
        return _draw(answers, query)
    if query.format == "json":
        _write(_json_lines(answers, query))
    else:
        _write(_text_lines(answers, query))
    return 0


def _rows(answers: Answers, query: Query) -> Iterable[Any]:
    if query.task == "leaves":
        return answers.page_rows()
    if query.task == "stats":
        return [answers.stats_view()]
    if query.task == "mappings":
        return islice(answers.mapping_rows(query.frame), query.limit)
    if query.task == "walks":
        return (answers.walk_view(address, query.access) for address in query.addresses)
    return answers.range_rows()


def _json_lines(answers: Answers, query: Query) -> Iterator[str]:
    from youcpu.render.pagewalk_json import VALUES, document_lines

    value = VALUES[query.task]
    rows = (value(row) for row in _rows(answers, query))
    extra = {"frame": hex(query.frame)} if query.task == "mappings" else {}
    return document_lines(query.task, [answers.view], rows, **extra)


def _text_lines(answers: Answers, query: Query) -> Iterator[str]:
    from youcpu.render import pagewalk_text as text

    rows = _rows(answers, query)
    yield from text.header_lines(answers.view)
    if query.explain and query.task != "walks":
        yield from text.explain_lines(answers.view)
    if query.task == "walks":
        for walk in rows:
            yield ""
            yield from text.walk_lines(walk, query.color, query.explain)
    elif query.task == "leaves":
        yield from text.leaf_lines(rows, query.color)
    elif query.task == "stats":
        for stats in rows:
            yield from text.stats_lines(stats)
    elif query.task == "mappings":
        yield from text.mapping_lines(query.frame, rows)
    else:
        yield from text.range_lines(rows, query.color)


def _draw(answers: Answers, query: Query) -> int:
    from youcpu.render.pagewalk_svg import ranges_svg, walks_svg

    if query.task == "walks":
        picture = walks_svg(_rows(answers, query))
    elif query.task == "ranges":
        picture = ranges_svg(answers.range_rows(), f"Address space of {answers.view.name}")
    else:
        raise typer.BadParameter("--svg draws walks and ranges")
    if query.svg == "-":
        sys.stdout.write(picture)
        return 0
    try:
        with open(str(query.svg), "w", encoding="utf-8") as file:
            file.write(picture)
    except OSError as error:
        return _complain(str(query.svg), error.strerror)
    return 0


def _show_qemu(space: Space, query: Query) -> int:
    from youcpu.commands._pagewalk.space import Space as LenientSpace
    from youcpu.hardware.paging_tables import AddressSpaceTables
    from youcpu.hardware.paging_walk import walk
    from youcpu.render import pagewalk_qemu as qemu

    if query.task == "walks":
        found = (
            walk(space.memory, space.registers, address, reserved_bits=False)
            for address in query.addresses
        )
        _write(qemu.gva2gpa_line(one.physical) for one in found)
        return 0
    if query.task not in ("leaves", "ranges"):
        raise typer.BadParameter("--format qemu: QEMU has --leaves, --ranges and addresses only")
    lenient = LenientSpace(space.label, space.memory, space.registers, space.view)
    lenient.tables = AddressSpaceTables(space.memory, space.registers, reserved_bits=False)
    mode = lenient.tables.mode
    if mode is None:
        _write([qemu.PAGING_OFF])
    elif query.task == "leaves":
        _write(qemu.info_tlb_lines(lenient.tables.leaves(), mode.name))
    else:
        _write(qemu.info_mem_lines(lenient.range_rows(), mode.address_bits))
    space.tables.missing.update(lenient.tables.missing)
    return 0


def _show_diff(before: Space, after: Space, query: Query) -> int:
    from youcpu.commands._pagewalk.compare import diff_rows
    from youcpu.render import pagewalk_text as text
    from youcpu.render.pagewalk_json import VALUES, document_lines

    rows = diff_rows(before, after)
    views = [before.view, after.view]
    if query.format == "json":
        _write(document_lines("diff", views, (VALUES["diff"](row) for row in rows)))
        return 0
    _write(line for view in views for line in text.header_lines(view))
    _write(text.diff_lines(rows, query.color))
    return 0


def _show_quiz(space: Space, query: Query) -> int:
    from youcpu.commands._pagewalk.quiz import quiz_views
    from youcpu.render.pagewalk_json import document_lines, quiz_value
    from youcpu.render.pagewalk_text import quiz_lines

    views = quiz_views(space, query.seed, query.questions)
    if not views:
        return _complain(space.view.name, "nothing is mapped: nothing to ask")
    if query.format == "json":
        rows = (quiz_value(view, query.solve) for view in views)
        _write(document_lines("quiz", [space.view], rows, seed=query.seed))
        return 0
    for view in views:
        _write(quiz_lines(view, query.color, query.solve))
    return 0
