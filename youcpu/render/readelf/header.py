"""`-h`: the file header."""

from __future__ import annotations

from collections.abc import Iterator

from youcpu.abi import elf as abi
from youcpu.formats.elf import names
from youcpu.formats.elf.file import ElfFile


def file_header(elf: ElfFile) -> Iterator[str]:
    header = elf.header
    ident = header.ident
    version = {0: "", 1: " (current)"}.get(ident[6], " <unknown>")
    yield "ELF Header:\n"
    yield f"  Magic:   {' '.join(f'{byte:02x}' for byte in ident)} \n"
    rows = [
        ("Class:", abi.CLASSES.get(ident[4]) or f"<unknown: {ident[4]:x}>"),
        ("Data:", abi.ENCODINGS.get(ident[5]) or f"<unknown: {ident[5]:x}>"),
        ("Version:", f"{ident[6]}{version}"),
        ("OS/ABI:", names.osabi(header)),
        ("ABI Version:", str(ident[8])),
        ("Type:", names.file_type(elf)),
        ("Machine:", names.machine(header.machine)),
        ("Version:", f"{header.version:#x}"),
        ("Entry point address:", f"{header.entry:#x}"),
        ("Start of program headers:", f"{signed64(header.phoff)} (bytes into file)"),
        ("Start of section headers:", f"{signed64(header.shoff)} (bytes into file)"),
        ("Flags:", f"{header.flags:#x}{machine_flags(elf)}"),
        ("Size of this header:", f"{header.ehsize} (bytes)"),
        ("Size of program headers:", f"{header.phentsize} (bytes)"),
        ("Number of program headers:", f"{header.phnum}{extended(elf, 'phnum')}"),
        ("Size of section headers:", f"{header.shentsize} (bytes)"),
        ("Number of section headers:", f"{header.shnum}{extended(elf, 'shnum')}"),
        ("Section header string table index:", string_table_index(elf)),
    ]
    for label, value in rows:
        yield f"  {label:<34} {value}\n"


def signed64(number: int) -> int:
    """As C prints an uint64_t with %ld."""
    return number - (1 << 64) if number >> 63 else number


def machine_flags(elf: ElfFile) -> str:
    from youcpu.formats.elf.machine_flags import machine_flags as words

    return "".join(f", {word}" for word in words(elf.header))


def extended(elf: ElfFile, field: str) -> str:
    """The real count in parentheses, where the header's is an escape."""
    header, first = elf.header, elf.section0
    if first is None:
        return ""
    if field == "phnum":
        return f" ({first.info})" if header.phnum == abi.PN_XNUM and first.info else ""
    return f" ({first.size & 0xFFFFFFFF})" if header.shnum == 0 else ""


def string_table_index(elf: ElfFile) -> str:
    header, first = elf.header, elf.section0
    index, text = header.shstrndx, str(header.shstrndx)
    count = header.shnum
    if first is not None:
        count = count or first.size & 0xFFFFFFFF
        if index == abi.SHN_XINDEX:
            index = first.link
            text += f" ({index})"
    if index and index >= count:
        text += " <corrupt: out of range>"
    return text
