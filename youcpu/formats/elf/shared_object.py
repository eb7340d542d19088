"""An ELF file as the dynamic linker sees it: by its segments alone, section headers unread."""

from __future__ import annotations

import re
from typing import NamedTuple

from youcpu.abi import elf as abi
from youcpu.formats.elf.dynamic import load_dynamic
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.image import Image
from youcpu.formats.elf.relocations import RELR, dynamic_relocations, rows, split_info
from youcpu.formats.elf.segments import scan_segments
from youcpu.formats.elf.structures import Symbol
from youcpu.formats.elf.versions import VERSYM_HIDDEN, VERSYM_VERSION, Versions
from youcpu.formats.errors import FormatError

DF_SYMBOLIC = 2
BINDABLE_TYPES = {0, 1, abi.STT_FUNC, abi.STT_COMMON, abi.STT_TLS, abi.STT_GNU_IFUNC}
JUMP_SLOTS = {
    abi.EM_X86_64: 7,
    abi.EM_386: 7,
    abi.EM_AARCH64: 1026,
    abi.EM_ARM: 22,
    abi.EM_RISCV: 5,
    abi.EM_PPC64: 21,
    abi.EM_S390: 11,
    abi.EM_MIPS: 127,
}
LEAST_GLIBC = {"GLIBC_ABI_DT_RELR": (2, 36)}


class Reference(NamedTuple):
    """An undefined symbol: `version` and `file` are None for an unversioned one."""

    name: str
    version: str | None
    file: str | None
    weak: bool


class Definition(NamedTuple):
    """A symbol that others may bind to. `version` is None for the base version."""

    symbol: Symbol
    number: int
    version: str | None
    hidden: bool


class SharedObject:
    """What ld.so reads of one file. Raises FormatError for what is no ELF program or library."""

    def __init__(self, path: str, data: memoryview) -> None:
        self.path = path
        self.elf = elf = ElfFile(Image(data))
        if elf.header.ident[:4] != b"\x7fELF":
            raise FormatError(0, "not an ELF file")
        if elf.header.type not in (abi.ET_EXEC, abi.ET_DYN):
            raise FormatError(16, "neither a program nor a shared library")
        elf.header.shnum = 0
        scan_segments(elf)
        load_dynamic(elf, False, True)
        self.interpreter = elf.interpreter
        self.is_dynamic = elf.dynamic_size > 1 and elf.dynamic is not None
        self.soname = self._string(abi.DT_SONAME)
        self.rpath = self._string(abi.DT_RPATH)
        self.runpath = self._string(abi.DT_RUNPATH)
        self.needed = self._strings(abi.DT_NEEDED)
        flags = self._value(abi.DT_FLAGS)
        self.symbolic = bool(flags & DF_SYMBOLIC) or self._has(abi.DT_SYMBOLIC)
        self.nodeflib = bool(self._value(abi.DT_FLAGS_1) & abi.DF_1_NODEFLIB)
        self._versions = Versions(elf)
        self._definitions: dict[str, list[Definition]] | None = None
        self._names: dict[int, str] | None = None
        self._addresses: set[str] | None = None

    @property
    def kind(self) -> tuple[int, int, int]:
        """What two files must share to be in one process: class, byte order, machine."""
        ident = self.elf.header.ident
        return ident[4], ident[5], self.elf.machine

    def _has(self, tag: int) -> bool:
        return any(entry.tag == tag for entry in self.elf.dynamic or ())

    def _value(self, tag: int) -> int:
        return next((entry.value for entry in self.elf.dynamic or () if entry.tag == tag), 0)

    def _strings(self, tag: int) -> list[str]:
        found = (
            self.elf.dynamic_name(entry.value)
            for entry in self.elf.dynamic or ()
            if entry.tag == tag
        )
        return [file_name(name) for name in found if name is not None]

    def _string(self, tag: int) -> str | None:
        return next(iter(self._strings(tag)), None)

    # --- symbols ---

    def needs(self) -> dict[int, tuple[str, str]]:
        """(file, version) by version number, of all that other files must define."""
        result: dict[int, tuple[str, str]] = {}
        elf = self.elf
        if not self._versions.has_needs:
            return result
        offset = elf.offset_of(elf.dynamic_info[abi.DT_VERNEED], 16)
        for _ in range(elf.dynamic_info.get(abi.DT_VERNEEDNUM, 0) & 0xFFFF):
            data = elf.image.read(offset, 16, "version need")
            if data is None:
                break
            number = elf.layout.number
            file = elf.dynamic_name(number(data[4:8])) or ""
            chain: dict[int, int] = {}
            self._versions.needs_of_file(offset + number(data[8:12]), chain)
            for index, name in chain.items():
                version = elf.dynamic_name(name)
                if version is not None:
                    result.setdefault(index & VERSYM_VERSION, (file_name(file), version))
            following = number(data[12:16])
            if not following:
                break
            offset += following
        return result

    def references(self) -> list[Reference]:
        """The symbols that are looked up elsewhere."""
        table, elf = self.elf.dynamic_symbols, self.elf
        if table is None:
            return []
        indices = self._versions.indices(len(table)) or [0] * len(table)
        needs = self.needs()
        found: list[Reference] = []
        for number, symbol in enumerate(table):
            name = elf.dynamic_name(symbol.name)
            if number == 0 or symbol.shndx or not name or symbol.binding == abi.STB_LOCAL:
                continue
            file, version = needs.get(indices[number] & VERSYM_VERSION, (None, None))
            found.append(Reference(name, version, file, symbol.binding == abi.STB_WEAK))
        return found

    def procedure_addresses(self) -> set[str]:
        """Functions whose address, for all of the process, is this program's PLT entry.

        A program that is not position-independent has it in the value of the undefined symbol.
        """
        table = self.elf.dynamic_symbols
        return {
            self.elf.dynamic_name(symbol.name) or ""
            for symbol in table or ()
            if symbol.shndx == 0 and symbol.value and symbol.type == abi.STT_FUNC
        }

    def address_references(self) -> set[str]:
        """Symbols whose address is wanted, by a relocation that is no jump slot."""
        if self._addresses is None:
            self._addresses = set()
            table, slot = self.elf.dynamic_symbols, JUMP_SLOTS.get(self.elf.machine)
            for relocations in dynamic_relocations(self.elf) if table is not None else ():
                if relocations.kind == RELR:
                    continue
                for piece in rows(self.elf, relocations):
                    infos = {info for _, info, _ in piece}
                    for index, kind in {split_info(self.elf, info) for info in infos}:
                        if kind != slot and 0 < index < len(table or ()):
                            name = self.elf.dynamic_name(table[index].name)  # type: ignore[index]
                            self._addresses.add(name or "")
        return self._addresses

    def definitions(self, name: str) -> list[Definition]:
        """The definitions of a name, in the order of the table."""
        if self._definitions is None:
            self._definitions = self._read_definitions()
        return self._definitions.get(name, [])

    def _read_definitions(self) -> dict[str, list[Definition]]:
        table, elf = self.elf.dynamic_symbols, self.elf
        result: dict[str, list[Definition]] = {}
        if table is None:
            return result
        indices = self._versions.indices(len(table))
        for number, symbol in enumerate(table):
            if symbol.shndx == 0 or symbol.binding == abi.STB_LOCAL:
                continue
            if symbol.type not in BINDABLE_TYPES:
                continue
            absolute = symbol.shndx & 0xFFFF == abi.SHN_ABS
            if symbol.value == 0 and not absolute and symbol.type != abi.STT_TLS:
                continue
            name = elf.dynamic_name(symbol.name)
            if not name:
                continue
            index = indices[number] if indices is not None else 0
            version = self.version_name(index & VERSYM_VERSION) if indices is not None else None
            entry = Definition(symbol, index, version, bool(index & VERSYM_HIDDEN))
            result.setdefault(name, []).append(entry)
        return result

    @property
    def versioned(self) -> bool:
        return self._versions.versym != 0

    def version_name(self, index: int) -> str | None:
        """The name of a version that this file defines; the base has none to match."""
        if self._names is None:
            self._names = {}
            versions = self._versions
            if versions.has_definitions:
                for number, definition in versions.definitions().items():
                    offset = versions.definition_name(definition)
                    name = self.elf.dynamic_name(offset) if offset is not None else None
                    if name is not None and not definition.flags & 1:
                        self._names[number] = name
        return self._names.get(index)


def file_name(name: str) -> str:
    """A name of the file as names of files are in Python."""
    return name.encode("latin-1").decode("utf-8", "surrogateescape")


def glibc_version(version: str) -> tuple[int, ...] | None:
    """(2, 34) of GLIBC_2.34; None for versions that are not glibc's, or private."""
    if version in LEAST_GLIBC:
        return LEAST_GLIBC[version]
    match = re.fullmatch(r"GLIBC_(\d+(?:\.\d+)+)", version)
    return tuple(int(part) for part in match[1].split(".")) if match else None
