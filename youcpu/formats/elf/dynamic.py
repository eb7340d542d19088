"""The dynamic section and the tables that it alone leads to (gABI, chapter 5)."""

from __future__ import annotations

from youcpu.abi import elf as abi
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.hashes import HashTables, count_symbols
from youcpu.formats.elf.structures import Section
from youcpu.formats.elf.symbols import read_symbols

# Tags whose value the later views use.
NOTED = {
    abi.DT_PLTREL,
    *range(abi.DT_NULL, abi.DT_BIND_NOW),
    abi.DT_RUNPATH,
    abi.DT_RELR,
    abi.DT_RELRSZ,
    abi.DT_RELRENT,
    abi.DT_GNU_HASH,
    abi.DT_VERSYM,
    *range(abi.DT_VERDEF, abi.DT_VERNEEDNUM + 1),
    # Seen in passing by GNU readelf as well: tags between VERSYM and VERNEEDNUM.
    *range(abi.DT_VERSYM, abi.DT_VERNEEDNUM),
}


def load_dynamic(elf: ElfFile, want_hashes: bool, want_symbols: bool) -> tuple[bool, HashTables]:
    """Read the dynamic section and the tables it names, as far as no section named them.

    `want_hashes` for the histogram, `want_symbols` for symbols by the dynamic section alone.
    Returns (whether all is well, the hash tables).
    """
    hashes = HashTables()
    if elf.dynamic_size <= 1:
        return True, hashes
    if not elf.load_dynamic_entries():
        return False, hashes
    info = elf.dynamic_info
    if elf.dynamic_symbols is None or want_hashes:
        _note_hash_tags(elf)
        if want_hashes or want_symbols:
            count = count_symbols(elf, hashes)
            if not _symbols_by_segment(elf, count):
                return False, hashes
    if elf.dynamic_strings is None:
        _strings_by_segment(elf)
    for entry in elf.dynamic or ():
        if entry.tag in NOTED:
            info[entry.tag] = entry.value
        elif entry.tag == abi.DT_MIPS_XHASH and elf.machine in (abi.EM_MIPS, abi.EM_MIPS_RS3_LE):
            info[abi.DT_MIPS_XHASH] = info[abi.DT_GNU_HASH] = entry.value
    return True, hashes


def _note_hash_tags(elf: ElfFile) -> None:
    mips = elf.machine in (abi.EM_MIPS, abi.EM_MIPS_RS3_LE)
    for tag, value in elf.dynamic or ():
        if tag in (abi.DT_SYMTAB, abi.DT_SYMENT, abi.DT_HASH, abi.DT_GNU_HASH):
            elf.dynamic_info[tag] = value
        elif mips and tag == abi.DT_MIPS_XHASH:
            elf.dynamic_info[tag] = elf.dynamic_info[abi.DT_GNU_HASH] = value


def _symbols_by_segment(elf: ElfFile, count: int) -> bool:
    """The table at DT_SYMTAB, `count` symbols as the hash table has them. False: corrupt."""
    address = elf.dynamic_info.get(abi.DT_SYMTAB, 0)
    entry = elf.dynamic_info.get(abi.DT_SYMENT, 0)
    if not count or elf.dynamic_symbols is not None or not address or not entry:
        return True
    if not elf.load_segments():
        elf.image.error("Cannot interpret virtual addresses without program headers.")
        return False
    for segment in elf.segments or ():
        if segment.type != abi.PT_LOAD:
            continue
        if segment.offset + segment.filesz > elf.image.size:
            elf.image.error("Invalid PT_LOAD entry")
            return False
        start = segment.vaddr & -segment.align
        if start <= address < segment.vaddr + segment.filesz:
            offset = address - segment.vaddr + segment.offset
            section = Section(-1, 1 << 32, 0, 0, 0, offset, count * entry, 0, 0, 0, entry)
            elf.dynamic_symbols = read_symbols(elf, section)
            if elf.dynamic_symbols is None or len(elf.dynamic_symbols) != count:
                elf.image.error("Corrupt DT_SYMTAB dynamic entry")
                return False
            return True
    return True


def _strings_by_segment(elf: ElfFile) -> None:
    address = size = 0
    for tag, value in elf.dynamic or ():
        if tag == abi.DT_STRTAB:
            address = value
        elif tag == abi.DT_STRSZ:
            size = value
        if address and size:
            elf.dynamic_info[abi.DT_STRTAB] = address
            elf.dynamic_info[abi.DT_STRSZ] = size
            offset = elf.offset_of(address, size)
            elf.dynamic_strings = elf.image.strings(offset, size, "dynamic string table")
            if elf.dynamic_strings is None:
                elf.image.error("Corrupt DT_STRTAB dynamic entry")
            return


def symbol_info(elf: ElfFile) -> tuple[int, list[tuple[int, int]]] | None:
    """Solaris' syminfo: (file offset, (bound to, flags) a symbol); None where there is none."""
    offset = size = 0
    for tag, value in elf.dynamic or ():
        if tag == abi.DT_SYMINENT and value != 4:
            elf.image.error(f"Bad value ({value}) for SYMINENT entry")
        elif tag == abi.DT_SYMINSZ:
            size = value
        elif tag == abi.DT_SYMINFO:
            offset = elf.offset_of(value, size)
    if not offset or not size:
        return None
    data = elf.image.read(offset, size, "symbol information")
    if data is None:
        return None
    from struct import Struct

    pairs = Struct("<HH" if elf.layout.little else ">HH")
    return offset, list(pairs.iter_unpack(data[: size & ~3]))
