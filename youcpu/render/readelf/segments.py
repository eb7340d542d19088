"""`-l`: program headers, the interpreter, and which sections lie in which segment."""

from __future__ import annotations

from collections.abc import Iterator

from youcpu.abi import elf as abi
from youcpu.formats.elf import names
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.segments import scan_segments, sections_in
from youcpu.formats.elf.structures import Segment
from youcpu.render.readelf.options import Options
from youcpu.render.readelf.printable import section_name
from youcpu.render.readelf.sections import as_int

HEADING_32 = "  Type           Offset   VirtAddr   PhysAddr   FileSiz MemSiz  Flg Align\n"
HEADING_WIDE = (
    "  Type           Offset   VirtAddr           PhysAddr           FileSiz  MemSiz   Flg Align\n"
)
HEADING_64 = (
    "  Type           Offset             VirtAddr           PhysAddr\n"
    "                 FileSiz            MemSiz              Flags  Align\n"
)


def program_headers(elf: ElfFile, options: Options) -> Iterator[str]:
    """The view; it takes note of the dynamic section on the way."""
    header = elf.header
    if header.phnum == 0:
        scan_segments(elf)
        if header.phoff == 0:
            yield "\nThere are no program headers in this file.\n"
        return
    if not options.header:
        count = header.phnum
        many = f"are {as_int(count)} program headers" if count != 1 else "is 1 program header"
        yield f"\nElf file type is {names.file_type(elf)}\n"
        yield f"Entry point 0x{header.entry:x}\n"
        yield f"There {many}, starting at offset {header.phoff}\n"
    interpreters = scan_segments(elf)
    if elf.segments is None:
        return
    yield "\nProgram Headers:\n"
    yield HEADING_WIDE if elf.is64 and options.wide else HEADING_64 if elf.is64 else HEADING_32
    for number, segment in enumerate(elf.segments):
        yield _row(elf, segment, options.wide)
        if number in interpreters:
            yield f"      [Requesting program interpreter: {interpreters[number]}]\n"
    if elf.sections is not None and elf.section_names is not None:
        yield from _mapping(elf)


def _row(elf: ElfFile, segment: Segment, wide: bool) -> str:
    kind = f"  {names.segment_type(elf.header, segment.type):<14.14} "
    flags = "".join(
        letter if segment.flags & bit else " "
        for bit, letter in ((abi.PF_R, "R"), (abi.PF_W, "W"), (abi.PF_X, "E"))
    )
    _, offset, vaddr, paddr, filesz, memsz, _, align = segment
    if not elf.is64:
        return (
            f"{kind}0x{offset:06x} 0x{vaddr:08x} 0x{paddr:08x} 0x{filesz:05x} 0x{memsz:05x} "
            f"{flags} {names.c_hex(align)}\n"
        )
    if wide:
        return (
            f"{kind}0x{offset:06x} 0x{vaddr:016x} 0x{paddr:016x} 0x{filesz:06x} 0x{memsz:06x} "
            f"{flags} {names.c_hex(align)}\n"
        )
    return (
        f"{kind}0x{offset:016x} 0x{vaddr:016x} 0x{paddr:016x}\n"
        f"                 0x{filesz:016x} 0x{memsz:016x}  {flags}    {align:#x}\n"
    )


def _mapping(elf: ElfFile) -> Iterator[str]:
    yield "\n Section to Segment mapping:\n  Segment Sections...\n"
    for number, segment in enumerate(elf.segments or ()):
        members = sections_in(elf, segment)
        listed = "".join(f"{section_name(elf.section_name(s))} " for s in members)
        yield f"   {number:02d}     {listed}\n"
