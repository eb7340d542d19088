"""What `youcpu pagewalk` shows, as plain values: text, JSON and SVG draw the same ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from youcpu.record import field, record


@record
class SourceView:
    """Where the tables come from."""

    name: str  # the file, or "pid N"
    format: str
    origin: str  # of the registers
    mode: str  # "4-level" ...
    registers: dict[str, int] = field(default_factory=dict)  # empty: the host hides them
    cpus: int = 0
    damage: list[str] = field(default_factory=list)


class PageRow(NamedTuple):
    """One leaf."""

    address: int
    physical: int | None  # None: hidden by the host, or in swap
    size: int
    rights: str  # "urwx", effective
    flags: str
    owner: str


class RangeRow(NamedTuple):
    """Adjacent pages of equal rights (and owner)."""

    start: int
    size: int
    rights: str
    owner: str


@record
class StepView:
    """One level of a walk."""

    level: str
    index: int
    bits: tuple[int, int]  # of the address, high and low
    entry_bits: int  # 32 or 64
    table: int
    entry_address: int
    entry: int | None  # None: the table is not in memory
    flags: list[str]
    note: str  # what the entry means: next table, leaf, why it ends here
    story: str  # the same as a sentence, with its rule and source


@record
class VerdictView:
    """Whether an access passes."""

    access: str  # "user write"
    allowed: bool | None  # None: cannot be known from this memory
    fault: str  # "#PF" or "#GP", "" if allowed
    error_code: int
    error_bits: list[str]
    rule: str
    source: str
    updates: list[tuple[int, int]]  # (physical address of an entry, new value)


@record
class WalkView:
    """Where one address leads."""

    address: int
    mode: str
    root: int
    steps: list[StepView]
    fields: list[tuple[str, int, int, int]]  # (name, high bit, low bit, value), offset last
    reason: str
    physical: int | None
    size: int
    rights: str
    data: bytes | None  # at the physical address; None: not in this memory
    owner: str
    verdict: VerdictView | None = None


@record
class LevelView:
    """Tables of one level."""

    name: str
    reached: int
    tables: int


@record
class StatsView:
    """What an address space is made of."""

    levels: list[LevelView]
    leaves: list[tuple[int, int]]  # (page size, count)
    mapped_bytes: int
    table_bytes: int
    swapped: int
    prot_none: int
    not_present: int  # other entries with P = 0 that are not zero
    reserved: int
    twice: list[int]
    missing: list[tuple[int, str]]  # (table, level)


class MappingRow(NamedTuple):
    """One way to a frame."""

    space: str
    address: int
    entry: int | None
    level: str
    role: str  # "page", "table"
    size: int
    rights: str
    owner: str


class DiffRow(NamedTuple):
    """Adjacent pages that changed in the same way; `what` tells how."""

    start: int
    size: int
    what: str  # "+" mapped, "-" unmapped, "~" changed
    detail: str


@record
class QuizView:
    """One question: translate it by hand."""

    number: int
    address: int
    access: str
    tables: list[tuple[str, int, list[tuple[int, int]]]]  # (level, table, [(index, entry)])
    entry_bits: int
    solution: WalkView


def size_text(size: int) -> str:
    """4096 -> "4K": the largest unit that divides it."""
    for unit, shift in (("P", 50), ("T", 40), ("G", 30), ("M", 20), ("K", 10)):
        if size and not size & ((1 << shift) - 1):
            return f"{size >> shift}{unit}"
    return str(size)


def page_size_text(size: int) -> str:
    """4096 -> "4 KiB"."""
    text = size_text(size)
    return f"{text[:-1]} {text[-1]}iB" if text[-1] in "KMGTP" else f"{text} bytes"


Rows = Iterable[PageRow]
