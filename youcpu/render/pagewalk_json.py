"""Page tables as JSON (docs/schema/pagewalk.json). Addresses are strings: they need 64 bits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from youcpu.render.pagewalk_view import (
    DiffRow,
    MappingRow,
    PageRow,
    QuizView,
    RangeRow,
    SourceView,
    StatsView,
    StepView,
    VerdictView,
    WalkView,
)

SCHEMA = "youcpu.pagewalk"
VERSION = 1


def document_lines(
    kind: str, sources: list[SourceView], rows: Iterable[dict[str, Any]], **extra: Any
) -> Iterator[str]:
    """One document, a row a line, written as the rows come: `kind` names their array."""
    head = {
        "schema": SCHEMA,
        "version": VERSION,
        "kind": kind,
        "sources": [source_value(source) for source in sources],
        **extra,
    }
    yield json.dumps(head)[:-1] + f', "{kind}": ['
    before = None
    for row in rows:
        if before is not None:
            yield before + ","
        before = json.dumps(row)
    if before is not None:
        yield before
    yield "]}"


def source_value(source: SourceView) -> dict[str, Any]:
    return {
        "name": source.name,
        "format": source.format,
        "mode": source.mode,
        "origin": source.origin,
        "registers": {name: hex(value) for name, value in source.registers.items()},
        "cpus": source.cpus,
        "damage": source.damage,
    }


def _hex(value: int | None) -> str | None:
    return None if value is None else hex(value)


def page_value(row: PageRow) -> dict[str, Any]:
    return {
        "address": hex(row.address),
        "physical": _hex(row.physical),
        "size": row.size,
        "rights": row.rights,
        "flags": row.flags.split(),
        "owner": row.owner or None,
    }


def range_value(row: RangeRow) -> dict[str, Any]:
    return {
        "start": hex(row.start),
        "size": row.size,
        "rights": row.rights,
        "owner": row.owner or None,
    }


def step_value(step: StepView) -> dict[str, Any]:
    return {
        "level": step.level,
        "index": step.index,
        "bits": list(step.bits),
        "table": hex(step.table),
        "entry_address": hex(step.entry_address),
        "entry": _hex(step.entry),
        "flags": step.flags,
        "note": step.note or None,
        "story": step.story,
    }


def verdict_value(verdict: VerdictView) -> dict[str, Any]:
    return {
        "access": verdict.access,
        "allowed": verdict.allowed,
        "fault": verdict.fault or None,
        "error_code": verdict.error_code if verdict.fault else None,
        "error_bits": verdict.error_bits,
        "rule": verdict.rule,
        "source": verdict.source or None,
        "updates": [{"entry_address": hex(at), "entry": hex(new)} for at, new in verdict.updates],
    }


def walk_value(walk: WalkView) -> dict[str, Any]:
    return {
        "address": hex(walk.address),
        "mode": walk.mode,
        "root": hex(walk.root),
        "reason": walk.reason,
        "physical": _hex(walk.physical),
        "page_size": walk.size or None,
        "rights": walk.rights or None,
        "owner": walk.owner or None,
        "data": None if walk.data is None else walk.data.hex(),
        "steps": [step_value(step) for step in walk.steps],
        "verdict": None if walk.verdict is None else verdict_value(walk.verdict),
    }


def stats_value(stats: StatsView) -> dict[str, Any]:
    return {
        "levels": [
            {"name": level.name, "tables": level.tables, "reached": level.reached}
            for level in stats.levels
        ],
        "leaves": [{"size": size, "count": count} for size, count in stats.leaves],
        "mapped_bytes": stats.mapped_bytes,
        "table_bytes": stats.table_bytes,
        "swapped": stats.swapped,
        "prot_none": stats.prot_none,
        "not_present": stats.not_present,
        "reserved": stats.reserved,
        "twice": [hex(table) for table in stats.twice],
        "missing": [{"table": hex(table), "level": level} for table, level in stats.missing],
    }


def mapping_value(row: MappingRow) -> dict[str, Any]:
    return {
        "space": row.space,
        "address": hex(row.address),
        "entry": _hex(row.entry),
        "level": row.level,
        "role": row.role,
        "size": row.size,
        "rights": row.rights or None,
        "owner": row.owner or None,
    }


def diff_value(row: DiffRow) -> dict[str, Any]:
    return {
        "start": hex(row.start),
        "size": row.size,
        "change": {"+": "mapped", "-": "unmapped", "~": "changed"}[row.what],
        "detail": row.detail,
    }


def quiz_value(quiz: QuizView, solve: bool) -> dict[str, Any]:
    return {
        "number": quiz.number,
        "address": hex(quiz.address),
        "access": quiz.access,
        "mode": quiz.solution.mode,
        "root": hex(quiz.solution.root),
        "tables": [
            {
                "level": level,
                "table": hex(table),
                "entries": [{"index": index, "entry": hex(entry)} for index, entry in entries],
            }
            for level, table, entries in quiz.tables
        ],
        "solution": walk_value(quiz.solution) if solve else None,
    }


VALUES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "leaves": page_value,
    "ranges": range_value,
    "walks": walk_value,
    "stats": stats_value,
    "mappings": mapping_value,
    "diff": diff_value,
}
