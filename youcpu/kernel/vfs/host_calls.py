"""Calls of a Linux host that Python's os module lacks: getdents64, statfs, statx.

All are optional: on another host the callers have a plainer way.
"""

from __future__ import annotations

import ctypes
import errno
import struct
import sys
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from youcpu.kernel.vfs.inode import DirEntry

if TYPE_CHECKING:
    from youcpu.kernel.vfs.super import Kstatfs

_DIRENT = struct.Struct("<QqHB")
_STATX_BTIME = 0x800
_AT_FDCWD = -100
_AT_SYMLINK_NOFOLLOW = 0x100
_BUFFER = 65536


@cache
def _libc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    return ctypes.CDLL(None, use_errno=True)


def host_getdents(fd: int) -> Iterator[DirEntry] | None:
    """All entries of an open directory; None: the host has no getdents64(3)."""
    libc = _libc()
    if libc is None or not hasattr(libc, "getdents64"):
        return None
    return _getdents(libc, fd)


def _getdents(libc: ctypes.CDLL, fd: int) -> Iterator[DirEntry]:
    buffer = ctypes.create_string_buffer(_BUFFER)
    while True:
        size = libc.getdents64(fd, buffer, ctypes.c_size_t(_BUFFER))
        if size < 0:
            number = ctypes.get_errno()
            raise OSError(number, "getdents64")
        if not size:
            return
        data = buffer.raw[:size]
        at = 0
        while at < size:
            ino, _, length, kind = _DIRENT.unpack_from(data, at)
            name = data[at + 19 : at + length].split(b"\0", 1)[0]
            yield DirEntry(name, ino, kind)
            at += length


def host_exchange(old_fd: int, old: bytes, new_fd: int, new: bytes) -> None:
    """renameat2(2) with RENAME_EXCHANGE. Raises OSError."""
    libc = _libc()
    if libc is None or not hasattr(libc, "renameat2"):
        raise OSError(errno.EINVAL, "renameat2")
    if libc.renameat2(old_fd, ctypes.c_char_p(old), new_fd, ctypes.c_char_p(new), 2) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


def host_fallocate(fd: int, mode: int, offset: int, length: int) -> None:
    """fallocate(2). Raises OSError."""
    libc = _libc()
    if libc is None or not hasattr(libc, "fallocate64"):
        raise OSError(errno.EOPNOTSUPP, "fallocate")
    if libc.fallocate64(fd, mode, ctypes.c_int64(offset), ctypes.c_int64(length)) != 0:
        raise OSError(ctypes.get_errno(), "fallocate")


def host_statfs(path: bytes) -> Kstatfs | None:
    """struct statfs of an x86-64 or aarch64 host; None elsewhere."""
    from youcpu.kernel.vfs.super import Kstatfs

    libc = _libc()
    if libc is None or sys.maxsize < 1 << 32:
        return None
    buffer = ctypes.create_string_buffer(120)
    if libc.statfs64(ctypes.c_char_p(path), buffer) != 0:
        return None
    return Kstatfs(*struct.unpack("<qqQQQQQQqqq", buffer.raw[:88]))


def host_birth_ns(path: bytes) -> int | None:
    """stx_btime of a file; None: not told."""
    libc = _libc()
    if libc is None or not hasattr(libc, "statx"):
        return None
    buffer = ctypes.create_string_buffer(256)
    answer = libc.statx(
        _AT_FDCWD, ctypes.c_char_p(path), _AT_SYMLINK_NOFOLLOW, _STATX_BTIME, buffer
    )
    if answer != 0 or not struct.unpack_from("<I", buffer, 0)[0] & _STATX_BTIME:
        return None
    seconds, nanoseconds = struct.unpack_from("<qI", buffer, 80)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)
