"""cpio archives in the new ASCII form (newc, and crc with checksums): what an initramfs is.

    "070701" + 13 numbers of 8 hexadecimal digits:
    ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
    then the name and its NUL, padded to 4; then the data, padded to 4; last an entry TRAILER!!!

Documentation/driver-api/early-userspace/buffer-format.rst; init/initramfs.c reads it.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from youcpu.formats.errors import FormatError
from youcpu.record import record

MAGICS: Final = (b"070701", b"070702")
TRAILER: Final = b"TRAILER!!!"
HEADER_SIZE: Final = 110
PATH_MAX: Final = 4096
#: The form has 32 bits for a size.
MAX_FILE: Final = 0xFFFF_FFFF
_BLOCK: Final = 512  # cpio(1) pads an archive to its blocks
_FIELDS: Final = (
    *("ino", "mode", "uid", "gid", "nlink", "mtime", "filesize"),
    *("devmajor", "devminor", "rdevmajor", "rdevminor", "namesize", "check"),
)


@record(frozen=True)
class CpioEntry:
    """One name. `mode` with the type's bits; `size` of its data in bytes, a symlink's its target.

    Names of one file have the same `inode` (device and number), and `nlink` of two or more.
    """

    name: bytes
    mode: int
    size: int = 0
    uid: int = 0
    gid: int = 0
    nlink: int = 1
    mtime: int = 0
    #: Major and minor number of the device that a node stands for.
    rdev: tuple[int, int] = (0, 0)
    #: Major and minor of the file system, inode number.
    inode: tuple[int, int, int] = (0, 0, 0)
    data: bytes | memoryview = b""
    #: Where the entry begins in the archive.
    offset: int = 0


def is_cpio(data: bytes | memoryview) -> bool:
    """Whether an archive of the new ASCII form begins here."""
    return bytes(data[:6]) in MAGICS


def read_cpio(data: bytes | memoryview, position: int = 0) -> tuple[list[CpioEntry], int]:
    """The entries of one archive, without the trailer; the offset after the trailer in `data`.

    `position` of `data` in its file is for messages. Raises FormatError.
    """
    archive = memoryview(data)
    entries: list[CpioEntry] = []
    at = 0
    while True:
        entry, at = _read_entry(archive, at, position)
        if entry.name == TRAILER:
            return entries, at
        entries.append(entry)


def _read_entry(archive: memoryview, at: int, position: int) -> tuple[CpioEntry, int]:
    header = bytes(archive[at : at + HEADER_SIZE])
    where = position + at
    if header[:6] not in MAGICS:
        if not header:
            raise FormatError(where, "truncated: the archive ends without TRAILER!!!")
        found = header[:6].decode("latin-1").encode("unicode_escape").decode()
        if header[:6] == b"070707":
            raise FormatError(where, "a cpio archive of the old form (odc): newc is wanted")
        raise FormatError(where, f"070701 or 070702 expected, found {found}")
    if len(header) < HEADER_SIZE:
        raise FormatError(position + len(archive), f"truncated: the entry at {where:#x} is cut off")
    fields = _numbers(header, where)
    namesize, size = fields["namesize"], fields["filesize"]
    if not 1 <= namesize <= PATH_MAX:
        raise FormatError(where + 94, f"namesize {namesize}: 1 to {PATH_MAX} is possible")
    name = bytes(archive[at + HEADER_SIZE : at + HEADER_SIZE + namesize])
    start = _pad(at + HEADER_SIZE + namesize)
    if len(name) == namesize and (name[-1] or 0 in name[:-1]):
        raise FormatError(where + HEADER_SIZE, f"a name that does not end after {namesize} bytes")
    body = archive[start : start + size]
    if len(name) < namesize or len(body) < size:
        shown = name.rstrip(b"\0").decode("utf-8", "backslashreplace")
        raise FormatError(position + len(archive), f"truncated: {shown} at {where:#x} is cut off")
    if header[:6] == b"070702" and stat.S_ISREG(fields["mode"]):
        total = sum(body) & 0xFFFF_FFFF
        if total != fields["check"]:
            shown = name[:-1].decode("utf-8", "backslashreplace")
            reason = f"{shown}: checksum {total:#x}, the archive says {fields['check']:#x}"
            raise FormatError(where + 102, reason)
    entry = CpioEntry(
        name=name[:-1],
        mode=fields["mode"],
        size=size,
        uid=fields["uid"],
        gid=fields["gid"],
        nlink=fields["nlink"],
        mtime=fields["mtime"],
        rdev=(fields["rdevmajor"], fields["rdevminor"]),
        inode=(fields["devmajor"], fields["devminor"], fields["ino"]),
        data=body,
        offset=where,
    )
    return entry, min(_pad(start + size), len(archive))


def _numbers(header: bytes, where: int) -> dict[str, int]:
    """The 13 numbers by name. Raises FormatError."""
    values: dict[str, int] = {}
    for index, field in enumerate(_FIELDS):
        digits = header[6 + 8 * index : 14 + 8 * index]
        # int() would take signs, blanks and underscores.
        if not digits.isalnum():
            shown = digits.decode("latin-1").encode("unicode_escape").decode()
            raise FormatError(where + 6 + 8 * index, f"{field}: no hexadecimal number: {shown}")
        try:
            values[field] = int(digits, 16)
        except ValueError:
            shown = digits.decode("latin-1")
            raise FormatError(
                where + 6 + 8 * index, f"{field}: no hexadecimal number: {shown}"
            ) from None
    return values


def _pad(offset: int) -> int:
    return (offset + 3) & ~3


class CpioWriter:
    """Writes an archive piece by piece: the same entries give the same bytes."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._written = 0

    def add(self, entry: CpioEntry, pieces: Iterable[bytes | memoryview] | None = None) -> None:
        """One entry, and its data: `pieces`, or `entry.data`.

        Raises ValueError where the data is not `entry.size` bytes, or a field does not fit.
        """
        self._header(entry)
        left = entry.size
        for piece in [entry.data] if pieces is None else pieces:
            left -= len(piece)
            if left < 0:
                break
            self._put(piece)
        if left:
            raise ValueError(f"{entry.name!r}: its size is not {entry.size} bytes")
        self._put(bytes(-self._written % 4))

    def close(self) -> None:
        """The trailer. The file below stays open."""
        self._header(CpioEntry(TRAILER, 0))
        self._put(bytes(-self._written % _BLOCK))

    def _header(self, entry: CpioEntry) -> None:
        major, minor, number = entry.inode
        values = (
            *(number, entry.mode, entry.uid, entry.gid, entry.nlink, entry.mtime, entry.size),
            *(major, minor, *entry.rdev, len(entry.name) + 1, 0),
        )
        if not all(0 <= value <= MAX_FILE for value in values) or len(entry.name) >= PATH_MAX:
            raise ValueError(f"{entry.name!r}: a field that the form has no room for")
        self._put(b"070701" + b"".join(b"%08X" % value for value in values))
        self._put(entry.name + b"\0")
        self._put(bytes(-self._written % 4))

    def _put(self, data: bytes | memoryview) -> None:
        self._write(bytes(data))
        self._written += len(data)


def mode_text(mode: int) -> str:
    """`-rwxr-xr-x`, as ls(1)."""
    return stat.filemode(mode)


def hard_link_groups(entries: Iterable[CpioEntry]) -> Iterator[list[CpioEntry]]:
    """Names of files that have several, each file once, in the archive's order."""
    groups: dict[tuple[int, int, int], list[CpioEntry]] = {}
    for entry in entries:
        if entry.nlink > 1 and not stat.S_ISDIR(entry.mode):
            groups.setdefault(entry.inode, []).append(entry)
    yield from (group for group in groups.values() if len(group) > 1)
