"""One ELF object: its header, then its tables, loaded in stages as GNU readelf loads them.

A stage that fails leaves its table None and says why in the diagnostics; the next one goes on
with what there is. The order of the stages matters on damaged files only.
"""

from __future__ import annotations

from youcpu.abi import elf as abi
from youcpu.formats.elf.image import Image, StringTable
from youcpu.formats.elf.structures import Dyn, Header, Layout, Section, Segment
from youcpu.formats.elf.symbols import SymbolTable, read_symbols
from youcpu.formats.errors import FormatError

ENTRY_SIZES = {  # section type: entry size of the 32-bit and the 64-bit form
    abi.SHT_DYNSYM: (16, 24),
    abi.SHT_SYMTAB: (16, 24),
    abi.SHT_GROUP: (4, 4),
    abi.SHT_REL: (8, 16),
    abi.SHT_RELA: (12, 24),
    abi.SHT_RELR: (4, 8),
}


class ElfFile:
    """The model of one object. Raises FormatError if there is no ELF header at all."""

    def __init__(self, image: Image) -> None:
        self.image = image
        ident = image.read(0, 16, None)
        if ident is None:
            raise FormatError(0, "too short for an ELF header")
        # ELFDATANONE and unknown encodings are read as little-endian, unknown classes as 32-bit.
        self.layout = Layout(ident[4] == abi.ELFCLASS64, ident[5] != abi.ELFDATA2MSB)
        rest = image.read(16, self.layout.ehdr.size, None)
        if rest is None:
            raise FormatError(16, "too short for an ELF header")
        self.header = Header(bytes(ident), self.layout.ehdr.unpack(rest))
        self.sections: list[Section] | None = None
        self.segments: list[Segment] | None = None
        self.section_names: StringTable | None = None
        self.dynamic: list[Dyn] | None = None
        self.dynamic_offset = 0
        self.dynamic_size = 0
        self.interpreter: str | None = None
        self.dynamic_symbols: SymbolTable | None = None
        self.dynamic_strings: StringTable | None = None
        self.symtab_shndx: list[Section] = []
        self.dynamic_info: dict[int, int] = {}
        # The extensions of the counts are in the first section header, if it can be read.
        probed = self._read_sections(1, probe=True)
        self.section0 = probed[0] if probed else None

    @property
    def is64(self) -> bool:
        return self.layout.is64

    @property
    def machine(self) -> int:
        return self.header.machine

    # --- header ---

    def resolve_header(self) -> None:
        """Put the extended counts (e_shnum 0, PN_XNUM, SHN_XINDEX) in their places."""
        header, first = self.header, self.section0
        if first is None:
            if header.shstrndx >= header.shnum:
                header.shstrndx = 0
            return
        if header.phnum == abi.PN_XNUM and first.info:
            header.phnum = first.info
            self.segments = None
        if header.shnum == 0:
            header.shnum = first.size & 0xFFFFFFFF
        if header.shstrndx == abi.SHN_XINDEX:
            header.shstrndx = first.link
        if header.shstrndx >= header.shnum:
            header.shstrndx = 0

    def is_pie(self) -> bool:
        """ET_DYN and DF_1_PIE: a program, not a library."""
        if self.dynamic_size == 0:
            self._locate_dynamic()
        if self.dynamic_size <= 1 or not self.load_dynamic_entries():
            return False
        for entry in self.dynamic or ():
            if entry.tag == abi.DT_FLAGS_1:
                return bool(entry.value & abi.DF_1_PIE)
        return False

    # --- sections ---

    def _read_sections(self, count: int, probe: bool) -> list[Section] | None:
        header, image, shdr = self.header, self.image, self.layout.shdr
        size = header.shentsize
        if size == 0 or count == 0 or header.shoff == 0:
            return None
        if size < shdr.size:
            if not probe:
                image.error(
                    "The e_shentsize field in the ELF header is less than the size of an ELF"
                    " section header"
                )
            return None
        if size > shdr.size and not probe:
            image.warn(
                "The e_shentsize field in the ELF header is larger than the size of an ELF"
                " section header"
            )
        data = image.read(header.shoff, size * count, None if probe else "section headers")
        if data is None:
            return None
        # Headers are read one after the other, whatever e_shentsize says.
        rows = shdr.iter_unpack(data[: shdr.size * count])
        return [Section(index, *row) for index, row in enumerate(rows)]

    def load_sections(self) -> bool:
        """Read all section headers and the tables they point at. False: nothing usable there."""
        header, image = self.header, self.image
        if header.shnum == 0:
            if header.shoff:
                image.warn(
                    "possibly corrupt ELF file header - it has a non-zero section header"
                    " offset, but no section headers"
                )
                return False
            return True
        sections = self._read_sections(header.shnum, probe=False)
        if sections is None:
            return False
        self.sections = sections
        for section in sections:
            if section.link > header.shnum:
                image.warn(
                    f"Section {section.number} has an out of range sh_link value of {section.link}"
                )
            if section.flags & abi.SHF_INFO_LINK and section.info > header.shnum:
                image.warn(
                    f"Section {section.number} has an out of range sh_info value of {section.info}"
                )
        if 0 < header.shstrndx < header.shnum:
            names = sections[header.shstrndx]
            self.section_names = image.strings(names.offset, names.size, "string table")
        for section in sections:
            self._load_section_tables(section)
        return True

    def _load_section_tables(self, section: Section) -> None:
        kind = section.type
        if kind == abi.SHT_DYNSYM and self.dynamic_symbols is not None:
            self.image.error("File contains multiple dynamic symbol tables")
            return
        if kind in ENTRY_SIZES:
            section = self._check_entry_size(section)
        if kind == abi.SHT_DYNSYM:
            self.dynamic_symbols = read_symbols(self, section)
        elif kind == abi.SHT_STRTAB and self.section_name(section) == ".dynstr":
            if self.dynamic_strings is not None:
                self.image.error("File contains multiple dynamic string tables")
                return
            self.dynamic_strings = self.image.strings(
                section.offset, section.size, "dynamic strings"
            )
        elif kind == abi.SHT_SYMTAB_SHNDX:
            self.symtab_shndx.insert(0, section)

    def _check_entry_size(self, section: Section) -> Section:
        expected = ENTRY_SIZES[section.type][self.is64]
        if section.entsize == expected:
            return section
        self.image.error(f"Section {section.number} has invalid sh_entsize of {section.entsize:x}")
        self.image.error(f"(Using the expected size of {expected:x} for the rest of this dump)")
        corrected = section._replace(entsize=expected)
        assert self.sections is not None
        self.sections[section.number] = corrected
        return corrected

    def section_name(self, section: Section) -> str:
        """The name as it is in the file, or what stands for it where there is none."""
        if self.section_names is None:
            return "<no-strings>"
        return self.section_names.get(section.name, "<corrupt>")

    def section_name_valid(self, section: Section) -> bool:
        return self.section_names is not None and section.name in self.section_names

    def find_section(self, name: str) -> Section | None:
        """The first section of that name."""
        for section in self.sections or ():
            if self.section_name_valid(section) and self.section_name(section) == name:
                return section
        return None

    def section_at(self, address: int) -> Section | None:
        for section in self.sections or ():
            if section.addr <= address < section.addr + section.size:
                return section
        return None

    # --- segments ---

    def load_segments(self) -> bool:
        """Read the program headers, once. False with a diagnostic if they cannot be read."""
        if self.segments is not None:
            return True
        header, image, phdr = self.header, self.image, self.layout.phdr
        if header.phnum * phdr.size >= image.size:
            image.error(f"Too many program headers - {header.phnum:#x} - the file is not that big")
            return False
        size = header.phentsize
        if size == 0 or header.phnum == 0:
            return False
        if size < phdr.size:
            image.error(
                "The e_phentsize field in the ELF header is less than the size of an ELF"
                " program header"
            )
            return False
        if size > phdr.size:
            image.warn(
                "The e_phentsize field in the ELF header is larger than the size of an ELF"
                " program header"
            )
        data = image.read(header.phoff, size * header.phnum, "program headers")
        if data is None:
            return False
        rows = phdr.iter_unpack(data[: phdr.size * header.phnum])
        if self.is64:
            self.segments = [Segment(t, o, v, p, f, m, g, a) for t, g, o, v, p, f, m, a in rows]
        else:
            self.segments = [Segment(*row) for row in rows]
        return True

    def offset_of(self, address: int, size: int) -> int:
        """Where in the file the `size` bytes at a virtual address lie; the address if nowhere."""
        if not self.load_segments():
            self.image.warn("Cannot interpret virtual addresses without program headers.")
            return address
        assert self.segments is not None
        for segment in self.segments:
            if (
                segment.type == abi.PT_LOAD
                and address >= segment.vaddr & -segment.align
                and address + size <= segment.vaddr + segment.filesz
            ):
                return (address - segment.vaddr + segment.offset) & 0xFFFF_FFFF_FFFF_FFFF
        self.image.warn(f"Virtual address {address:#x} not located in any PT_LOAD segment.")
        return address

    # --- dynamic section ---

    def _locate_dynamic(self) -> None:
        """Find the dynamic section by the first PT_DYNAMIC."""
        offset = size = 0
        if self.header.phnum and self.load_segments():
            for segment in self.segments or ():
                if segment.type == abi.PT_DYNAMIC:
                    offset, size = self._dynamic_extent(segment)
                    break
        self.dynamic_offset, self.dynamic_size = offset, size or 1

    def _dynamic_extent(self, segment: Segment) -> tuple[int, int]:
        offset, size = segment.offset, segment.filesz
        section = self.find_section(".dynamic") if self.sections else None
        if section is not None:
            if section.size == 0 or section.type == abi.SHT_NOBITS:
                return 0, 0
            offset, size = section.offset, section.size
        if offset > self.image.size or size > self.image.size - offset:
            return 0, 0
        return offset, size

    def load_dynamic_entries(self) -> bool:
        """Read the entries up to DT_NULL, once."""
        if self.dynamic is not None:
            return True
        data = self.image.read(self.dynamic_offset, self.dynamic_size, "dynamic section")
        if data is None:
            return False
        dyn = self.layout.dyn
        entries: list[Dyn] = []
        for tag, value in dyn.iter_unpack(data[: len(data) // dyn.size * dyn.size]):
            entries.append(Dyn(tag, value))
            if tag == abi.DT_NULL:
                break
        self.dynamic = entries
        return True

    def dynamic_name(self, offset: int) -> str | None:
        """A string of the dynamic string table; None outside of it."""
        table = self.dynamic_strings
        return table.at(offset) if table is not None and offset in table else None
