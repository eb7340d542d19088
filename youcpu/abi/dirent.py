"""Directory entries: fs/readdir.c."""

from __future__ import annotations

import struct

from youcpu.abi import stat
from youcpu.abi.values import Struct, Text

_HEAD = struct.Struct("<QQH")


def directory_entries(data: bytes, kind_at_end: bool) -> tuple[Struct, ...]:
    """Entries of getdents(2) (`kind_at_end`) or getdents64(2)."""
    entries = []
    at = 0
    while at + 18 <= len(data):
        inode, offset, size = _HEAD.unpack_from(data, at)
        if size < 19 or at + size > len(data):
            break
        kind = data[at + size - 1] if kind_at_end else data[at + 18]
        name = data[at + (18 if kind_at_end else 19) : at + size].split(b"\0", 1)[0]
        fields: dict[str, object] = {"d_ino": inode, "d_off": offset, "d_reclen": size}
        named = Text(name, len(name))
        choice = stat.DT_NAMES.choice(kind)
        if kind_at_end:
            fields.update(d_name=named, d_type=choice)
        else:
            fields.update(d_type=choice, d_name=named)
        entries.append(Struct(fields))
        at += size
    return tuple(entries)
