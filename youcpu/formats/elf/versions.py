"""GNU symbol versions: which version a dynamic symbol has (LSB, Symbol Versioning)."""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from youcpu.abi import elf as abi
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.image import StringTable

VERSYM_HIDDEN, VERSYM_VERSION, VER_FLG_BASE = 0x8000, 0x7FFF, 1
CHAIN_LIMIT = 0x10000  # versions have 15-bit numbers: a longer chain is damage
HIDDEN, PUBLIC, UNDEFINED = "@", "@@", "needed"


class Version(NamedTuple):
    """A version's name, how it binds (HIDDEN, PUBLIC, UNDEFINED) and its number."""

    name: str
    kind: str
    number: int

    @property
    def separator(self) -> str:
        """@@ for the default version, @ for others and for those needed."""
        return "@@" if self.kind == PUBLIC else "@"


class Definition(NamedTuple):
    """A link of the chain of definitions. `highest`: the greatest number up to here."""

    flags: int
    aux_offset: int
    highest: int


class Versions:
    """The version tables of a file, found by its dynamic section."""

    def __init__(self, elf: ElfFile) -> None:
        self.elf = elf
        order = "<" if elf.layout.little else ">"
        self._verdef = Struct(order + "HHHHIII")
        self._verdaux = Struct(order + "II")
        self._verneed = Struct(order + "HHIII")
        self._vernaux = Struct(order + "IHHII")
        info = elf.dynamic_info
        self.versym = info.get(abi.DT_VERSYM, 0)
        self.has_definitions = bool(info.get(abi.DT_VERDEF))
        self.has_needs = bool(info.get(abi.DT_VERNEED))
        self._definitions: dict[int, Definition] | None = None
        self._highest = 0
        self._needs: dict[int, int] | None = None
        self._names: dict[tuple[int, bool], int | None] = {}

    def indices(self, count: int) -> list[int] | None:
        """The version number of each of `count` symbols; None for a file without versions."""
        if self.versym == 0:
            return None
        elf = self.elf
        found = len(elf.image.diagnostics)
        offset = elf.offset_of(self.versym, 2 * count)
        data = elf.image.read(offset, 2 * count, None)
        if data is not None and len(elf.image.diagnostics) == found:
            order = "<" if elf.layout.little else ">"
            return [row[0] for row in Struct(order + "H").iter_unpack(data)]
        del elf.image.diagnostics[found:]
        return [self._index(number) for number in range(count)]

    def _index(self, number: int) -> int:
        elf = self.elf
        offset = elf.offset_of(self.versym, 2 + 2 * number)
        data = elf.image.read(offset + 2 * number, 2, "version data")
        return 0 if data is None else elf.layout.number(data)

    def index_of(self, number: int) -> int:
        """The version number of one symbol, 0 where there is none."""
        return self._index(number) if self.versym else 0

    def definitions(self) -> dict[int, Definition]:
        """Version definitions by number, the first of each."""
        if self._definitions is None:
            self._definitions = {}
            elf, size = self.elf, self._verdef.size
            offset = elf.offset_of(elf.dynamic_info[abi.DT_VERDEF], size)
            for _ in range(CHAIN_LIMIT):
                data = elf.image.read(offset, size, "version def")
                if data is None:
                    break
                _, flags, index, _, _, aux, following = self._verdef.unpack(data)
                self._highest = max(self._highest, index & VERSYM_VERSION)
                entry = Definition(flags, offset + aux, self._highest)
                self._definitions.setdefault(index, entry)
                if following == 0:
                    break
                offset += following
        return self._definitions

    def needs(self) -> dict[int, int]:
        """Name offsets of the versions needed of other files, by number."""
        if self._needs is None:
            self._needs = {}
            elf, size = self.elf, self._verneed.size
            offset = elf.offset_of(elf.dynamic_info[abi.DT_VERNEED], size)
            for _ in range(CHAIN_LIMIT):
                data = elf.image.read(offset, size, "version need")
                if data is None:
                    break
                _, _, _, aux, following = self._verneed.unpack(data)
                self.needs_of_file(offset + aux, self._needs)
                if following == 0:
                    break
                offset += following
        return self._needs

    def needs_of_file(self, offset: int, needs: dict[int, int]) -> None:
        for _ in range(CHAIN_LIMIT):
            data = self.elf.image.read(offset, self._vernaux.size, "version need aux (3)")
            if data is None:
                return
            _, _, other, name, following = self._vernaux.unpack(data)
            needs.setdefault(other, name)
            if following == 0:
                return
            offset += following

    def definition_name(self, definition: Definition) -> int | None:
        """Offset of the name of a definition."""
        data = self.elf.image.read(definition.aux_offset, 8, "version def aux")
        return None if data is None else int(self._verdaux.unpack(data)[0])

    def of_symbol(
        self, index: int, defined: bool, name: int, strings: StringTable | None
    ) -> Version | None:
        """The version `index` of a symbol; `name` is its st_name, `strings` its string table."""
        if index == 0:
            return None
        number = index & VERSYM_VERSION
        kind = HIDDEN if index & VERSYM_HIDDEN else PUBLIC
        highest = 0
        if defined and index != 0x8001 and self.has_definitions:
            definition = self.definitions().get(number)
            highest = definition.highest if definition else self._highest
            if definition is not None:
                if number == 1 and definition.flags == VER_FLG_BASE:
                    return None
                offset = self.definition_name(definition)
                # The symbol that stands for the version itself has none.
                if offset is not None and offset != name:
                    return Version(self._text(strings, offset), kind, index)
        if self.has_needs:
            offset = self.needs().get(index)
            if offset is not None:
                return Version(self._text(strings, offset), UNDEFINED, index)
            if (highest or number != 1) and number > highest:
                return Version("<corrupt>", kind, index)
        return None

    def own_names(self) -> set[int]:
        """Name offsets of the definitions: a symbol of such a name stands for a version."""
        if not self.has_definitions:
            return set()
        names = {self.definition_name(entry) for entry in self.definitions().values()}
        return {name for name in names if name is not None}

    @staticmethod
    def _text(strings: StringTable | None, offset: int) -> str:
        return "<corrupt>" if strings is None else strings.get(offset, "<corrupt>")
