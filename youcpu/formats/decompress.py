"""Compressed streams that Linux unpacks at boot: lib/decompress*.c, by their magics.

Python has gzip, xz, lzma and bzip2; lz4 and zstd are optional packages, imported where used.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Final

from youcpu.formats.errors import FormatError

Bytes = bytes | memoryview
LZ4_BLOCK: Final = 8 << 20  # LZ4_DEFAULT_UNCOMPRESSED_CHUNK_SIZE
LZ4_LEGACY: Final = 0x184C2102
#: XZ and LZMA streams say how much memory they want; the kernel's own have up to 128 MiB.
_LZMA_MEMORY: Final = 512 << 20
#: zstd makes up to 128 KiB of 4 bytes: so much input at once, and no bomb fills the memory.
_ZSTD_PIECE: Final = 1 << 8

MAGICS: Final = (
    (b"\x1f\x8b\x08", "gzip"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x02\x21\x4c\x18", "lz4"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"\x5d\0\0", "lzma"),
    (b"\x89LZO\0\r\n\x1a\n", "lzo"),
)


class MissingLibrary(FormatError):
    """The data may be fine; the library that unpacks it is not on this machine."""


def compression_of(data: Bytes) -> str | None:
    """The compression's name by its magic; None where it is none of them."""
    head = bytes(data[:9])
    return next((kind for magic, kind in MAGICS if head.startswith(magic)), None)


def decompress(kind: str, data: Bytes, limit: int, position: int = 0) -> tuple[bytes, int]:
    """One stream: what it holds, and its length in `data`.

    At most `limit` + 1 bytes are made: a result of more than `limit` says that it holds more.
    `position` of the data in its file is for messages. Raises FormatError, MissingLibrary.
    """
    if kind == "lzo":
        raise MissingLibrary(position, "LZO data: no library for it is used here")
    return _UNPACK[kind](memoryview(data), limit, position)


def _library(module: str, package: str, kind: str, position: int) -> Any:
    """An optional library. Raises MissingLibrary with what installs it."""
    try:
        return importlib.import_module(module)
    except ImportError:
        reason = f"{kind} data needs Python's {package}: pip install 'youcpu[boot]'"
        raise MissingLibrary(position, reason) from None


def _damaged(kind: str, position: int, error: object) -> FormatError:
    return FormatError(position, f"damaged {kind} data: {str(error).rstrip('.')}")


def _gzip(data: memoryview, limit: int, position: int) -> tuple[bytes, int]:
    import zlib

    stream = zlib.decompressobj(wbits=31)
    try:
        plain = stream.decompress(data, limit + 1)
    except zlib.error as error:
        raise _damaged("gzip", position, error) from None
    if not stream.eof and len(plain) <= limit:
        raise _damaged("gzip", position, "it ends early")
    return plain, len(data) - len(stream.unused_data)


def _lzma(kind: str) -> Callable[[memoryview, int, int], tuple[bytes, int]]:
    def unpack(data: memoryview, limit: int, position: int) -> tuple[bytes, int]:
        import lzma

        container = lzma.FORMAT_XZ if kind == "xz" else lzma.FORMAT_ALONE
        try:
            stream = lzma.LZMADecompressor(format=container, memlimit=_LZMA_MEMORY)
            plain = stream.decompress(data, limit + 1)
        except (lzma.LZMAError, EOFError) as error:
            raise _damaged(kind, position, error) from None
        if not stream.eof and len(plain) <= limit:
            raise _damaged(kind, position, "it ends early")
        return plain, len(data) - len(stream.unused_data)

    return unpack


def _bzip2(data: memoryview, limit: int, position: int) -> tuple[bytes, int]:
    import bz2

    stream = bz2.BZ2Decompressor()
    try:
        plain = stream.decompress(data, limit + 1)
    except (OSError, EOFError) as error:
        raise _damaged("bzip2", position, error) from None
    if not stream.eof and len(plain) <= limit:
        raise _damaged("bzip2", position, "it ends early")
    return plain, len(data) - len(stream.unused_data)


def _lz4(data: memoryview, limit: int, position: int) -> tuple[bytes, int]:
    """The legacy frame: a magic, then blocks of up to 8 MiB, each after its size.

    It says nowhere where it ends: a size of 0, the data's end or `limit` is its end, as in
    lib/decompress_unlz4.c.
    """
    block = _library("lz4.block", "lz4", "lz4", position)
    pieces: list[bytes] = []
    made, at = 0, 4
    while made < limit and at + 4 < len(data):
        length = int.from_bytes(data[at : at + 4], "little")
        if length == LZ4_LEGACY:  # concatenated frames
            at += 4
            continue
        if not length:
            break
        where = f"the block at {position + at:#x}"
        packed = data[at + 4 : at + 4 + length]
        if len(packed) < length:
            raise _damaged("lz4", position, f"{where} is cut off")
        try:
            piece = block.decompress(packed, uncompressed_size=LZ4_BLOCK)
        except (block.LZ4BlockError, ValueError, MemoryError) as error:
            raise _damaged("lz4", position, f"{where}: {error}") from None
        if not piece:
            raise _damaged("lz4", position, f"{where} is empty")
        pieces.append(piece)
        made += len(piece)
        at += 4 + length
    return b"".join(pieces), at


def _zstd(data: memoryview, limit: int, position: int) -> tuple[bytes, int]:
    library = _library("zstandard", "zstandard", "zstd", position)
    # zstd -22 --ultra, as scripts/Makefile.lib has it, has a window of 128 MiB.
    stream = library.ZstdDecompressor(max_window_size=128 << 20).decompressobj()
    pieces: list[bytes] = []
    made = fed = 0
    try:
        while fed < len(data) and made <= limit and not stream.eof:
            piece = stream.decompress(data[fed : fed + _ZSTD_PIECE])
            pieces.append(piece)
            made += len(piece)
            fed += _ZSTD_PIECE
    except library.ZstdError as error:
        raise _damaged("zstd", position, error) from None
    if not stream.eof and made <= limit:
        raise _damaged("zstd", position, "it ends early")
    return b"".join(pieces), min(fed, len(data)) - len(stream.unused_data)


_UNPACK: Final[dict[str, Callable[[memoryview, int, int], tuple[bytes, int]]]] = {
    "gzip": _gzip,
    "xz": _lzma("xz"),
    "lzma": _lzma("lzma"),
    "bzip2": _bzip2,
    "lz4": _lz4,
    "zstd": _zstd,
}
