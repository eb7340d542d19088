"""The long tables as JSON: relocations, symbols, versions, and what follows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from youcpu.abi import elf as abi
from youcpu.abi.elf_relocations import relocation_names
from youcpu.formats.elf import names
from youcpu.formats.elf.attributes import attributes
from youcpu.formats.elf.compression import decompress, section_data
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.hashes import HashTables, gnu_lengths, sysv_lengths
from youcpu.formats.elf.image import StringTable
from youcpu.formats.elf.relocate import relocated
from youcpu.formats.elf.relocations import (
    RELR,
    RelocationTable,
    dynamic_relocations,
    relocation_sections,
    relr_addresses,
    rows,
    split_info,
)
from youcpu.formats.elf.structures import Section, Symbol
from youcpu.formats.elf.symbols import SymbolTable, read_symbols
from youcpu.formats.elf.version_sections import (
    VersionDefinition,
    VersionName,
    VersionNeed,
    read_definitions,
    read_needs,
)
from youcpu.formats.elf.versions import PUBLIC, UNDEFINED, Version, Versions
from youcpu.render.readelf.dumps import RELOCATED, requested
from youcpu.render.readelf.json_notes import note_table_pieces
from youcpu.render.readelf.json_text import (
    Member,
    array,
    mapping,
    optional_text,
    pieces_array,
    text,
    value,
)
from youcpu.render.readelf.options import Options

Json = dict[str, Any]


def members(
    elf: ElfFile, options: Options, versions: Versions, hashes: HashTables
) -> Iterator[Member]:
    """The members of the object from the relocations on."""
    if options.shows("relocs"):
        yield Member("relocations", pieces_array(relocations(elf, options, versions)))
    if options.shows("unwind"):
        from youcpu.render.readelf.unwind import unwind

        lines = "".join(unwind(elf)).split("\n") if elf.machine == abi.EM_ARM else []
        yield Member("unwind", array(text(line) for line in lines if line))
    if options.views & {"syms", "dyn_syms"}:
        yield Member("symbols", pieces_array(symbol_tables(elf, options, versions)))
    if options.shows("histogram"):
        yield Member("histogram", array(histograms(elf, hashes)))
    if options.shows("lto_syms"):
        from youcpu.render.readelf.lto import lto_symbols

        lines = "".join(lto_symbols(elf, options)).split("\n")
        yield Member("lto_symbols", array(text(line) for line in lines if line))
    if options.shows("version"):
        yield Member("versions", value(version_sections(elf)))
    if options.dumps:
        yield Member("dumps", array(dumps(elf, options)))
    if options.debug:
        from youcpu.render.readelf.debug import debug_model

        yield Member("debug", value(debug_model(elf, options)))
    if options.shows("notes"):
        yield Member("notes", pieces_array(note_table_pieces(elf)))
    if options.shows("arch"):
        yield Member("attributes", array(attribute_rows(elf)))


def _version(version: Version | None) -> Json | None:
    if version is None:
        return None
    return {
        "name": text(version.name),
        "default": version.kind == PUBLIC,
        "needed": version.kind == UNDEFINED,
        "index": version.number & 0x7FFF,
    }


def _section_of(elf: ElfFile, shndx: int) -> tuple[int | None, str]:
    """(index, name) of a symbol's section; special ones have no index."""
    if 0 < shndx < elf.header.shnum and elf.sections is not None:
        return shndx, text(elf.section_name(elf.sections[shndx]))
    return None, names.symbol_index(elf.header, shndx).strip()


def relocations(elf: ElfFile, options: Options, versions: Versions) -> Iterator[Iterator[str]]:
    if options.use_dynamic:
        for table in dynamic_relocations(elf):
            yield _relocations(elf, table.name, table, versions)
        return
    for section, found in relocation_sections(elf) if elf.sections is not None else ():
        yield _relocations(elf, elf.section_name(section), found, versions)


def _relocations(
    elf: ElfFile, name: str, table: RelocationTable | None, versions: Versions
) -> Iterator[str]:
    head = [Member("name", value(text(name)))]
    if table is None:
        return mapping([*head, Member("kind", value(None)), Member("entries", value([]))])
    head += [
        Member("kind", value(table.kind)),
        Member("offset", value(table.offset)),
        Member("size", value(table.size)),
    ]
    if table.kind == RELR:
        addresses = relr_addresses(elf, table.data) if table.data is not None else []
        return mapping([*head, Member("addresses", array(addresses))])
    return mapping([*head, Member("entries", array(_relocation_rows(elf, table, versions)))])


def _relocation_rows(elf: ElfFile, table: RelocationTable, versions: Versions) -> Iterator[Json]:
    types = relocation_names(elf.machine)
    cache: dict[int, Json] = {}
    for piece in rows(elf, table):
        for offset, info, addend in piece:
            if info not in cache:
                cache[info] = _shared(elf, table, info, versions, types)
            yield {"offset": offset, **cache[info], "addend": addend}


def _shared(
    elf: ElfFile, table: RelocationTable, info: int, versions: Versions, types: dict[int, str]
) -> Json:
    """What all relocations of one r_info have in common."""
    index, kind = split_info(elf, info)
    row: Json = {
        "info": info,
        "type": types.get(kind),
        "type_value": kind,
        "symbol_index": index,
        "symbol": None,
        "version": None,
        "value": None,
    }
    if not index:
        return row
    if table.symbols is None or index >= len(table.symbols):
        elf.image.error(f" bad symbol index: {index:08x} in reloc")
        return row
    symbol = table.symbols[index]
    row["value"] = symbol.value
    row["symbol"] = optional_text(_name(elf, symbol, table.strings))
    if table.against_dynamic:
        number = versions.index_of(index)
        found = versions.of_symbol(number, symbol.shndx != 0, symbol.name, table.strings)
        row["version"] = _version(found)
    return row


def _name(elf: ElfFile, symbol: Symbol, strings: StringTable | None) -> str | None:
    """A symbol's name, a section's for a section symbol; None where there is none."""
    if symbol.name == 0 and symbol.type == abi.STT_SECTION:
        if symbol.shndx < elf.header.shnum and elf.sections is not None:
            return elf.section_name(elf.sections[symbol.shndx])
        return None
    return strings.at(symbol.name) if strings is not None and symbol.name in strings else None


def symbol_tables(elf: ElfFile, options: Options, versions: Versions) -> Iterator[Iterator[str]]:
    every = options.shows("syms")
    if options.use_dynamic and every:
        if elf.dynamic_symbols is not None:
            yield _symbols(elf, "", elf.dynamic_symbols, elf.dynamic_strings, versions)
        return
    for section in elf.sections or ():
        if section.type != abi.SHT_DYNSYM and not (section.type == abi.SHT_SYMTAB and every):
            continue
        table = read_symbols(elf, section)
        yield _symbols(
            elf,
            elf.section_name(section),
            table,
            _strings(elf, section),
            versions if section.type == abi.SHT_DYNSYM else None,
        )


def _strings(elf: ElfFile, section: Section) -> StringTable | None:
    if section.link >= elf.header.shnum or elf.sections is None:
        return None
    found = elf.sections[section.link]
    return elf.image.strings(found.offset, found.size, "string table")


def _symbols(
    elf: ElfFile,
    name: str,
    table: SymbolTable | None,
    strings: StringTable | None,
    versions: Versions | None,
) -> Iterator[str]:
    entries = _symbol_rows(elf, table, strings, versions) if table is not None else iter(())
    return mapping([Member("name", value(text(name))), Member("entries", array(entries))])


def _symbol_rows(
    elf: ElfFile, table: SymbolTable, strings: StringTable | None, versions: Versions | None
) -> Iterator[Json]:
    indices = versions.indices(len(table)) if versions is not None else None
    header = elf.header
    for number, symbol in enumerate(table):
        version = None
        if indices is not None and versions is not None:
            version = versions.of_symbol(indices[number], symbol.shndx != 0, symbol.name, strings)
        index, section = _section_of(elf, symbol.shndx)
        yield {
            "number": number,
            "name": optional_text(_name(elf, symbol, strings)),
            "version": _version(version),
            "value": symbol.value,
            "size": symbol.size,
            "type": names.symbol_type(header, symbol.type),
            "binding": names.symbol_binding(header, symbol.binding),
            "visibility": names.symbol_visibility(header, symbol.other),
            "other": symbol.other,
            "section": section,
            "section_index": index,
        }


def histograms(elf: ElfFile, hashes: HashTables) -> Iterator[Json]:
    for name, lengths in (
        ("hash", sysv_lengths(elf, hashes)),
        ("gnu_hash", gnu_lengths(hashes)),
    ):
        if lengths:
            counts = [0] * (max(lengths) + 1)
            for length in lengths:
                counts[length] += 1
            yield {"table": name, "buckets": len(lengths), "chains_by_length": counts}


def version_sections(elf: ElfFile) -> Json:
    definitions: list[Json] = []
    needs: list[Json] = []
    for section in elf.sections or ():
        if section.type == abi.SHT_GNU_VERDEF:
            chain = read_definitions(elf, section)
            for entry in chain.entries if chain is not None else ():
                assert isinstance(entry, VersionDefinition)
                definitions.append(
                    {
                        "index": entry.number,
                        "flags": entry.flags,
                        "names": [optional_text(name.name) for name in entry.names],
                    }
                )
        elif section.type == abi.SHT_GNU_VERNEED:
            chain = read_needs(elf, section)
            for entry in chain.entries if chain is not None else ():
                assert isinstance(entry, VersionNeed)
                file = optional_text(entry.file)
                needs.append({"file": file, "versions": [_need(name) for name in entry.names]})
    return {"definitions": definitions, "needs": needs}


def _need(name: VersionName) -> Json:
    return {"name": optional_text(name.name), "flags": name.flags, "index": name.number}


def dumps(elf: ElfFile, options: Options) -> Iterator[Json]:
    for section, kinds in requested(elf, options):
        data: bytes | bytearray | memoryview | None = section_data(elf, section)
        if data is not None and options.decompress:
            data = decompress(elf, section, memoryview(data))
        if data is not None and RELOCATED in kinds:
            data = relocated(elf, section, memoryview(data))
        yield {
            "section": section.number,
            "name": text(elf.section_name(section)),
            "addr": section.addr,
            "relocated": RELOCATED in kinds,
            "bytes": None if data is None else bytes(data).hex(),
        }


def attribute_rows(elf: ElfFile) -> Iterator[Json]:
    for entry in attributes(elf):
        content = entry.data.hex() if entry.text is None else text(entry.text.strip())
        yield {"kind": entry.kind, "text": content}
