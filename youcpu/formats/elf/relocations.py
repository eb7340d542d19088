"""Relocations: REL, RELA and RELR, by section or by the dynamic section (gABI, chapter 4)."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from sys import byteorder
from typing import NamedTuple

from youcpu.abi import elf as abi
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.image import StringTable
from youcpu.formats.elf.structures import Section
from youcpu.formats.elf.symbols import SymbolTable, linked_symbols

REL, RELA, RELR, UNKNOWN = "REL", "RELA", "RELR", "?"
# Machines whose relocations have no addend, where nothing says which kind they are.
REL_MACHINES = {3, 6, 7, 8, 10, 40, 85, 135, 160, 161, 171, 247, 250, 0x5AA5, 0x7650, 0x9041}
CHUNK = 8192


class RelocationTable(NamedTuple):
    """A table and the symbols it is against.

    `where` is the section, None for a table of the dynamic section, which `name` then calls.
    `rows` is None where the file does not hold the table.
    """

    name: str
    kind: str
    offset: int
    size: int
    data: memoryview | None
    symbols: SymbolTable | None
    strings: StringTable | None
    against_dynamic: bool
    where: Section | None


def relocation_sections(elf: ElfFile) -> Iterator[tuple[Section, RelocationTable | None]]:
    """Each section of relocations, with its table; None where its symbols cannot be had."""
    assert elf.sections is not None
    kinds = {abi.SHT_RELA: RELA, abi.SHT_REL: REL, abi.SHT_RELR: RELR}
    for section in elf.sections:
        kind = kinds.get(section.type)
        if kind is None or not section.size:
            continue
        symbols: SymbolTable | None = None
        strings: StringTable | None = None
        dynamic = False
        if 0 < section.link < elf.header.shnum:
            target = elf.sections[section.link]
            found = (
                linked_symbols(elf, target)
                if target.type in (abi.SHT_SYMTAB, abi.SHT_DYNSYM)
                else None
            )
            if found is None:
                yield section, None
                continue
            symbols, strings = found
            dynamic = target.type == abi.SHT_DYNSYM
        yield (
            section,
            _table(elf, kind, section.offset, section.size, symbols, strings, dynamic, section),
        )


def dynamic_relocations(elf: ElfFile) -> Iterator[RelocationTable]:
    """The tables that the dynamic section names."""
    info = elf.dynamic_info
    plt = {abi.DT_REL: REL, abi.DT_RELA: RELA}.get(info.get(abi.DT_PLTREL, 0), UNKNOWN)
    for name, kind, address, size in (
        ("REL", REL, abi.DT_REL, abi.DT_RELSZ),
        ("RELA", RELA, abi.DT_RELA, abi.DT_RELASZ),
        ("RELR", RELR, abi.DT_RELR, abi.DT_RELRSZ),
        ("PLT", plt, abi.DT_JMPREL, abi.DT_PLTRELSZ),
    ):
        length = info.get(size, 0)
        if not length:
            continue
        start = info.get(address, 0)
        symbols, strings = elf.dynamic_symbols, elf.dynamic_strings
        table = _table(
            elf, kind, elf.offset_of(start, length), length, symbols, strings, True, None
        )
        yield table._replace(name=name, offset=start)


def _table(
    elf: ElfFile,
    kind: str,
    offset: int,
    size: int,
    symbols: SymbolTable | None,
    strings: StringTable | None,
    dynamic: bool,
    where: Section | None,
) -> RelocationTable:
    if kind == UNKNOWN:
        kind = REL if elf.machine in REL_MACHINES else RELA
    bits = 64 if elf.is64 else 32
    what = "RELR relocation data" if kind == RELR else f"{bits}-bit relocation data"
    data = elf.image.read(offset, size, what)
    return RelocationTable("", kind, offset, size, data, symbols, strings, dynamic, where)


def rows(elf: ElfFile, table: RelocationTable) -> Iterator[list[tuple[int, int, int]]]:
    """(r_offset, r_info, r_addend) in pieces that bound the memory; REL has addend 0."""
    if table.data is None:
        return
    record = elf.layout.rela if table.kind == RELA else elf.layout.rel
    swapped = elf.is64 and elf.machine == abi.EM_MIPS and elf.layout.little
    data = table.data[: len(table.data) // record.size * record.size]
    step = CHUNK * record.size
    for start in range(0, len(data), step):
        raw = record.iter_unpack(data[start : start + step])
        if table.kind == RELA:
            piece = list(raw)
        else:
            piece = [(offset, info, 0) for offset, info in raw]
        if swapped:
            piece = [(offset, mips64_info(info), addend) for offset, info, addend in piece]
        yield piece


def columns(
    elf: ElfFile, table: RelocationTable
) -> Iterator[tuple[array[int], array[int], array[int]]]:
    """What `rows` gives, by column, of a table with addends; not for 64-bit MIPS."""
    if table.data is None:
        return
    size = elf.layout.rela.size
    data = table.data[: len(table.data) // size * size]
    for start in range(0, len(data), CHUNK * size):
        content = data[start : start + CHUNK * size].tobytes()
        unsigned = array("Q" if elf.is64 else "I", content)
        signed = array("q" if elf.is64 else "i", content)
        if elf.layout.little != (byteorder == "little"):
            unsigned.byteswap()
            signed.byteswap()
        yield unsigned[0::3], unsigned[1::3], signed[2::3]


def mips64_info(info: int) -> int:
    """Little-endian MIPS64 has a 32-bit symbol, then four single bytes (MIPS ABI64, 3.0)."""
    return (
        (info & 0xFFFFFFFF) << 32
        | info >> 56
        | (info >> 40 & 0xFF00)
        | (info >> 24 & 0xFF0000)
        | (info >> 8 & 0xFF000000)
    )


def split_info(elf: ElfFile, info: int) -> tuple[int, int]:
    """(symbol index, type) of an r_info as `rows` gives it."""
    if not elf.is64:
        return info >> 8, info & 0xFF
    if elf.machine in (abi.EM_MIPS, abi.EM_SPARCV9):
        return info >> 32, info & 0xFF
    return info >> 32, info & 0xFFFFFFFF


def relr_addresses(elf: ElfFile, data: memoryview) -> list[int]:
    """The places a RELR table relocates: addresses, and bitmaps for the words after them."""
    word = elf.layout.address
    size, mask = word.size, (1 << word.size * 8) - 1
    addresses: list[int] = []
    base = 0
    for (entry,) in word.iter_unpack(data[: len(data) // size * size]):
        if not entry & 1:
            addresses.append(entry)
            base = entry + size
            continue
        address = base
        entry >>= 1
        while entry:
            if entry & 1:
                addresses.append(address & 0xFFFF_FFFF_FFFF_FFFF)
            address += size
            entry >>= 1
        base += size * (size * 8 - 1)
        base &= mask if elf.is64 else 0xFFFF_FFFF_FFFF_FFFF
    return addresses
