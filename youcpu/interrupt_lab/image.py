"""The lab's image: where its bytes go in physical memory, and what its addresses are called.

Assembled from fixtures/interrupt-lab by its Makefile; the ELF file is the package's data.
"""

from __future__ import annotations

import os
from bisect import bisect_right

from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.image import Image
from youcpu.formats.elf.symbols import linked_symbols

PATH = os.path.join(os.path.dirname(__file__), "lab.elf")
#: Physical address of the first byte.
START = 0x100000
_PT_LOAD, _SHT_SYMTAB = 1, 2
_SHN_ABS = 0xFFF1
_PROGRAM = "program."
#: Where rings.S leaves what it found: physical address (layout.inc), bytes a cell.
RESULTS, RESULT_SIZE, VARIANTS = 0x123000, 64, 4


class LabImage:
    """The image as one run of bytes from START, its symbols, and names for addresses."""

    def __init__(self) -> None:
        with open(PATH, "rb") as file:
            data = file.read()
        elf = ElfFile(Image(memoryview(data), 0))
        elf.resolve_header()
        elf.load_segments()
        elf.load_sections()
        self.bytes = _flat(data, elf)
        #: Linear address by symbol.
        self.symbols = _symbols(elf)
        places = sorted((address, name) for name, address in self.symbols.items())
        self._starts = [address for address, _ in places]
        self._names = [name for _, name in places]

    def rows(self, prefix: str) -> list[str]:
        """Names of a table's rows ("row." programs, "probe." instructions), in its order."""
        found = [
            (address, name.removeprefix(prefix))
            for name, address in self.symbols.items()
            if name.startswith(prefix)
        ]
        return [name for _, name in sorted(found)]

    def name(self, address: int) -> str:
        """`page_fault+0x12`, `program+5`; "" where no symbol is within a page before it."""
        index = bisect_right(self._starts, address) - 1
        if index < 0 or address - self._starts[index] >= 0x1000:
            return ""
        name, distance = self._names[index], address - self._starts[index]
        if name.startswith(_PROGRAM):
            name = "program"
        return f"{name}+{distance:#x}" if distance else name


def _flat(data: bytes, elf: ElfFile) -> bytes:
    image = bytearray()
    for segment in elf.segments or []:
        if segment.type == _PT_LOAD:
            start = segment.paddr - START
            image.extend(bytes(max(0, start + segment.filesz - len(image))))
            image[start : start + segment.filesz] = data[segment.offset :][: segment.filesz]
    return bytes(image)


def _symbols(elf: ElfFile) -> dict[str, int]:
    found: dict[str, int] = {}
    for section in elf.sections or []:
        linked = linked_symbols(elf, section) if section.type == _SHT_SYMTAB else None
        if linked is None:
            continue
        table, strings = linked
        if strings is None:
            continue
        for symbol in table:
            if symbol.shndx and symbol.shndx & 0xFFFF != _SHN_ABS and symbol.info & 0xF < 3:
                name = strings.at(symbol.name)
                if name and symbol.value:
                    found[name] = symbol.value
    return found
