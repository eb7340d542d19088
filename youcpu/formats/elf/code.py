"""The code of an ELF file: functions by name and address, and what PLT entries stand for."""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from youcpu.abi import elf as abi
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.relocations import relocation_sections, rows, split_info
from youcpu.formats.elf.structures import Section
from youcpu.formats.elf.symbols import linked_symbols

CODE_TYPES = (0, abi.STT_FUNC, abi.STT_GNU_IFUNC)


class Function(NamedTuple):
    """`size` is 0 where the symbol does not say."""

    name: str
    address: int
    size: int


class Range(NamedTuple):
    """Bytes of code at an address; `title` is a section's name."""

    title: str
    address: int
    data: bytes


class Code:
    """The names and bytes of a loaded file. In an object file addresses are section offsets."""

    def __init__(self, elf: ElfFile) -> None:
        self.elf = elf
        self.relocatable = elf.header.type == abi.ET_REL
        self.functions = sorted(self._functions(), key=lambda f: (f.address, -f.size, f.name))
        self._starts = [function.address for function in self.functions]
        self.plt = {} if self.relocatable else self._plt()

    def _functions(self) -> list[Function]:
        elf = self.elf
        found: dict[tuple[int, str], Function] = {}
        for kind in (abi.SHT_SYMTAB, abi.SHT_DYNSYM):
            for section in elf.sections or ():
                tables = linked_symbols(elf, section) if section.type == kind else None
                if tables is None or tables[1] is None:
                    continue
                for symbol in tables[0]:
                    if symbol.type not in CODE_TYPES or not self._is_code(symbol.shndx):
                        continue
                    name = tables[1].get(symbol.name, "")
                    if name and not name.startswith("$"):
                        address = symbol.value & ~1 if elf.machine == abi.EM_ARM else symbol.value
                        entry = Function(name, address, symbol.size)
                        found.setdefault((address, name), entry)
            if found:
                break
        return list(found.values())

    def _is_code(self, shndx: int) -> bool:
        sections = self.elf.sections
        if sections is None or not 0 < shndx < len(sections):
            return False
        return bool(sections[shndx].flags & abi.SHF_EXECINSTR)

    def _plt(self) -> dict[int, str]:
        """Names by address of the entries that jump through the GOT (x86)."""
        elf = self.elf
        if elf.machine not in (abi.EM_X86_64, abi.EM_386):
            return {}
        slots: dict[int, str] = {}
        for _, table in relocation_sections(elf) if elf.sections is not None else ():
            if table is None or table.symbols is None or table.strings is None:
                continue
            for piece in rows(elf, table):
                for offset, info, _ in piece:
                    index, _ = split_info(elf, info)
                    if 0 < index < len(table.symbols):
                        slots[offset] = table.strings.get(table.symbols[index].name, "")
        names: dict[int, str] = {}
        for section in elf.sections or ():
            if elf.section_name(section).startswith(".plt"):
                names.update(self._plt_entries(section, slots))
        return names

    def _plt_entries(self, section: Section, slots: dict[int, str]) -> dict[int, str]:
        data = self.elf.image.read(section.offset, section.size, "PLT")
        step = 8 if self.elf.section_name(section) == ".plt.got" and section.entsize == 8 else 16
        names: dict[int, str] = {}
        for offset in range(0, section.size if data is not None else 0, step):
            entry = bytes(data[offset : offset + step]) if data is not None else b""
            jump = entry.find(b"\xff\x25")
            if jump < 0 or len(entry) < jump + 6:
                continue
            target = int.from_bytes(entry[jump + 2 : jump + 6], "little", signed=True)
            if self.elf.is64:
                target += section.addr + offset + jump + 6
            name = slots.get(target & 0xFFFF_FFFF_FFFF_FFFF)
            if name:
                names[section.addr + offset] = f"{name}@plt"
        return names

    def sections(self) -> list[Range]:
        """Every section of code."""
        found = []
        for section in self.elf.sections or ():
            if section.flags & abi.SHF_EXECINSTR and section.type != abi.SHT_NOBITS:
                data = self.elf.image.read(section.offset, section.size, "code")
                name = self.elf.section_name(section)
                found.append(Range(name, section.addr, bytes(data or b"")))
        if not found and self.elf.load_segments():
            for segment in self.elf.segments or ():
                if segment.type == abi.PT_LOAD and segment.flags & abi.PF_X:
                    data = self.elf.image.read(segment.offset, segment.filesz, "code")
                    found.append(Range("LOAD", segment.vaddr, bytes(data or b"")))
        return found

    def by_name(self, name: str) -> list[Function]:
        """Functions of that name; the end of one without a size is the next one's start."""
        found = [function for function in self.functions if function.name == name]
        return [f if f.size else f._replace(size=self._gap(f.address)) for f in found]

    def _gap(self, address: int) -> int:
        index = bisect_right(self._starts, address)
        if index < len(self._starts):
            return self._starts[index] - address
        for code in self.sections():
            if code.address <= address < code.address + len(code.data):
                return code.address + len(code.data) - address
        return 0

    def at(self, address: int) -> list[str]:
        """The names that a listing shows above an address."""
        if address in self.plt:
            return [self.plt[address]]
        index = bisect_right(self._starts, address)
        names: list[str] = []
        while index and self._starts[index - 1] == address:
            index -= 1
            names.insert(0, self.functions[index].name)
        return names

    def describe(self, address: int) -> str | None:
        """name, or name+0x12, of an address in a known function."""
        if address in self.plt:
            return self.plt[address]
        index = bisect_right(self._starts, address)
        if not index:
            return None
        start = self._starts[index - 1]
        while index > 1 and self._starts[index - 2] == start:
            index -= 1
        function = self.functions[index - 1]
        distance = address - function.address
        if distance and distance >= (function.size or self._gap(function.address)):
            return None
        return function.name + (f"+{distance:#x}" if distance else "")
