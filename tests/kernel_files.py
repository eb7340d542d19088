"""Kernels and initrds made for tests: small, whole, of every compression."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
from array import array
from collections.abc import Callable

START_KERNEL_MAP = 0xFFFF_FFFF_8000_0000
TEXT = 0x1000000


def vmlinux(text: bytes = b"\xf4" * 64, relocations: bytes = b"", machine: int = 62) -> bytes:
    """An ELF kernel of two segments; the second has .bss."""
    segments = [(TEXT, text.ljust(0x1000, b"\x90"), 0x1000), (TEXT + 0x2000, b"data" * 16, 0x800)]
    position, table, content = 0x1000, b"", b""
    for paddr, data, memsz in segments:
        table += struct.pack(
            "<IIQQQQQQ", 1, 5, position, START_KERNEL_MAP + paddr, paddr, len(data), memsz, 0x1000
        )
        content += data
        position += len(data)
    header = b"\x7fELF\2\1\1".ljust(16, b"\0")
    header += struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, TEXT, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    return (header + table).ljust(0x1000, b"\0") + content + relocations


def lz4_legacy(data: bytes) -> bytes:
    import lz4.block

    packed = b"\x02\x21\x4c\x18"
    for at in range(0, len(data), 8 << 20):
        block = lz4.block.compress(data[at : at + (8 << 20)], store_size=False)
        packed += len(block).to_bytes(4, "little") + block
    return packed


def zstd(data: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor().compress(data)


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "xz": lambda data: lzma.compress(data, check=lzma.CHECK_CRC32),
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
    "bzip2": bz2.compress,
    "lz4": lz4_legacy,
    "zstd": zstd,
}


def payload(plain: bytes, kind: str) -> bytes:
    """As scripts/Makefile.lib makes it: all but gzip have the size after them."""
    packed = COMPRESSIONS[kind](plain)
    return packed if kind == "gzip" else packed + len(plain).to_bytes(4, "little")


def bzimage(packed: bytes, setup_sects: int = 4, said: int | None = None, **fields: int) -> bytes:
    """A boot image; `said`: setup_sects as the header has it, `fields`: others by name."""
    values = {
        "boot_flag": (0x1FE, 2, 0xAA55), "jump": (0x200, 2, 0x6AEB), "version": (0x206, 2, 0x20F),
        "kernel_version": (0x20E, 2, 0x100), "loadflags": (0x211, 1, 1),
        "initrd_addr_max": (0x22C, 4, 0x7FFFFFFF), "kernel_alignment": (0x230, 4, 0x200000),
        "relocatable": (0x234, 1, 1), "min_alignment": (0x235, 1, 21),
        "xloadflags": (0x236, 2, 0x7F),
        "cmdline_size": (0x238, 4, 2047), "payload_offset": (0x248, 4, 0x300),
        "payload_length": (0x24C, 4, len(packed)), "pref_address": (0x258, 8, TEXT),
        "init_size": (0x260, 4, 0x100000),
    }  # fmt: skip
    kernel = (bytes(0x300) + packed).ljust((0x300 + len(packed) + 15) & ~15, b"\0")
    image = bytearray((setup_sects + 1) * 512) + kernel
    image[0x1F1] = setup_sects if said is None else said
    image[0x1F4:0x1F8] = (len(kernel) // 16).to_bytes(4, "little")
    image[0x202:0x206] = b"HdrS"
    image[0x300:0x316] = b"9.9.9-test (builder) #"
    for name, (offset, size, value) in values.items():
        image[offset : offset + size] = fields.get(name, value).to_bytes(size, "little")
    return bytes(image)


def relocation_table(wide: list[int], inverse: list[int] | None, narrow: list[int]) -> bytes:
    """As arch/x86/tools/relocs.c writes it; `inverse` None: since Linux 6.15."""
    lists = [wide, narrow] if inverse is None else [wide, inverse, narrow]
    words = array("I")
    for addresses in lists:
        words.append(0)
        words.extend(address & 0xFFFF_FFFF for address in addresses)
    return words.tobytes()
