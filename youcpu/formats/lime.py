"""LiME memory dumps: ranges of physical memory, each after a header of 32 bytes.

    0      4        8       16      24        32
    +------+--------+-------+-------+---------+------
    |"EMiL"|version |first  |last   |reserved | bytes
    +------+--------+-------+-------+---------+------

Little-endian; the last address is the range's last byte (LiME's doc/README.md).
"""

from __future__ import annotations

import struct

from youcpu.formats.errors import FormatError
from youcpu.formats.memory_image import FileBytes, MemoryImage, Segment, fit_segments

LIME_MAGIC = b"EMiL"
_HEADER = struct.Struct("<4sIQQ8x")


def parse_lime(data: FileBytes) -> MemoryImage:
    """The ranges of a LiME dump. Raises FormatError where the first header is not one."""
    pieces: list[Segment] = []
    damage: list[str] = []
    position = 0
    while position < len(data):
        header = bytes(data[position : position + _HEADER.size])
        problem = _header_problem(header)
        if problem:
            if not pieces:
                raise FormatError(position, problem)
            damage.append(f"offset {position:#x}: {problem}: the rest is unread")
            break
        _, _, first, last = _HEADER.unpack(header)
        position += _HEADER.size
        pieces.append(Segment(first, last - first + 1, position))
        position += last - first + 1
    return MemoryImage("LiME", data, fit_segments(pieces, len(data), damage), damage=damage)


def _header_problem(header: bytes) -> str | None:
    if len(header) < _HEADER.size:
        return "a LiME header is cut off"
    magic, version, first, last = _HEADER.unpack(header)
    if magic != LIME_MAGIC:
        return f"no LiME header: {magic.hex()}"
    if version != 1:
        return f"LiME version {version}: only version 1, uncompressed, is read"
    if last < first:
        return f"a LiME range ends before it starts: {first:#x}-{last:#x}"
    return None
