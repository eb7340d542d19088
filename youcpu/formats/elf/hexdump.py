"""Bytes as readelf prints them: address, groups of four, characters."""

from __future__ import annotations

from collections.abc import Iterator

DOTS = bytes(byte if 0x20 <= byte < 0x7F else ord(".") for byte in range(256))


def hex_rows(data: bytes, address: int) -> Iterator[str]:
    """Rows of 16 bytes in groups of four, with their characters."""
    for start in range(0, len(data), 4096):
        lines = []
        for position in range(start, min(start + 4096, len(data)), 16):
            row = data[position : position + 16]
            shown = (address + position) & 0xFFFF_FFFF_FFFF_FFFF
            groups = " ".join(row[n : n + 4].hex() for n in range(0, 16, 4))
            text = row.translate(DOTS).decode("ascii")
            lines.append(f"  0x{shown:08x} {groups:<35} {text}\n")
        yield "".join(lines)
