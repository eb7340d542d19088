"""/etc/ld.so.cache: where each library is, by name (glibc: sysdeps/generic/dl-cache.h)."""

from __future__ import annotations

from struct import Struct, error
from typing import NamedTuple

from youcpu.formats.errors import FormatError

MAGIC_OLD, MAGIC_NEW = b"ld.so-1.7.0\0", b"glibc-ld.so.cache1.1"
HEADER, ENTRY = 48, 24  # bytes of the new format
OLD_HEADER, OLD_ENTRY = 16, 12
EXTENSION_MAGIC = 0xEAA42174
HWCAPS_TAG = 1
HWCAP_EXTENSION = 1 << 62


class CacheEntry(NamedTuple):
    """`flags` tell the machine; `hwcap` is a glibc-hwcaps subdirectory, "" for the plain one."""

    name: str
    path: str
    flags: int
    hwcap: str


def parse_cache(data: bytes) -> list[CacheEntry]:
    """The entries, in the file's order. Raises FormatError."""
    start = _new_format(data)
    try:
        return _entries(data, start)
    except error:
        raise FormatError(start, "ld.so.cache is cut short") from None


def _new_format(data: bytes) -> int:
    """Offset of the new format, which may follow the old one."""
    if data.startswith(MAGIC_NEW):
        return 0
    if data.startswith(MAGIC_OLD) and len(data) >= OLD_HEADER:
        count = int.from_bytes(data[12:16], "little")
        start = (OLD_HEADER + count * OLD_ENTRY + 7) & ~7
        if data[start : start + len(MAGIC_NEW)] == MAGIC_NEW:
            return start
    raise FormatError(0, "no ld.so.cache of a known format")


def _entries(data: bytes, start: int) -> list[CacheEntry]:
    # flags bit 1: 2 is little-endian, 3 big-endian; older caches have 0, of the machine's order.
    order = ">" if data[start + 28] & 3 == 3 else "<"
    count, _ = Struct(order + "II").unpack_from(data, start + 20)
    record = Struct(order + "iIIIQ")
    if start + HEADER + count * ENTRY > len(data):
        raise FormatError(start + 20, f"ld.so.cache has no room for {count} entries")
    hwcaps = _hwcaps(data, start, order)
    entries = []
    for number in range(count):
        flags, key, value, _, hwcap = record.unpack_from(data, start + HEADER + number * ENTRY)
        name = _string(data, start + key)
        index = hwcap & 0xFFFFFFFF
        subdirectory = ""
        if hwcap & HWCAP_EXTENSION and index < len(hwcaps):
            subdirectory = hwcaps[index]
        entries.append(CacheEntry(name, _string(data, start + value), flags, subdirectory))
    return entries


def _hwcaps(data: bytes, start: int, order: str) -> list[str]:
    """The names of the subdirectories that entries refer to by number."""
    words = Struct(order + "II")
    (offset,) = Struct(order + "I").unpack_from(data, start + 32)
    if not offset:
        return []
    magic, count = words.unpack_from(data, start + offset)
    if magic != EXTENSION_MAGIC:
        return []
    section = Struct(order + "IIII")
    for number in range(min(count, 64)):
        tag, _, place, size = section.unpack_from(data, start + offset + 8 + number * 16)
        if tag == HWCAPS_TAG:
            strings = Struct(order + f"{size // 4}I").unpack_from(data, start + place)
            return [_string(data, start + string) for string in strings]
    return []


def _string(data: bytes, offset: int) -> str:
    end = data.find(b"\0", offset)
    if end < 0:
        raise FormatError(offset, "a name in ld.so.cache has no end")
    return data[offset:end].decode("utf-8", "surrogateescape")
