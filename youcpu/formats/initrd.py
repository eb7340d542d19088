"""An initial RAM disk as Linux takes it apart: init/initramfs.c's unpack_to_rootfs().

Archives and compressed archives one after another, zeroes between them; each file of the next
lies over those before it. An early, uncompressed one often holds the CPU's microcode.
"""

from __future__ import annotations

import stat
from typing import Final

from youcpu.formats.cpio import CpioEntry, is_cpio, read_cpio
from youcpu.formats.decompress import compression_of, decompress
from youcpu.formats.errors import FormatError
from youcpu.record import record

#: Bytes that all parts together may unpack to.
LIMIT: Final = 2 << 30


@record(frozen=True)
class InitrdPart:
    """One archive: `compression` "none" or the stream's; `offset` and `size` in the file."""

    offset: int
    size: int
    compression: str
    unpacked: int
    entries: list[CpioEntry]


def read_initrd(data: bytes | memoryview, limit: int = LIMIT) -> list[InitrdPart]:
    """All parts; offsets of a compressed one's entries are in what it unpacks to.

    Raises FormatError.
    """
    image = memoryview(data)
    parts: list[InitrdPart] = []
    at = _skip_zeroes(image, 0)
    if at == len(image):
        raise FormatError(0, "an empty file" if not len(image) else "nothing but zeroes")
    while at < len(image):
        kind = compression_of(image[at : at + 16])
        if is_cpio(image[at : at + 6]):
            entries, used = read_cpio(image[at:], at)
            parts.append(InitrdPart(at, used, "none", used, entries))
        elif kind is not None:
            parts.append(_compressed(image, at, kind, limit))
            used = parts[-1].size
            limit -= parts[-1].unpacked
        else:
            found = bytes(image[at : at + 6]).hex()
            raise FormatError(at, f"no cpio archive (070701) and no compressed data: {found}")
        at = _skip_zeroes(image, at + used)
    return parts


def _skip_zeroes(image: memoryview, at: int) -> int:
    while at < len(image):
        block = bytes(image[at : at + 65536])
        rest = block.lstrip(b"\0")
        if rest:
            return at + len(block) - len(rest)
        at += len(block)
    return at


def _compressed(image: memoryview, at: int, kind: str, limit: int) -> InitrdPart:
    plain, used = decompress(kind, image[at:], limit, at)
    if len(plain) > limit:
        raise FormatError(at, f"{kind} data that unpacks to more than {limit} bytes")
    entries: list[CpioEntry] = []
    inner = 0
    while (inner := _skip_zeroes(memoryview(plain), inner)) < len(plain):
        try:
            more, length = read_cpio(memoryview(plain)[inner:], inner)
        except FormatError as error:
            reason = f"in the unpacked {kind} data at {error.offset:#x}: {error.reason}"
            raise FormatError(at, reason) from None
        entries += more
        inner += length
    return InitrdPart(at, used, kind, len(plain), entries)


def find_file(parts: list[InitrdPart], path: str) -> CpioEntry | None:
    """What lies at `path` when all is unpacked, symlinks followed; None where nothing does.

    A hard link's data is that of the name which carries it.
    """
    tree: dict[bytes, CpioEntry] = {}
    linked: dict[tuple[int, int, int], CpioEntry] = {}
    for part in parts:
        for entry in part.entries:
            tree[_clean(entry.name)] = entry
            if entry.nlink > 1 and entry.size:
                linked[entry.inode] = entry
    name = path.encode()
    for _ in range(40):  # MAXSYMLINKS
        resolved = _resolve(tree, _clean(name))
        if isinstance(resolved, bytes):
            name = resolved
            continue
        if resolved is not None and resolved.nlink > 1 and not resolved.size:
            return linked.get(resolved.inode, resolved)
        return resolved
    return None


def _clean(name: bytes) -> bytes:
    return b"/".join(word for word in name.split(b"/") if word not in (b"", b"."))


def _resolve(tree: dict[bytes, CpioEntry], name: bytes) -> CpioEntry | bytes | None:
    """The entry; or, with a symlink in the way, the path that it leads to."""
    words = name.split(b"/")
    for length in range(1, len(words) + 1):
        if words[length - 1] == b"..":
            return b"/".join(words[: max(length - 2, 0)] + words[length:])
        entry = tree.get(b"/".join(words[:length]))
        if entry is not None and stat.S_ISLNK(entry.mode):
            target = bytes(entry.data)
            before = b"" if target.startswith(b"/") else b"/".join(words[: length - 1])
            return b"/".join([before, target, *words[length:]])
        if length == len(words):
            return entry
    return None
