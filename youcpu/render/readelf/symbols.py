"""`-s`, `--dyn-syms` and `-I`: symbol tables and the histogram of hash chains.

The tables of a big library have hundreds of thousands of rows: a row is one format operation,
all that rows share comes out of a dictionary that fills as they go by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from youcpu.abi import elf as abi
from youcpu.formats.elf import names
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.hashes import HashTables, gnu_lengths, sysv_lengths
from youcpu.formats.elf.image import StringTable
from youcpu.formats.elf.structures import Section
from youcpu.formats.elf.symbols import Row, SymbolTable, read_symbols
from youcpu.formats.elf.versions import UNDEFINED, Version, Versions
from youcpu.render.readelf.options import Options
from youcpu.render.readelf.printable import Printer, section_name

HEADING_32 = "   Num:    Value  Size Type    Bind   Vis      Ndx Name\n"
HEADING_64 = "   Num:    Value          Size Type    Bind   Vis      Ndx Name\n"


class Cached(dict[int, str]):
    """Text by number, made on first use."""

    def __init__(self, make: Callable[[int], str]) -> None:
        super().__init__()
        self.make = make

    def __missing__(self, number: int) -> str:
        text = self[number] = self.make(number)
        return text


def size_text(base: int) -> Callable[[int], str]:
    """The Size column by --sym-base."""
    if base == 8:
        return lambda size: f"{size:5o}"
    if base == 10:
        return lambda size: f"{size:5d}"
    if base == 16:
        return lambda size: f"0x{size:05x}"
    return lambda size: f"{size:5d}" if size <= 99999 else f"0x{size:x}"


class SymbolText:
    """Rows of one symbol table as text. `section` is None for the table of -D."""

    def __init__(
        self,
        elf: ElfFile,
        table: SymbolTable,
        strings: StringTable | None,
        section: Section | None,
        options: Options,
        versions: Versions,
    ) -> None:
        self.elf, self.table, self.strings, self.section = elf, table, strings, section
        self.options = options
        self.versions = versions
        self.printer = Printer(options)
        dynamic = section is None or section.type == abi.SHT_DYNSYM
        self.versioned = dynamic and versions.versym != 0

    def lines(self) -> Iterator[str]:
        """Text of up to some thousand rows at a time."""
        elf, table = self.elf, self.table
        sizes = Cached(size_text(self.options.sym_base))
        middles = Cached(self._middle)
        row_format = "%6d: %016x %s%s%s\n" if elf.is64 else "%6d: %08x %s%s%s\n"
        indices = self.versions.indices(len(table)) if self.versioned else None
        for start, rows in table.chunks():
            if table.extended is None:
                middle = [middles[row[1]] for row in rows]
            else:
                middle = [self._middle(row[1], start + n) for n, row in enumerate(rows)]
            shown = self._names(rows, start, indices)
            yield "".join(
                [
                    row_format % (number, row[2], sizes[row[3]], text, name)
                    for number, (row, text, name) in enumerate(
                        zip(rows, middle, shown, strict=True), start
                    )
                ]
            )
        self._check_locals()

    def _middle(self, key: int, index: int = 0) -> str:
        """The columns from Type to Ndx."""
        header = self.elf.header
        info, other, shndx = self.table.meaning(key, index)
        visibility = names.symbol_visibility(header, other)
        rest = other & ~3
        note = f" [{names.symbol_other(header, rest)}] " if rest else ""
        if header.osabi == abi.ELFOSABI_SOLARIS:
            note = ""
        return (
            f" {names.symbol_type(header, info & 15):<7} "
            f"{names.symbol_binding(header, info >> 4):<6} {visibility:<7}{note} "
            f"{names.symbol_index(header, shndx):>4} "
        )

    def _names(self, rows: list[Row], start: int, indices: list[int] | None) -> list[str]:
        """The Name column, versions included."""
        strings = self.strings
        if strings is None:
            raw = ["<corrupt>"] * len(rows)
        else:
            raw = self._raw_names(rows, strings)
        for number, row in enumerate(rows):
            if row[0] == 0:
                raw[number] = self._nameless(row, start + number, raw[number])
        if indices is not None:
            return self._versioned_names(rows, raw, indices[start : start + len(rows)])
        if self.printer.plain and strings is not None and is_clean(raw):
            return raw
        symbol = self.printer.symbol
        return [symbol(21, name) for name in raw]

    @staticmethod
    def _raw_names(rows: list[Row], strings: StringTable) -> list[str]:
        text, length, find = strings.text, strings.length, strings.text.find
        if text and text[-1] == "\0" and all(row[0] < length for row in rows):
            return [text[row[0] : find("\0", row[0])] for row in rows]
        return [strings.get(row[0], "<corrupt>") for row in rows]

    def _nameless(self, row: Row, index: int, otherwise: str) -> str:
        """Section symbols bear the name of their section."""
        elf = self.elf
        info, _, shndx = self.table.meaning(row[1], index)
        if info & 15 != abi.STT_SECTION or shndx >= elf.header.shnum or elf.sections is None:
            return otherwise
        section = elf.sections[shndx]
        return elf.section_name(section) if elf.section_name_valid(section) else "<corrupt>"

    def _versioned_names(self, rows: list[Row], raw: list[str], indices: list[int]) -> list[str]:
        own = self.versions.own_names()
        cache: dict[tuple[int, bool], Version | None] = {}
        little, symbol = self.table.little, self.printer.symbol
        shown: list[str] = []
        for row, name, index in zip(rows, raw, indices, strict=True):
            key = row[1]
            defined = key > 0xFFFF if little else key & 0xFFFF != 0
            wanted = (index, defined)
            if row[0] in own:
                version = self.versions.of_symbol(index, defined, row[0], self.strings)
            elif wanted in cache:
                version = cache[wanted]
            else:
                version = self.versions.of_symbol(index, defined, row[0], self.strings)
                cache[wanted] = version
            if version is None:
                shown.append(symbol(21, name))
                continue
            suffix = version.separator + version.name
            if version.kind == UNDEFINED:
                suffix += f" ({version.number})"
            room = 21 if self.options.wide else 21 - len(suffix)
            shown.append(symbol(room, name) + suffix)
        return shown

    def _check_locals(self) -> None:
        """Local symbols come before sh_info; MIPS and Solaris do not keep to it."""
        section, elf = self.section, self.elf
        if section is None or elf.machine == abi.EM_MIPS:
            return
        if elf.header.osabi == abi.ELFOSABI_SOLARIS or section.info >= len(self.table):
            return
        for number, row in enumerate(self.table.rows(section.info), section.info):
            if self.table.meaning(row[1], number)[0] >> 4 == abi.STB_LOCAL:
                elf.image.warn(
                    f"local symbol {number} found at index >= {elf.section_name(section)}'s"
                    f" sh_info value of {section.info}"
                )


def is_clean(texts: list[str]) -> bool:
    """Nothing in them needs an escape."""
    joined = "".join(texts)
    return joined.isascii() and joined.isprintable()


def symbol_tables(elf: ElfFile, options: Options, versions: Versions) -> Iterator[str]:
    all_tables = options.shows("syms")
    dynamic = options.use_dynamic and all_tables
    hashed = elf.dynamic_info.get(abi.DT_HASH) or elf.dynamic_info.get(abi.DT_GNU_HASH)
    if dynamic and hashed and elf.dynamic_strings is not None and elf.dynamic_symbols is not None:
        yield from _image_symbols(elf, options, versions)
    elif (
        options.shows("dyn_syms") or (all_tables and not options.use_dynamic)
    ) and elf.sections is not None:
        for section in elf.sections:
            if section.type == abi.SHT_DYNSYM or (section.type == abi.SHT_SYMTAB and all_tables):
                yield from _section_symbols(elf, section, options, versions)
    elif all_tables:
        yield "\nDynamic symbol information is not available for displaying symbols.\n"


def _image_symbols(elf: ElfFile, options: Options, versions: Versions) -> Iterator[str]:
    table = elf.dynamic_symbols
    assert table is not None
    entries = "entry" if len(table) == 1 else "entries"
    yield f"\nSymbol table for image contains {len(table)} {entries}:\n"
    yield HEADING_64 if elf.is64 else HEADING_32
    yield from SymbolText(elf, table, elf.dynamic_strings, None, options, versions).lines()


def _section_symbols(
    elf: ElfFile, section: Section, options: Options, versions: Versions
) -> Iterator[str]:
    title = section_name(elf.section_name(section))
    if section.entsize == 0:
        yield f"\nSymbol table '{title}' has a sh_entsize of zero!\n"
        return
    count = section.size // section.entsize
    entries = "entry" if count == 1 else "entries"
    yield f"\nSymbol table '{title}' contains {count} {entries}:\n"
    yield HEADING_64 if elf.is64 else HEADING_32
    table = read_symbols(elf, section)
    if table is None:
        return
    strings: StringTable | None = None
    if section.link == elf.header.shstrndx:
        strings = elf.section_names
    elif section.link < elf.header.shnum:
        assert elf.sections is not None
        named = elf.sections[section.link]
        strings = elf.image.strings(named.offset, named.size, "string table")
    yield from SymbolText(elf, table, strings, section, options, versions).lines()


def histogram(elf: ElfFile, hashes: HashTables) -> Iterator[str]:
    if hashes.buckets:
        yield from _histogram("", sysv_lengths(elf, hashes))
    if hashes.gnu_buckets:
        mips = elf.dynamic_info.get(abi.DT_MIPS_XHASH)
        title = " `.MIPS.xhash'" if mips else " `.gnu.hash'"
        yield from _histogram(title, gnu_lengths(hashes))


def _histogram(title: str, lengths: list[int]) -> Iterator[str]:
    buckets = len(lengths)
    plural = "bucket" if buckets == 1 else "buckets"
    yield f"\nHistogram for{title} bucket list length (total of {buckets} {plural}):\n"
    yield " Length  Number     % of total  Coverage\n"
    counts = [0] * (max(lengths) + 1)
    for length in lengths:
        counts[length] += 1
    symbols = sum(lengths)
    covered = 0
    yield f"      0  {counts[0]:<10d} ({counts[0] * 100.0 / buckets:5.1f}%)\n"
    for length in range(1, len(counts)):
        covered += counts[length] * length
        share, coverage = counts[length] * 100.0 / buckets, covered * 100.0 / symbols
        yield f"{length:7d}  {counts[length]:<10d} ({share:5.1f}%)    {coverage:5.1f}%\n"
