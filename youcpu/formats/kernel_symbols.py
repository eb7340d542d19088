"""A kernel's symbols, wherever they were read: kallsyms, System.map or the ELF symbol table."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from youcpu.abi import elf as abi
from youcpu.formats.errors import FormatError

if TYPE_CHECKING:
    from youcpu.formats.elf.file import ElfFile
    from youcpu.formats.elf.structures import Symbol


_STT_OBJECT = 1


class KernelSymbol(NamedTuple):
    """`kind` as nm(1) writes it: T and t are text, D d data, R r read-only, A absolute."""

    address: int
    kind: str
    name: str


class KernelSymbols:
    """Symbols in the order of their source. Addresses are those that the kernel is linked for."""

    def __init__(self, symbols: Iterable[KernelSymbol], source: str) -> None:
        self.symbols = list(symbols)
        #: Where they are from, for messages: kallsyms, System.map, symtab.
        self.source = source
        self._by_name: dict[str, KernelSymbol] | None = None
        self._sorted: list[KernelSymbol] | None = None
        self._starts: list[int] = []

    def __len__(self) -> int:
        return len(self.symbols)

    def find(self, name: str) -> int | None:
        """The address of the first symbol of that name."""
        if self._by_name is None:
            self._by_name = {symbol.name: symbol for symbol in reversed(self.symbols)}
        symbol = self._by_name.get(name)
        return None if symbol is None else symbol.address

    def at(self, address: int) -> tuple[str, int] | None:
        """The text or data symbol at or below `address`, and the distance; None below the first."""
        if self._sorted is None:
            # Of several symbols at one address the first in the table is shown, as kallsyms does.
            ordered = sorted(self.symbols, key=lambda symbol: symbol.address)
            self._sorted = [
                symbol
                for before, symbol in zip([None, *ordered[:-1]], ordered, strict=True)
                if before is None or before.address != symbol.address
            ]
            self._starts = [symbol.address for symbol in self._sorted]
        index = bisect_right(self._starts, address) - 1
        if index < 0:
            return None
        return self._sorted[index].name, address - self._sorted[index].address


def elf_kernel_symbols(data: bytes | memoryview) -> KernelSymbols:
    """The .symtab of a vmlinux, kinds as nm(1). Raises FormatError where it is stripped."""
    from youcpu.formats.elf.file import ElfFile
    from youcpu.formats.elf.image import Image
    from youcpu.formats.elf.symbols import linked_symbols

    elf = ElfFile(Image(memoryview(data), 0))
    elf.resolve_header()
    elf.load_sections()
    for section in elf.sections or []:
        linked = linked_symbols(elf, section) if section.type == abi.SHT_SYMTAB else None
        if linked is None or linked[1] is None:
            continue
        table, strings = linked[0], linked[1]
        found = [
            KernelSymbol(symbol.value, _kind(elf, symbol), strings.at(symbol.name))
            for symbol in table
            if symbol.shndx
            and symbol.info & 0xF not in (abi.STT_SECTION, abi.STT_FILE)
            and symbol.name in strings
        ]
        found.sort(key=lambda symbol: symbol.address)
        return KernelSymbols([symbol for symbol in found if symbol.name], "symtab")
    raise FormatError(0, "no symbol table: a stripped vmlinux")


def _kind(elf: ElfFile, symbol: Symbol) -> str:
    """nm's letter: by the section's type and flags; lower case for local symbols."""
    sections = elf.sections or []
    if symbol.info >> 4 == abi.STB_WEAK:
        return "V" if symbol.info & 0xF == _STT_OBJECT else "W"
    if symbol.shndx & 0xFFFF == abi.SHN_ABS and symbol.shndx > 0xFFFF:
        letter = "A"
    elif symbol.shndx >= len(sections):
        return "?"
    elif sections[symbol.shndx].type == abi.SHT_NOBITS:
        letter = "B"
    elif sections[symbol.shndx].flags & abi.SHF_EXECINSTR:
        letter = "T"
    else:
        letter = "D" if sections[symbol.shndx].flags & abi.SHF_WRITE else "R"
    return letter if symbol.info >> 4 else letter.lower()
