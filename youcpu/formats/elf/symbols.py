"""Symbol tables: rows in bulk, names by offset (gABI, chapter 4, Symbol Table)."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from sys import byteorder
from typing import TYPE_CHECKING, NamedTuple

from youcpu.abi import elf as abi
from youcpu.formats.elf.image import StringTable
from youcpu.formats.elf.structures import Section, Symbol

if TYPE_CHECKING:
    from youcpu.formats.elf.file import ElfFile

if array("I").itemsize != 4 or array("Q").itemsize != 8:
    raise ImportError("array has no 32-bit and 64-bit numbers here")


class Columns(NamedTuple):
    """Some symbols, column by column."""

    names: array[int]
    keys: array[int]
    values: array[int]
    sizes: array[int]


Row = tuple[int, int, int, int]
CHUNK = 8192  # rows that are in memory at once
RESERVED = 0xFFFF0000  # added to a reserved section index, to tell it from an extended one


class SymbolTable:
    """A table whose bytes are known to be in the file.

    A row is (st_name, key, st_value, st_size), where key holds st_info, st_other and st_shndx
    as they lie in the file; `meaning(key)` takes it apart.
    """

    def __init__(self, data: memoryview, count: int, is64: bool, little: bool) -> None:
        from struct import Struct

        self.count = count
        self.little = little
        self.is64 = is64
        self._struct = Struct(("<" if little else ">") + ("IIQQ" if is64 else "IIII"))
        self._data = data[: count * self._struct.size]
        self.extended: list[int] | None = None

    def __len__(self) -> int:
        return self.count

    def rows(self, start: int = 0, stop: int | None = None) -> Iterator[Row]:
        """Rows from `start` up to `stop`, in order."""
        size = self._struct.size
        stop = self.count if stop is None else min(stop, self.count)
        raw = self._struct.iter_unpack(self._data[start * size : stop * size])
        if self.is64:
            return raw
        return ((name, key, value, length) for name, value, length, key in raw)

    def columns(self, start: int, stop: int) -> Columns:
        """The same as `rows`, by column."""
        size = self._struct.size
        words = array("I", self._data[start * size : stop * size].tobytes())
        longs = array("Q" if self.is64 else "I", words.tobytes())
        if self.little != (byteorder == "little"):
            words.byteswap()
            longs.byteswap()
        if self.is64:
            return Columns(words[0::6], words[1::6], longs[1::3], longs[2::3])
        return Columns(words[0::4], words[3::4], words[1::4], words[2::4])

    def meaning(self, key: int, index: int = 0) -> tuple[int, int, int]:
        """(st_info, st_other, st_shndx); `index` finds the extended section index."""
        if self.little:
            info, other, shndx = key & 0xFF, key >> 8 & 0xFF, key >> 16
        else:
            info, other, shndx = key >> 24, key >> 16 & 0xFF, key & 0xFFFF
        if shndx == abi.SHN_XINDEX and self.extended is not None:
            shndx = self.extended[index]
        elif shndx >= abi.SHN_LORESERVE:
            shndx += RESERVED
        return info, other, shndx

    def __getitem__(self, index: int) -> Symbol:
        name, key, value, size = next(self.rows(index, index + 1))
        return Symbol(name, *self.meaning(key, index), value, size)

    def __iter__(self) -> Iterator[Symbol]:
        meaning = self.meaning
        for index, (name, key, value, size) in enumerate(self.rows()):
            yield Symbol(name, *meaning(key, index), value, size)


def read_symbols(elf: ElfFile, section: Section) -> SymbolTable | None:
    """The symbols of a section; None if it has none or lies about them."""
    image = elf.image
    if section.size == 0:
        return None
    name = elf.section_name(section)
    entry = elf.layout.sym.size
    if section.entsize == 0 or section.entsize > section.size:
        image.error(f"Section {name} has an invalid sh_entsize of {section.entsize:#x}")
        return None
    if section.size > image.size:
        image.error(f"Section {name} has an invalid sh_size of {section.size:#x}")
        return None
    count = section.size // section.entsize
    if count * entry > section.size + 1:
        image.error(
            f"Size ({section.size:#x}) of section {name} is not a multiple of its sh_entsize"
            f" ({section.entsize:#x})"
        )
        return None
    data = image.read(section.offset, section.size, "symbols")
    if data is None:
        return None
    # Up to one byte may lack: a table of entries that end with the section.
    table = SymbolTable(data, min(count, len(data) // entry), elf.is64, elf.layout.little)
    for indices in elf.symtab_shndx:
        if indices.link != section.number:
            continue
        if table.extended is not None:
            image.error(
                "Multiple symbol table index sections associated with the same symbol section"
            )
        words = image.read(indices.offset, indices.size, "symbol table section indices")
        if words is None:
            return None
        if indices.size // 4 < count:
            image.error(
                f"Index section {elf.section_name(indices)} has an sh_size of"
                f" {indices.size:#x} - expected {section.size:#x}"
            )
            return None
        table.extended = [row[0] for row in elf.layout.word.iter_unpack(words[: count * 4])]
    return table


def linked_symbols(elf: ElfFile, section: Section) -> tuple[SymbolTable, StringTable | None] | None:
    """A symbol table and the strings that its sh_link names; None if either is not there."""
    table = read_symbols(elf, section)
    if table is None:
        return None
    if section.link == 0:
        return table, None
    assert elf.sections is not None
    if section.link >= elf.header.shnum:
        elf.image.error("Bad sh_link in symbol table section")
        return None
    strings = elf.sections[section.link]
    names = elf.image.strings(strings.offset, strings.size, "string table")
    return None if names is None else (table, names)
