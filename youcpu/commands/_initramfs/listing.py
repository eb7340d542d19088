"""What lies in an initramfs, as text and as JSON."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from typing import Any

from youcpu.formats.cpio import CpioEntry, mode_text
from youcpu.formats.initrd import InitrdPart

_KINDS = {
    stat.S_IFDIR: "directory",
    stat.S_IFREG: "file",
    stat.S_IFLNK: "symlink",
    stat.S_IFCHR: "char",
    stat.S_IFBLK: "block",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}


def name_text(name: bytes) -> str:
    """A file name for a line of text: what is not printable is escaped."""
    text = name.decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def entry_document(entry: CpioEntry) -> dict[str, Any]:
    """One entry (docs/schema/initramfs.json)."""
    kind = _KINDS.get(stat.S_IFMT(entry.mode), "unknown")
    document: dict[str, Any] = {
        "name": entry.name.decode("utf-8", "backslashreplace"),
        "type": kind,
        "mode": f"{stat.S_IMODE(entry.mode):04o}",
        "uid": entry.uid,
        "gid": entry.gid,
        "links": entry.nlink,
        "mtime": entry.mtime,
        "size": entry.size,
    }
    if kind == "symlink":
        document["target"] = bytes(entry.data).decode("utf-8", "backslashreplace")
    if kind in ("char", "block"):
        document["device"] = list(entry.rdev)
    return document


def entry_lines(entries: list[CpioEntry]) -> Iterator[str]:
    """As tar -tv: mode, owner, size or device, name, target."""
    sizes = [
        f"{entry.rdev[0]},{entry.rdev[1]}"
        if stat.S_ISCHR(entry.mode) or stat.S_ISBLK(entry.mode)
        else str(entry.size)
        for entry in entries
    ]
    owners = [f"{entry.uid}/{entry.gid}" for entry in entries]
    width = max(map(len, sizes), default=0)
    owner_width = max(map(len, owners), default=0)
    for entry, size, owner in zip(entries, sizes, owners, strict=True):
        line = f"{mode_text(entry.mode)} {owner:<{owner_width}} {size:>{width}} "
        line += name_text(entry.name)
        if stat.S_ISLNK(entry.mode):
            line += f" -> {name_text(bytes(entry.data))}"
        yield line


def part_document(part: InitrdPart) -> dict[str, Any]:
    """One of the archives of a file."""
    return {
        "offset": part.offset,
        "size": part.size,
        "compression": part.compression,
        "unpacked": part.unpacked,
        "entries": [entry_document(entry) for entry in part.entries],
    }


def part_lines(parts: list[InitrdPart]) -> Iterator[str]:
    """All entries; with several archives a line before each."""
    for part in parts:
        if len(parts) > 1:
            how = "" if part.compression == "none" else f", {part.compression}"
            yield f"archive at {part.offset:#x}, {part.size} bytes{how}:"
        yield from entry_lines(part.entries)
