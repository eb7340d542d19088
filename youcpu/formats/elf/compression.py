"""Contents of sections, and their decompression: SHF_COMPRESSED (gABI) and .zdebug_* of old."""

from __future__ import annotations

import zlib
from typing import NamedTuple

from youcpu.abi import elf as abi
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.structures import Section

LIMIT = 1 << 30  # bytes: more than this is damage or an attack


class CompressionHeader(NamedTuple):
    """`size` is that of the header itself."""

    type: int
    uncompressed: int
    addralign: int
    size: int


def section_data(elf: ElfFile, section: Section) -> memoryview | None:
    """The bytes in the file; None where there are none."""
    if section.type == abi.SHT_NOBITS:
        return None
    return elf.image.read(section.offset, section.size, "section contents")


def compression_header(elf: ElfFile, data: memoryview) -> CompressionHeader | None:
    """The header at the start of a section with SHF_COMPRESSED; None with an error if cut."""
    chdr = elf.layout.chdr
    if len(data) < chdr.size:
        elf.image.error("Compressed section is too small even for a compression header")
        return None
    fields = chdr.unpack_from(data)
    return CompressionHeader(fields[0], fields[-2], fields[-1], chdr.size)


def decompress(elf: ElfFile, section: Section, data: memoryview) -> bytes | memoryview | None:
    """What `data` holds, decompressed if it was compressed; None if that is not possible."""
    name = elf.section_name(section)
    if section.flags & abi.SHF_COMPRESSED:
        header = compression_header(elf, data)
        if header is None:
            return None
        if header.type not in (abi.ELFCOMPRESS_ZLIB, abi.ELFCOMPRESS_ZSTD):
            elf.image.warn(f"section '{name}' has unsupported compress type: {header.type}")
            return None
        size, packed, kind = header.uncompressed, data[header.size :], header.type
    elif len(data) > 12 and bytes(data[:4]) == b"ZLIB":
        size, packed, kind = int.from_bytes(data[4:12], "big"), data[12:], abi.ELFCOMPRESS_ZLIB
    else:
        return data
    if size == 0:
        return data
    plain = _inflate(packed, size) if kind == abi.ELFCOMPRESS_ZLIB else _zstd(packed, size)
    if plain is None:
        elf.image.error(f"Unable to decompress section {name}")
    return plain


def _inflate(packed: memoryview, size: int) -> bytes | None:
    """Concatenated zlib streams that hold exactly `size` bytes; None if they do not."""
    if size > LIMIT:
        return None
    result = bytearray()
    rest = bytes(packed)
    try:
        while rest and len(result) <= size:
            stream = zlib.decompressobj()
            result += stream.decompress(rest, size - len(result) + 1)
            if not stream.eof:
                return None
            rest = stream.unused_data
    except zlib.error:
        return None
    return bytes(result) if len(result) == size else None


def _zstd(packed: memoryview, size: int) -> bytes | None:
    """By libzstd, if it is on the machine: Python itself has zstd from 3.14 on."""
    if size > LIMIT:
        return None
    import ctypes
    import ctypes.util

    name = ctypes.util.find_library("zstd") or "libzstd.so.1"
    try:
        library = ctypes.CDLL(name)
    except OSError:
        return None
    library.ZSTD_decompress.restype = ctypes.c_size_t
    target = ctypes.create_string_buffer(size)
    source = bytes(packed)
    got = library.ZSTD_decompress(
        target, ctypes.c_size_t(size), source, ctypes.c_size_t(len(source))
    )
    return target.raw if got == size else None
