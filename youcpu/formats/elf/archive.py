"""Archives of object files: ar(5), with GNU's long names, symbol index and thin archives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from youcpu.formats.errors import FormatError

MAGIC, THIN_MAGIC = b"!<arch>\n", b"!<thin>\n"
HEADER = 60  # bytes of a member's header: name 16, date 12, uid 6, gid 6, mode 8, size 10, "`\n"


class Member(NamedTuple):
    """A member: `offset` is where its bytes start, `origin` that of a nested one (thin)."""

    name: str
    header: int
    offset: int
    size: int
    origin: int


class Index(NamedTuple):
    """The symbol index: member header offsets and names, in order."""

    entries: list[tuple[int, str]]
    size: int
    left: int


class Archive:
    """An archive. Raises FormatError where its first members make no sense."""

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.thin = data[:8] == THIN_MAGIC
        self.long_names: bytes | None = None
        self._index: tuple[int, int, int] | None = None
        position = 8
        for name in (b"/               ", b"/SYM64/         "):
            if self._raw_name(position) == name:
                word = 4 if name[1:2] == b" " else 8
                size = self._size(position)
                self._index = (position + HEADER, size, word)
                position += HEADER + size + (size & 1)
                break
        if self._raw_name(position) == b"//              ":
            size = self._size(position)
            if size < 8:
                raise FormatError(position, f"long name table is too small, (size = {size})")
            if size > len(data):
                raise FormatError(position, f"long name table is too big, (size = {size:#x})")
            self.long_names = bytes(data[position + HEADER : position + HEADER + size])
            position += HEADER + size
            # GNU's table is padded to even, the next header follows the padding.
            position += size & 1
        self.first = position

    def _raw_name(self, position: int) -> bytes:
        return bytes(self.data[position : position + 16])

    def _size(self, position: int) -> int:
        return decimal(bytes(self.data[position + 48 : position + 58]))

    @property
    def has_index(self) -> bool:
        return self._index is not None

    def index(self) -> Index:
        """The symbol index. Raises FormatError where it is damaged."""
        assert self._index is not None
        start, size, word = self._index
        size += size & 1
        table = self.data[start : start + size]
        if size < word or len(table) < word:
            raise FormatError(start, "the archive index is empty")
        count = int.from_bytes(table[:word], "big")
        if len(table) < word * (count + 1):
            raise FormatError(
                start,
                f"the archive index is supposed to have {count:#x} entries of {word} bytes, but"
                f" the size is only {size - word:#x}",
            )
        offsets = [
            int.from_bytes(table[word * n : word * (n + 1)], "big") for n in range(1, count + 1)
        ]
        names = bytes(table[word * (count + 1) :])
        if not names:
            raise FormatError(start, "the archive has an index but no symbols")
        texts = names.split(b"\0")
        entries = [
            (offset, text.decode("latin-1")) for offset, text in zip(offsets, texts, strict=False)
        ]
        used = sum(len(text) + 1 for _, text in entries)
        used = (used + 7) & ~7 if word == 8 else used + (used & 1)
        return Index(entries, len(names), max(len(names) - used, 0))

    def members(self) -> Iterator[Member]:
        """The members in order. Raises FormatError at one that cannot be read."""
        position = self.first
        while position < len(self.data):
            member = self.member_at(position)
            yield member
            position = member.offset
            if not self.thin:
                position += (member.size + 1) & ~1

    def member_at(self, position: int) -> Member:
        header = bytes(self.data[position : position + HEADER])
        if len(header) < HEADER:
            raise FormatError(position, "failed to read archive header")
        if header[58:60] != b"`\n":
            raise FormatError(position, "did not find a valid archive header")
        name, origin = self._name(position, header[:16])
        return Member(name, position, position + HEADER, decimal(header[48:58]), origin)

    def _name(self, position: int, raw: bytes) -> tuple[str, int]:
        if raw[:1] != b"/":
            return raw.split(b"/", 1)[0].split(b"\0", 1)[0].decode("latin-1"), 0
        if not self.long_names:
            raise FormatError(position, "bad archive file name")
        start = decimal(raw[1:])
        if start > len(self.long_names):
            raise FormatError(position, "bad archive file name")
        _, colon, tail = raw.partition(b":")
        origin = decimal(tail) if self.thin and colon else 0
        name = self.long_names[start:].split(b"\n", 1)[0].split(b"\0", 1)[0]
        return name.removesuffix(b"/").decode("latin-1"), origin


def decimal(field: bytes) -> int:
    """As strtoul reads it: digits up to the first other character, 0 if there are none."""
    digits = b""
    for byte in field.lstrip(b" \t\n"):
        if not 0x30 <= byte <= 0x39:
            break
        digits += bytes([byte])
    return int(digits) if digits else 0
