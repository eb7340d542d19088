"""The files of binfmt_misc, on /proc/sys/fs/binfmt_misc: fs/binfmt_misc.c bm_fill_super()."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.kernel.errors import KernelError
from youcpu.kernel.vfs.file import DirFile, File
from youcpu.kernel.vfs.inode import DirEntry, Inode
from youcpu.kernel.vfs.super import SuperBlock

if TYPE_CHECKING:
    from youcpu.kernel.exec.binfmt_misc import BinfmtMisc, Entry
    from youcpu.kernel.kernel import Kernel
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.dcache import Dentry
    from youcpu.kernel.vfs.mount import Vfs

#: include/uapi/linux/magic.h
BINFMTFS_MAGIC = 0x42494E4D
#: An anonymous device number beyond those of the other file systems.
_DEVICE = 48
PLACE = b"/proc/sys/fs/binfmt_misc"


def mount_binfmt_misc(kernel: Kernel, vfs: Vfs) -> None:
    """Mount the kernel's instance where people look for it."""
    assert kernel.binfmt_misc is not None
    sb = BinfmtFs(kernel, kernel.binfmt_misc)
    _mount_point(vfs)
    vfs.mount(PLACE, sb.root, sb, b"binfmt_misc", b"binfmt_misc")


def _mount_point(vfs: Vfs) -> None:
    """The empty directory of the sysctl tree."""
    from youcpu.kernel.vfs.procfs import ProcDir

    place: Inode = vfs.mount_point(b"/proc").inode
    for name in (b"sys", b"fs", b"binfmt_misc"):
        assert isinstance(place, ProcDir)
        if name not in place.makers:
            sb = place.sb
            place.directory(name, lambda sb=sb: ProcDir(sb))  # type: ignore[misc]
        place = place.lookup(name)


class BinfmtFs(SuperBlock):
    """One instance."""

    def __init__(self, kernel: Kernel, misc: BinfmtMisc) -> None:
        super().__init__(kernel, "binfmt_misc", _DEVICE, BINFMTFS_MAGIC)
        self.misc = misc
        self.root = BinfmtDir(self)


class BinfmtDir(Inode):
    """register, status, and a file an entry."""

    __slots__ = ("_entries", "_fixed", "misc")

    def __init__(self, sb: BinfmtFs) -> None:
        super().__init__(sb, sb.new_ino(), stat.S_IFDIR | 0o755)
        self.nlink = 2
        self.misc = sb.misc
        self._fixed: dict[bytes, Inode] = {
            b"register": RegisterInode(sb, 0o200),
            b"status": StatusInode(sb, 0o644),
        }
        self._entries: dict[Entry, EntryInode] = {}

    def lookup(self, name: bytes) -> Inode:
        fixed = self._fixed.get(name)
        if fixed is not None:
            return fixed
        entry = self.misc.find(name)
        if entry is None:
            raise KernelError(Errno.ENOENT)
        return self._inode(entry)

    def _inode(self, entry: Entry) -> EntryInode:
        inode = self._entries.get(entry)
        if inode is None:
            sb = self.sb
            assert isinstance(sb, BinfmtFs)
            # Entries that were dropped take their inodes with them.
            known = self.misc.entries
            self._entries = {one: kept for one, kept in self._entries.items() if one in known}
            inode = self._entries[entry] = EntryInode(sb, entry)
        return inode

    def iterate(self) -> Iterator[DirEntry]:
        for entry in self.misc.entries:
            yield DirEntry(entry.rule.name, self._inode(entry).ino, 8)
        for name, inode in self._fixed.items():
            yield DirEntry(name, inode.ino, 8)

    def open(self, dentry: Dentry, flags: int, task: Task) -> File:
        return DirFile(dentry, flags)


class ControlInode(Inode):
    """A file of the instance; kinds say what reading and writing do."""

    __slots__ = ("misc",)

    def __init__(self, sb: BinfmtFs, mode: int) -> None:
        super().__init__(sb, sb.new_ino(), stat.S_IFREG | mode)
        self.misc = sb.misc

    def text(self) -> bytes:
        """What is read. Raises KernelError."""
        raise KernelError(Errno.EINVAL)

    def command(self, task: Task, data: bytes) -> None:
        """What a write does; `task` is who opened the file. Raises KernelError."""

    def open(self, dentry: Dentry, flags: int, task: Task) -> File:
        return ControlFile(dentry, flags, self, task)

    def truncate(self, size: int) -> None:
        """O_TRUNC changes nothing: shells write with >."""


class RegisterInode(ControlInode):
    """register."""

    __slots__ = ()

    def command(self, task: Task, data: bytes) -> None:
        self.misc.register(task, data)


class StatusInode(ControlInode):
    """status."""

    __slots__ = ()

    def text(self) -> bytes:
        return self.misc.read_status()

    def command(self, task: Task, data: bytes) -> None:
        self.misc.write_status(data)


class EntryInode(ControlInode):
    """The file of a rule."""

    __slots__ = ("entry",)

    def __init__(self, sb: BinfmtFs, entry: Entry) -> None:
        super().__init__(sb, 0o644)
        self.entry = entry

    def text(self) -> bytes:
        return self.entry.read()

    def command(self, task: Task, data: bytes) -> None:
        self.misc.write_entry(self.entry, data)


class ControlFile(File):
    """An open control file. One write is one command, wherever the offset is."""

    __slots__ = ("control", "opener")

    def __init__(self, dentry: Dentry, flags: int, control: ControlInode, opener: Task) -> None:
        super().__init__(dentry, flags)
        self.control = control
        self.opener = opener

    def pread(self, count: int, offset: int) -> bytes:
        return self.control.text()[offset : offset + count]

    def pwrite(self, data: bytes, offset: int) -> int:
        self.control.command(self.opener, data)
        return len(data)
