"""The three version sections in full: definitions, needs, and a version a symbol."""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from youcpu.abi import elf as abi
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.image import StringTable
from youcpu.formats.elf.structures import Section
from youcpu.formats.elf.symbols import SymbolTable, read_symbols
from youcpu.formats.elf.versions import VERSYM_VERSION, Versions


class VersionName(NamedTuple):
    """An auxiliary entry: `name` is None where `offset` is outside the string table."""

    position: int
    name: str | None
    offset: int
    flags: int = 0
    number: int = 0


class VersionDefinition(NamedTuple):
    """`names`: the version, then its parents. `cut`: auxiliary entries ended too early."""

    position: int
    revision: int
    flags: int
    number: int
    total: int
    names: list[VersionName]
    cut: bool


class VersionNeed(NamedTuple):
    """What is needed of one file."""

    position: int
    version: int
    file: str | None
    file_offset: int
    total: int
    names: list[VersionName]


class Chain(NamedTuple):
    """The entries that could be read; `complete` if they are as many as sh_info says."""

    entries: list[VersionDefinition] | list[VersionNeed]
    complete: bool


def read_definitions(elf: ElfFile, section: Section) -> Chain | None:
    """SHT_GNU_verdef; None where the file does not hold it."""
    data = elf.image.read(section.offset, section.size, "version definition section")
    if data is None:
        return None
    order = "<" if elf.layout.little else ">"
    verdef = Struct(order + "HHHHIII")
    entries: list[VersionDefinition] = []
    position, number = 0, 0
    while number < section.info:
        if position + verdef.size > len(data):
            break
        fields = verdef.unpack_from(data, position)
        revision, flags, index, count, _, aux, following = fields
        start = position + aux
        if aux > len(data) - position or start + 8 > len(data):
            # GNU leaves the line unfinished: no name was read.
            entries.append(VersionDefinition(position, revision, flags, index, count, [], False))
            break
        names, cut = _parents(elf, data, start, count)
        entries.append(VersionDefinition(position, revision, flags, index, count, names, cut))
        if following < verdef.size and not (number == section.info - 1 and following == 0):
            elf.image.warn(f"Invalid vd_next field of {following:x}")
            number = section.info
            break
        if following > len(data) - position:
            break
        position += following
        number += 1
    return Chain(entries, number >= section.info)


def _parents(
    elf: ElfFile, data: memoryview, start: int, count: int
) -> tuple[list[VersionName], bool]:
    aux = Struct("<II" if elf.layout.little else ">II")
    offset, following = aux.unpack_from(data, start)
    names = [VersionName(start, elf.dynamic_name(offset), offset)]
    for number in range(1, count):
        if following < aux.size and not (number == count - 1 and following == 0):
            elf.image.warn(f"Invalid vda_next field of {following:x}")
            return names, False
        if following > len(data) - start or start + following + aux.size > len(data):
            return names, True
        start += following
        offset, following = aux.unpack_from(data, start)
        names.append(VersionName(start, elf.dynamic_name(offset), offset))
    return names, False


def read_needs(elf: ElfFile, section: Section) -> Chain | None:
    """SHT_GNU_verneed; None where the file does not hold it."""
    data = elf.image.read(section.offset, section.size, "Version Needs section")
    if data is None:
        return None
    verneed = Struct("<HHIII" if elf.layout.little else ">HHIII")
    entries: list[VersionNeed] = []
    position, number = 0, 0
    while number < section.info:
        if position + verneed.size > len(data):
            break
        version, count, file, aux, following = verneed.unpack_from(data, position)
        inside = aux <= len(data) - position
        names = _needed_names(elf, data, position + aux, count) if inside else []
        entries.append(VersionNeed(position, version, elf.dynamic_name(file), file, count, names))
        if not inside:
            break
        if following < verneed.size and not (number == section.info - 1 and following == 0):
            elf.image.warn(f"Invalid vn_next field of {following:x}")
            number = section.info
            break
        if following > len(data) - position:
            break
        position += following
        number += 1
    if number < section.info:
        elf.image.warn("Missing Version Needs information")
    return Chain(entries, number >= section.info)


def _needed_names(elf: ElfFile, data: memoryview, start: int, count: int) -> list[VersionName]:
    aux = Struct("<IHHII" if elf.layout.little else ">IHHII")
    names: list[VersionName] = []
    for number in range(count):
        if start + aux.size > len(data):
            elf.image.warn("Missing Version Needs auxiliary information")
            break
        _, flags, other, offset, following = aux.unpack_from(data, start)
        names.append(VersionName(start, elf.dynamic_name(offset), offset, flags, other))
        if following < aux.size and not (number == count - 1 and following == 0):
            elf.image.warn(f"Invalid vna_next field of {following:x}")
            break
        if following > len(data) - start:
            elf.image.warn("Missing Version Needs auxiliary information")
            break
        start += following
    return names


class VersionSymbols(NamedTuple):
    """SHT_GNU_versym: `indices` is None where the file does not hold what DT_VERSYM names."""

    total: int
    symbols: SymbolTable
    strings: StringTable
    indices: list[int] | None


def read_version_symbols(elf: ElfFile, section: Section) -> VersionSymbols | None:
    assert elf.sections is not None
    link = elf.sections[section.link]
    symbols = read_symbols(elf, link)
    if symbols is None:
        return None
    named = elf.sections[link.link]
    strings = elf.image.strings(named.offset, named.size, "version string table")
    if strings is None:
        return None
    total = section.size // 2
    offset = elf.offset_of(elf.dynamic_info.get(abi.DT_VERSYM, 0), total * 2)
    data = elf.image.read(offset, total * 2, "version symbol data")
    indices = None
    if data is not None:
        half = Struct("<H" if elf.layout.little else ">H")
        indices = [row[0] for row in half.iter_unpack(data)]
    return VersionSymbols(total, symbols, strings, indices)


UNREADABLE = "\0"  # the definition is there, its name is not


def index_name(versions: Versions, index: int, strings: StringTable) -> str | None:
    """What `-V` calls an index above 1: a need's name, a definition's, *both*, UNREADABLE."""
    name: str | None = None
    if versions.has_needs:
        offset = versions.needs().get(index)
        if offset is not None:
            name = strings.get(offset, "*invalid*")
    if index != 0x8001 and versions.has_definitions:
        definition = versions.definitions().get(index & VERSYM_VERSION)
        if definition is not None:
            offset = versions.definition_name(definition)
            if offset is None:
                return UNREADABLE
            if offset not in strings:
                return "*invalid*"
            if name is not None and name != "*invalid*":
                return "*both*"
            return strings.at(offset)
    return name
