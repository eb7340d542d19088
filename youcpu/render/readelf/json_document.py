"""One object as JSON: the views of `document`, out of the same model (docs/schema/readelf.json)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from youcpu.abi import elf as abi
from youcpu.formats.elf import names, section_flags
from youcpu.formats.elf.compression import compression_header, section_data
from youcpu.formats.elf.dynamic import load_dynamic
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.groups import read_groups
from youcpu.formats.elf.machine_flags import machine_flags
from youcpu.formats.elf.segments import scan_segments, sections_in
from youcpu.formats.elf.structures import Section
from youcpu.formats.elf.versions import Versions
from youcpu.render.readelf import json_tables
from youcpu.render.readelf.document import NEED_SECTIONS, NEED_SECTIONS_OR_D, check_magic
from youcpu.render.readelf.dynamic import value_text
from youcpu.render.readelf.json_text import Member, array, mapping, optional_text, text, value
from youcpu.render.readelf.options import Options

Json = dict[str, Any]


def json_object(elf: ElfFile, options: Options, identity: Json) -> Iterator[str]:
    """The object in pieces, diagnostics last; `identity` says which file it is."""
    check_magic(elf)
    return mapping(_members(elf, options, identity))


def _members(elf: ElfFile, options: Options, identity: Json) -> Iterator[Member]:
    for key, content in identity.items():
        yield Member(key, value(content))
    pie = elf.header.type == abi.ET_DYN and elf.is_pie()
    elf.resolve_header()
    if options.header:
        yield Member("header", value(header(elf, pie)))
    if not elf.load_sections():
        options = options.without(*NEED_SECTIONS)
        if not options.use_dynamic:
            options = options.without(*NEED_SECTIONS_OR_D)
    if options.shows("sections"):
        yield Member("sections", array(sections(elf)))
    if options.shows("groups"):
        yield Member("groups", array(groups(elf)))
    interpreters = scan_segments(elf)
    if options.shows("segments"):
        yield Member("segments", array(segments(elf, interpreters)))
    by_hash = options.use_dynamic and not options.shows("dyn_syms")
    sound, hashes = load_dynamic(elf, options.shows("histogram"), by_hash)
    if options.shows("dynamic"):
        yield Member("dynamic", value(dynamic(elf) if sound else None))
    versions = Versions(elf)
    yield from json_tables.members(elf, options, versions, hashes)
    found = dict.fromkeys(elf.image.diagnostics)
    messages = [{"severity": kind, "message": text(message)} for kind, message in found]
    yield Member("diagnostics", value(messages))


def header(elf: ElfFile, pie: bool) -> Json:
    head = elf.header
    kind = abi.FILE_TYPE_PIE if pie else names.file_type(elf)
    return {
        "ident": head.ident.hex(),
        "class": abi.CLASSES.get(head.ident[4], str(head.ident[4])),
        "data": {1: "little-endian", 2: "big-endian"}.get(head.ident[5], "none"),
        "osabi": names.osabi(head),
        "abi_version": head.ident[8],
        "type": kind,
        "type_value": head.type,
        "machine": names.machine(head.machine),
        "machine_value": head.machine,
        "version": head.version,
        "entry": head.entry,
        "phoff": head.phoff,
        "shoff": head.shoff,
        "flags": head.flags,
        "flag_words": machine_flags(head),
        "ehsize": head.ehsize,
        "phentsize": head.phentsize,
        "phnum": head.phnum,
        "shentsize": head.shentsize,
        "shnum": head.shnum,
        "shstrndx": head.shstrndx,
    }


def sections(elf: ElfFile) -> Iterator[Json]:
    for section in elf.sections or ():
        yield {
            "number": section.number,
            "name": text(elf.section_name(section)),
            "type": names.section_type(elf.header, section.type),
            "type_value": section.type,
            "flags": section_flags.letters(elf.header, section.flags),
            "flags_value": section.flags,
            "addr": section.addr,
            "offset": section.offset,
            "size": section.size,
            "entsize": section.entsize,
            "link": section.link,
            "info": section.info,
            "addralign": section.addralign,
            "compression": compression(elf, section),
        }


def compression(elf: ElfFile, section: Section) -> Json | None:
    if not section.flags & abi.SHF_COMPRESSED:
        return None
    data = section_data(elf, section)
    found = compression_header(elf, data) if data is not None else None
    if found is None:
        return None
    method = {1: "ZLIB", 2: "ZSTD"}.get(found.type, str(found.type))
    return {"type": method, "size": found.uncompressed, "addralign": found.addralign}


def groups(elf: ElfFile) -> Iterator[Json]:
    for group in read_groups(elf) if elf.sections is not None else ():
        yield {
            "section": group.section.number,
            "name": text(elf.section_name(group.section)),
            "signature": text(group.signature),
            "comdat": group.flags == 1,
            "flags": group.flags,
            "members": group.members,
        }


def segments(elf: ElfFile, interpreters: dict[int, str]) -> Iterator[Json]:
    for number, segment in enumerate(elf.segments or ()):
        flags = ((abi.PF_R, "R"), (abi.PF_W, "W"), (abi.PF_X, "E"))
        yield {
            "number": number,
            "type": names.segment_type(elf.header, segment.type),
            "type_value": segment.type,
            "flags": "".join(letter for bit, letter in flags if segment.flags & bit),
            "flags_value": segment.flags,
            "offset": segment.offset,
            "vaddr": segment.vaddr,
            "paddr": segment.paddr,
            "filesz": segment.filesz,
            "memsz": segment.memsz,
            "align": segment.align,
            "interpreter": optional_text(interpreters.get(number)),
            "sections": [text(elf.section_name(section)) for section in sections_in(elf, segment)],
        }


def dynamic(elf: ElfFile) -> Json | None:
    """None for a file without a dynamic section."""
    if elf.dynamic_size <= 1 or elf.dynamic is None:
        return None
    strings = {abi.DT_NEEDED, abi.DT_SONAME, abi.DT_RPATH, abi.DT_RUNPATH}
    entries = [
        {
            "tag": names.dynamic_tag(elf.header, entry.tag),
            "tag_value": entry.tag,
            "value": entry.value,
            "string": optional_text(elf.dynamic_name(entry.value))
            if entry.tag in strings
            else None,
            "text": text(value_text(elf, entry).removesuffix("\n")),
        }
        for entry in elf.dynamic
    ]
    return {"offset": elf.dynamic_offset, "entries": entries}
