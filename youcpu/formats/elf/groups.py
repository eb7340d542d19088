"""Section groups: sections that are kept or discarded together (gABI, chapter 4, SHT_GROUP)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from youcpu.abi import elf as abi
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.image import StringTable
from youcpu.formats.elf.structures import Section, Symbol
from youcpu.formats.elf.symbols import SymbolTable, read_symbols

GROUP_ERRORS_SHOWN = 10


class Group(NamedTuple):
    """`length` is what the group says it has, `members` those that are section indices."""

    section: Section
    flags: int
    signature: str
    length: int
    members: list[int]


def read_groups(elf: ElfFile) -> Iterator[Group]:
    """The groups of a file whose section headers are loaded."""
    assert elf.sections is not None
    tables: dict[int, SymbolTable | None] = {}
    owner: dict[int, int] = {}
    image = elf.image
    for section in elf.sections:
        if section.type != abi.SHT_GROUP:
            continue
        name = elf.section_name(section)
        symbol = _signature_symbol(elf, section, name, tables)
        if symbol is None:
            continue
        signature = _signature(elf, elf.sections[section.link], symbol)
        if signature is None:
            image.error(f"Bad sh_info in group section `{name}'")
            continue
        if section.entsize > section.size:
            image.error(
                f"Section {name} has sh_entsize ({section.entsize:#x}) which is larger than"
                f" its size ({section.size:#x})"
            )
            continue
        data = image.read(section.offset, section.size, "section data")
        if data is None:
            continue
        words = [row[0] for row in elf.layout.word.iter_unpack(data[: len(data) & ~3])]
        count = section.size // section.entsize - 1
        members = _members(elf, section, words[1:], owner)
        yield Group(section, words[0], signature, count, members)


def _signature_symbol(
    elf: ElfFile, section: Section, name: str, tables: dict[int, SymbolTable | None]
) -> Symbol | None:
    assert elf.sections is not None
    if section.link >= elf.header.shnum or elf.sections[section.link].type != abi.SHT_SYMTAB:
        elf.image.error(f"Bad sh_link in group section `{name}'")
        return None
    if section.link not in tables:
        tables[section.link] = read_symbols(elf, elf.sections[section.link])
    table = tables[section.link]
    if table is None:
        elf.image.error(f"Corrupt header in group section `{name}'")
        return None
    if section.info >= len(table):
        elf.image.error(f"Bad sh_info in group section `{name}'")
        return None
    return table[section.info]


def _signature(elf: ElfFile, symtab: Section, symbol: Symbol) -> str | None:
    """The name that identifies the group; None if its section symbol is wrong."""
    assert elf.sections is not None
    if symbol.type == abi.STT_SECTION:
        if symbol.shndx == 0 or symbol.shndx >= elf.header.shnum:
            return None
        return elf.section_name(elf.sections[symbol.shndx])
    strings: StringTable | None = None
    if symtab.link < elf.header.shnum:
        table = elf.sections[symtab.link]
        strings = elf.image.strings(table.offset, table.size, "string table")
    return strings.get(symbol.name, "<corrupt>") if strings is not None else "<corrupt>"


def _members(elf: ElfFile, section: Section, words: list[int], owner: dict[int, int]) -> list[int]:
    members: list[int] = []
    errors = 0
    for entry in words:
        if entry >= elf.header.shnum:
            errors += 1
            if errors <= GROUP_ERRORS_SHOWN:
                elf.image.error(
                    f"section [{entry:5d}] in group section [{section.number:5d}]"
                    f" > maximum section [{elf.header.shnum - 1:5d}]"
                )
            continue
        if entry in owner and entry:
            errors += 1
            if errors <= GROUP_ERRORS_SHOWN:
                elf.image.error(
                    f"section [{entry:5d}] in group section [{section.number:5d}]"
                    f" already in group section [{owner[entry]:5d}]"
                )
            continue
        owner[entry] = section.number
        members.append(entry)
    return members
