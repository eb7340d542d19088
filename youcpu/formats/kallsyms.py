"""The symbols inside a vmlinux image: kernel/kallsyms.c, as scripts/kallsyms.c wrote them.

    Linux 4.6 to 6.3                        since Linux 6.4
    offsets        u32 a symbol             num_syms
    relative_base  u64                      names
    num_syms       u32                      markers
    names          length, tokens           token_table
    markers        u32 a 256 symbols        token_index
    [seqs_of_names since 6.2]               offsets
    token_table    256 strings              relative_base
    token_index    256 u16                  seqs_of_names

each aligned to 8 bytes. A name is its tokens' strings joined, its first letter the symbol's kind.
Nothing points at the tables; each is found by what it must agree with: the token index is the
token table's lengths summed up, the markers are the names' lengths summed up.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Final

from youcpu.formats.errors import FormatError
from youcpu.formats.kernel_symbols import KernelSymbol, KernelSymbols

_DIGITS: Final = b"".join(bytes((digit, 0)) for digit in b"0123456789")
_MAX_TOKEN: Final = 64  # bytes; real ones have some 20
_MAX_SYMBOLS: Final = 1 << 22
_MAX_NAME: Final = 512  # KSYM_NAME_LEN


def parse_kallsyms(data: bytes | memoryview) -> KernelSymbols:
    """All symbols of a vmlinux image (the ELF file or a part of it). Raises FormatError."""
    image = bytes(data)
    seen = False
    for tokens, table, index in _token_tables(image):
        seen = True
        for count, names in _name_tables(image, table):
            addresses = _addresses(image, count, names, index + 512)
            if addresses is not None:
                symbols = _expand(image, tokens, names, addresses)
                return KernelSymbols(symbols, "kallsyms")
    reason = "its tables make no sense" if seen else "no token table: CONFIG_KALLSYMS is off?"
    raise FormatError(0, f"no kallsyms: {reason}")


def _align(offset: int) -> int:
    return (offset + 7) & ~7


def _token_tables(image: bytes) -> Iterator[tuple[list[str], int, int]]:
    """Tokens, offset of the table, offset of its index: where the two agree.

    Digits have tokens of their own, for names end in them; so the table is found by the ten.
    """
    at = -1
    while (at := image.find(_DIGITS, at + 1)) >= 0:
        start = at
        for _ in range(ord("0")):
            before = image.rfind(b"\0", max(start - _MAX_TOKEN - 1, 0), start - 1)
            if before < 0:
                break
            start = before + 1
        else:
            # The first token may follow padding: its string starts at a multiple of 8.
            start = _align(start)
            strings = image[start : start + 256 * _MAX_TOKEN].split(b"\0", 256)[:256]
            offsets, position = [], 0
            for string in strings:
                offsets.append(position)
                position += len(string) + 1
            if len(offsets) < 256 or position > 0xFFFF:
                continue
            index = _align(start + position)
            if image[index : index + 512] == array("H", offsets).tobytes():
                yield [string.decode("latin-1") for string in strings], start, index


def _name_tables(image: bytes, table: int) -> Iterator[tuple[int, int]]:
    """Number of symbols and offset of the names before a token table."""
    for markers in _marker_tables(image, table):
        offsets = array("I", image[markers : markers + 4 * ((table - markers) // 4)])
        length = next(
            (
                i
                for i in range(1, len(offsets))
                if not 512 <= offsets[i] - offsets[i - 1] <= 1 << 17
            ),
            len(offsets),
        )
        # The names end right before the markers; of the last 256 symbols only a bound is known.
        last = offsets[length - 1]
        first_start = max(_align(markers - last - 256 * _MAX_NAME), 8)
        for names in range(markers - _align(last) - 8, first_start - 1, -8):
            count = int.from_bytes(image[names - 8 : names - 4], "little")
            if (count + 255) // 256 != length or count > _MAX_SYMBOLS:
                continue
            if image[names - 4 : names] == b"\0\0\0\0" and _names_agree(
                image, count, names, markers, offsets
            ):
                yield count, names


def _marker_tables(image: bytes, table: int) -> Iterator[int]:
    """Where the markers may begin: a 0 and a sum of 256 lengths, at a multiple of 8; the nearest
    to `table` first, for at most seqs_of_names (3 bytes a symbol) lies between them."""
    end = table
    for reach in (1 << 14, 1 << 20, 3 * _MAX_SYMBOLS):
        start = _align(max(table - reach, 0))
        words = array("Q", image[start : start + ((end - start) & ~7)])
        for number in range(len(words) - 1, -1, -1):
            word = words[number]
            if 512 << 32 <= word < 1 << 49 and not word & 0xFFFF_FFFF:
                yield start + 8 * number
        end = start


def _names_agree(image: bytes, count: int, names: int, markers: int, offsets: array[int]) -> bool:
    """Whether walking the names gives the markers, and ends where they begin."""
    at = names
    for number in range(count):
        if not number & 0xFF and at - names != offsets[number >> 8]:
            return False
        length = image[at]
        at += 1
        if length & 0x80:  # ULEB128 since Linux 6.1
            length = (length & 0x7F) | image[at] << 7
            at += 1
        at += length
        if not length or at > markers:
            return False
    return _align(at) == markers


def _addresses(image: bytes, count: int, names: int, after: int) -> list[int] | None:
    """The symbols' addresses: before num_syms, or after the token index."""
    head = names - 8
    size = _align(4 * count)
    for offsets, base in ((head - 8 - size, head - 8), (_align(after), _align(after) + size)):
        if offsets < 0 or base + 8 > len(image):
            continue
        relative_base = int.from_bytes(image[base : base + 8], "little")
        if relative_base < 0xFFFF_8000_0000_0000 or relative_base & 0xFFF:
            continue
        signed = array("i", image[offsets : offsets + 4 * count])
        if min(signed) < 0:
            # CONFIG_KALLSYMS_ABSOLUTE_PERCPU: what is not negative is an address itself.
            found = [value if value >= 0 else relative_base - 1 - value for value in signed]
        else:
            found = [relative_base + value for value in signed]
        return found if _ascending(found) else None
    absolute = array("Q", image[head - 8 * count : head]) if head >= 8 * count else array("Q")
    return list(absolute) if absolute and _ascending(list(absolute)) else None


def _ascending(addresses: list[int]) -> bool:
    """The tables are sorted by address."""
    return all(map(int.__le__, addresses, addresses[1:]))


def _expand(
    image: bytes, tokens: list[str], names: int, addresses: list[int]
) -> Iterator[KernelSymbol]:
    token = tokens.__getitem__
    at = names
    for address in addresses:
        length = image[at]
        at += 1
        if length & 0x80:
            length = (length & 0x7F) | image[at] << 7
            at += 1
        name = "".join(map(token, image[at : at + length]))
        at += length
        yield KernelSymbol(address, name[:1], name[1:])
