"""GNU properties: what a program asks of the loader and the processor (Linux gABI extensions)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from youcpu.abi import elf as abi
from youcpu.abi import elf_notes
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.names import c_hex

LOPROC, LOUSER = 0xC0000000, 0xE0000000
STACK_SIZE, NO_COPY_ON_PROTECTED, NEEDED_1 = 1, 2, 0xB0008000
# type: (title, bits, what no bit means)
X86: dict[int, tuple[str, dict[int, str], str]] = {
    0xC0010002: ("x86 ISA used: ", elf_notes.X86_ISA, ""),
    0xC0008002: ("x86 ISA needed: ", elf_notes.X86_ISA, ""),
    0xC0000002: ("x86 feature: ", elf_notes.X86_FEATURE_1, "<None>"),
    0xC0010001: ("x86 feature used: ", elf_notes.X86_FEATURE_2, "<None>"),
    0xC0008001: ("x86 feature needed: ", elf_notes.X86_FEATURE_2, "<None>"),
    0xC0000000: ("x86 ISA used: ", elf_notes.X86_COMPAT_ISA, ""),
    0xC0000001: ("x86 ISA needed: ", elf_notes.X86_COMPAT_ISA, ""),
    0xC0010000: ("x86 ISA used: ", elf_notes.X86_COMPAT_2_ISA, "<None>"),
    0xC0008000: ("x86 ISA needed: ", elf_notes.X86_COMPAT_2_ISA, "<None>"),
}


class Property(NamedTuple):
    """A property; `type` is None for the text that stands for damage, `whole` if to the note."""

    type: int | None
    data: bytes
    text: str
    whole: bool = False


def properties(elf: ElfFile, data: bytes) -> Iterator[Property]:
    """The properties of an NT_GNU_PROPERTY_TYPE_0 note."""
    size = 8 if elf.is64 else 4
    if len(data) < 8 or len(data) % size:
        yield Property(None, data, f"<corrupt GNU_PROPERTY_TYPE, size = {c_hex(len(data))}>", True)
        return
    position = 0
    while position < len(data):
        if len(data) - position < 8:
            yield Property(None, data, f"<corrupt descsz: {len(data):#x}>")
            return
        kind = elf.layout.number(data[position : position + 4])
        length = elf.layout.number(data[position + 4 : position + 8])
        position += 8
        if length > len(data) - position:
            text = f"<corrupt type ({c_hex(kind)}) datasz: {c_hex(length)}>"
            yield Property(None, data, text)
            return
        value = data[position : position + length]
        yield Property(kind, value, _text(elf, kind, value))
        position += (length + size - 1) & -size


def bit_words(mask: int, names: dict[int, str], none: str) -> str:
    words = []
    if mask == 0:
        return none
    while mask:
        bit = mask & -mask
        mask &= ~bit
        words.append(names.get(bit) or f"<unknown: {bit:x}>")
    return ", ".join(words)


def _text(elf: ElfFile, kind: int, value: bytes) -> str:
    number = elf.layout.number(value)
    corrupt = f"<corrupt length: {c_hex(len(value))}> "
    if LOPROC <= kind < LOUSER:
        if elf.machine in (abi.EM_X86_64, abi.EM_IAMCU, abi.EM_386) and kind in X86:
            title, names, none = X86[kind]
            return title + (bit_words(number, names, none) if len(value) == 4 else corrupt)
        if elf.machine == abi.EM_AARCH64 and kind == 0xC0000000:
            words = bit_words(number, elf_notes.AARCH64_FEATURE_1, "")
            return "AArch64 feature: " + (words if len(value) == 4 else corrupt)
    elif kind == STACK_SIZE:
        right = len(value) == (8 if elf.is64 else 4)
        return "stack size: " + (c_hex(number) if right else corrupt)
    elif kind == NO_COPY_ON_PROTECTED:
        return "no copy on protected " + (corrupt if value else "")
    elif kind == NEEDED_1:
        words = bit_words(number, elf_notes.NEEDED_1, "")
        return "1_needed: " + (words if len(value) == 4 else corrupt)
    elif 0xB0000000 <= kind <= 0xB000FFFF:
        title = "UINT32_AND" if kind <= 0xB0007FFF else "UINT32_OR"
        return f"{title} ({kind:#x}): " + (c_hex(number) if len(value) == 4 else corrupt)
    owner = "unknown" if kind < LOPROC else "processor-specific"
    owner = "application-specific" if kind >= LOUSER else owner
    return f"<{owner} type {c_hex(kind)} data: {''.join(f'{byte:02x} ' for byte in value)}>"
