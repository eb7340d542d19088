"""Build attributes: a vendor's tags about a whole file, or some of its sections or symbols.

The layout is ARM's (Addenda to the ABI, 2.1), taken over by GNU for all machines.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import NamedTuple

from youcpu.abi import elf as abi
from youcpu.abi import elf_attributes as tables
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.hexdump import hex_rows
from youcpu.formats.elf.image import uleb128
from youcpu.formats.elf.names import MIPS, c_hex

OWN_SECTION = {abi.EM_ARM: abi.SHT_ARM_ATTRIBUTES, abi.EM_RISCV: abi.SHT_RISCV_ATTRIBUTES}
PUBLIC_VENDOR = {abi.EM_ARM: "aeabi", abi.EM_RISCV: "riscv"}
POWER = (abi.EM_PPC, abi.EM_PPC64)
S390 = (abi.EM_S390, abi.EM_S390_OLD)

# (text, position after it) of the attribute at a position; the text has its line end.
Reader = Callable[[bytes, int, int], tuple[str, int]]


class Attribute(NamedTuple):
    """A line: what it is ("vendor", "scope", "attribute", "raw" bytes) and its text.

    `text` is None for raw bytes, which are in `data`.
    """

    kind: str
    text: str | None
    data: bytes = b""


def attributes(elf: ElfFile) -> Iterator[Attribute]:
    """The attributes of every section that has some."""
    own = OWN_SECTION.get(elf.machine, abi.SHT_GNU_ATTRIBUTES)
    for section in elf.sections or ():
        if section.type not in (own, abi.SHT_GNU_ATTRIBUTES):
            continue
        data = elf.image.read(section.offset, section.size, "attributes")
        if data is None:
            continue
        content = bytes(data)
        if content[0] != ord("A"):
            char = chr(content[0])
            yield Attribute(
                "scope",
                f"Unknown attributes version '{char}'({content[0]}) - expecting 'A'",
            )
            continue
        yield from _vendors(elf, content)


def _vendors(elf: ElfFile, data: bytes) -> Iterator[Attribute]:
    number, position, left = elf.layout.number, 1, len(data) - 1
    while left > 0:
        if left <= 4:
            elf.image.error("Tag section ends prematurely")
            return
        length = number(data[position : position + 4])
        if length > left:
            elf.image.error(f"Bad attribute length ({length} > {left})")
            length = left
        elif length < 5:
            elf.image.error(f"Attribute length of {length} is too small")
            return
        left -= length
        end = position + length
        position += 4
        name_end = data.find(b"\0", position, end)
        if name_end < 0 or name_end + 1 >= end:
            elf.image.error("Corrupt attribute section name")
            return
        vendor = data[position:name_end].decode("latin-1")
        yield Attribute("vendor", vendor)
        sound = yield from _subsections(elf, data, name_end + 1, end, vendor)
        if not sound:
            return
        position = end


def _subsections(
    elf: ElfFile, data: bytes, position: int, end: int, vendor: str
) -> Generator[Attribute, None, bool]:
    """Returns whether the vendor after this one can be found."""
    while position < end:
        if end - position < 6:
            elf.image.error("Unused bytes at end of section")
            return False
        tag = data[position]
        size = elf.layout.number(data[position + 1 : position + 5])
        if size > end - position:
            elf.image.error(f"Bad subsection length ({size} > {end - position})")
            size = end - position
        if size < 6:
            elf.image.error(f"Bad subsection length ({size} < 6)")
            return False
        limit = position + size
        start = position + 5
        if tag == 1:
            yield Attribute("scope", "File Attributes")
        elif tag in (2, 3):
            text, start = _numbers(data, start, limit)
            kind = "Section" if tag == 2 else "Symbol"
            yield Attribute("scope", f"{kind} Attributes:{text}")
        else:
            yield Attribute("scope", f"Unknown tag: {tag}")
        reader = _reader(elf, vendor, tag in (1, 2, 3))
        if reader is None:
            if start >= limit:
                return True
            yield Attribute("raw", None, data[start:limit])
        else:
            while start < limit:
                text, start = reader(data, start, limit)
                yield Attribute("attribute", text)
        position = limit
    return True


def _numbers(data: bytes, position: int, end: int) -> tuple[str, int]:
    text = ""
    while True:
        value, position = uleb128(data, position, end)
        if value == 0:
            return text, position
        text += f" {value}"


def _reader(elf: ElfFile, vendor: str, known_scope: bool) -> Reader | None:
    machine = elf.machine
    if known_scope and vendor == PUBLIC_VENDOR.get(machine):
        return _arm if machine == abi.EM_ARM else _riscv
    if vendor != "gnu":
        return None
    if machine not in (*MIPS, *S390, *POWER, abi.EM_ARM, abi.EM_RISCV):
        return _public_gnu if known_scope else None
    return lambda data, position, end: _gnu(machine, data, position, end)


def tag_value(tag: int, data: bytes, position: int, end: int) -> tuple[str, int]:
    """A value whose tag is not known here: odd tags have strings, even ones numbers.

    A positive `tag` is named in the text, a negative one (odd too) has been named already.
    """
    title = f"  Tag_unknown_{tag}: " if tag > 0 else ""
    if position >= end:
        return title, end
    if tag & 1:
        room = end - position - 1
        if room <= 0:
            return f'{title}"<corrupt string tag>"\n', end
        text = data[position : position + room].split(b"\0", 1)[0]
        return f'{title}"{text.decode("latin-1")}"\n', position + len(text) + 1
    value, position = uleb128(data, position, end)
    return f"{title}{value} ({value:#x})\n", position


def _word(words: tuple[str, ...] | dict[int, str], value: int) -> str:
    known = value in words if isinstance(words, dict) else value < len(words)
    return words[value] if known else f"??? ({value})"


def _arm(data: bytes, position: int, end: int) -> tuple[str, int]:
    tag, position = uleb128(data, position, end)
    row = tables.ARM.get(tag)
    if row is None:
        return tag_value(tag, data, position, end)
    name, meaning = row
    title = f"  Tag_{name}: "
    if meaning == tables.STRING:
        text, position = tag_value(-1, data, position, end)
    elif isinstance(meaning, tuple):
        value, position = uleb128(data, position, end)
        text = _word(meaning, value) + "\n"
    else:
        text, position = _arm_special(tag, data, position, end)
    return title + text, position


def _arm_special(tag: int, data: bytes, position: int, end: int) -> tuple[str, int]:
    if tag == 64:  # nodefaults
        return "True\n", min(position + 1, end)
    value, position = uleb128(data, position, end)
    if tag == 7:
        return f"{_word(tables.ARM_PROFILES, value)}\n", position
    if tag in (24, 25):
        words = tables.ARM_ALIGN_NEEDED if tag == 24 else tables.ARM_ALIGN_PRESERVED
        if 4 <= value <= 12:
            return f"8-byte and up to {1 << value}-byte extended\n", position
        return f"{_word(words, value)}\n", position
    if tag == 32:
        return _compatibility(value, data, position, end)
    text = "???"
    if value == 6:  # also compatible with: an architecture
        value, position = uleb128(data, position, end)
        text = _word(tables.ARM_ARCHITECTURES, value)
    stop = data.find(b"\0", position, end)
    return f"{text}\n", end if stop < 0 else stop + 1


def _compatibility(flag: int, data: bytes, position: int, end: int) -> tuple[str, int]:
    title = f"flag = {flag}, vendor = "
    if position >= end - 1:
        return f"{title}<corrupt>\n", end
    text = data[position : end - 1].split(b"\0", 1)[0]
    return f"{title}{text.decode('latin-1')}\n", position + len(text) + 1


def _riscv(data: bytes, position: int, end: int) -> tuple[str, int]:
    tag, position = uleb128(data, position, end)
    name = tables.RISCV.get(tag)
    if name is None:
        return tag_value(tag, data, position, end)
    title = f"  Tag_RISCV_{name}: "
    if name == "arch":
        text, position = tag_value(-1, data, position, end)
        return title + text, position
    value, position = uleb128(data, position, end)
    if name == "unaligned_access":
        words = ("No unaligned access\n", "Unaligned access\n")
        return title + (words[value] if value < 2 else ""), position
    return f"{title}{value}{'-bytes' if name == 'stack_align' else ''}\n", position


def _public_gnu(data: bytes, position: int, end: int) -> tuple[str, int]:
    """A machine that has no attributes of its own: the bytes, after what looks like a name."""
    text = data[position:end].split(b"\0", 1)[0]
    rows = "".join(hex_rows(data[position + len(text) : end], 0))
    return f"  Unknown GNU attribute: {text.decode('latin-1')}\n{rows}\n", end


def _gnu(machine: int, data: bytes, position: int, end: int) -> tuple[str, int]:
    tag, position = uleb128(data, position, end)
    if tag == 32:
        value, position = uleb128(data, position, end)
        return _compatibility(value, data, position, end)
    if tag & 2:
        return tag_value(tag, data, position, end)
    if machine in MIPS and tag in (4, 8):
        value, position = uleb128(data, position, end)
        if tag == 4:
            return f"  Tag_GNU_MIPS_ABI_FP: {_word(tables.MIPS_FP, value)}\n", position
        words = ("Any MSA or not", "128-bit MSA")
        return f"  Tag_GNU_MIPS_ABI_MSA: {_word(words, value)}\n", position
    if machine in S390 and tag == 8:
        value, position = uleb128(data, position, end)
        return f"  Tag_GNU_S390_ABI_Vector: {_word(tables.S390_VECTOR, value)}\n", position
    if machine in POWER and tag in (4, 8, 12):
        return _power(tag, data, position, end)
    if machine in (*MIPS, *S390, *POWER):
        return tag_value(tag & 1, data, position, end)
    return ("", end) if tag == 0 else tag_value(tag, data, position, end)


def _power(tag: int, data: bytes, position: int, end: int) -> tuple[str, int]:
    title = {4: "FP", 8: "Vector", 12: "Struct_Return"}[tag]
    title = f"  Tag_GNU_Power_ABI_{title}: "
    if position >= end:
        return f"{title}<corrupt>\n", position
    value, position = uleb128(data, position, end)
    most = {4: 15, 8: 3, 12: 2}[tag]
    title += f"({c_hex(value)}), " if value > most else ""
    if tag == 4:
        long_double = tables.POWER_LONG_DOUBLE[value >> 2 & 3]
        return f"{title}{tables.POWER_FLOAT[value & 3]}, {long_double}\n", position
    words = tables.POWER_VECTOR if tag == 8 else tables.POWER_STRUCT_RETURN
    return f"{title}{words[value & 3]}\n", position
