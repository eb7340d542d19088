"""The bytes of one ELF object, every access checked against the file: the bottom of the reader."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

WARNING, ERROR = "warning", "error"
STRING_TABLES = 4


class Diagnostic(NamedTuple):
    """Something wrong with a file that did not stop the reading of it."""

    severity: str
    message: str


class Image:
    """A file, or a member of an archive, as bounded bytes.

    `data` is the whole file; offsets count from `base`, the start of the member. As in GNU
    readelf a member may point past its own end, but never past the end of the file.
    """

    __slots__ = ("_strings", "base", "data", "diagnostics", "size")

    def __init__(self, data: memoryview, base: int = 0) -> None:
        self.data = data
        self.base = base
        self.size = len(data)
        self.diagnostics: list[Diagnostic] = []
        # The last few: symbols, relocations and versions use the same table one after the other.
        self._strings: dict[tuple[int, int], StringTable] = {}

    def warn(self, message: str) -> None:
        self.diagnostics.append(Diagnostic(WARNING, message))

    def error(self, message: str) -> None:
        self.diagnostics.append(Diagnostic(ERROR, message))

    def read(self, offset: int, size: int, what: str | None) -> memoryview | None:
        """`size` bytes at `offset`; None with a diagnostic if the file does not hold them.

        None without a word where nothing was asked for, or `what` is None.
        """
        if size == 0:
            return None
        start = self.base + offset
        if start + size > self.size:
            if what is not None:
                self.error(f"Reading {size} bytes extends past end of file for {what}")
            return None
        return self.data[start : start + size]

    def strings(self, offset: int, size: int, what: str) -> StringTable | None:
        """The table at `offset`; None with a diagnostic if the file does not hold it."""
        place = (offset, size)
        known = self._strings.get(place)
        if known is not None:
            return known
        data = self.read(offset, size, what)
        if data is None:
            return None
        if len(self._strings) >= STRING_TABLES:
            self._strings.clear()
        table = self._strings[place] = StringTable(data)
        return table


PRINTABLE = bytes(range(0x20, 0x7F)) + b"\0"


class StringTable:
    """Names that end with NUL, addressed by their offset. Latin-1: a character is a byte."""

    __slots__ = ("_clean", "_data", "length", "text")

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._clean: bool | None = None
        self.text = str(data, "latin-1")
        self.length = len(self.text)

    @property
    def clean(self) -> bool:
        """Nothing but printable ASCII, and every name has its NUL."""
        if self._clean is None:
            ends = self.text.endswith("\0")
            self._clean = ends and not bytes(self._data).translate(None, PRINTABLE)
        return self._clean

    def names(self, offsets: Iterable[int]) -> list[str]:
        """The names at many offsets, all of them in the table, which must be `clean`."""
        text, find = self.text, self.text.find
        return [text[offset : find("\0", offset)] for offset in offsets]

    def __contains__(self, offset: int) -> bool:
        return offset < self.length

    def at(self, offset: int) -> str:
        """The name at `offset`; the table's end ends it too. `offset` must be in the table."""
        end = self.text.find("\0", offset)
        return self.text[offset:] if end < 0 else self.text[offset:end]

    def get(self, offset: int, default: str) -> str:
        return self.at(offset) if offset < self.length else default


def c_string(data: bytes | memoryview) -> str:
    """The bytes up to the first NUL, in Latin-1."""
    return bytes(data).split(b"\0", 1)[0].decode("latin-1")


def uleb128(data: bytes | memoryview, position: int, end: int) -> tuple[int, int]:
    """(value, position after it) of an unsigned LEB128; stops at `end`. DWARF 5, 7.6."""
    value = shift = 0
    while position < end:
        byte = data[position]
        position += 1
        if shift < 64:
            value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return value & 0xFFFF_FFFF_FFFF_FFFF, position
