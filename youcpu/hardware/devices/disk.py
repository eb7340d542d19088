"""An ATA disk on the primary channel, programmed I/O: ports 0x1F0-0x1F7 and 0x3F6, IRQ 14.

    1F0 data   1F1 error/features   1F2 count   1F3-1F5 address   1F6 drive   1F7 status/command
    3F6 alternate status / control: bit 1 nIEN, bit 2 SRST

(ATA/ATAPI-6, chapters 7 to 9.) There is no time on its side: a command is done when the next
port is read. Drive 1 is not there.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Protocol

DATA, ERROR, COUNT, DRIVE, STATUS, CONTROL = 0x1F0, 0x1F1, 0x1F2, 0x1F6, 0x1F7, 0x3F6
PORTS = (*range(DATA, STATUS + 1), CONTROL)
IRQ = 14
SECTOR = 512
ERR, DRQ, DSC, DRDY = 1, 8, 0x10, 0x40
ABORTED, NOT_FOUND = 4, 0x10
_LBA, _SECOND_DRIVE = 0x40, 0x10
_NO_INTERRUPTS, _RESET = 2, 4
HEADS, SECTORS_A_TRACK = 16, 63
_MOST_CYLINDERS = 16383

_READS = {0x20: 28, 0x21: 28, 0x24: 48}
_WRITES = {0x30: 28, 0x31: 28, 0x34: 48}
_VERIFIES = {0x40: 28, 0x41: 28, 0x42: 48}
#: RECALIBRATE, DIAGNOSTIC, INITIALIZE PARAMETERS, IDLE and the like, FLUSH CACHE, SET FEATURES.
_NOTHING_TO_DO = frozenset(
    {*range(0x10, 0x20), 0x70, 0x91, 0xC6, *range(0xE0, 0xE4), 0xE5, 0xE7, 0xEA, 0xEF}
)


class Media(Protocol):
    """Sectors of 512 bytes."""

    sectors: int

    def read(self, sector: int) -> bytes: ...

    def write(self, sector: int, data: bytes) -> None:
        """Raises OSError where it cannot be kept."""


class AtaDisk:
    """The drive. `set_irq(level)` is its line."""

    def __init__(self, media: Media, set_irq: Callable[[bool], None]) -> None:
        self.media = media
        self._set_irq = set_irq
        self.cylinders = min(max(media.sectors // (HEADS * SECTORS_A_TRACK), 2), _MOST_CYLINDERS)
        #: Sectors that crossed the port, for who shows progress.
        self.transferred = 0
        self._reset()

    def _reset(self) -> None:
        self.status, self.error, self.features = DRDY | DSC, 1, 0
        #: Count and the three address bytes as written; the ones before them for 48 bits.
        self.registers, self.previous = [1, 1, 0, 0], [0, 0, 0, 0]
        self.drive, self.control = 0, 0
        self._buffer = b""
        self._position = 0
        self._written = bytearray()
        self._next = self._left = 0
        self._writing = False

    # -- addresses -----------------------------------------------------------------------

    def _range(self, bits: int) -> tuple[int, int]:
        """First sector and count that the registers name; the first is -1 for no such place."""
        count, low, middle, high = self.registers
        if bits == 48:
            more, *upper = self.previous
            first = low | middle << 8 | high << 16
            first |= (upper[0] | upper[1] << 8 | upper[2] << 16) << 24
            return first, (count | more << 8) or 65536
        count = count or 256
        if self.drive & _LBA:
            return low | middle << 8 | high << 16 | (self.drive & 0xF) << 24, count
        cylinder, head = middle | high << 8, self.drive & 0xF
        if not 1 <= low <= SECTORS_A_TRACK or cylinder >= self.cylinders:
            return -1, count
        return (cylinder * HEADS + head) * SECTORS_A_TRACK + low - 1, count

    # -- commands ------------------------------------------------------------------------

    def _command(self, command: int) -> None:
        self.status, self.error = DRDY | DSC, 0
        self._left = 0
        self._set_irq(False)
        if command in _READS or command in _WRITES or command in _VERIFIES:
            self._transfer(command)
        elif command == 0xEC:
            self._offer(self.identify())
        elif command == 0x90:
            self.error = 1
            self._interrupt()
        elif command in _NOTHING_TO_DO:
            self._interrupt()
        else:
            self._fail(ABORTED)

    def _transfer(self, command: int) -> None:
        bits = _READS.get(command) or _WRITES.get(command) or _VERIFIES[command]
        first, count = self._range(bits)
        if first < 0 or first + count > self.media.sectors:
            self._fail(NOT_FOUND)
            return
        self._next, self._left = first, count
        self._writing = command in _WRITES
        if command in _VERIFIES:
            self._left = 0
            self._interrupt()
        elif self._writing:
            self._written = bytearray()
            self.status |= DRQ  # the first block is asked for without an interrupt
        else:
            self._next_sector()

    def _next_sector(self) -> None:
        try:
            data = self.media.read(self._next)
        except OSError:
            self._fail(NOT_FOUND)
            return
        self._next, self._left = self._next + 1, self._left - 1
        self.transferred += 1
        self._offer(data)

    def _offer(self, data: bytes) -> None:
        self._writing = False
        self._buffer, self._position = data, 0
        self.status |= DRQ
        self._interrupt()

    def _store(self) -> None:
        """A sector is complete."""
        try:
            self.media.write(self._next, bytes(self._written))
        except OSError:
            self._fail(ABORTED)
            return
        self._written = bytearray()
        self._next, self._left = self._next + 1, self._left - 1
        self.transferred += 1
        if not self._left:
            self.status &= ~DRQ
            self._writing = False
        self._interrupt()

    def _fail(self, error: int) -> None:
        self.status, self.error = DRDY | DSC | ERR, error
        self._left, self._writing = 0, False
        self._buffer = b""
        self._interrupt()

    def _interrupt(self) -> None:
        if not self.control & _NO_INTERRUPTS:
            self._set_irq(True)

    def identify(self) -> bytes:
        """IDENTIFY DEVICE: 256 words (ATA/ATAPI-6, 8.15)."""
        words = [0] * 256
        sectors = self.media.sectors
        words[0] = 0x0040
        words[1], words[3], words[6] = self.cylinders, HEADS, SECTORS_A_TRACK
        words[49] = 0x0200  # LBA
        words[53] = 1
        words[54:57] = words[1], HEADS, SECTORS_A_TRACK
        capacity = self.cylinders * HEADS * SECTORS_A_TRACK
        words[57], words[58] = capacity & 0xFFFF, capacity >> 16
        small = min(sectors, 0x0FFFFFFF)
        words[60], words[61] = small & 0xFFFF, small >> 16
        words[80] = 0x7E  # ATA-1 to ATA/ATAPI-6
        words[83] = words[86] = 0x4400  # 48-bit addresses
        words[100:104] = [sectors >> 16 * i & 0xFFFF for i in range(4)]
        for first, count, text in ((10, 10, "YC00001"), (23, 4, "1.0"), (27, 20, "YOUCPU DISK")):
            padded = text.ljust(count * 2).encode()
            words[first : first + count] = struct.unpack(f">{count}H", padded)
        return struct.pack("<256H", *words)

    # -- ports ---------------------------------------------------------------------------

    @property
    def _absent(self) -> bool:
        return bool(self.drive & _SECOND_DRIVE)

    def read_data(self, size: int) -> int:
        """`size` bytes from the data port."""
        if not self.status & DRQ or self._writing:
            return (1 << 8 * size) - 1
        at = self._position
        value = int.from_bytes(self._buffer[at : at + size], "little")
        self._position = at + size
        if self._position >= SECTOR:
            self.status &= ~DRQ
            if self._left:
                self._next_sector()
        return value

    def write_data(self, size: int, value: int) -> None:
        """`size` bytes to the data port."""
        if self.status & DRQ and self._writing:
            self._written += value.to_bytes(size, "little")
            if len(self._written) >= SECTOR:
                self._store()

    def read_port(self, port: int) -> int:
        if port == DATA:
            return self.read_data(1)
        if self._absent and port != DRIVE:
            return 0
        if port in (STATUS, CONTROL):
            if port == STATUS:
                self._set_irq(False)
            return self.status
        if port == ERROR:
            return self.error
        if port == DRIVE:
            return self.drive | 0xA0
        bank = self.previous if self.control & 0x80 else self.registers
        return bank[port - COUNT]

    def write_port(self, port: int, value: int) -> None:
        if port == DATA:
            self.write_data(1, value)
        elif port == CONTROL:
            before, self.control = self.control, value
            if before & _RESET and not value & _RESET:
                self._reset()
                self.control = value
        elif port == DRIVE:
            self.drive = value
        elif port == STATUS:
            if not self._absent:
                self._command(value)
        elif port == ERROR:
            self.features = value
        else:
            index = port - COUNT
            self.previous[index] = self.registers[index]
            self.registers[index] = value
