"""The firmware's side of the machine: its ROM, its POST codes, what it prints, its entry points.

The firmware itself is 16-bit code (fixtures/boot/firmware); nothing of it is done in Python.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import IntEnum

ROM_SIZE = 1 << 16
ROM_SEGMENT = 0xF000
POST_PORT, LOG_PORT = 0x80, 0x402
#: Byte of CMOS that tells the firmware how the machine is set up (post.S, disk.S).
SETUP, SETUP_A20_CLOSED = 0x40, 1
SETUP_FLOPPY_SHIFT = 4

DIRECTORY = os.path.dirname(__file__)
#: The table before the reset vector: "YC", offset of the HLT of INT 16h.
_TABLE = 0xFFE0
BDA_DISK_STATUS, BDA_DRIVE = 0x474, 0x490
BOOT_SECTOR = 0x7C00


class Post(IntEnum):
    """Codes on port 80h."""

    RESET = 0x01
    VECTORS = 0x02
    DATA_AREA = 0x03
    PIC = 0x04
    PIT = 0x05
    KEYBOARD = 0x06
    UART = 0x07
    VIDEO = 0x08
    MEMORY = 0x09
    DISK = 0x0A
    A20 = 0x0B
    BOOT = 0x0C
    BOOT_SECTOR = 0x0F
    FAILED = 0x1F


POST_TEXT = {
    Post.RESET: "far jump to F000, stack at 0000:7000",
    Post.VECTORS: "256 interrupt vectors at 0000:0000",
    Post.DATA_AREA: "BIOS data area at 0040:0000",
    Post.PIC: "8259: IRQ 0-7 at vector 08h, 8-15 at 70h",
    Post.PIT: "8254: channel 0 at 18.2 Hz",
    Post.KEYBOARD: "8042: self-test, IRQ 1, scan code set 1",
    Post.UART: "16550: COM1, 115200 baud, 8N1",
    Post.VIDEO: "text mode 3: 80 x 25 at B8000h",
    Post.MEMORY: "memory size from CMOS",
    Post.DISK: "ATA: IDENTIFY DEVICE",
    Post.A20: "address line 20",
    Post.BOOT: "INT 19h: boot",
    Post.BOOT_SECTOR: "sector 0 at 0000:7C00 ends in 55 AA: jump there",
    Post.FAILED: "nothing to boot from",
}

#: INT 13h's answers (IBM PC/AT Technical Reference; EDD 1.1).
DISK_STATUS = {
    0x01: "invalid function or parameter",
    0x02: "address mark not found",
    0x04: "sector not found",
    0x20: "controller failure",
    0x80: "timeout",
}


def firmware_rom() -> bytes:
    """The 64 KiB that end at 4 GiB."""
    with open(os.path.join(DIRECTORY, "firmware.rom"), "rb") as file:
        return file.read()


def key_wait(rom: bytes) -> int:
    """Linear address behind the HLT in which INT 16h waits for a key."""
    if rom[_TABLE : _TABLE + 2] != b"YC":
        raise ValueError("this ROM has no table of entries")
    return (ROM_SEGMENT << 4) + int.from_bytes(rom[_TABLE + 2 : _TABLE + 4], "little")


class WritePort:
    """A port that only takes bytes; it reads as ones, as if nobody were there."""

    def __init__(self, take: Callable[[int], None]) -> None:
        self._take = take

    def read_port(self, port: int) -> int:
        return 0xFF

    def write_port(self, port: int, value: int) -> None:
        self._take(value)
