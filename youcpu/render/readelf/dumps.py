"""`-x`, `-p` and `-R`: what a section holds, as bytes or as strings."""

from __future__ import annotations

from collections.abc import Iterator

from youcpu.abi import elf as abi
from youcpu.formats.elf.compression import decompress, section_data
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.hexdump import hex_rows
from youcpu.formats.elf.relocate import relocated, relocation_section_of
from youcpu.formats.elf.structures import Section
from youcpu.render.readelf.options import Options
from youcpu.render.readelf.printable import section_name

HEX, STRINGS, RELOCATED = "x", "p", "R"


def dumps(elf: ElfFile, options: Options) -> Iterator[str]:
    """All dumps that were asked for, in the order of the sections."""
    for section, kinds in requested(elf, options):
        for kind in (HEX, RELOCATED, STRINGS):
            if kind in kinds:
                yield from _dump(elf, section, kind, options)


def requested(elf: ElfFile, options: Options) -> list[tuple[Section, set[str]]]:
    """(section, how) for each section that is named by its number or by its name."""
    wanted: dict[int, set[str]] = {}
    sections = elf.sections or []
    missing: list[str] = []
    for kind, which in options.dumps:
        number = _number(which)
        if number is not None:
            found = [number] if number < len(sections) else []
            if not found:
                missing.append(f"Section {which} was not dumped because it does not exist!")
        else:
            name = which.encode("utf-8", "surrogateescape").decode("latin-1")
            found = [
                s.number
                for s in sections
                if elf.section_name_valid(s) and elf.section_name(s) == name
            ]
            if not found:
                elf.image.warn(f"Section '{which}' was not dumped because it does not exist")
        for index in found:
            wanted.setdefault(index, set()).add(kind)
    for message in missing:
        elf.image.warn(message)
    return [(sections[index], wanted[index]) for index in sorted(wanted)]


def _number(text: str) -> int | None:
    try:
        return int(text, 0)
    except ValueError:
        return None


def _dump(elf: ElfFile, section: Section, kind: str, options: Options) -> Iterator[str]:
    name = section_name(elf.section_name(section))
    if section.size == 0 or section.type == abi.SHT_NOBITS:
        yield f"Section '{name}' has no data to dump.\n"
        return
    data = section_data(elf, section)
    if data is None:
        return
    yield f"\n{'String' if kind == STRINGS else 'Hex'} dump of section '{name}':\n"
    content: bytes | bytearray | memoryview | None = data
    if options.decompress:
        content = decompress(elf, section, data)
    if content is None:
        return
    if kind == RELOCATED:
        content = relocated(elf, section, memoryview(content))
        if content is None:
            return
    elif relocation_section_of(elf, section) is not None:
        note = "  Note:" if kind == STRINGS else " NOTE:"
        yield (
            f"{note} This section has relocations against it, but these have NOT been applied"
            " to this dump.\n"
        )
    if kind == STRINGS:
        yield from string_rows(bytes(content), options.utf8)
    else:
        yield from hex_rows(bytes(content), section.addr)
        yield "\n"


def string_rows(data: bytes, utf8: bool) -> Iterator[str]:
    """Printable strings with their offsets; a newline ends a string and its line goes on below."""
    position, end = 0, len(data)
    shown = continuing = False
    while position < end:
        while position < end and not 0x20 <= data[position] < 0x7F:
            position += 1
        if position >= end:
            break
        text = "            " if continuing else f"  [{position:6x}]  "
        continuing = False
        piece, position, newline = _string(data, position, utf8)
        text += piece
        if newline:
            text += "\\n\n"
            continuing = position < end and data[position] != 0
        else:
            text += "\n"
        shown = True
        yield text
    yield "\n" if shown else "  No strings found in this section.\n"


def _string(data: bytes, position: int, utf8: bool) -> tuple[str, int, bool]:
    """(text, position after it, whether a newline ended it)."""
    pieces: list[str] = []
    room = len(data) - position
    while room and position < len(data):
        byte = data[position]
        position += 1
        if byte == 0:
            break
        if byte == 0x0A:
            return "".join(pieces), position, True
        if byte < 0x20 or byte == 0x7F:
            pieces.append(f"^{chr(byte + 0x40)}")
        else:
            pieces.append(chr(byte))
            if byte >= 0x80 and utf8:
                position += _more(data, position - 1)
    return "".join(pieces), position, False


def _more(data: bytes, position: int) -> int:
    """Bytes after the first that a UTF-8 character has here."""
    for count in (2, 3, 4):
        try:
            data[position : position + count].decode("utf-8")
        except UnicodeDecodeError:
            continue
        return count - 1
    return 0
