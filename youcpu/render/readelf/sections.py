"""`-S`, `-t` and `-g`: section headers, their details, section groups."""

from __future__ import annotations

from collections.abc import Iterator

from youcpu.abi import elf as abi
from youcpu.formats.elf import names, section_flags
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.groups import read_groups
from youcpu.formats.elf.section_checks import check_section
from youcpu.formats.elf.structures import Section
from youcpu.render.readelf.options import Options
from youcpu.render.readelf.printable import Printer, section_name

HEADINGS = {  # (64 bit, wide, details)
    (False, False, False): (
        "  [Nr] Name              Type            Addr     Off    Size   ES Flg Lk Inf Al\n"
    ),
    (False, False, True): (
        "  [Nr] Name\n       Type            Addr     Off    Size   ES   Lk Inf Al\n"
    ),
    (True, True, False): (
        "  [Nr] Name              Type            Address          Off    Size   ES Flg Lk Inf Al\n"
    ),
    (True, True, True): (
        "  [Nr] Name\n       Type            Address          Off    Size   ES   Lk Inf Al\n"
    ),
    (True, False, False): (
        "  [Nr] Name              Type             Address           Offset\n"
        "       Size              EntSize          Flags  Link  Info  Align\n"
    ),
    (True, False, True): (
        "  [Nr] Name\n       Type              Address          Offset            Link\n"
        "       Size              EntSize          Info              Align\n"
    ),
}
KEY = """Key to Flags:
  W (write), A (alloc), X (execute), M (merge), S (strings), I (info),
  L (link order), O (extra OS processing required), G (group), T (TLS),
  C (compressed), x (unknown), o (OS specific), E (exclude),
  """


def announcement(elf: ElfFile) -> str:
    """The line that opens `-S` where no file header went before it."""
    count = elf.header.shnum
    many = "are {} section headers" if count != 1 else "is {} section header"
    offset = names.c_hex(elf.header.shoff)
    return f"There {many.format(as_int(count))}, starting at offset {offset}:\n"


def as_int(number: int) -> int:
    """As C prints an unsigned int with %d."""
    return number - (1 << 32) if number >> 31 else number


def section_headers(elf: ElfFile, options: Options) -> Iterator[str]:
    assert elf.sections is not None
    yield "\nSection Headers:\n" if elf.header.shnum > 1 else "\nSection Header:\n"
    yield HEADINGS[elf.is64, elf.is64 and options.wide, options.details]
    if options.details:
        yield "       Flags\n"
    printer = Printer(options)
    for section in elf.sections:
        check_section(elf, section)
        name = elf.section_name(section)
        kind = names.section_type(elf.header, section.type)
        kind = f" {kind:<15} " if options.wide else f" {kind:<15.15} "
        title = f"{section_name(name)}\n      " if options.details else printer.symbol(-17, name)
        yield f"  [{section.number:2d}] {title}{kind}{_columns(elf, section, options)}"
        if options.details:
            yield _details(elf, section)
    if not options.details:
        yield KEY + _key_tail(elf)


def _columns(elf: ElfFile, section: Section, options: Options) -> str:
    details = options.details
    flags = "" if details else section_flags.letters(elf.header, section.flags)
    address = f"{section.addr:0{16 if elf.is64 else 8}x}"
    link, info, align = section.link, section.info, section.addralign
    if not elf.is64 or options.wide:
        middle = "  " if details else f" {flags:>3} "
        special = _special_link(elf, link) if details and not elf.is64 else None
        linked = f"<{special}> " if special else f"{link:2d} "
        return (
            f"{address} {section.offset:06x} {section.size:06x} {section.entsize:02x}{middle}"
            f"{linked}{info:3d} {align:2d}\n"
        )
    if details:
        return (
            f" {address}  {section.offset:016x}  {link}\n"
            f"       {section.size:016x} {section.entsize:016x}  {info:<16d}  {align}\n"
        )
    return (
        f" {address}  {section.offset:08x}\n"
        f"       {section.size:016x}  {section.entsize:016x} {flags:>3} "
        f"     {link:2d}   {info:3d}     {align}\n"
    )


def _special_link(elf: ElfFile, link: int) -> str | None:
    if link < elf.header.shnum or elf.machine not in names.X86 + section_flags.SPARC:
        return None
    return {0xFF00: "BEFORE", 0xFF01: "AFTER"}.get(link)


def _details(elf: ElfFile, section: Section) -> str:
    """The lines of `-t` below a section: its flags, and its compression header."""
    width = 16 if elf.is64 else 8
    known, unknown = section_flags.words(elf.header, section.flags)
    known += [f"{word} ({bits:0{width}x})" for word, bits in unknown.items() if bits]
    text = f"       [{section.flags:0{width}x}]: {', '.join(known)}\n"
    if not section.flags & abi.SHF_COMPRESSED:
        return text
    data = elf.image.read(section.offset, 24, "compression header")
    if data is None:
        return text
    kind, size, align = _compression(elf, data)
    method = {1: "ZLIB", 2: "ZSTD"}.get(kind, f"[<unknown>: {kind:#x}]")
    return f"{text}       {method}, {size:0{width}x}, {align}\n"


def _compression(elf: ElfFile, data: memoryview) -> tuple[int, int, int]:
    fields = elf.layout.chdr.unpack_from(data)
    return fields[0], fields[-2], fields[-1]


def _key_tail(elf: ElfFile) -> str:
    text = ""
    if elf.header.osabi in names.GNU_OSABIS:
        text += "R (retain), "
    if elf.header.osabi in (*names.GNU_OSABIS, abi.ELFOSABI_NONE):
        text += "D (mbind), "
    if elf.machine in names.X86_64:
        text += "l (large), "
    elif elf.machine == abi.EM_ARM:
        text += "y (purecode), "
    elif elf.machine == abi.EM_PPC:
        text += "v (VLE), "
    return text + "p (processor specific)\n"


def section_groups(elf: ElfFile) -> Iterator[str]:
    if elf.header.shnum == 0:
        yield "\nThere are no section groups in this file.\n"
        return
    if elf.sections is None:
        elf.image.error("Section headers are not available!")
        return
    if not any(section.type == abi.SHT_GROUP for section in elf.sections):
        yield "\nThere are no section groups in this file.\n"
        return
    for group in read_groups(elf):
        name = section_name(elf.section_name(group.section))
        yield (
            f"\n{group_flags(group.flags)}group section [{group.section.number:5d}] `{name}'"
            f" [{group.signature}] contains {group.length} sections:\n"
        )
        yield "   [Index]    Name\n"
        for member in group.members:
            member_name = section_name(elf.section_name(elf.sections[member]))
            yield f"   [{member:5d}]   {member_name}\n"


def group_flags(flags: int) -> str:
    if flags == 0:
        return ""
    if flags == 1:
        return "COMDAT "
    words = "<OS specific>" if flags & 0x0FF00000 else ""
    words += "<PROC specific>" if flags & 0xF0000000 else ""
    words += "<unknown>" if flags & ~0xFFF00001 else ""
    return f"[{flags:#x}: {words}]"
