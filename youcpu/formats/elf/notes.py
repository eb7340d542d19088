"""Notes: owner, type and descriptor of each record (gABI, chapter 5, Note Section)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from youcpu.abi import elf as abi
from youcpu.abi import elf_notes
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.image import c_string
from youcpu.formats.elf.relocate import relocated
from youcpu.formats.elf.structures import Section

STRUCTURES = 12  # bytes of namesz, descsz and type


class Note(NamedTuple):
    """`owner` is the name up to its NUL; `has_name` false where namesz is 0, and `owner` then
    shows what follows, which is what the owner is taken to be."""

    has_name: bool
    name_size: int
    owner: str
    raw_name: bytes
    type: int
    descriptor: bytes


class NoteTable(NamedTuple):
    """Notes of a section, or of a segment (`section` None). `align` is checked by `notes_of`."""

    section: Section | None
    offset: int
    size: int
    align: int
    data: bytes


def note_tables(elf: ElfFile) -> Iterator[NoteTable]:
    """Sections of notes; segments of notes for core files and where no section is one."""
    if elf.header.type != abi.ET_CORE:
        found = [s for s in elf.sections or () if s.type == abi.SHT_NOTE]
        for section in found:
            if section.size:
                yield from _section_table(elf, section)
        if found:
            return
    if elf.header.phnum == 0 and elf.header.type == abi.ET_CORE:
        return
    if not elf.load_segments():
        return
    for segment in elf.segments or ():
        if segment.type == abi.PT_NOTE and segment.filesz:
            data = elf.image.read(segment.offset, segment.filesz, "notes")
            if data is not None:
                yield NoteTable(None, segment.offset, segment.filesz, segment.align, bytes(data))


def _section_table(elf: ElfFile, section: Section) -> Iterator[NoteTable]:
    data = elf.image.read(section.offset, section.size, "section contents")
    if data is None:
        return
    content = relocated(elf, section, data)
    if content is not None:
        align = section.addralign
        yield NoteTable(section, section.offset, section.size, align, bytes(content))


def notes_of(elf: ElfFile, table: NoteTable) -> Iterator[Note] | None:
    """The notes; None, with a warning, where the alignment is neither 4 nor 8."""
    align = max(table.align, 4)
    if align not in (4, 8):
        elf.image.warn(f"Corrupt note: alignment {align}, expecting 4 or 8")
        return None
    return _notes(elf, table.data, align)


def _notes(elf: ElfFile, data: bytes, align: int) -> Iterator[Note]:
    number = elf.layout.number
    position = 0
    while position < len(data):
        room = len(data) - position - STRUCTURES
        if room < 0:
            left = len(data) - position
            remains = "byte remains" if left == 1 else "bytes remain"
            elf.image.warn(f"Corrupt note: only {left} {remains}, not enough for a full note")
            return
        name_size, size, kind = (number(data[position + n : position + n + 4]) for n in (0, 4, 8))
        start = position + STRUCTURES
        desc = position + _aligned(STRUCTURES + name_size, align)
        following = position + _aligned(desc - position + size, align)
        if desc - start < name_size or following - start > room:
            elf.image.warn(f"note with invalid namesz and/or descsz found at offset {position:#x}")
            elf.image.warn(
                f" type: {kind:#x}, namesize: {name_size:#x}, descsize: {size:#x},"
                f" alignment: {align}"
            )
            return
        raw = data[start : start + name_size]
        owner = c_string(raw if name_size else data[start : start + 64])
        yield Note(name_size > 0, name_size, owner, raw, kind, data[desc : desc + size])
        position = following


def _aligned(size: int, align: int) -> int:
    return (size + align - 1) & -align


def type_name(elf: ElfFile, note: Note) -> str:
    """What the type is called, which depends on the owner."""
    owner, kind = note.owner, note.type
    unknown = f"Unknown note type: (0x{kind:08x})"
    if not note.has_name:
        return _general(elf, kind)
    if owner.startswith("GNU"):
        return elf_notes.GNU_NOTES.get(kind, unknown)
    if owner.startswith("AMDGPU"):
        return "NT_AMDGPU_METADATA (code object metadata)" if kind == 32 else unknown
    if owner.startswith("FreeBSD"):
        return elf_notes.FREEBSD_NOTES.get(kind) or _general(elf, kind)
    if owner.startswith("NetBSD-CORE"):
        return _netbsd_core(kind, unknown)
    if owner.startswith("OpenBSD"):
        return elf_notes.OPENBSD_NOTES.get(kind) or _general(elf, kind)
    if owner.startswith("SPU/"):
        return owner[4:]
    if owner.startswith("stapsdt"):
        return "NT_STAPSDT (SystemTap probe descriptors)" if kind == 3 else unknown
    return _general(elf, kind)


def _general(elf: ElfFile, kind: int) -> str:
    core = elf.header.type == abi.ET_CORE
    table = elf_notes.CORE_NOTES if core else elf_notes.NOTES
    return table.get(kind, f"Unknown note type: (0x{kind:08x})")


def _netbsd_core(kind: int, unknown: str) -> str:
    known = {
        1: "NetBSD procinfo structure",
        2: "NetBSD ELF auxiliary vector data",
        24: "PT_LWPSTATUS (ptrace_lwpstatus structure)",
        33: "PT_GETREGS (reg structure)",
        35: "PT_GETFPREGS (fpreg structure)",
    }
    return known.get(kind) or (unknown if kind < 32 else f"PT_FIRSTMACH+{kind - 32}")


def is_build_attribute(note: Note) -> bool:
    """A watermark of how a part of the program was built (annobin)."""
    owner = note.owner
    marked = owner[:1] in set("*$!+") or (owner.startswith("GA") and owner[2:3] in set("*$!+"))
    # strchr finds the NUL of an empty name, too.
    return (marked or owner in ("", "GA")) and note.type in (0x100, 0x101)
