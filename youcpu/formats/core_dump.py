"""ELF cores of physical memory: QEMU's dump-guest-memory, kdump's vmcore, /proc/kcore.

QEMU (include/sysemu/dump.h, target/i386/arch_dump.c) writes a note of type 0 and name
QEMU for each CPU: version, size, 18 registers, 10 segments of 24 bytes, CR0..CR4.
The kernel's own cores hold none of that, but a VMCOREINFO note (kernel/vmcore_info.c).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from youcpu.formats.errors import FormatError
from youcpu.formats.memory_image import (
    CpuState,
    FileBytes,
    MemoryImage,
    Segment,
    SegmentRegister,
    fit_segments,
)

ELF_MAGIC = b"\x7fELF"
EM_386 = 3
EM_X86_64 = 62
ET_CORE = 4
PT_LOAD = 1
PT_NOTE = 4
PN_XNUM = 0xFFFF
NO_PADDR = ((1 << 64) - 1, (1 << 32) - 1)  # /proc/kcore: not physical memory (modules, vmalloc)
NOTES_LIMIT = 64 << 20

QEMU_NOTE_SIZE = 8 + 18 * 8 + 10 * 24 + 5 * 8
_QEMU_REGISTERS = struct.Struct("<18Q")  # rax .. r15, rip, rflags
_QEMU_CR = struct.Struct("<5Q")
_QEMU_SEGMENT = struct.Struct("<IIIxxxxQ")  # selector, limit, flags, base
_QEMU_SEGMENTS = ("cs", "ds", "es", "fs", "gs", "ss", "ldt", "tr", "gdt", "idt")


class ProgramHeader(NamedTuple):
    type: int
    offset: int
    paddr: int
    filesz: int
    memsz: int


class Note(NamedTuple):
    name: bytes
    type: int
    offset: int  # of the description in the file
    data: bytes


def parse_core(data: FileBytes) -> MemoryImage:
    """The memory and CPUs of an ELF core. Raises FormatError where it is not one."""
    headers, machine = _program_headers(data)
    loads = [header for header in headers if header.type == PT_LOAD]
    if not loads:
        raise FormatError(0, "an ELF core without memory: no PT_LOAD segment")
    if len(loads) > 1 and not any(header.paddr for header in loads):
        raise FormatError(
            0, "a process's core, not physical memory: every segment has physical address 0"
        )
    damage: list[str] = []
    loads = [header for header in loads if header.paddr not in NO_PADDR]
    pieces = [Segment(header.paddr, header.filesz, header.offset) for header in loads]
    cpus: list[CpuState] = []
    vmcoreinfo: dict[str, str] = {}
    for header in headers:
        if header.type == PT_NOTE:
            for note in _notes(data, header, damage):
                if note.name == b"QEMU" and note.type == 0:
                    _add_cpu(note, cpus, damage)
                elif note.name == b"VMCOREINFO":
                    vmcoreinfo.update(parse_vmcoreinfo(note.data))
    if cpus:
        pieces += _unnamed(loads)
    segments = fit_segments(pieces, len(data), damage)
    return MemoryImage("ELF core", data, segments, cpus, machine, vmcoreinfo, damage)


def _unnamed(loads: list[ProgramHeader]) -> list[Segment]:
    """Memory that lies in QEMU's file and that its headers do not name.

    With paging (`dump-guest-memory -p`) there is a segment for each run of virtual addresses, but
    all RAM blocks are written, one behind the other (dump/dump.c). A segment that goes over the
    end of its block names only what lies in that one: p_filesz is short (get_offset_range()), and
    the next block starts behind it. Segments with one distance from file to memory share a block.
    """
    blocks: dict[int, list[int]] = {}  # distance -> first and last offset
    short: set[int] = set()
    for load in loads:
        if load.filesz:
            ends = blocks.setdefault(load.paddr - load.offset, [load.offset, load.offset])
            ends[0] = min(ends[0], load.offset)
            ends[1] = max(ends[1], load.offset + load.filesz)
            if load.memsz > load.filesz:
                short.add(load.offset + load.filesz)
    found: list[Segment] = []
    if not short:
        return found
    before = -1
    for distance, (first, last) in sorted(blocks.items(), key=lambda block: block[1]):
        if first < before:
            return []  # blocks within each other: nothing that QEMU wrote
        if before in short and before + distance >= 0:
            first = before
        found.append(Segment(first + distance, last - first, first))
        before = last
    return found


def _program_headers(data: FileBytes) -> tuple[list[ProgramHeader], int]:
    ident = bytes(data[:16])
    if ident[:4] != ELF_MAGIC:
        raise FormatError(0, "not ELF")
    if len(ident) < 16 or ident[4] not in (1, 2):
        raise FormatError(4, f"ELF class is neither 32 nor 64 bit: {ident[4:5].hex() or 'cut off'}")
    if ident[5] != 1:
        raise FormatError(5, "not little-endian: no x86 core")
    wide = ident[4] == 2
    layout = struct.Struct("<HHIQQQIHHHHHH" if wide else "<HHIIIIIHHHHHH")
    header = bytes(data[16 : 16 + layout.size])
    if len(header) < layout.size:
        raise FormatError(16, "the ELF header is cut off")
    fields = layout.unpack(header)
    elf_type, machine, phoff, shoff, phentsize, phnum = *fields[:2], *fields[4:6], *fields[8:10]
    if elf_type != ET_CORE:
        raise FormatError(16, f"not a core: e_type is {elf_type}, not {ET_CORE}")
    if machine not in (EM_386, EM_X86_64):
        raise FormatError(18, f"not an x86 core: e_machine is {machine}")
    entry = struct.Struct("<IIQQQQQQ" if wide else "<IIIIIIII")
    if phentsize != entry.size:
        raise FormatError(54 if wide else 42, f"e_phentsize is {phentsize}, not {entry.size}")
    if phnum == PN_XNUM:
        # More segments than 16 bits count: the number is sh_info of section header 0 (gABI).
        where = shoff + (44 if wide else 28)
        number = bytes(data[where : where + 4])
        if len(number) < 4:
            raise FormatError(shoff, "the section header that counts the segments is cut off")
        phnum = int.from_bytes(number, "little")
    table = bytes(data[phoff : phoff + min(phnum * entry.size, len(data))])
    if len(table) < phnum * entry.size:
        raise FormatError(phoff, f"the program headers are cut off: {phnum} were promised")
    if wide:
        rows = [ProgramHeader(r[0], r[2], r[4], r[5], r[6]) for r in entry.iter_unpack(table)]
    else:
        rows = [ProgramHeader(r[0], r[1], r[3], r[4], r[5]) for r in entry.iter_unpack(table)]
    return rows, machine


def _notes(data: FileBytes, header: ProgramHeader, damage: list[str]) -> Iterator[Note]:
    blob = bytes(data[header.offset : header.offset + min(header.filesz, NOTES_LIMIT)])
    position = 0
    while position + 12 <= len(blob):
        name_size, size, kind = struct.unpack_from("<III", blob, position)
        name_end = position + 12 + name_size
        start = position + 12 + (name_size + 3 & ~3)
        if start + size > len(blob):
            where = header.offset + position
            damage.append(f"the note at {where:#x} runs past its segment: the rest is unread")
            return
        name = blob[position + 12 : name_end].rstrip(b"\0")
        yield Note(name, kind, header.offset + start, blob[start : start + size])
        position = start + (size + 3 & ~3)


def _add_cpu(note: Note, cpus: list[CpuState], damage: list[str]) -> None:
    index = len(cpus)
    if len(note.data) < QEMU_NOTE_SIZE:
        damage.append(f"the QEMU note at {note.offset:#x} is too short for CR0-CR4")
        return
    version = int.from_bytes(note.data[:4], "little")
    if version != 1:
        damage.append(f"the QEMU note at {note.offset:#x} has version {version}, not 1")
        return
    registers = _QEMU_REGISTERS.unpack_from(note.data, 8)
    segments = {
        name: SegmentRegister(*_QEMU_SEGMENT.unpack_from(note.data, 152 + 24 * place))
        for place, name in enumerate(_QEMU_SEGMENTS)
    }
    cs = segments["cs"].selector & 0xFFFF
    cr0, _, cr2, cr3, cr4 = _QEMU_CR.unpack_from(note.data, 392)
    rip, rsp, rflags = registers[16], registers[6], registers[17]
    cpus.append(CpuState(index, rip, rsp, rflags, cs, cr0, cr2, cr3, cr4, segments))


def parse_vmcoreinfo(text: bytes) -> dict[str, str]:
    """The KEY=VALUE lines of a VMCOREINFO note."""
    lines = text.decode("ascii", "replace").replace("\0", "").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


# x86-64 Linux: the kernel's image is mapped here, `phys_base` says where it lies in memory.
START_KERNEL_MAP = 0xFFFF_FFFF_8000_0000


def kernel_page_table(vmcoreinfo: dict[str, str]) -> tuple[int, bool] | None:
    """(physical address of the kernel's first table, 5-level?) as VMCOREINFO tells, or None.

    arch/x86/kernel/vmcore_info_64.c: phys_base, init_top_pgt, pgtable_l5_enabled.
    """
    symbol = vmcoreinfo.get("SYMBOL(init_top_pgt)") or vmcoreinfo.get("SYMBOL(swapper_pg_dir)")
    base = vmcoreinfo.get("NUMBER(phys_base)")
    if symbol is None or base is None:
        return None
    try:
        table = int(symbol, 16) - START_KERNEL_MAP + int(base)
    except ValueError:
        return None
    five = vmcoreinfo.get("NUMBER(pgtable_l5_enabled)", "0").strip() == "1"
    return (table, five) if 0 <= table < 1 << 52 else None
