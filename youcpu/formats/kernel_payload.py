"""The compressed vmlinux inside a kernel image: lib/decompress*.c, by their magics.

scripts/Makefile.lib appends the uncompressed size, 32 bits, to all but gzip, which ends with
it by itself (size_append): so the size is known before a byte is unpacked, and no more is made.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Final

from youcpu.formats.errors import FormatError

#: Bytes: no kernel is larger; what promises more is damage or an attack.
LIMIT: Final = 1 << 30
LZ4_BLOCK: Final = 8 << 20  # LZ4_DEFAULT_UNCOMPRESSED_CHUNK_SIZE
#: XZ and LZMA may ask for their dictionary: xz -9 wants 65 MiB, the kernel's --lzma2=dict=128MiB.
_LZMA_MEMORY: Final = 512 << 20

MAGICS: Final = (
    (b"\x1f\x8b\x08", "gzip"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x02\x21\x4c\x18", "lz4"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"\x5d\0\0", "lzma"),
    (b"\x89LZO\0\r\n\x1a\n", "lzo"),
    (b"\x7fELF", "none"),
)


class MissingLibrary(FormatError):
    """The payload is fine; the library that unpacks it is not on this machine."""


def payload_kind(payload: bytes | memoryview) -> str | None:
    """The compression's name by its magic, "none" for an ELF file; None for an unknown one."""
    head = bytes(payload[:9])
    return next((kind for magic, kind in MAGICS if head.startswith(magic)), None)


def promised_size(payload: bytes | memoryview) -> int:
    """The uncompressed size that the last four bytes say."""
    return int.from_bytes(payload[-4:], "little")


def decompress_payload(payload: bytes | memoryview, position: int = 0, limit: int = LIMIT) -> bytes:
    """The vmlinux ELF file, its relocations after it, of at most `limit` bytes.

    `position` of the payload in its file is for messages. Raises FormatError, MissingLibrary.
    """
    kind = payload_kind(payload)
    if kind == "none":
        return bytes(payload)
    if kind is None:
        raise FormatError(position, f"payload of no known compression: {bytes(payload[:6]).hex()}")
    if kind == "lzo":
        raise MissingLibrary(position, "an LZO payload: no library for it is used here")
    size = promised_size(payload)
    if not 0 < size <= limit:
        end = position + len(payload) - 4
        raise FormatError(end, f"a {kind} payload of {size} bytes, at most {limit} are expected")
    plain = _UNPACK[kind](memoryview(payload), size, position)
    if len(plain) != size:
        raise FormatError(
            position, f"the {kind} payload holds {len(plain)} bytes, {size} were promised"
        )
    return plain


def _library(module: str, package: str, kind: str, position: int) -> Any:
    """An optional library. Raises MissingLibrary with what installs it."""
    try:
        return importlib.import_module(module)
    except ImportError:
        reason = f"a {kind} payload needs Python's {package}: pip install 'youcpu[boot]'"
        raise MissingLibrary(position, reason) from None


def _damaged(kind: str, position: int, error: object) -> FormatError:
    return FormatError(position, f"the {kind} payload is damaged: {str(error).rstrip('.')}")


def _gzip(payload: memoryview, size: int, position: int) -> bytes:
    import zlib

    stream = zlib.decompressobj(wbits=31)
    try:
        plain = stream.decompress(payload, size + 1)
    except zlib.error as error:
        raise _damaged("gzip", position, error) from None
    if not stream.eof and len(plain) <= size:
        raise _damaged("gzip", position, "it ends early")
    return plain


def _lzma(kind: str) -> Callable[[memoryview, int, int], bytes]:
    def unpack(payload: memoryview, size: int, position: int) -> bytes:
        import lzma

        container = lzma.FORMAT_XZ if kind == "xz" else lzma.FORMAT_ALONE
        try:
            stream = lzma.LZMADecompressor(format=container, memlimit=_LZMA_MEMORY)
            plain = stream.decompress(payload, size + 1)
        except (lzma.LZMAError, EOFError) as error:
            raise _damaged(kind, position, error) from None
        if not stream.eof and len(plain) < size:
            raise _damaged(kind, position, "it ends early")
        return plain

    return unpack


def _bzip2(payload: memoryview, size: int, position: int) -> bytes:
    import bz2

    stream = bz2.BZ2Decompressor()
    try:
        plain = stream.decompress(payload, size + 1)
    except (OSError, EOFError) as error:
        raise _damaged("bzip2", position, error) from None
    if not stream.eof and len(plain) < size:
        raise _damaged("bzip2", position, "it ends early")
    return plain


def _lz4(payload: memoryview, size: int, position: int) -> bytes:
    """The legacy frame: a magic, then blocks of up to 8 MiB, each after its size."""
    block = _library("lz4.block", "lz4", "lz4", position)
    pieces, made, at = [], 0, 4
    while made < size:
        length = int.from_bytes(payload[at : at + 4], "little")
        if length == 0x184C2102:  # concatenated frames
            at += 4
            continue
        packed = payload[at + 4 : at + 4 + length]
        if not length or len(packed) < length:
            raise _damaged("lz4", position, f"the block at {position + at:#x} is cut off")
        try:
            piece = block.decompress(packed, uncompressed_size=min(LZ4_BLOCK, size - made))
        except (block.LZ4BlockError, ValueError, MemoryError) as error:
            where = f"the block at {position + at:#x}"
            raise _damaged("lz4", position, f"{where}: {error}") from None
        if not piece:
            raise _damaged("lz4", position, f"the block at {position + at:#x} is empty")
        pieces.append(piece)
        made += len(piece)
        at += 4 + length
    return b"".join(pieces)


def _zstd(payload: memoryview, size: int, position: int) -> bytes:
    library = _library("zstandard", "zstandard", "zstd", position)
    # zstd -22 --ultra, as scripts/Makefile.lib has it, has a window of 128 MiB.
    stream = library.ZstdDecompressor(max_window_size=128 << 20).decompressobj()
    pieces, made = [], 0
    try:
        # In pieces, so that a bomb is noticed before it fills the memory.
        for at in range(0, len(payload), 1 << 16):
            piece = stream.decompress(payload[at : at + (1 << 16)])
            pieces.append(piece)
            made += len(piece)
            if made > size or stream.eof:
                break
    except library.ZstdError as error:
        raise _damaged("zstd", position, error) from None
    return b"".join(pieces)


_UNPACK: Final[dict[str, Callable[[memoryview, int, int], bytes]]] = {
    "gzip": _gzip,
    "xz": _lzma("xz"),
    "lzma": _lzma("lzma"),
    "bzip2": _bzip2,
    "lz4": _lz4,
    "zstd": _zstd,
}
