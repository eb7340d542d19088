"""`-V`: the version sections."""

from __future__ import annotations

from collections.abc import Iterator

from youcpu.abi import elf as abi
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.structures import Section
from youcpu.formats.elf.version_sections import (
    UNREADABLE,
    VersionDefinition,
    VersionNeed,
    VersionSymbols,
    index_name,
    read_definitions,
    read_needs,
    read_version_symbols,
)
from youcpu.formats.elf.versions import Versions
from youcpu.render.readelf.printable import section_name


def version_flags(flags: int) -> str:
    if flags == 0:
        return "none"
    words = [word for bit, word in ((1, "BASE"), (2, "WEAK"), (4, "INFO")) if flags & bit]
    return " | ".join(words + (["<unknown>"] if flags & ~7 else []))


def version_sections(elf: ElfFile, versions: Versions) -> Iterator[str]:
    found = False
    for section in elf.sections or ():
        if section.type == abi.SHT_GNU_VERDEF:
            found = True
            yield _title(elf, section, "Version definition", section.info) + _place(elf, section)
            yield from _definitions(elf, section)
        elif section.type == abi.SHT_GNU_VERNEED:
            found = True
            yield _title(elf, section, "Version needs", section.info) + _place(elf, section)
            yield from _needs(elf, section)
        elif section.type == abi.SHT_GNU_VERSYM:
            assert elf.sections is not None
            if section.link >= elf.header.shnum:
                continue
            if elf.sections[section.link].link >= elf.header.shnum:
                continue
            found = True
            table = read_version_symbols(elf, section)
            if table is not None:
                title = _title(elf, section, "Version symbols", table.total)
                yield title + _place(elf, section)
                yield from _symbols(elf, table, versions)
    if not found:
        yield "\nNo version information found in this file.\n"


def _title(elf: ElfFile, section: Section, what: str, count: int) -> str:
    name = section_name(elf.section_name(section))
    entries = "entry" if count == 1 else "entries"
    return f"\n{what} section '{name}' contains {count} {entries}:\n"


def _place(elf: ElfFile, section: Section) -> str:
    assert elf.sections is not None
    link = section.link
    name = "<corrupt>"
    if link < elf.header.shnum:
        name = section_name(elf.section_name(elf.sections[link]))
    return f" Addr: 0x{section.addr:016x}  Offset: 0x{section.offset:08x}  Link: {link} ({name})\n"


def position_text(position: int) -> str:
    """As C's %#06x: zero is 000000."""
    return f"{position:#06x}" if position else "000000"


def _definitions(elf: ElfFile, section: Section) -> Iterator[str]:
    chain = read_definitions(elf, section)
    if chain is None:
        return
    for entry in chain.entries:
        assert isinstance(entry, VersionDefinition)
        yield (
            f"  {position_text(entry.position)}: Rev: {entry.revision}"
            f"  Flags: {version_flags(entry.flags)}  Index: {entry.number}  Cnt: {entry.total}  "
        )
        for number, name in enumerate(entry.names):
            if number == 0:
                yield f"Name: {name.name}\n" if name.name is not None else _bare(name.offset)
                continue
            place = position_text(name.position)
            if name.name is not None:
                yield f"  {place}: Parent {number}: {name.name}\n"
            else:
                yield f"  {place}: Parent {number}, name index: {name.offset}\n"
        if entry.cut:
            yield "  Version def aux past end of section\n"
    if not chain.complete:
        yield "  Version definition past end of section\n"


def _bare(offset: int) -> str:
    return f"Name index: {offset}\n"


def _needs(elf: ElfFile, section: Section) -> Iterator[str]:
    chain = read_needs(elf, section)
    for entry in chain.entries if chain is not None else ():
        assert isinstance(entry, VersionNeed)
        file = entry.file if entry.file is not None else f"{entry.file_offset:x}"
        yield (
            f"  {position_text(entry.position)}: Version: {entry.version}"
            f"  File: {file}  Cnt: {entry.total}\n"
        )
        for name in entry.names:
            shown = f"Name: {name.name}" if name.name is not None else None
            yield (
                f"  {position_text(name.position)}:   {shown or f'Name index: {name.offset:x}'}"
                f"  Flags: {version_flags(name.flags)}  Version: {name.number}\n"
            )


def _symbols(elf: ElfFile, table: VersionSymbols, versions: Versions) -> Iterator[str]:
    indices = table.indices
    if indices is None:
        return
    texts: dict[int, str] = {0: "   0 (*local*)    ", 1: "   1 (*global*)   "}
    count = len(table.symbols)
    lines: list[str] = []
    for start in range(0, len(indices), 4):
        line = f"  {start:03x}:"
        for number, index in enumerate(indices[start : start + 4], start):
            if number >= count and index > 1:
                elf.image.warn("invalid index into symbol array")
                line += _index_text(index, None, pad=False)
                continue
            if index not in texts:
                name = index_name(versions, index, table.strings)
                sound = name != UNREADABLE
                texts[index] = _index_text(index, name if sound else None, pad=sound)
            line += texts[index]
        lines.append(line + "\n")
    yield "".join(lines)


def _index_text(index: int, name: str | None, pad: bool) -> str:
    text = f"{index & 0x7FFF:4x}{'h' if index & 0x8000 else ' '}"
    if name is not None:
        # printf's %-*s: a negative width means its absolute value.
        text += f"({name}{')'.ljust(abs(12 - len(name)))}"
    return text.ljust(18) if pad and len(text) < 18 else text
