"""`-n`: notes."""

from __future__ import annotations

from collections.abc import Iterator

from youcpu.abi import elf as abi
from youcpu.abi import elf_notes
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.image import c_string
from youcpu.formats.elf.notes import (
    Note,
    NoteTable,
    is_build_attribute,
    note_tables,
    notes_of,
    type_name,
)
from youcpu.formats.elf.properties import properties
from youcpu.render.readelf.build_attributes import BuildAttributes
from youcpu.render.readelf.options import Options
from youcpu.render.readelf.printable import Printer, section_name


def notes(elf: ElfFile, options: Options) -> Iterator[str]:
    if elf.header.type == abi.ET_CORE and elf.header.phnum == 0:
        yield "No notes found file.\n"
        return
    attributes = BuildAttributes(elf, options)
    for table in note_tables(elf):
        yield _title(elf, table)
        found = notes_of(elf, table)
        if found is None:
            continue
        yield "  Owner                Data size \tDescription\n"
        for note in found:
            yield from _note(elf, note, options, attributes)


def _title(elf: ElfFile, table: NoteTable) -> str:
    if table.section is not None:
        name = section_name(elf.section_name(table.section))
        return f"\nDisplaying notes found in: {name}\n"
    return (
        f"\nDisplaying notes found at file offset 0x{table.offset:08x} with length"
        f" 0x{table.size:08x}:\n"
    )


def _note(elf: ElfFile, note: Note, options: Options, attributes: BuildAttributes) -> Iterator[str]:
    owner, size = note.owner, len(note.descriptor)
    netbsd = owner.startswith(("NetBSD", "PaX")) and not owner.startswith("NetBSD-CORE")
    if note.has_name and netbsd:
        yield _netbsd(elf, note)
        return
    shown = owner if note.has_name else "(NONE)"
    if owner.startswith("SPU/"):
        shown = "SPU"
    yield "  "
    build = is_build_attribute(note)
    yield attributes.name(note) if build else Printer(options).symbol(-20, shown)
    end = "\t" if options.wide else "\n"
    yield f" 0x{size:08x}\t{type_name(elf, note)}{end}"
    if owner.startswith("GNU"):
        yield from _gnu(elf, note, options)
    elif owner.startswith("stapsdt"):
        yield _stapsdt(elf, note)
    elif owner.startswith("CORE"):
        yield from _core(elf, note, options)
    elif owner.startswith("FDO"):
        if size and note.type == 0xCAFE1A7E:
            yield f"    Packaging Metadata: {c_string(note.descriptor)}\n"
    elif build:
        yield from attributes.description(note)
    else:
        yield _hex(note.descriptor, options.wide)


def _hex(data: bytes, wide: bool) -> str:
    text = f"   description data: {data.hex(' ')} " if data else ""
    if data and not wide:
        text += "\n"
    return text + ("\n" if wide else "")


def _netbsd(elf: ElfFile, note: Note) -> str:
    size = len(note.descriptor)
    version = elf.layout.number(note.descriptor[:4])
    if note.type == 1 and size:
        major, minor, patch = (
            version // 100000000,
            version // 1000000 % 100,
            version // 10000 % 100,
        )
        if patch:
            letter = ("Z" if patch > 26 else "") + chr(ord("A") + patch % 26)
            text = f"IDENT {version} ({major}.{minor}{letter})"
        else:
            text = f"IDENT {version} ({major}.{minor}.{version // 100 % 100})"
        return f"  NetBSD\t\t0x{size:08x}\t{text}\n"
    if note.type == 5:
        return f"  NetBSD\t\t0x{size:08x}\tMARCH <{c_string(note.descriptor)}>\n"
    if note.type == 3 and size:
        words = ("+mprotect", "-mprotect", "+guard", "-guard", "+ASLR", "-ASLR")
        text = "".join(word for bit, word in enumerate(words) if version >> bit & 1)
        return f"  NetBSD\t\t0x{size:08x}\tPaX <{text}>\n"
    return f"  NetBSD\t0x{size:08x}\tUnknown note type: (0x{note.type:08x})\n"


def _gnu(elf: ElfFile, note: Note, options: Options) -> Iterator[str]:
    data, number = note.descriptor, elf.layout.number
    if note.type == 3:
        yield f"    Build ID: {data.hex()}\n"
    elif note.type == 1:
        if len(data) < 16:
            yield "    <corrupt GNU_ABI_TAG>\n"
            return
        system, *version = (number(data[n : n + 4]) for n in range(0, 16, 4))
        known = system < len(elf_notes.ABI_TAG_SYSTEMS)
        name = elf_notes.ABI_TAG_SYSTEMS[system] if known else "Unknown"
        numbers = ".".join(str(n - (1 << 32) if n >> 31 else n) for n in version)
        yield f"    OS: {name}, ABI: {numbers}\n"
    elif note.type == 4:
        yield f"    Version: {c_string(data)}\n"
    elif note.type == 2:
        yield "      Hardware Capabilities: "
        if len(data) < 8:
            elf.image.error("<corrupt GNU_HWCAP>")
            return
        entries, mask = number(data[:4]), number(data[4:8])
        yield f"num entries: {entries}, enabled mask: {mask:x}\n"
    elif note.type == 5:
        yield _properties(elf, note, options.wide)
    else:
        yield f"    Description data: {''.join(f'{byte:02x} ' for byte in data)}\n"


def _properties(elf: ElfFile, note: Note, wide: bool) -> str:
    separator = ", " if wide else "\n\t"
    entries = list(properties(elf, note.descriptor))
    # After damage within the note GNU ends the line twice.
    end = "\n\n" if entries[-1].type is None and not entries[-1].whole else "\n"
    return f"      Properties: {separator.join(entry.text for entry in entries)}{end}"


def _stapsdt(elf: ElfFile, note: Note) -> str:
    size = 8 if elf.is64 else 4
    data = note.descriptor
    strings = data[3 * size :].split(b"\0")
    if len(data) < 3 * size or len(strings) < 4:
        elf.image.error("corrupt stapdt note - the data size is too small")
        return "  <corrupt - note is too small>\n"
    pc, base, semaphore = (
        f"0x{elf.layout.number(data[n * size : (n + 1) * size]):0{2 * size}x}" for n in range(3)
    )
    provider, probe, arguments = (string.decode("latin-1") for string in strings[:3])
    return (
        f"    Provider: {provider}\n    Name: {probe}\n"
        f"    Location: {pc}, Base: {base}, Semaphore: {semaphore}\n"
        f"    Arguments: {arguments}\n"
    )


def _core(elf: ElfFile, note: Note, options: Options) -> Iterator[str]:
    if note.type != 0x46494C45:
        if options.wide:
            yield "\n"
        return
    if elf.is64:
        # Of GNU readelf 2.40 this is all that a 64-bit file gets; JSON has the files.
        yield "    Cannot decode 64-bit note in 32-bit build\n"
        return
    yield from _mapped_files(elf, note.descriptor)


def _mapped_files(elf: ElfFile, data: bytes) -> Iterator[str]:
    """NT_FILE of a 32-bit core: ranges, then the names of their files."""
    from struct import Struct

    if len(data) < 8 or data[-1]:
        reason = "too short for header" if len(data) < 8 else "does not end with \\0"
        elf.image.error(f"    Malformed note - {reason}")
        return
    count, page = elf.layout.number(data[:4]), elf.layout.number(data[4:8])
    if len(data) < 8 + count * 12:
        elf.image.error("    Malformed note - too short for supplied file count")
        return
    yield f"    Page size: {page}\n"
    yield f"    {'Start':>10}{'End':>12}{'Page Offset':>12}\n"
    ranges = Struct("<III" if elf.layout.little else ">III").iter_unpack(data[8 : 8 + count * 12])
    files = data[8 + count * 12 :].split(b"\0")[:-1]
    for number, (start, end, offset) in enumerate(ranges):
        if number >= len(files):
            elf.image.error("    Malformed note - filenames end too early")
            return
        name = files[number].decode("latin-1")
        yield f"    0x{start:08x}  0x{end:08x}  0x{offset:08x}\n        {name}\n"
