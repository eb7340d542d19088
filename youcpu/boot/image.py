"""A disk image of the user's: read only, what the guest writes stays in memory."""

from __future__ import annotations

import os
import stat
from typing import Protocol

from youcpu.hardware.devices.disk import SECTOR

#: What guests may write in all; behind it the drive reports an error.
MOST_WRITTEN = 1 << 30

#: Bytes of a floppy's image and its type in CMOS, as drives name themselves.
FLOPPY_TYPES = {368640: 1, 1228800: 2, 737280: 3, 1474560: 4, 2949120: 5}


class ImageError(Exception):
    """A file that is no disk image; the text says why."""


class Sectors(Protocol):
    """Where sectors come from."""

    size: int

    def read(self, offset: int, size: int) -> bytes: ...


class BytesSource:
    """An image in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def read(self, offset: int, size: int) -> bytes:
        return self._data[offset : offset + size]


class FileSource:
    """An image file or a block device of the host. Raises ImageError."""

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise ImageError(f"{path}: {error.strerror}") from None
        mode = os.fstat(self._fd).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
            os.close(self._fd)
            kind = "a directory" if stat.S_ISDIR(mode) else "neither a file nor a disk"
            raise ImageError(f"{path}: {kind}")
        self.size = os.lseek(self._fd, 0, os.SEEK_END)

    def read(self, offset: int, size: int) -> bytes:
        """Raises OSError."""
        return os.pread(self._fd, size, offset)

    def close(self) -> None:
        os.close(self._fd)


class DiskImage:
    """Sectors of a source, with an overlay for what is written.

    A last sector that is not whole is filled up with zeros, as the disk would be.
    """

    def __init__(self, source: Sectors) -> None:
        self.source = source
        self.sectors = -(-source.size // SECTOR)
        self.overlay: dict[int, bytes] = {}

    def read(self, sector: int) -> bytes:
        """512 bytes. Raises OSError where the host cannot read."""
        changed = self.overlay.get(sector)
        if changed is not None:
            return changed
        return self.source.read(sector * SECTOR, SECTOR).ljust(SECTOR, b"\0")

    def write(self, sector: int, data: bytes) -> None:
        """Kept in memory. Raises OSError when that is full."""
        if sector not in self.overlay and len(self.overlay) * SECTOR >= MOST_WRITTEN:
            raise OSError("the overlay is full")
        self.overlay[sector] = data

    @property
    def floppy_type(self) -> int:
        """What CMOS calls a floppy of this size; 0: it is a hard disk's image."""
        return FLOPPY_TYPES.get(self.source.size, 0)
