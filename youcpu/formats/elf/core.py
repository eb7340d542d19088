"""Core files: which program they are of (NT_PRPSINFO; fs/binfmt_elf.c, fill_psinfo)."""

from __future__ import annotations

from typing import NamedTuple

from youcpu.abi import elf as abi
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.image import Image, c_string
from youcpu.formats.elf.notes import note_tables, notes_of
from youcpu.formats.errors import FormatError

NT_PRPSINFO = 3
ARGUMENTS, NAME = 80, 16  # bytes: the last two fields, whatever the machine has before them


class Program(NamedTuple):
    """The process that dumped core: its name, up to 15 bytes, and its command line, up to 79."""

    name: str
    command: str


def program_of(descriptor: bytes) -> Program | None:
    """Out of an NT_PRPSINFO note; None if it is too short for one."""
    if len(descriptor) < ARGUMENTS + NAME:
        return None
    command = c_string(descriptor[-ARGUMENTS:])
    return Program(c_string(descriptor[-ARGUMENTS - NAME : -ARGUMENTS]), command.rstrip(" "))


def describe_elf(data: memoryview) -> str:
    """A phrase for any ELF file: what kind, and a core file of what."""
    try:
        elf = ElfFile(Image(data))
    except FormatError:
        return "an ELF file that is cut short"
    elf.resolve_header()
    kind = elf.header.type
    if kind == abi.ET_REL:
        return "an ELF object file"
    if kind != abi.ET_CORE:
        return "an ELF file"
    for table in note_tables(elf):
        for note in notes_of(elf, table) or ():
            program = program_of(note.descriptor) if note.type == NT_PRPSINFO else None
            if program is not None and note.owner == "CORE":
                return f"an ELF core file of '{program.command or program.name}'"
    return "an ELF core file"
