"""SHT_MIPS_OPTIONS: registers used, exceptions expected, workarounds (MIPS ABI64, 2.5)."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from youcpu.abi import elf as abi
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.structures import Section
from youcpu.render.readelf.printable import section_name

HEAD = 8  # kind 1, size 1, section 2, info 4
EXCEPTIONS = ("INEX", "UFLO", "OFLO", "DIV0", "INVAL")
EXCEPTION_BITS = {0x10000: " PAGE0", 0x20000: " SMM", 0x40000: " FPDBUG", 0x80000: " DISMISS"}
WORDS: dict[int, tuple[str, dict[int, str]]] = {
    3: (" PAD       ", {1: " PREFIX", 2: " POSTFIX", 4: " SYMBOL"}),
    4: (" HWPATCH   ", {1: " R4KEOP", 2: " R8KPFETCH", 4: " R5KEOP", 8: " R5KCVTL"}),
    5: (" FILL       ", {}),
    6: (" TAGS       ", {}),
    7: (" HWAND     ", {1: " R4KEOP_CHECKED", 2: " R4KEOP_CLEAN"}),
    8: (" HWOR      ", {1: " R4KEOP_CHECKED", 2: " R4KEOP_CLEAN"}),
}


def mips_options(elf: ElfFile) -> Iterator[str]:
    section = next((s for s in elf.sections or () if s.type == abi.SHT_MIPS_OPTIONS), None)
    if section is None:
        elf.image.error("No MIPS_OPTIONS header found")
        return
    data = elf.image.read(section.offset, section.size, "options")
    entries = _entries(elf, section, bytes(data or b""))
    if entries is None:
        return
    plural = "entry" if len(entries) == 1 else "entries"
    name = section_name(elf.section_name(section))
    yield f"\nSection '{name}' contains {len(entries)} {plural}:\n"
    for entry in entries:
        yield _option(elf, entry)


def _entries(elf: ElfFile, section: Section, data: bytes) -> list[bytes] | None:
    """The options one by one; None if a size makes no sense."""
    if section.size < HEAD:
        elf.image.error("The MIPS options section is too small.")
        return None
    entries: list[bytes] = []
    position = 0
    while position + HEAD <= len(data):
        size = data[position + 1]
        if size < HEAD or size > len(data) - position:
            elf.image.error(f"Invalid size ({size}) for MIPS option")
            return None
        entries.append(data[position : position + size])
        position += size
    return entries


def _option(elf: ElfFile, entry: bytes) -> str:
    order = "<" if elf.layout.little else ">"
    kind, _, section, info = Struct(order + "BBhI").unpack_from(entry)
    if kind == 1:
        return _registers(elf, entry)
    if kind == 0:
        text = f" NULL       {section} {info:x}"
    elif kind == 2:
        text = f" EXCEPTIONS fpe_min({_fpe(info)}) fpe_max({_fpe(info >> 8)})"
        text += "".join(word for bit, word in EXCEPTION_BITS.items() if info & bit)
    elif kind in WORDS:
        title, words = WORDS[kind]
        text = title + "".join(word for bit, word in words.items() if info & bit)
    elif kind in (9, 10):
        title = "GP_GROUP" if kind == 9 else "IDENT   "
        own = info >> 16
        text = f" {title}  {_c_hex6(info & 0xFFFF)}  self-contained {_c_hex6(own)}"
    else:
        text = f" {kind:3d} ???     {section} {info:x}"
    tail = (chr(b) if 0x20 <= b < 0x7F else f"\\{b:03o}" for b in entry[HEAD:])
    return text + "".join(tail) + "\n"


def _registers(elf: ElfFile, entry: bytes) -> str:
    """GNU reads the 32-bit form for EM_MIPS of both classes."""
    order = "<" if elf.layout.little else ">"
    wide = elf.machine != abi.EM_MIPS
    record = Struct(order + ("IxxxxIIIIQ" if wide else "IIIIII"))
    if len(entry) < HEAD + record.size:
        elf.image.error("Truncated MIPS REGINFO option")
        return " REGINFO    <corrupt>\n"
    gpr, c0, c1, c2, c3, gp = record.unpack_from(entry, HEAD)
    return (
        f" REGINFO    GPR {gpr:08x}  GP 0x{gp:x}\n"
        f"            CPR0 {c0:08x}  CPR1 {c1:08x}  CPR2 {c2:08x}  CPR3 {c3:08x}\n"
    )


def _fpe(bits: int) -> str:
    return "|".join(name for n, name in enumerate(EXCEPTIONS) if bits >> n & 1) or "0"


def _c_hex6(number: int) -> str:
    return f"{number:#06x}" if number else "000000"
