"""What a section header must not say: warnings about sh_link, sh_info and sh_size."""

from __future__ import annotations

from youcpu.abi import elf as abi
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.structures import Section

RELOCATIONS = (abi.SHT_REL, abi.SHT_RELA)
LINK_TO_SYMBOLS = (
    *RELOCATIONS,
    abi.SHT_SYMTAB_SHNDX,
    abi.SHT_GROUP,
    abi.SHT_HASH,
    abi.SHT_GNU_HASH,
    abi.SHT_GNU_VERSYM,
)
LINK_TO_STRINGS = (
    abi.SHT_DYNAMIC,
    abi.SHT_SYMTAB,
    abi.SHT_DYNSYM,
    abi.SHT_GNU_VERNEED,
    abi.SHT_GNU_VERDEF,
    abi.SHT_GNU_LIBLIST,
)
ARRAYS = (abi.SHT_INIT_ARRAY, abi.SHT_FINI_ARRAY, abi.SHT_PREINIT_ARRAY)
RELOCATABLE = (abi.SHT_PROGBITS, abi.SHT_NOBITS, abi.SHT_NOTE, *ARRAYS)
NO_INFO = (abi.SHT_DYNAMIC, abi.SHT_HASH, abi.SHT_SYMTAB_SHNDX, *ARRAYS)
ANY_INFO = (abi.SHT_GROUP, abi.SHT_SYMTAB, abi.SHT_DYNSYM, abi.SHT_NOBITS)


def check_section(elf: ElfFile, section: Section) -> None:
    """Warn about what GNU readelf warns about when it lists sections."""
    _check_link(elf, section)
    _check_info(elf, section)
    if (
        section.size > elf.image.size
        and section.type not in (abi.SHT_NOBITS, abi.SHT_NULL)
        and section.type < abi.SHT_LOOS
    ):
        elf.image.warn(f"Size of section {section.number} is larger than the entire file!")
    if not elf.is64 and section.link >= elf.header.shnum and section.link not in (0xFF00, 0xFF01):
        elf.image.warn(
            f"section {section.number}: sh_link value of {section.link} is larger than the"
            " number of sections"
        )


def _linked(elf: ElfFile) -> bool:
    """Dynamic relocations name neither symbols nor a section where none is needed."""
    return elf.header.type in (abi.ET_EXEC, abi.ET_DYN)


def _check_link(elf: ElfFile, section: Section) -> None:
    assert elf.sections is not None
    link, kind = section.link, section.type
    target = elf.sections[link].type if 0 < link < elf.header.shnum else None
    if kind in LINK_TO_SYMBOLS:
        if link == 0 and kind in RELOCATIONS and _linked(elf):
            return
        if target not in (abi.SHT_SYMTAB, abi.SHT_DYNSYM):
            elf.image.warn(
                f"[{section.number:2d}]: Link field ({link}) should index a symtab section."
            )
    elif kind in LINK_TO_STRINGS:
        if target != abi.SHT_STRTAB:
            elf.image.warn(
                f"[{section.number:2d}]: Link field ({link}) should index a string section."
            )
    elif kind in ARRAYS and link:
        elf.image.warn(f"[{section.number:2d}]: Unexpected value ({link}) in link field.")


def _check_info(elf: ElfFile, section: Section) -> None:
    assert elf.sections is not None
    info, kind, number = section.info, section.type, section.number
    if kind in RELOCATIONS:
        if info == 0 and _linked(elf):
            return
        target = elf.sections[info].type if 0 < info < elf.header.shnum else None
        if target is None or (target not in RELOCATABLE and target < abi.SHT_LOOS):
            elf.image.warn(
                f"[{number:2d}]: Info field ({info}) should index a relocatable section."
            )
    elif kind in NO_INFO:
        if info:
            elf.image.warn(f"[{number:2d}]: Unexpected value ({info}) in info field.")
    elif kind in ANY_INFO:
        return
    elif section.flags & abi.SHF_INFO_LINK:
        if not 0 < info < elf.header.shnum:
            elf.image.warn(f"[{number:2d}]: Expected link to another section in info field")
    elif kind < abi.SHT_LOOS and not section.flags & abi.SHF_GNU_MBIND and info:
        elf.image.warn(f"[{number:2d}]: Unexpected value ({info}) in info field.")
