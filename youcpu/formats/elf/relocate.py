"""Relocating the content of a section of an object file, as far as debug sections need it."""

from __future__ import annotations

from youcpu.abi import elf as abi
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.relocations import REL, RELA, RelocationTable, rows, split_info
from youcpu.formats.elf.structures import Section
from youcpu.formats.elf.symbols import SymbolTable, read_symbols

# machine: {relocation type: (bytes, how)}; how is "abs", "pc", "add", "sub" (in place), "6".
KINDS: dict[int, dict[int, tuple[int, str]]] = {
    abi.EM_386: {1: (4, "abs"), 2: (4, "pc")},
    abi.EM_X86_64: {10: (4, "abs"), 2: (4, "pc"), 1: (8, "abs"), 24: (8, "pc")},
    abi.EM_AARCH64: {
        1: (4, "abs"),
        258: (4, "abs"),
        261: (4, "pc"),
        257: (8, "abs"),
        260: (8, "pc"),
    },
    abi.EM_ARM: {2: (4, "abs"), 3: (4, "pc")},
    abi.EM_MIPS: {2: (4, "abs"), 18: (8, "abs")},
    abi.EM_PPC: {1: (4, "abs"), 26: (4, "pc")},
    abi.EM_PPC64: {1: (4, "abs"), 26: (4, "pc"), 38: (8, "abs"), 44: (8, "pc")},
    abi.EM_S390: {4: (4, "abs"), 5: (4, "pc"), 22: (8, "abs"), 23: (8, "pc")},
    abi.EM_RISCV: {
        1: (4, "abs"),
        57: (4, "pc"),
        2: (8, "abs"),
        55: (2, "abs"),
        54: (1, "abs"),
        53: (1, "6"),
        33: (1, "add"),
        34: (2, "add"),
        35: (4, "add"),
        36: (8, "add"),
        37: (1, "sub"),
        38: (2, "sub"),
        39: (4, "sub"),
        40: (8, "sub"),
        52: (1, "6sub"),
    },
}
NONE_TYPES = {abi.EM_AARCH64: (0, 256)}


def relocation_section_of(elf: ElfFile, section: Section) -> Section | None:
    """The first section of relocations against `section`."""
    for candidate in elf.sections or ():
        if (
            candidate.type in (abi.SHT_RELA, abi.SHT_REL)
            and candidate.info == section.number
            and candidate.size
            and candidate.link < elf.header.shnum
        ):
            return candidate
    return None


def relocated(elf: ElfFile, section: Section, data: memoryview) -> bytes | bytearray | None:
    """`data` with the relocations against `section` applied; None if they cannot be read.

    Only object files have any. What is not understood stays as it is, with a warning.
    """
    if elf.header.type != abi.ET_REL:
        return bytes(data)
    relocations = relocation_section_of(elf, section)
    if relocations is None:
        return bytes(data)
    assert elf.sections is not None
    target = elf.sections[relocations.link]
    if target.type not in (abi.SHT_SYMTAB, abi.SHT_DYNSYM):
        return None
    kind = RELA if relocations.type == abi.SHT_RELA else REL
    content = elf.image.read(relocations.offset, relocations.size, f"{kind} relocation data")
    if content is None:
        return None
    table = RelocationTable(
        "", kind, relocations.offset, relocations.size, content, None, None, False, None
    )
    result = bytearray(data)
    _apply(elf, section, table, read_symbols(elf, target), result)
    return result


def _apply(
    elf: ElfFile,
    section: Section,
    table: RelocationTable,
    symbols: SymbolTable | None,
    data: bytearray,
) -> None:
    known = KINDS.get(elf.machine, {})
    unsupported = 0
    for piece in rows(elf, table):
        for offset, info, addend in piece:
            index, number = split_info(elf, info)
            if number in NONE_TYPES.get(elf.machine, (0,)):
                continue
            how = known.get(number)
            if how is None:
                if number != unsupported:
                    elf.image.warn(
                        f"unable to apply unsupported reloc type {number} to section"
                        f" {elf.section_name(section)}"
                    )
                unsupported = number
                continue
            value = _symbol_value(elf, section, symbols, index)
            if offset + how[0] > len(data):
                elf.image.warn(
                    f"skipping invalid relocation offset {offset:#x} in section"
                    f" {elf.section_name(section)}"
                )
            elif value is not None:
                _store(elf, data, offset, value, addend, how, table.kind == RELA)


def _symbol_value(
    elf: ElfFile, section: Section, symbols: SymbolTable | None, index: int
) -> int | None:
    if symbols is None or index >= len(symbols):
        elf.image.warn(
            f"skipping invalid relocation symbol index {index:#x} in section"
            f" {elf.section_name(section)}"
        )
        return None
    symbol = symbols[index]
    if index and symbol.type > abi.STT_SECTION and symbol.type != abi.STT_COMMON:
        return None
    return symbol.value


def _store(
    elf: ElfFile,
    data: bytearray,
    offset: int,
    value: int,
    addend: int,
    how: tuple[int, str],
    explicit: bool,
) -> None:
    size, kind = how
    place = slice(offset, offset + size)
    old = elf.layout.number(bytes(data[place]))
    if not explicit:
        addend = 0
    if not explicit or kind in ("add", "sub", "6sub"):
        addend += old & 0x3F if kind == "6sub" else old
    if kind == "pc":
        new = addend + value - offset
    elif kind in ("6", "6sub"):
        new = addend - value if kind == "6sub" else addend + value
        new = new & 0x3F | old & 0xC0
    else:
        new = addend - value if kind == "sub" else addend + value
    order = "little" if elf.layout.little else "big"
    data[place] = (new & (1 << size * 8) - 1).to_bytes(size, order)  # type: ignore[arg-type]
