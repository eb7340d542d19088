"""Telling inotify what happens to files: fs/notify/fsnotify.c. Called only if a watch exists."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from youcpu.kernel.vfs.dcache import Dentry
    from youcpu.kernel.vfs.inode import Inode

#: include/uapi/linux/inotify.h
IN_ACCESS = 0x1
IN_MODIFY = 0x2
IN_ATTRIB = 0x4
IN_CLOSE_WRITE = 0x8
IN_CLOSE_NOWRITE = 0x10
IN_OPEN = 0x20
IN_MOVED_FROM = 0x40
IN_MOVED_TO = 0x80
IN_CREATE = 0x100
IN_DELETE = 0x200
IN_DELETE_SELF = 0x400
IN_MOVE_SELF = 0x800
IN_ALL_EVENTS = 0xFFF
IN_Q_OVERFLOW = 0x4000
IN_IGNORED = 0x8000
IN_ISDIR = 0x40000000


def fsnotify(dentry: Dentry, mask: int) -> None:
    """Something happened to a file: its own watches and those of its directory hear it."""
    inode = dentry.inode
    if inode.is_dir:
        mask |= IN_ISDIR
    if dentry.parent is not None and dentry.parent.inode.watches:
        _tell(dentry.parent.inode, mask, dentry.name, 0)
    if inode.watches:
        _tell(inode, mask, b"", 0)


def fsnotify_name(directory: Dentry, mask: int, name: bytes, inode: Inode, cookie: int = 0) -> None:
    """A name of a directory came, went or moved."""
    if directory.inode.watches:
        _tell(directory.inode, mask | IN_ISDIR * inode.is_dir, name, cookie)


def fsnotify_self(inode: Inode, mask: int) -> None:
    """IN_DELETE_SELF, IN_MOVE_SELF, IN_ATTRIB of a link count."""
    if inode.watches:
        _tell(inode, mask, b"", 0)


def _tell(inode: Inode, mask: int, name: bytes, cookie: int) -> None:
    for watch in list(inode.watches or ()):
        watch.event(mask, name, cookie)
