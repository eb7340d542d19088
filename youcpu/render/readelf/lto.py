"""`--lto-syms`: the symbols of objects that hold GCC's intermediate language."""

from __future__ import annotations

from collections.abc import Iterator

from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.structures import Section
from youcpu.render.readelf.options import Options
from youcpu.render.readelf.printable import Printer, section_name

PREFIX = ".gnu.lto_.symtab."
KINDS = ("DEF", "WEAKDEF", "UNDEF", "WEAKUNDEF", "COMMON")
VISIBILITIES = ("DEFAULT", "PROTECTED", "INTERNAL", "HIDDEN")
TYPES = ("UNKNOWN", "FUNCTION", "VARIABLE")
OVERRUN = "Buffer overrun encountered whilst decoding LTO symbol table"


def lto_symbols(elf: ElfFile, options: Options) -> Iterator[str]:
    for section in elf.sections or ():
        name = elf.section_name(section)
        if elf.section_name_valid(section) and name.startswith(PREFIX):
            yield from _table(elf, section, name, options)


def _table(elf: ElfFile, section: Section, name: str, options: Options) -> Iterator[str]:
    shown = section_name(name)
    if section.size == 0:
        yield f"\nLTO Symbol table '{shown}' is empty!\n"
        return
    data = elf.image.read(section.offset, section.size, "LTO symbols")
    if data is None:
        return
    other = elf.find_section(f".gnu.lto_.ext_symtab.{name.removeprefix(PREFIX)}")
    extra = _extension(elf, other)
    if extra is None or other is None:
        yield f"\nLTO Symbol table '{shown}' contains:\n"
        yield "  Comdat_Key       Kind  Visibility     Size      Slot Name\n"
    else:
        # GNU readelf 2.40 puts both names in one buffer, and so prints one of them twice.
        second = shown if options.wide else section_name(elf.section_name(other))
        join = " and" if options.wide else "\n and"
        yield f"\nLTO Symbol table '{shown}'{join} extension table '{second}' contain:\n"
        yield "  Comdat_Key       Kind  Visibility     Size      Slot      Type  Section Name\n"
    yield from _rows(elf, bytes(data), extra, Printer(options))


def _extension(elf: ElfFile, section: Section | None) -> bytes | None:
    """The bytes after the version number of the extension table."""
    if section is None:
        return None
    if section.size < 3:
        elf.image.error(f"LTO Symbol extension table '{elf.section_name(section)}' is empty!")
        return None
    data = elf.image.read(section.offset, section.size, "LTO ext symbol data")
    if data is not None and data[0] != 1:
        elf.image.error("Unexpected version number in symbol extension table")
    return None if data is None else bytes(data[1:])


def _rows(elf: ElfFile, data: bytes, extra: bytes | None, printer: Printer) -> Iterator[str]:
    position = taken = 0
    while position < len(data):
        fields = data[position:].split(b"\0", 2)
        rest = position + len(fields[0]) + len(fields[1]) + 2 if len(fields) == 3 else len(data)
        if rest + 14 > len(data):
            elf.image.error(OVERRUN)
            return
        symbol, key = (field.decode("latin-1") for field in fields[:2])
        size = elf.layout.number(data[rest + 2 : rest + 10])
        slot = elf.layout.number(data[rest + 10 : rest + 14])
        line = (
            f"  {key or '-':>10} {_word(KINDS, data[rest]):>10}"
            f" {_word(VISIBILITIES, data[rest + 1]):>11} {size:08x}  {slot:08x} "
        )
        if extra is None:
            yield f"{line}_{printer.symbol(21, symbol)}\n"
        elif taken + 1 < len(extra):
            kind = _word(TYPES, extra[taken])
            yield f"{line}{kind:>9} {extra[taken + 1]:08x} _{printer.symbol(6, symbol)}\n"
            taken += 2
        else:
            elf.image.error("Ran out of LTO symbol extension data")
            extra = None
            yield "\n"
        position = rest + 14
    if extra is not None and taken < len(extra):
        elf.image.error("Data remains in the LTO symbol extension table")
        elf.image.error(OVERRUN)


def _word(words: tuple[str, ...], number: int) -> str:
    return words[number] if number < len(words) else f"<unknown: {number}>"
