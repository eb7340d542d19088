"""Shows the answers: text, JSON, SVG or QEMU's form, and the exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from youcpu.commands._pagewalk.options import Query
from youcpu.options import UsageError

if TYPE_CHECKING:
    from youcpu.commands._pagewalk.answers import Answers
    from youcpu.commands._pagewalk.space import Space


def complain(name: str, reason: object) -> int:
    print(f"youcpu pagewalk: {name}: {reason}", file=sys.stderr)
    return 1


def write_lines(lines: Iterable[str]) -> None:
    iterator = iter(lines)
    while chunk := list(islice(iterator, 4096)):
        sys.stdout.write("\n".join(chunk) + "\n")


def show_answers(answers: Answers, query: Query) -> int:
    if query.svg is not None:
        return _draw(answers, query)
    if query.format == "json":
        write_lines(_json_lines(answers, query))
    else:
        write_lines(_text_lines(answers, query))
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
        raise UsageError("--svg draws walks and ranges")
    if query.svg == "-":
        sys.stdout.write(picture)
        return 0
    try:
        with open(str(query.svg), "w", encoding="utf-8") as file:
            file.write(picture)
    except OSError as error:
        return complain(str(query.svg), error.strerror)
    return 0


def show_qemu(space: Space, query: Query) -> int:
    from youcpu.commands._pagewalk.space import Space as LenientSpace
    from youcpu.hardware.paging_tables import AddressSpaceTables
    from youcpu.hardware.paging_walk import walk
    from youcpu.render import pagewalk_qemu as qemu

    if query.task == "walks":
        found = (
            walk(space.memory, space.registers, address, reserved_bits=False)
            for address in query.addresses
        )
        write_lines(qemu.gva2gpa_line(one.physical) for one in found)
        return 0
    if query.task not in ("leaves", "ranges"):
        raise UsageError("--format qemu: QEMU has --leaves, --ranges and addresses only")
    lenient = LenientSpace(space.label, space.memory, space.registers, space.view)
    lenient.tables = AddressSpaceTables(space.memory, space.registers, reserved_bits=False)
    mode = lenient.tables.mode
    if mode is None:
        write_lines([qemu.PAGING_OFF])
    elif query.task == "leaves":
        write_lines(qemu.info_tlb_lines(lenient.tables.leaves(), mode.name))
    else:
        write_lines(qemu.info_mem_lines(lenient.range_rows(), mode.address_bits))
    space.tables.missing.update(lenient.tables.missing)
    return 0


def show_diff(before: Space, after: Space, query: Query) -> int:
    from youcpu.commands._pagewalk.compare import diff_rows
    from youcpu.render import pagewalk_text as text
    from youcpu.render.pagewalk_json import VALUES, document_lines

    rows = diff_rows(before, after)
    views = [before.view, after.view]
    if query.format == "json":
        write_lines(document_lines("diff", views, (VALUES["diff"](row) for row in rows)))
        return 0
    write_lines(line for view in views for line in text.header_lines(view))
    write_lines(text.diff_lines(rows, query.color))
    return 0


def show_quiz(space: Space, query: Query) -> int:
    from youcpu.commands._pagewalk.quiz import quiz_views
    from youcpu.render.pagewalk_json import document_lines, quiz_value
    from youcpu.render.pagewalk_text import quiz_lines

    views = quiz_views(space, query.seed, query.questions)
    if not views:
        return complain(space.view.name, "nothing is mapped: nothing to ask")
    if query.format == "json":
        rows = (quiz_value(view, query.solve) for view in views)
        write_lines(document_lines("quiz", [space.view], rows, seed=query.seed))
        return 0
    for view in views:
        write_lines(quiz_lines(view, query.color, query.solve))
    return 0
