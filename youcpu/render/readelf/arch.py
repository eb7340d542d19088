"""`-A`: what is particular to a machine: build attributes, MIPS' tables, prelink's libraries."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from youcpu.abi import elf as abi
from youcpu.formats.elf.attributes import attributes
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.hexdump import hex_rows
from youcpu.formats.elf.names import MIPS
from youcpu.render.readelf.dynamic import time_text
from youcpu.render.readelf.options import Options
from youcpu.render.readelf.printable import Printer, section_name


def arch_specific(elf: ElfFile, options: Options) -> Iterator[str]:
    yield from _library_lists(elf, options)
    yield from _attributes(elf, options)
    if elf.machine in MIPS:
        from youcpu.render.readelf.mips import mips_specific

        yield from mips_specific(elf, options)


def _attributes(elf: ElfFile, options: Options) -> Iterator[str]:
    printer = Printer(options)
    for entry in attributes(elf):
        if entry.text is None:
            yield "  Unknown attribute:\n"
            yield from hex_rows(entry.data, 0)
            yield "\n"
        elif entry.kind == "vendor":
            yield f"Attribute Section: {printer.symbol(1 << 31, entry.text)}\n"
        elif entry.kind == "scope":
            yield f"{entry.text}\n"
        else:
            text = entry.text
            plain = "\n" in text[:-1] or (text.isascii() and text[:-1].isprintable())
            yield text if plain else _escaped(printer, text)


def _escaped(printer: Printer, text: str) -> str:
    """Lines of an attribute whose string has characters that cannot be printed as they are."""
    end = "\n" if text.endswith("\n") else ""
    return printer.symbol(1 << 31, text.removesuffix("\n")) + end


def _library_lists(elf: ElfFile, options: Options) -> Iterator[str]:
    """SHT_GNU_LIBLIST, which prelink wrote."""
    record = Struct("<IIIII" if elf.layout.little else ">IIIII")
    for section in elf.sections or ():
        if section.type != abi.SHT_GNU_LIBLIST or section.link >= elf.header.shnum:
            continue
        assert elf.sections is not None
        data = elf.image.read(section.offset, section.size, "liblist section data")
        names = elf.sections[section.link]
        strings = elf.image.strings(names.offset, names.size, "liblist string table")
        if data is None or strings is None or section.entsize != record.size:
            continue
        count = section.size // record.size
        title = section_name(elf.section_name(section))
        yield f"\nLibrary list section '{title}' contains {count} entries:\n"
        yield "     Library              Time Stamp          Checksum   Version Flags\n"
        for number, row in enumerate(record.iter_unpack(data[: count * record.size])):
            offset, stamp, checksum, version, flags = row
            name = strings.get(offset, "<corrupt>")
            shown = f"{name:<20}" if options.wide else f"{name:<20.20}"
            yield (
                f"{number:3d}: {shown} {time_text(stamp)} 0x{checksum:08x} {version:<7d}"
                f" {flags:<7d}\n"
            )
