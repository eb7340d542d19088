"""sh_flags as letters and as words (gABI, chapter 4, Sections)."""

from __future__ import annotations

from collections.abc import Iterator

from youcpu.abi import elf as abi
from youcpu.formats.elf.names import GNU_OSABIS, X86, X86_64
from youcpu.formats.elf.structures import Header

LETTERS = {
    0x1: "W",
    0x2: "A",
    0x4: "X",
    0x10: "M",
    0x20: "S",
    0x40: "I",
    0x80: "L",
    0x100: "O",
    0x200: "G",
    0x400: "T",
    0x800: "C",
    0x80000000: "E",
}
WORDS = {
    0x1: "WRITE",
    0x2: "ALLOC",
    0x4: "EXEC",
    0x10: "MERGE",
    0x20: "STRINGS",
    0x40: "INFO LINK",
    0x80: "LINK ORDER",
    0x100: "OS NONCONF",
    0x200: "GROUP",
    0x400: "TLS",
    0x800: "COMPRESSED",
    0x80000000: "EXCLUDE",
}
SPARC = (abi.EM_SPARC, abi.EM_SPARC32PLUS, abi.EM_SPARCV9)


def bits(flags: int) -> Iterator[int]:
    while flags:
        bit = flags & -flags
        flags &= ~bit
        yield bit


def letters(header: Header, flags: int) -> str:
    """One letter a known bit, one for all unknown bits of the OS and of the processor."""
    text = ""
    rest = flags
    for bit in bits(flags):
        if not rest & bit:
            continue
        letter = LETTERS.get(bit) or _machine_letter(header, bit)
        if letter is None and bit & abi.SHF_MASKOS:
            letter = _os_letter(header, bit)
            if letter is None:
                letter, rest = "o", rest & ~abi.SHF_MASKOS
        elif letter is None and bit & abi.SHF_MASKPROC:
            # GNU's mask has 32 bits: with the processor's bits all above go.
            letter, rest = "p", rest & 0x0FFFFFFF
        text += letter or "x"
    return text


def _machine_letter(header: Header, bit: int) -> str | None:
    machine = header.machine
    if machine in X86_64 and bit == 0x10000000:
        return "l"
    if machine == abi.EM_ARM and bit == 0x20000000:
        return "y"
    if machine == abi.EM_PPC and bit == 0x10000000:
        return "v"
    return None


def _os_letter(header: Header, bit: int) -> str | None:
    if bit == abi.SHF_GNU_RETAIN and header.osabi in GNU_OSABIS:
        return "R"
    if bit == abi.SHF_GNU_MBIND and header.osabi in (*GNU_OSABIS, abi.ELFOSABI_NONE):
        return "D"
    return None


def words(header: Header, flags: int) -> tuple[list[str], dict[str, int]]:
    """(names of known bits, the unknown bits of "OS", "PROC" and "UNKNOWN")."""
    known: list[str] = []
    unknown = {"OS": 0, "PROC": 0, "UNKNOWN": 0}
    for bit in bits(flags):
        word = WORDS.get(bit) or _machine_word(header, bit)
        if word is not None:
            known.append(word)
        elif bit & abi.SHF_MASKOS:
            unknown["OS"] |= bit
        elif bit & abi.SHF_MASKPROC:
            unknown["PROC"] |= bit
        else:
            unknown["UNKNOWN"] |= bit
    return known, unknown


def _machine_word(header: Header, bit: int) -> str | None:
    letter = _os_letter(header, bit)
    if letter is not None:
        return "GNU_RETAIN" if letter == "R" else "GNU_MBIND"
    machine = header.machine
    if machine in X86 + SPARC and bit == 0x40000000:
        return "ORDERED"
    if machine == abi.EM_ARM:
        return {0x10000000: "ENTRYSECT", 0x20000000: "ARM_PURECODE"}.get(bit)
    if machine == abi.EM_PPC and bit == 0x10000000:
        return "VLE"
    return None
