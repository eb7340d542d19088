"""`-s`, `--dyn-syms` and `-I`: symbol tables and the histogram of hash chains.

The tables of a big library have hundreds of thousands of rows: a row is one format operation,
all that rows share comes out of a dictionary that fills as they go by.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from sys import byteorder

from youcpu.abi import elf as abi
from youcpu.formats.elf import names
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.hashes import HashTables, gnu_lengths, sysv_lengths
from youcpu.formats.elf.image import StringTable
from youcpu.formats.elf.structures import Section
from youcpu.formats.elf.symbols import CHUNK, Columns, SymbolTable, read_symbols
from youcpu.formats.elf.versions import UNDEFINED, Versions
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
        self.clean = strings is not None and strings.clean
        self._suffix_cache = Cached(self._suffix)
        self._own_names = versions.own_names() if self.versioned else set()

    def lines(self) -> Iterator[str]:
        """Text of up to some thousand rows at a time."""
        table = self.table
        sizes = Cached(size_text(self.options.sym_base))
        middles = Cached(self._middle)
        local_keys = Cached(lambda key: "local" if table.meaning(key)[0] < 16 else "")
        indices = self.versions.indices(len(table)) if self.versioned else None
        for start in range(0, len(table), CHUNK):
            columns = table.columns(start, start + CHUNK)
            if table.extended is None:
                middle: Iterable[str] = map(middles.__getitem__, columns.keys)
            else:
                middle = [self._middle(key, n) for n, key in enumerate(columns.keys, start)]
            count = len(columns.names)
            names, suffixes = self._names(columns, start, indices)
            # One list of all pieces, a column at a time: a row costs no Python code of its own.
            pieces = [" "] * (8 * count)
            pieces[0::8] = numbers(start, count)
            pieces[1::8] = [": "] * count
            pieces[2::8] = hex_column(columns.values, self.elf.is64)
            pieces[4::8] = map(sizes.__getitem__, columns.sizes)
            pieces[5::8] = middle
            pieces[6::8] = names
            pieces[7::8] = suffixes
            yield "".join(pieces)
            if any(map(local_keys.__getitem__, set(columns.keys))):
                self._check_locals(columns, start)

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

    def _names(
        self, columns: Columns, start: int, indices: list[int] | None
    ) -> tuple[list[str], list[str]]:
        """The Name column and what follows it: the version and the end of the line."""
        raw, clean = self._raw_names(columns, start)
        count = len(raw)
        if indices is None:
            if not (clean and self.printer.plain):
                symbol = self.printer.symbol
                raw = [symbol(21, name) for name in raw]
            return raw, ["\n"] * count
        suffixes = self._suffixes(columns, indices[start : start + count])
        if not (clean and self.printer.plain):
            symbol, wide = self.printer.symbol, self.options.wide
            raw = [
                symbol(21 if wide else 22 - len(suffix), name)
                for name, suffix in zip(raw, suffixes, strict=True)
            ]
        return raw, suffixes

    def _raw_names(self, columns: Columns, start: int) -> tuple[list[str], bool]:
        """Names as they are in the file, and whether none needs an escape."""
        strings, offsets = self.strings, columns.names
        clean = self.clean
        if strings is None:
            raw = ["<corrupt>"] * len(offsets)
        elif clean and max(offsets, default=0) < strings.length:
            raw = strings.names(offsets)
        else:
            raw = [strings.get(offset, "<corrupt>") for offset in offsets]
        position = -1
        for _ in range(offsets.count(0)):
            position = offsets.index(0, position + 1)
            raw[position] = self._nameless(columns.keys[position], start + position, raw[position])
            clean = clean and raw[position].isascii() and raw[position].isprintable()
        return raw, clean

    def _nameless(self, key: int, index: int, otherwise: str) -> str:
        """Section symbols bear the name of their section."""
        elf = self.elf
        info, _, shndx = self.table.meaning(key, index)
        if info & 15 != abi.STT_SECTION or shndx >= elf.header.shnum or elf.sections is None:
            return otherwise
        section = elf.sections[shndx]
        return elf.section_name(section) if elf.section_name_valid(section) else "<corrupt>"

    def _suffixes(self, columns: Columns, indices: list[int]) -> list[str]:
        """Versions as they follow the names, each with the end of the line."""
        undefined = 0xFFFF if self.table.little else 0
        keys = columns.keys if self.table.little else [key & 0xFFFF for key in columns.keys]
        cache = self._suffix_cache
        suffixes = [
            cache[index << 1 | (key > undefined)] for index, key in zip(indices, keys, strict=True)
        ]
        # A symbol that stands for a version has that version's name, and is not of it.
        for name in self._own_names.intersection(columns.names):
            for position, offset in enumerate(columns.names):
                if offset == name:
                    wanted = indices[position] << 1 | (keys[position] > undefined)
                    suffixes[position] = self._suffix(wanted, name)
        return suffixes

    def _suffix(self, wanted: int, name: int = -1) -> str:
        version = self.versions.of_symbol(wanted >> 1, bool(wanted & 1), name, self.strings)
        if version is None:
            return "\n"
        number = f" ({version.number})" if version.kind == UNDEFINED else ""
        return f"{version.separator}{version.name}{number}\n"

    def _check_locals(self, columns: Columns, start: int) -> None:
        """Local symbols come before sh_info; MIPS and Solaris do not keep to it."""
        section, elf = self.section, self.elf
        if section is None or elf.machine == abi.EM_MIPS:
            return
        if elf.header.osabi == abi.ELFOSABI_SOLARIS or section.info >= start + len(columns.keys):
            return
        for number, key in enumerate(columns.keys, start):
            if number >= section.info and self.table.meaning(key, number)[0] < 16:
                elf.image.warn(
                    f"local symbol {number} found at index >= {elf.section_name(section)}'s"
                    f" sh_info value of {section.info}"
                )


def numbers(start: int, count: int) -> list[str]:
    """The Num column: numbers of as many digits are padded alike."""
    texts: list[str] = []
    stop = start + count
    while start < stop:
        digits = len(str(start))
        end = min(10**digits, stop)
        shown: Iterable[str] = map(str, range(start, end))
        if digits < 6:
            shown = map((" " * (6 - digits)).__add__, shown)
        texts += shown
        start = end
    return texts


def hex_column(values: array[int], is64: bool) -> list[str]:
    """Fixed-width hexadecimal of many numbers at once."""
    big = array(values.typecode, values)
    if byteorder == "little":
        big.byteswap()
    return big.tobytes().hex(" ", 8 if is64 else 4).split(" ")


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
