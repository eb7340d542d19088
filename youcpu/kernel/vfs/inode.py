"""Inodes: include/linux/fs.h struct inode and its operations."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.kernel.errors import KernelError
from youcpu.kernel.vfs.dcache import follow_up
from youcpu.record import record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from youcpu.kernel.cred import Credentials
    from youcpu.kernel.mm.page_cache import AddressSpace
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.dcache import Dentry
    from youcpu.kernel.vfs.file import File
    from youcpu.kernel.vfs.inotify import InotifyWatch
    from youcpu.kernel.vfs.super import SuperBlock

MAY_EXEC = 1
MAY_WRITE = 2
MAY_READ = 4
NAME_MAX = 255


@record
class Kstat:
    """struct kstat: times in ns; `dev` and `rdev` as stat(2) encodes them; btime None: unknown."""

    dev: int
    ino: int
    mode: int
    nlink: int
    uid: int
    gid: int
    rdev: int
    size: int
    blksize: int
    blocks: int
    atime: int
    mtime: int
    ctime: int
    btime: int | None = None


@record
class DirEntry:
    """One entry as getdents gives it; `kind` is a DT_ value."""

    name: bytes
    ino: int
    kind: int


class Inode:
    """A file of any kind. Operations that a kind does not have raise as Linux does."""

    __slots__ = (
        "__weakref__",
        "atime",
        "ctime",
        "gid",
        "ino",
        "locks",
        "mapping",
        "mode",
        "mtime",
        "nlink",
        "rdev",
        "sb",
        "size",
        "uid",
        "watches",
        "writecount",
    )

    def __init__(self, sb: SuperBlock, ino: int, mode: int, uid: int = 0, gid: int = 0) -> None:
        self.sb = sb
        self.ino = ino
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.nlink = 1
        self.rdev = 0
        self.size = 0
        self.atime = self.mtime = self.ctime = sb.now()
        #: Pages for mmap; None: the file cannot be mapped.
        self.mapping: AddressSpace | None = None
        #: Open for writing so many times; negative: so many programs run from it (ETXTBSY).
        self.writecount = 0
        #: fs/locks.c state, made by the first lock.
        self.locks: object = None
        #: inotify watches, made by the first.
        self.watches: list[InotifyWatch] | None = None

    @property
    def kind(self) -> int:
        """S_IFMT bits of the mode."""
        return self.mode & 0o170000

    @property
    def is_dir(self) -> bool:
        return self.mode & 0o170000 == stat.S_IFDIR

    @property
    def is_symlink(self) -> bool:
        return self.mode & 0o170000 == stat.S_IFLNK

    @property
    def is_regular(self) -> bool:
        return self.mode & 0o170000 == stat.S_IFREG

    def dev(self) -> int:
        """st_dev."""
        return self.sb.dev

    def blocks(self) -> int:
        """st_blocks: 512-byte units."""
        return 0

    def getattr(self) -> Kstat:
        """struct kstat as of now."""
        return Kstat(
            self.dev(),
            self.ino,
            self.mode,
            self.nlink,
            self.uid,
            self.gid,
            self.rdev,
            self.size,
            self.sb.blksize,
            self.blocks(),
            self.atime,
            self.mtime,
            self.ctime,
        )

    def birth_ns(self) -> int | None:
        """Time of birth, for statx; None: not known."""
        return None

    def refresh(self) -> None:
        """Bring mode, owner and size up to date where the truth lies outside."""

    # Directories.

    def lookup(self, name: bytes) -> Inode:
        """The entry `name`. Raises KernelError(ENOENT)."""
        raise KernelError(Errno.ENOTDIR)

    def iterate(self) -> Iterator[DirEntry]:
        """All entries, without "." and ".."."""
        raise KernelError(Errno.ENOTDIR)

    def iterate_dots(self, dentry: Dentry) -> Iterator[DirEntry]:
        """All entries as getdents shows them, "." and ".." first."""
        above = follow_up(dentry)
        yield DirEntry(b".", self.ino, 4)
        yield DirEntry(b"..", above.inode.ino if above is not None else self.ino, 4)
        yield from self.iterate()

    def create(self, name: bytes, mode: int, cred: Credentials, rdev: int = 0) -> Inode:
        """A new file, FIFO, socket, device or directory (S_IFMT of `mode`)."""
        raise KernelError(Errno.EPERM)

    def symlink(self, name: bytes, target: bytes, cred: Credentials) -> Inode:
        """A new symbolic link."""
        raise KernelError(Errno.EPERM)

    def link(self, name: bytes, inode: Inode) -> None:
        """One more name for a file of the same superblock."""
        raise KernelError(Errno.EPERM)

    def unlink(self, name: bytes, inode: Inode) -> None:
        """Remove a name that is no directory."""
        raise KernelError(Errno.EPERM)

    def rmdir(self, name: bytes, inode: Inode) -> None:
        """Remove an empty directory. Raises ENOTEMPTY."""
        raise KernelError(Errno.EPERM)

    def rename(
        self, name: bytes, inode: Inode, to: Inode, new_name: bytes, victim: Inode | None
    ) -> None:
        """Move an entry, over `victim` if there is one; kinds and rights are checked."""
        raise KernelError(Errno.EPERM)

    def exchange(self, name: bytes, inode: Inode, to: Inode, new_name: bytes, other: Inode) -> None:
        """RENAME_EXCHANGE."""
        raise KernelError(Errno.EINVAL)

    def tmpfile(self, mode: int, cred: Credentials) -> Inode:
        """A regular file without a name: O_TMPFILE."""
        raise KernelError(Errno.EOPNOTSUPP)

    # Links.

    def readlink(self) -> bytes:
        """Target of a symbolic link."""
        raise KernelError(Errno.EINVAL)

    def readlink_for(self, task: Task) -> bytes:
        """What readlink(2) gives to `task`."""
        return self.readlink()

    def get_link(self, task: Task) -> bytes | Dentry:
        """Where following leads: a path, or at once a place (the magic links of /proc)."""
        return self.readlink()

    # Files.

    def open(self, dentry: Dentry, flags: int, task: Task) -> File:
        """A new open file description; rights have been checked."""
        raise KernelError(Errno.ENXIO)

    def truncate(self, size: int) -> None:
        """Set the length of a regular file."""
        raise KernelError(Errno.EINVAL)

    def fallocate(self, mode: int, offset: int, end: int) -> None:
        """fallocate(2) on [offset, end)."""
        raise KernelError(Errno.EOPNOTSUPP)

    def setattr(
        self,
        *,
        mode: int | None = None,
        uid: int | None = None,
        gid: int | None = None,
        atime: int | None = None,
        mtime: int | None = None,
    ) -> None:
        """Change attributes; rights have been checked, `mode` holds permission bits only."""
        self.refresh()
        if mode is not None:
            self.mode = (self.mode & ~0o7777) | (mode & 0o7777)
        if uid is not None:
            self.uid = uid
        if gid is not None:
            self.gid = gid
        if atime is not None:
            self.atime = atime
        if mtime is not None:
            self.mtime = mtime
        self.ctime = self.sb.now()

    def write_page(self, index: int) -> bool:
        """Write a changed page of a shared mapping back; False: there is no place to write to."""
        return False

    # Extended attributes.

    def getxattr(self, name: bytes) -> bytes:
        """Value of an attribute. Raises ENODATA, EOPNOTSUPP."""
        raise KernelError(Errno.EOPNOTSUPP)

    def listxattr(self) -> list[bytes]:
        """Names of the attributes."""
        return []

    def setxattr(self, name: bytes, value: bytes | None) -> None:
        """Set an attribute; None removes it."""
        raise KernelError(Errno.EOPNOTSUPP)

    def permission(self, cred: Credentials, mask: int) -> None:
        """Whether `cred` may do all of `mask` (MAY_*). Raises EACCES. fs/namei.c."""
        generic_permission(self, cred, mask)

    def noexec(self) -> bool:
        """The file system lets nothing be executed."""
        return self.sb.noexec


def generic_permission(inode: Inode, cred: Credentials, mask: int) -> None:
    """fs/namei.c generic_permission(): mode bits, then capabilities. Raises EACCES."""
    mode = inode.mode
    if cred.fsuid == inode.uid:
        bits = mode >> 6
    elif cred.fsgid == inode.gid or inode.gid in cred.groups:
        bits = mode >> 3
    else:
        bits = mode
    if mask & ~bits & 7 == 0:
        return
    if mode & 0o170000 == stat.S_IFDIR:
        if not mask & MAY_WRITE and cred.capable(2):  # CAP_DAC_READ_SEARCH
            return
        if cred.capable(1):  # CAP_DAC_OVERRIDE
            return
    else:
        if mask == MAY_READ and cred.capable(2):
            return
        # Root may execute only what somebody may execute.
        if (not mask & MAY_EXEC or mode & 0o111) and cred.capable(1):
            return
    raise KernelError(Errno.EACCES)
