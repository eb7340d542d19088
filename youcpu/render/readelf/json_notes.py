"""Notes as JSON, the known ones taken apart."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Any

from youcpu.abi import elf_notes
from youcpu.formats.elf.core import NT_PRPSINFO, program_of
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.image import c_string
from youcpu.formats.elf.notes import Note, NoteTable, note_tables, notes_of, type_name
from youcpu.formats.elf.properties import properties
from youcpu.render.readelf.json_text import Member, array, mapping, text, value

Json = dict[str, Any]


def note_table_pieces(elf: ElfFile) -> Iterator[Iterator[str]]:
    for table in note_tables(elf):
        section = table.section
        name = text(elf.section_name(section)) if section is not None else None
        yield mapping(
            [
                Member("section", value(name)),
                Member("offset", value(table.offset)),
                Member("size", value(table.size)),
                Member("notes", array(_rows(elf, table))),
            ]
        )


def _rows(elf: ElfFile, table: NoteTable) -> Iterator[Json]:
    for note in notes_of(elf, table) or ():
        yield {
            "owner": text(note.owner) if note.has_name else None,
            "type": text(type_name(elf, note)),
            "type_value": note.type,
            "size": len(note.descriptor),
            "descriptor": note.descriptor.hex(),
            "meaning": meaning(elf, note),
        }


def meaning(elf: ElfFile, note: Note) -> Json | None:
    """What the descriptor says; None where it is not known here, or damaged."""
    data = note.descriptor
    if not note.has_name:
        return None
    if note.owner == "GNU":
        return _gnu(elf, note)
    if note.owner == "stapsdt" and note.type == 3:
        return _probe(elf, data)
    if note.owner == "CORE" and note.type == 0x46494C45:
        return _mapped_files(elf, data)
    if note.owner == "CORE" and note.type == NT_PRPSINFO:
        program = program_of(data)
        return None if program is None else {k: text(v) for k, v in program._asdict().items()}
    if note.owner == "FDO" and note.type == 0xCAFE1A7E:
        return {"packaging_metadata": text(c_string(data))}
    return None


def _gnu(elf: ElfFile, note: Note) -> Json | None:
    data, number = note.descriptor, elf.layout.number
    if note.type == 3:
        return {"build_id": data.hex()}
    if note.type == 1 and len(data) >= 16:
        system, *version = (number(data[n : n + 4]) for n in range(0, 16, 4))
        known = system < len(elf_notes.ABI_TAG_SYSTEMS)
        name = elf_notes.ABI_TAG_SYSTEMS[system] if known else "Unknown"
        return {"os": name, "abi": ".".join(map(str, version))}
    if note.type == 4:
        return {"version": text(c_string(data))}
    if note.type == 5:
        return {
            "properties": [
                {"type": entry.type, "data": entry.data.hex(), "text": entry.text.strip()}
                for entry in properties(elf, data)
            ]
        }
    return None


def _probe(elf: ElfFile, data: bytes) -> Json | None:
    size = 8 if elf.is64 else 4
    strings = data[3 * size :].split(b"\0")
    if len(strings) < 4:
        return None
    pc, base, semaphore = (elf.layout.number(data[n * size : (n + 1) * size]) for n in range(3))
    provider, name, arguments = (text(string.decode("latin-1")) for string in strings[:3])
    return {
        "provider": provider,
        "name": name,
        "pc": pc,
        "base": base,
        "semaphore": semaphore,
        "arguments": arguments,
    }


def _mapped_files(elf: ElfFile, data: bytes) -> Json | None:
    """NT_FILE of a core: the files that were mapped, with addresses and pages."""
    word = elf.layout.address
    size = word.size
    if len(data) < 2 * size:
        return None
    count = elf.layout.number(data[:size])
    page = elf.layout.number(data[size : 2 * size])
    start = 2 * size
    if len(data) < start + count * 3 * size:
        return None
    ranges = Struct(("<" if elf.layout.little else ">") + ("QQQ" if elf.is64 else "III"))
    entries = ranges.iter_unpack(data[start : start + count * ranges.size])
    files = data[start + count * ranges.size :].split(b"\0")
    return {
        "page_size": page,
        "files": [
            {"start": low, "end": high, "page_offset": offset, "file": text(name.decode("latin-1"))}
            for (low, high, offset), name in zip(entries, files, strict=False)
        ],
    }
