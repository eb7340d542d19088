"""Addresses of a running program to names: `main+0x12`, from the symbol tables of what it maps."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.image import Image
from youcpu.formats.elf.symbols import linked_symbols
from youcpu.formats.errors import FormatError

if TYPE_CHECKING:
    from youcpu.formats.elf.image import StringTable
    from youcpu.formats.elf.symbols import SymbolTable
    from youcpu.kernel.mm.vm_area import VmArea
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.file import File

_STT_NOTYPE, _STT_FUNC, _STT_GNU_IFUNC = 0, 2, 10
_SYMBOL_SECTIONS = (2, 11)  # SHT_SYMTAB, SHT_DYNSYM
#: A file larger than this is not read for names.
_LARGEST_FILE = 512 << 20


class FileSymbols:
    """The functions of one file by address, as its program headers place them."""

    def __init__(self, data: bytes) -> None:
        self.names: list[tuple[int, int, str]] = []
        #: (offset in the file, size, virtual address) of each PT_LOAD.
        self.loads: list[tuple[int, int, int]] = []
        try:
            self._read(data)
        except FormatError:
            pass
        self.names.sort()
        self._starts = [start for start, _, _ in self.names]

    def _read(self, data: bytes) -> None:
        elf = ElfFile(Image(memoryview(data), 0))
        elf.resolve_header()
        if elf.load_segments():
            self.loads = [
                (segment.offset, segment.filesz, segment.vaddr)
                for segment in elf.segments or []
                if segment.type == 1
            ]
        if not elf.load_sections():
            return
        for section in elf.sections or []:
            linked = linked_symbols(elf, section) if section.type in _SYMBOL_SECTIONS else None
            if linked is not None and linked[1] is not None:
                self._add(linked[0], linked[1])

    def _add(self, table: SymbolTable, strings: StringTable) -> None:
        for symbol in table:
            kind = symbol.info & 0xF
            if symbol.shndx and symbol.value and kind in (_STT_NOTYPE, _STT_FUNC, _STT_GNU_IFUNC):
                name = strings.at(symbol.name) if symbol.name in strings else ""
                if name:
                    self.names.append((symbol.value, symbol.size, name))

    def name_at(self, address: int) -> str:
        """`name+0x12` of a link-time address, "" where no function holds it."""
        index = bisect_right(self._starts, address) - 1
        if index < 0:
            return ""
        start, size, name = self.names[index]
        if size and address >= start + size:
            return ""
        return f"{name}+{address - start:#x}" if address != start else name

    def link_address(self, offset: int) -> int | None:
        """Link-time address of a file offset."""
        for start, size, address in self.loads:
            if start <= offset < start + size:
                return address + offset - start
        return None


class Symbolizer:
    """Names for the addresses of the programs of one machine; each file is read once."""

    def __init__(self) -> None:
        self._files: dict[object, FileSymbols] = {}

    def name(self, task: Task, address: int) -> str:
        """`function+0x12`, `libc.so.6+0x1234` without a symbol, "" where nothing is mapped."""
        area = task.mm.areas.at(address)
        if area is None or area.file is None:
            return ""
        offset = (area.page_index(address) << 12) + (address & 0xFFF)
        symbols = self.symbols(area.file)
        link = symbols.link_address(offset)
        found = symbols.name_at(link) if link is not None else ""
        return found or f"{_base_name(area)}+{offset:#x}"

    def files(self) -> list[FileSymbols]:
        """All that were read."""
        return list(self._files.values())

    def symbols(self, file: File) -> FileSymbols:
        """The functions of a file."""
        symbols = self._files.get(file.inode)
        if symbols is None:
            size = file.inode.size
            data = file.pread(size, 0) if size <= _LARGEST_FILE else b""
            symbols = self._files[file.inode] = FileSymbols(data)
        return symbols


def _base_name(area: VmArea) -> str:
    assert area.file is not None
    return area.file.dentry.name.decode("utf-8", "backslashreplace")
