"""The compressed vmlinux inside a kernel image (arch/x86/boot/compressed).

scripts/Makefile.lib appends the uncompressed size, 32 bits, to all but gzip, which ends with
it by itself (size_append): so the size is known before a byte is unpacked, and no more is made.
"""

from __future__ import annotations

from typing import Final

from youcpu.formats.decompress import Bytes, MissingLibrary, compression_of, decompress
from youcpu.formats.errors import FormatError

__all__ = ["MissingLibrary", "decompress_payload", "payload_kind", "promised_size"]

#: Bytes: no kernel is larger; what promises more is damage or an attack.
LIMIT: Final = 1 << 30


def payload_kind(payload: Bytes) -> str | None:
    """The compression's name by its magic, "none" for an ELF file; None for an unknown one."""
    return "none" if bytes(payload[:4]) == b"\x7fELF" else compression_of(payload)


def promised_size(payload: Bytes) -> int:
    """The uncompressed size that the last four bytes say."""
    return int.from_bytes(payload[-4:], "little")


def decompress_payload(payload: Bytes, position: int = 0, limit: int = LIMIT) -> bytes:
    """The vmlinux ELF file, its relocations after it, of at most `limit` bytes.

    `position` of the payload in its file is for messages. Raises FormatError, MissingLibrary.
    """
    kind = payload_kind(payload)
    if kind == "none":
        return bytes(payload)
    if kind is None:
        raise FormatError(position, f"payload of no known compression: {bytes(payload[:6]).hex()}")
    size = promised_size(payload)
    if not 0 < size <= limit:
        end = position + len(payload) - 4
        raise FormatError(end, f"a {kind} payload of {size} bytes, at most {limit} are expected")
    try:
        plain, _ = decompress(kind, payload, size, position)
    except MissingLibrary as error:
        raise MissingLibrary(error.offset, f"the payload is {error.reason}") from None
    except FormatError as error:
        raise FormatError(error.offset, f"the payload is {error.reason}") from None
    if len(plain) != size:
        at_least = "more than" if len(plain) > size else "only"
        held = size if len(plain) > size else len(plain)
        raise FormatError(
            position, f"the {kind} payload holds {at_least} {held} bytes, {size} were promised"
        )
    return plain
