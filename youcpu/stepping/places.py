"""What an address is called: function by symbol tables, source line by DWARF if there is some."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.formats.elf.lines import SourceLines
from youcpu.symbols import FileSymbols, Symbolizer

if TYPE_CHECKING:
    from youcpu.kernel.mm.vm_area import VmArea
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.file import File

#: A file larger than this is not read for lines.
_LARGEST_FILE = 64 << 20
_REMEMBERED = 1 << 16


class Places:
    """Names and lines for the addresses of one program; files are read once, when first needed."""

    def __init__(self) -> None:
        self._symbolizer = Symbolizer()
        self._names: dict[int, str] = {}
        self._sources: dict[int, tuple[str, int] | None] = {}
        self._lines: dict[object, SourceLines] = {}

    def forget(self) -> None:
        """The address space may be another now."""
        self._names.clear()
        self._sources.clear()

    def name(self, task: Task, address: int) -> str:
        """`main+0x12`; "" where nothing is mapped."""
        found = self._names.get(address)
        if found is None:
            if gone(task):
                return ""
            if len(self._names) > _REMEMBERED:
                self.forget()
            found = self._names[address] = self._symbolizer.name(task, address)
        return found

    def source(self, task: Task, address: int) -> tuple[str, int] | None:
        """(file, line) of the source, None where DWARF does not tell."""
        if gone(task):
            return None
        if address not in self._sources:
            self._sources[address] = self._source(task, address)
        return self._sources[address]

    def _source(self, task: Task, address: int) -> tuple[str, int] | None:
        area = task.mm.areas.at(address)
        if area is None or area.file is None:
            return None
        symbols = self._symbolizer.symbols(area.file)
        link = symbols.link_address(file_offset(area, address))
        return None if link is None else self._file_lines(area.file).at(link)

    def _file_lines(self, file: File) -> SourceLines:
        lines = self._lines.get(file.inode)
        if lines is None:
            size = file.inode.size
            data = file.pread(size, 0) if size <= _LARGEST_FILE else b""
            lines = self._lines[file.inode] = SourceLines(data)
        return lines

    def near(self, name: str) -> str:
        """The name most like one that was not found, "" where none is."""
        from difflib import get_close_matches

        known = {found for file in self._symbolizer.files() for _, _, found in file.names}
        return next(iter(get_close_matches(name, known, n=1, cutoff=0.7)), "")

    def find(self, task: Task, name: str) -> int | None:
        """Address of a function in what is mapped now; `name+0x12` too."""
        if gone(task):
            return None
        name, _, more = name.partition("+")
        offset = int(more, 0) if more else 0
        seen: dict[object, int | None] = {}
        for area in task.mm.vm_areas():
            if area.file is None:
                continue
            symbols = self._symbolizer.symbols(area.file)
            inode = area.file.inode
            if inode not in seen:
                seen[inode] = symbol_offset(symbols, name)
            place = seen[inode]
            start = area.pgoff << 12
            if place is not None and start <= place < start + area.size:
                return area.start + place - start + offset
        return None


def gone(task: Task) -> bool:
    """A task that has ended has let go of its memory."""
    return task.exited or task.mm is None


def file_offset(area: VmArea, address: int) -> int:
    """Where in its file an address lies."""
    return (area.page_index(address) << 12) + (address & 0xFFF)


def symbol_offset(symbols: FileSymbols, name: str) -> int | None:
    """Where in its file a function begins, None: there is no such."""
    for address, _, found in symbols.names:
        if found == name:
            for offset, size, start in symbols.loads:
                if start <= address < start + size:
                    return offset + address - start
    return None


def file_symbol(data: bytes, name: str) -> int | None:
    """Link-time address of a symbol in the bytes of a file."""
    return next((address for address, _, found in FileSymbols(data).names if found == name), None)
