"""Page tables as text: walks as trees, leaves and ranges as lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

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
    page_size_text,
    size_text,
)

RESET = "\x1b[0m"
RED, GREEN, YELLOW, BLUE, DIM = ("\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[34m", "\x1b[2m")


def paint(text: str, color: str, on: bool) -> str:
    return f"{color}{text}{RESET}" if on and text else text


def rights_color(rights: str) -> str:
    """Writable and executable red, executable green, writable yellow, the rest as it is."""
    if "w" in rights and "x" in rights:
        return RED
    return GREEN if "x" in rights else YELLOW if "w" in rights else ""


def header_lines(source: SourceView) -> list[str]:
    """Which tables these are: mode, CR3, where the registers come from."""
    if not source.registers:
        return [f"{source.name}: {source.origin}"]
    line = f"{source.name}: {source.format}, {source.mode} paging"
    return [f"{line}, CR3 {source.registers['cr3']:#x} ({source.origin})"]


def leaf_lines(rows: Iterable[PageRow], color: bool) -> Iterator[str]:
    yield "address              physical          size  rights  flags"
    for address, physical, size, rights, flags, owner in rows:
        where = f"{'-':>16}" if physical is None else f"{physical:016x}"
        shown = paint(rights, rights_color(rights), color)
        line = f"{address:016x}  {where}  {size_text(size):>4}  {shown}    {flags}"
        yield f"{line}  {owner}" if owner else line


def range_lines(rows: Iterable[RangeRow], color: bool) -> Iterator[str]:
    yield "start            - end                     size  rights"
    for start, size, rights, owner in rows:
        end = start + size & (1 << 64) - 1
        shown = paint(rights, rights_color(rights), color)
        yield f"{start:016x} - {end:016x}  {size_text(size):>8}  {shown}{owner and '    ' + owner}"


def walk_lines(walk: WalkView, color: bool, explain: bool) -> Iterator[str]:
    """One walk: the address cut into its fields, then the entries as a tree."""
    width = 16 if walk.address >> 32 or "level" in walk.mode else 8
    yield f"{walk.address:#0{width + 2}x}" + (f"  {walk.owner}" if walk.owner else "")
    if walk.fields:
        yield from field_lines(walk)
    if not walk.steps:
        yield f"  {walk.reason}" + (
            f": physical {walk.physical:#x}" if walk.physical is not None else ""
        )
    else:
        yield f"CR3 {walk.root:#x}"
    indent = ""
    for step in walk.steps:
        yield f"{indent}└─ {step_text(step, color)}"
        indent += "   "
    if walk.physical is not None and walk.steps:
        shown = paint(walk.rights, rights_color(walk.rights), color)
        page = walk.physical & -walk.size
        yield (
            f"{indent}└─ {page_size_text(walk.size)} page {page:#x} + "
            f"{walk.physical - page:#x} = physical {paint(f'{walk.physical:#x}', GREEN, color)}"
            f", {shown}"
        )
        yield f"{indent}   {data_text(walk.data)}"
    if explain:
        yield from (f"  {line}" for line in story_lines(walk))
    if walk.verdict is not None:
        yield from verdict_lines(walk.verdict, color)


def field_lines(walk: WalkView) -> list[str]:
    """The address's bits, drawn: which bits, their value, what they choose."""
    rows: list[list[str]] = [[], [], []]
    for name, high, low, value in walk.fields:
        cells = (f"{high}‥{low}", f"{value:#x}" if name == "offset" else str(value), name)
        width = max(map(len, cells))
        for row, cell in zip(rows, cells, strict=True):
            row.append(cell.rjust(width))
    return ["  " + "  ".join(row) for row in rows]


def step_text(step: StepView, color: bool) -> str:
    place = f"{step.level}[{step.index}] at {step.entry_address:#x}"
    if step.entry is None:
        return f"{place}: {paint(step.note, RED, color)}"
    value = f"{step.entry:0{step.entry_bits // 4}x}"
    flags = " ".join(step.flags)
    note = f"  {paint(step.note, RED, color)}" if step.note else ""
    return f"{place}: {value}" + (f"  {flags}" if flags else "") + note


def data_text(data: bytes | None) -> str:
    if data is None:
        return "(its bytes are not in the dump)"
    plain = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in data)
    return f"{data.hex(' ')}  {plain}"


def story_lines(walk: WalkView) -> list[str]:
    return [f"{number}. {step.story}" for number, step in enumerate(walk.steps, 1)]


def verdict_lines(verdict: VerdictView, color: bool) -> Iterator[str]:
    if verdict.allowed is None:
        yield f"{verdict.access}: not to be known: {verdict.rule}"
        return
    source = f" ({verdict.source})" if verdict.source else ""
    if verdict.allowed:
        yield f"{verdict.access}: {paint('allowed', GREEN, color)}: {verdict.rule}{source}"
        for place, value in verdict.updates:
            yield f"  the CPU writes {value:#x} to the entry at {place:#x} (A, D)"
        return
    bits = " | ".join(verdict.error_bits) or "none"
    what = f"{verdict.fault}, error code {verdict.error_code:#x} ({bits})"
    yield f"{verdict.access}: {paint(what, RED, color)}: {verdict.rule}{source}"


def stats_lines(stats: StatsView) -> Iterator[str]:
    if stats.levels:
        yield "level   tables  ways to them"
    for level in stats.levels:
        yield f"{level.name:<6}  {level.tables:>6}  {level.reached:>12}"
    yield f"memory spent on tables: {stats.table_bytes:,} bytes"
    for size, count in stats.leaves:
        yield f"pages of {page_size_text(size)}: {count:,}"
    yield f"mapped: {stats.mapped_bytes:,} bytes"
    for text, count in (
        ("in swap", stats.swapped),
        ("PROT_NONE pages (there, P = 0)", stats.prot_none),
        ("other entries with P = 0 that are not zero", stats.not_present),
        ("entries with reserved bits", stats.reserved),
    ):
        if count:
            yield f"{text}: {count:,}"
    for table in stats.twice:
        yield f"the table at {table:#x} serves at two levels: the tree leads back into itself"
    for table, name in stats.missing:
        yield f"{name} not in the dump at {table:#x}"


def mapping_lines(frame: int, rows: Iterable[MappingRow]) -> Iterator[str]:
    """Who maps a frame; the frame of a table is named by entries of the level above."""
    found = False
    for row in rows:
        found = True
        if row.role == "root":
            yield f"it is the first table: CR3 of {row.space} is {row.entry or 0:#x}"
            continue
        what = row.rights or "table"
        entry = "" if row.entry is None else f"  {row.level}E {row.entry:#x}"
        place = f"{row.address:016x}  {size_text(row.size):>4}"
        yield f"{place}  {what:<5}{entry}  {row.space}  {row.owner}".rstrip()
    if not found:
        yield f"nothing maps the frame at {frame:#x}"


def diff_lines(rows: Iterable[DiffRow], color: bool) -> Iterator[str]:
    colors = {"+": GREEN, "-": RED, "~": YELLOW}
    for start, size, what, detail in rows:
        line = f"{what} {start:016x} - {start + size & (1 << 64) - 1:016x}  {size_text(size):>8}"
        yield f"{paint(line, colors[what], color)}  {detail}"


def quiz_lines(quiz: QuizView, color: bool, solve: bool) -> Iterator[str]:
    walk = quiz.solution
    yield f"Question {quiz.number}: {walk.mode} paging, CR3 {walk.root:#x}"
    yield f"  Where does {quiz.address:#x} lead, and does a {quiz.access} there pass?"
    digits = quiz.entry_bits // 4
    for level, table, entries in quiz.tables:
        yield f"  {level} at {table:#x}"
        for index, entry in entries:
            yield f"    [{index:>4}]  {entry:0{digits}x}"
    if solve:
        yield "Answer:"
        yield from (f"  {line}" for line in walk_lines(walk, color, True))


def explain_lines(source: SourceView) -> Iterator[str]:
    """How to read what follows: the mode, where the registers say so, what the rights are."""
    registers = source.registers
    if not registers:
        yield "  Rights are those of the vm_area; a page is listed once it is there or in swap."
        return
    yield (
        f"  The mode is {source.mode}: CR0 {registers['cr0']:#x} (PG), CR4 {registers['cr4']:#x} "
        f"(PAE, LA57), EFER {registers['efer']:#x} (LMA) [SDM vol. 3A, 4.1.1]."
    )
    yield "  QEMU's notes hold no EFER: LMA is the core's e_machine, NXE is taken as Linux sets it."
    yield (
        "  Rights: u ring 3 too, r readable, w writable, x executable: each only where every "
        "level allows it [SDM vol. 3A, 4.6.1]."
    )
