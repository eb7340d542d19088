"""What numbers of a file are called, given its machine and OS/ABI: readelf's get_*_type."""

from __future__ import annotations

from youcpu.abi import elf as abi
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.structures import Header

MIPS = (abi.EM_MIPS, abi.EM_MIPS_RS3_LE)
X86_64 = (abi.EM_X86_64, abi.EM_L1OM, abi.EM_K1OM)
X86 = (abi.EM_386, abi.EM_IAMCU, *X86_64)
GNU_OSABIS = (abi.ELFOSABI_GNU, abi.ELFOSABI_FREEBSD)
# The tables say EM_MIPS, EM_S390 and so on; these use them too.
ALIASES = {abi.EM_MIPS_RS3_LE: abi.EM_MIPS, abi.EM_L1OM: abi.EM_X86_64, abi.EM_K1OM: abi.EM_X86_64}
ALIASES[abi.EM_S390_OLD] = abi.EM_S390


def _of_machine(tables: dict[int, dict[int, str]], machine: int, number: int) -> str | None:
    return tables.get(ALIASES.get(machine, machine), {}).get(number)


def file_type(elf: ElfFile) -> str:
    number = elf.header.type
    if number == abi.ET_DYN and elf.is_pie():
        return abi.FILE_TYPE_PIE
    if number in abi.FILE_TYPES:
        return abi.FILE_TYPES[number]
    if number >= 0xFF00:
        return f"Processor Specific: ({number:x})"
    if number >= 0xFE00:
        return f"OS Specific: ({number:x})"
    return f"<unknown>: {number:x}"


def machine(number: int) -> str:
    from youcpu.abi.elf_machines import MACHINES

    return MACHINES.get(number) or f"<unknown>: {number:#x}"


def osabi(header: Header) -> str:
    number = header.osabi
    name = abi.OSABIS.get(number)
    if name is None and number >= 64:
        name = abi.OSABIS_OF_MACHINE.get(header.machine, {}).get(number)
    return name or f"<unknown: {number:x}>"


def segment_type(header: Header, number: int) -> str:
    name = abi.SEGMENT_TYPES.get(number)
    if name is not None:
        return name
    if 0x70000000 <= number <= 0x7FFFFFFF:
        name = _of_machine(abi.SEGMENT_TYPES_OF_MACHINE, header.machine, number)
        return name or f"LOPROC+{c_hex(number - 0x70000000)}"
    if 0x60000000 <= number <= 0x6FFFFFFF:
        if header.osabi in GNU_OSABIS and abi.PT_GNU_MBIND_LO <= number <= abi.PT_GNU_MBIND_HI:
            return f"GNU_MBIND+{c_hex(number - abi.PT_GNU_MBIND_LO)}"
        if header.osabi == abi.ELFOSABI_SOLARIS and number in abi.SEGMENT_TYPES_SOLARIS:
            return abi.SEGMENT_TYPES_SOLARIS[number]
        return f"LOOS+{c_hex(number - 0x60000000)}"
    return f"<unknown>: {number:x}"


def section_type(header: Header, number: int) -> str:
    name = abi.SECTION_TYPES.get(number)
    if name is not None:
        return name
    if 0x70000000 <= number <= 0x7FFFFFFF:
        name = _of_machine(abi.SECTION_TYPES_OF_MACHINE, header.machine, number)
        return name or f"LOPROC+{c_hex(number - 0x70000000)}"
    if 0x60000000 <= number <= 0x6FFFFFFF:
        table = (
            abi.SECTION_TYPES_SOLARIS
            if header.osabi == abi.ELFOSABI_SOLARIS
            else abi.SECTION_TYPES_GNU
        )
        return table.get(number) or f"LOOS+{c_hex(number - 0x60000000)}"
    if number >= 0x80000000:
        return f"LOUSER+{c_hex(number - 0x80000000)}"
    return f"{number:08x}: <unknown>"


def dynamic_tag(header: Header, number: int) -> str:
    name = abi.DYNAMIC_TAGS.get(number)
    if name is not None:
        return name
    solaris = header.osabi == abi.ELFOSABI_SOLARIS
    if 0x70000000 <= number <= 0x7FFFFFFF:
        name = _of_machine(abi.DYNAMIC_TAGS_OF_MACHINE, header.machine, number)
        if name is None and solaris:
            name = abi.DYNAMIC_TAGS_SOLARIS.get(number)
        return name or f"Processor Specific: {number:x}"
    if 0x6000000D <= number <= 0x6FFFF000:
        name = abi.DYNAMIC_TAGS_SOLARIS.get(number) if solaris else None
        return name or f"Operating System specific: {number:x}"
    return f"<unknown>: {number:x}"


def symbol_type(header: Header, number: int) -> str:
    name = abi.SYMBOL_TYPES.get(number)
    if name is not None:
        return name
    if number >= 13:
        if header.machine == abi.EM_ARM and number == 13:
            return "THUMB_FUNC"
        if header.machine == abi.EM_SPARCV9 and number == 13:
            return "REGISTER"
        return f"<processor specific>: {number}"
    if number >= 10:
        if number == abi.STT_GNU_IFUNC and header.osabi in GNU_OSABIS:
            return "IFUNC"
        return f"<OS specific>: {number}"
    return f"<unknown>: {number}"


def symbol_binding(header: Header, number: int) -> str:
    name = abi.SYMBOL_BINDINGS.get(number)
    if name is not None:
        return name
    if number >= 13:
        return f"<processor specific>: {number}"
    if number >= 10:
        if number == 10 and header.osabi == abi.ELFOSABI_GNU:
            return "UNIQUE"
        return f"<OS specific>: {number}"
    return f"<unknown>: {number}"


def symbol_visibility(header: Header, other: int) -> str:
    if header.osabi == abi.ELFOSABI_SOLARIS:
        return {4: "EXPORTED", 5: "SINGLETON", 6: "ELIMINATE"}.get(
            other, abi.SYMBOL_VISIBILITIES[other] if other < 4 else "<unknown>"
        )
    return abi.SYMBOL_VISIBILITIES[other & 3]


def symbol_other(header: Header, other: int) -> str:
    """The machine's meaning of the bits of st_other that are not the visibility."""
    if other == 0:
        return ""
    name: str | None = None
    if header.machine == abi.EM_AARCH64 and other & 0x80:
        rest = other & 0x7F
        name = f"VARIANT_PCS | {rest:x}" if rest else "VARIANT_PCS"
    elif header.machine == abi.EM_MIPS:
        name = MIPS_OTHER.get(other)
    elif header.machine == abi.EM_PPC64 and not other & 0x1F:
        entry = other >> 5
        if entry <= 6:
            name = f"<localentry>: {((1 << entry) >> 2) << 2 if entry >= 2 else entry}"
    elif header.machine == abi.EM_RISCV:
        rest = other & 0x7F
        name = f"{rest:x}" if rest else "VARIANT_CC"
    return name if name is not None else f"<other>: {other:x}"


MIPS_OTHER = {
    4: "OPTIONAL",
    8: "MIPS PLT",
    0x20: "MIPS PIC",
    0x80: "MICROMIPS",
    0xA0: "MICROMIPS, MIPS PIC",
    0xF0: "MIPS16",
}


def symbol_index(header: Header, shndx: int) -> str:
    """The Ndx column; `shndx` as `Symbol` has it."""
    if shndx < 0xFFFF0000:
        if shndx == 0:
            return "UND"
        if header.shnum and shndx >= header.shnum:
            return f"bad section index[{shndx:3d}]"
        return f"{shndx:3d}"
    low = shndx & 0xFFFF
    if low == abi.SHN_ABS:
        return "ABS"
    if low == abi.SHN_COMMON:
        return "COM"
    if low == 0xFF02 and header.machine in X86_64:
        return "LARGE_COM"
    if low == 0xFF03 and header.machine == abi.EM_MIPS:
        return "SCOM"
    if low == 0xFF04 and header.machine == abi.EM_MIPS:
        return "SUND"
    if low <= 0xFF1F:
        return f"PRC[0x{low:04x}]"
    if 0xFF20 <= low <= 0xFF3F:
        return f"OS [0x{low:04x}]"
    return f"RSV[0x{low:04x}]"


def c_hex(number: int) -> str:
    """As C's %#x: zero has no prefix."""
    return f"{number:#x}" if number else "0"
