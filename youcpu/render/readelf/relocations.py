"""`-r`: relocations, by section or, with -D, by the dynamic section."""

from __future__ import annotations

from collections.abc import Iterator

from youcpu.abi import elf as abi
from youcpu.abi.elf_relocations import relocation_names
from youcpu.formats.elf import names
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.relocations import (
    RELA,
    RELR,
    RelocationTable,
    columns,
    dynamic_relocations,
    relocation_sections,
    relr_addresses,
    rows,
    split_info,
)
from youcpu.formats.elf.structures import Symbol
from youcpu.formats.elf.versions import Versions
from youcpu.render.readelf.header import signed64
from youcpu.render.readelf.options import Options
from youcpu.render.readelf.printable import Printer, section_name

HEADINGS = {  # (64 bit, wide)
    (False, True): " Offset     Info    Type                Sym. Value  Symbol's Name",
    (False, False): " Offset     Info    Type            Sym.Value  Sym. Name",
    (True, True): (
        "    Offset             Info             Type               Symbol's Value  Symbol's Name"
    ),
    (True, False): "  Offset          Info           Type           Sym. Value    Sym. Name",
}
NO_ADDEND = "\0"  # ends the shared part of a row that shows no addend
SIGNED = "\1"  # ends one that shows a number of its own sign, not " + " or " - "


class Shared(dict[int, str]):
    """What all relocations of one r_info have in common, as text, made on first use."""

    def __init__(self, elf: ElfFile, table: RelocationTable, options: Options, versions: Versions):
        super().__init__()
        self.elf, self.table, self.versions = elf, table, versions
        self.wide = options.wide
        self.types = relocation_names(elf.machine)
        self.printer = Printer(options)

    def __missing__(self, info: int) -> str:
        index, kind = split_info(self.elf, info)
        width = 16 if self.wide else 12
        text = f"  {info:0{width if self.elf.is64 else 8}x} " + self.type_name(kind)
        if index:
            text += self._symbol(index)
        elif self.table.kind == RELA:
            text += " " * (20 if self.elf.is64 else 12) + SIGNED
        else:
            text += NO_ADDEND
        self[info] = text
        return text

    def type_name(self, kind: int) -> str:
        name = self.types.get(kind)
        if name is None:
            return f"unrecognized: {kind:<7x}"
        return f"{name:<22}" if self.wide else f"{name:<17.17}"

    def _symbol(self, index: int) -> str:
        table, elf = self.table, self.elf
        if table.symbols is None or index >= len(table.symbols):
            elf.image.error(f" bad symbol index: {index:08x} in reloc")
            return NO_ADDEND
        symbol = table.symbols[index]
        version = None
        if table.against_dynamic:
            version = self.versions.of_symbol(
                self.versions.index_of(index), symbol.shndx != 0, symbol.name, table.strings
            )
        suffix = version.separator + version.name if version else ""
        if symbol.type == abi.STT_GNU_IFUNC:
            text = " " + self._ifunc(symbol, suffix)
        else:
            text = f" {symbol.value:016x} " if elf.is64 else f" {symbol.value:08x}   "
        return text + self._name(symbol, suffix) + ("" if table.kind == RELA else NO_ADDEND)

    def _ifunc(self, symbol: Symbol, suffix: str) -> str:
        """An indirect function has no value to relocate against: its name () stands there."""
        width = 14 if self.elf.is64 else 8
        strings = self.table.strings
        name = "??"
        if strings is not None and symbol.name and symbol.name in strings:
            name = strings.at(symbol.name)
        shown = self.printer.symbol(width, name)
        gap = max(width + 1 - len(shown), 1)
        return f"{shown}{suffix}(){' ' * gap}"

    def _name(self, symbol: Symbol, suffix: str) -> str:
        strings = self.table.strings
        if symbol.name == 0:
            return self.printer.symbol(22, self._section_symbol(symbol))
        if strings is None:
            return f"<string table index: {symbol.name:3d}>"
        if symbol.name not in strings:
            self.elf.image.error(f"<corrupt string table index: {symbol.name:3d}>")
            return ""
        return self.printer.symbol(22, strings.at(symbol.name)) + suffix

    def _section_symbol(self, symbol: Symbol) -> str:
        elf, shndx = self.elf, symbol.shndx
        if symbol.type != abi.STT_SECTION:
            return "<null>"
        if shndx < elf.header.shnum and elf.sections is not None:
            return elf.section_name(elf.sections[shndx])
        low = shndx & 0xFFFF
        if low == abi.SHN_ABS:
            return "ABS"
        if low == abi.SHN_COMMON:
            return "COMMON"
        if elf.machine == abi.EM_MIPS and low in (0xFF03, 0xFF04):
            return "SCOMMON" if low == 0xFF03 else "SUNDEF"
        if elf.machine in names.X86_64 and low == 0xFF02:
            return "LARGE_COMMON"
        return f"<section {shndx:#x}>"


def relocation_rows(
    elf: ElfFile, table: RelocationTable, options: Options, versions: Versions
) -> Iterator[str]:
    """The table below its title."""
    if table.data is None:
        return
    if table.kind == RELR:
        yield from _relr(elf, table.data)
        return
    yield HEADINGS[elf.is64, options.wide] + (" + Addend\n" if table.kind == RELA else "\n")
    shared = Shared(elf, table, options, versions)
    width = (16 if options.wide else 12) if elf.is64 else 8
    if table.kind == RELA and not (elf.is64 and elf.machine == abi.EM_MIPS):
        yield from _rela_rows(elf, table, shared, width)
        return
    for piece in rows(elf, table):
        lines: list[str] = []
        for offset, info, addend in piece:
            lines.append(f"{offset:0{width}x}{_with_addend(shared[info], addend)}\n")
            if elf.is64 and elf.machine == abi.EM_MIPS:
                lines.append(_mips64_types(shared, info))
        yield "".join(lines)


def _with_addend(text: str, addend: int) -> str:
    """A row after its offset: `text` of Shared, and the addend as its last character wants it."""
    if text[-1] == NO_ADDEND:
        return text[:-1]
    if text[-1] == SIGNED:
        return f"{text[:-1]}{addend:x}"
    return f"{text} - {-addend:x}" if addend < 0 else f"{text} + {addend:x}"


def _rela_rows(elf: ElfFile, table: RelocationTable, shared: Shared, width: int) -> Iterator[str]:
    """Rows by column, as long as all that a row has of its own is an offset and an addend."""
    ready: dict[int, str] = {}
    for offsets, infos, addends in columns(elf, table):
        count = len(offsets)
        for info in set(infos).difference(ready):
            text = shared[info]
            ready[info] = text[:-1] if text[-1] == SIGNED else f"{text} + "
        own = any(shared[info][-1] == NO_ADDEND for info in set(infos))
        places = (f"%0{width}x " * count % tuple(offsets)).split(" ")
        if own or min(addends, default=0) < 0:
            texts = map(shared.__getitem__, infos)
            lines = zip(places, texts, addends, strict=False)
            yield "".join(
                [f"{place}{_with_addend(text, addend)}\n" for place, text, addend in lines]
            )
            continue
        pieces = ["\n"] * (4 * count)
        pieces[0::4] = places[:count]
        pieces[1::4] = map(ready.__getitem__, infos)
        pieces[2::4] = ("%x " * count % tuple(addends)).split(" ")[:count]
        yield "".join(pieces)


def _relr(elf: ElfFile, data: memoryview) -> Iterator[str]:
    addresses = relr_addresses(elf, data)
    width = 16 if elf.is64 else 8
    yield f"  {len(addresses)} offset{'' if len(addresses) == 1 else 's'}\n"
    yield "".join([f"{address:0{width}x}\n" for address in addresses])


def _mips64_types(shared: Shared, info: int) -> str:
    """MIPS64 relocations are three in one."""
    types = [(info >> 8) & 0xFF, (info >> 16) & 0xFF]
    texts = []
    for kind in types:
        name = shared.types.get(kind)
        texts.append(f"unrecognized: {kind:<7x}" if name is None else f"{name:<17.17}")
    return "".join(
        f"                    Type{number}: {text}\n" for number, text in enumerate(texts, 2)
    )


def relocations(elf: ElfFile, options: Options, versions: Versions) -> Iterator[str]:
    if options.use_dynamic:
        yield from _by_dynamic(elf, options, versions)
        return
    found = False
    for section, table in relocation_sections(elf) if elf.sections is not None else ():
        name = elf.section_name(section)
        shown = f"'{section_name(name)}'" if elf.section_names is not None else str(section.name)
        count = section.size // section.entsize
        entries = "entry" if count == 1 else "entries"
        offset = names.c_hex(section.offset)
        yield f"\nRelocation section {shown} at offset {offset} contains {count} {entries}:\n"
        if table is None:
            continue
        yield from relocation_rows(elf, table, options, versions)
        found = True
    if found:
        return
    sizes = (abi.DT_RELSZ, abi.DT_RELASZ, abi.DT_RELRSZ, abi.DT_PLTRELSZ)
    if any(elf.dynamic_info.get(tag) for tag in sizes):
        yield (
            "\nThere are no static relocations in this file.\n"
            "To see the dynamic relocations add --use-dynamic to the command line.\n"
        )
    else:
        yield "\nThere are no relocations in this file.\n"


def _by_dynamic(elf: ElfFile, options: Options, versions: Versions) -> Iterator[str]:
    found = False
    for table in dynamic_relocations(elf):
        found = True
        offset = names.c_hex(table.offset)
        yield (
            f"\n'{table.name}' relocation section at offset {offset} contains"
            f" {signed64(table.size)} bytes:\n"
        )
        yield from relocation_rows(elf, table, options, versions)
    if not found:
        yield "\nThere are no dynamic relocations in this file.\n"
