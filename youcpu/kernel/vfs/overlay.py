"""The overlay: the host's files read only, all changes in memory. In place of fs/overlayfs.

One inode a host file, whatever its name, found by (device, number): hard links stay hard
links, inode numbers never change, descriptors opened before a change see it. A file that is
written keeps its page cache: pages not written still come from the host. A directory holds
the names added and removed; moving it moves only the object, so rename(2) just works.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import O_ACCMODE, O_WRONLY
from youcpu.hardware.memory import PAGE_SHIFT, PAGE_SIZE
from youcpu.kernel.errors import KernelError
from youcpu.kernel.vfs.dcache import follow_up
from youcpu.kernel.vfs.hostfs import HostFile, HostTree
from youcpu.kernel.vfs.inode import DirEntry, Inode, Kstat
from youcpu.kernel.vfs.super import Kstatfs, host_max_bytes
from youcpu.kernel.vfs.tmpfs import (
    INODE_COST,
    NAME_COST,
    MemDir,
    MemFile,
    MemInode,
    MemNode,
    MemSymlink,
    RegularFile,
    TmpFs,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from youcpu.kernel.cred import Credentials
    from youcpu.kernel.kernel import Kernel
    from youcpu.kernel.mm.page_cache import BackingStore
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.dcache import Dentry

#: Numbers of new files: beyond what a host file system uses.
FIRST_NEW_INO = 1 << 48
MAX_LOWER = 1 << 62


class OverlayFs(TmpFs):
    """The overlay over one tree of the host. `read_only`: a pass-through (/sys)."""

    block_directories = True

    def __init__(self, kernel: Kernel, tree: HostTree, read_only: bool = False) -> None:
        top = tree.lstat(b"/")
        super().__init__(kernel, "overlay", top.st_dev)
        self.tree = tree
        self.read_only = read_only
        self.multigrain = not read_only
        self.pool = kernel.vfs.host_fds
        self._next_ino = FIRST_NEW_INO
        self._inodes: WeakValueDictionary[tuple[int, int], Inode] = WeakValueDictionary()
        #: Changed host files: they must not be forgotten.
        self._pinned: set[Inode] = set()
        #: 0: not yet asked for.
        self._max_bytes = 0
        self.root = self.inode(b"", top)

    def inode(self, path: bytes, found: os.stat_result) -> Inode:
        """The inode of a host file, just looked up at `path`."""
        key = (found.st_dev, found.st_ino)
        inode = self._inodes.get(key)
        if inode is not None and not self._still_there(inode, path, found):
            inode = None
        if inode is not None:
            assert isinstance(inode, LowerMixin)
            if not inode.changed_here:
                inode.take(found)
            return inode
        kinds: dict[int, type[LowerMixin]] = {
            stat.S_IFREG: LowerFile,
            stat.S_IFDIR: LowerDir,
            stat.S_IFLNK: LowerSymlink,
        }
        inode = kinds.get(stat.S_IFMT(found.st_mode), LowerNode)(self, path, found)
        self._inodes[key] = inode
        return inode

    def _still_there(self, inode: Inode, path: bytes, found: os.stat_result) -> bool:
        """Whether a known inode is the file found, not one that got its number after it."""
        assert isinstance(inode, LowerMixin)
        if inode.kind != stat.S_IFMT(found.st_mode):
            return False
        if inode.path == path or inode.changed_here:
            return True
        try:
            # Another name of the same file: then its first one is still there.
            old = self.tree.lstat(inode.path or b"/")
        except KernelError:
            return False
        return (old.st_dev, old.st_ino) == (found.st_dev, found.st_ino)

    def pin(self, inode: MemInode) -> None:
        """A host file is about to be changed here. Raises ENOSPC, EROFS."""
        if self.read_only:
            raise KernelError(Errno.EROFS)
        inode.charge(INODE_COST)
        self._pinned.add(inode)

    def unpin(self, inode: Inode) -> None:
        """The last name of a changed host file is gone."""
        self._pinned.discard(inode)

    def reclaim(self, wanted: int) -> int:
        freed = 0
        for inode in list(self._inodes.values()):
            if freed >= wanted:
                break
            if isinstance(inode, LowerFile):
                freed += inode.drop_clean(wanted - freed)
        return freed

    def max_bytes(self) -> int:
        if not self._max_bytes:
            self._max_bytes = host_max_bytes(self.tree.statfs(b""))
        return self._max_bytes

    def statfs(self) -> Kstatfs:
        return self.tree.statfs(b"") or super().statfs()


class LowerMixin(MemInode):
    """An inode that the host has: attributes are the host's until changed here."""

    def __init__(self, sb: OverlayFs, path: bytes, found: os.stat_result) -> None:
        #: Where the host has it, below the tree's root.
        self.path = path
        self.changed_here = False
        #: The attributes come from the lookup of this very system call.
        self.fresh = False
        super().__init__(sb, found.st_ino, found.st_mode)
        self.st_dev = found.st_dev
        self.take(found)

    @property
    def overlay(self) -> OverlayFs:
        """The superblock by its own type."""
        assert isinstance(self.sb, OverlayFs)
        return self.sb

    def take(self, found: os.stat_result) -> None:
        """Attributes as the host just told them."""
        self.mode = found.st_mode
        self.uid = found.st_uid
        self.gid = found.st_gid
        self.nlink = found.st_nlink
        self.size = found.st_size
        self.rdev = found.st_rdev
        self.atime = found.st_atime_ns
        self.mtime = found.st_mtime_ns
        self.ctime = found.st_ctime_ns
        self._blksize = found.st_blksize
        self._blocks = found.st_blocks
        self.fresh = True

    def refresh(self) -> None:
        if self.fresh:
            self.fresh = False
        elif not self.changed_here:
            found = self.overlay.tree.lstat(self.path or b"/")
            if (found.st_dev, found.st_ino) != (self.st_dev, self.ino):
                raise KernelError(Errno.ESTALE)
            self.take(found)
            self.fresh = False

    def permission(self, cred: Credentials, mask: int) -> None:
        try:
            super().permission(cred, mask)
        except KernelError:
            # The host may know better (ACLs), as long as the program acts as our user.
            path = self.path or b"/"
            if self.changed_here or cred.fsuid != os.geteuid():
                raise
            if not self.overlay.tree.access(path, mask):
                raise

    def accessed(self) -> None:
        if self.changed_here:
            super().accessed()

    def before_change(self) -> None:
        """From now on the attributes live here."""
        if not self.changed_here:
            self.refresh()
            self.overlay.pin(self)
            self.changed_here = True

    def changed(self) -> None:
        self.before_change()
        super().changed()

    def relink(self, by: int) -> None:
        super().relink(by)
        if not self.nlink:
            self.overlay.unpin(self)

    def blocks(self) -> int:
        return self._blocks

    def getattr(self) -> Kstat:
        try:
            self.refresh()
        except KernelError:
            pass  # Removed from the host meanwhile: what was last known.
        answer = super().getattr()
        answer.blksize = self._blksize
        return answer

    def birth_ns(self) -> int | None:
        return self.overlay.tree.birth_ns(self.path)

    def setattr(self, **changes: int | None) -> None:
        self.before_change()
        super().setattr(**changes)

    def _take_xattrs(self) -> dict[bytes, bytes]:
        if self.xattrs is None:
            tree = self.overlay.tree
            path = self.path or b"/"
            self.xattrs = {name: tree.getxattr(path, name) for name in tree.listxattr(path)}
        return self.xattrs

    def getxattr(self, name: bytes) -> bytes:
        if self.xattrs is None:
            return self.overlay.tree.getxattr(self.path or b"/", name)
        return super().getxattr(name)

    def listxattr(self) -> list[bytes]:
        if self.xattrs is None:
            return self.overlay.tree.listxattr(self.path or b"/")
        return super().listxattr()

    def setxattr(self, name: bytes, value: bytes | None) -> None:
        self.before_change()
        if self.xattrs is None:
            for key, old in self._take_xattrs().items():
                self.charge(NAME_COST + len(key) + len(old))
        super().setxattr(name, value)


class LowerNode(LowerMixin, MemNode):
    """A FIFO, socket or device node of the host; opening it never reaches the host."""


class LowerSymlink(LowerMixin, MemSymlink):
    """A symbolic link of the host."""

    def readlink(self) -> bytes:
        return self.overlay.tree.readlink(self.path)


class LowerContent:
    """Backing store of a host file: its first `limit` bytes are still the host's."""

    __slots__ = ("host", "limit")

    def __init__(self, host: HostFile, limit: int) -> None:
        self.host = host
        self.limit = limit

    def fill(self, offset: int, into: memoryview) -> int:
        """Read into guest frames, as far as the host's content is still valid."""
        size = min(len(into), self.limit - offset)
        return self.host.preadv(into[:size], offset) if size > 0 else 0


class LowerFile(LowerMixin, MemFile):
    """A regular file of the host."""

    def __init__(self, sb: OverlayFs, path: bytes, found: os.stat_result) -> None:
        host = HostFile(sb.tree, path, (found.st_dev, found.st_ino), sb.pool)
        #: Whatever is not in `mapping` comes from here.
        self.content = LowerContent(host, MAX_LOWER)
        #: Written or truncated here: the size is ours.
        self.written = False
        super().__init__(sb, path, found)

    def backing(self) -> BackingStore:
        return self.content

    def blocks(self) -> int:
        return max(self._blocks, (self.size + 511) >> 9) if self.written else self._blocks

    def open(self, dentry: Dentry, flags: int, task: Task) -> RegularFile:
        self.fresh = False
        # The host's own refusal comes now, not at the first read.
        if flags & O_ACCMODE != O_WRONLY and self.content.limit:
            self.overlay.pool.fd(self.content.host)
        return RegularFile(dentry, flags)

    def read_at(self, count: int, offset: int) -> bytes:
        if self.written or self.mapping.dirty:
            return super().read_at(count, offset)
        return self.content.host.pread(count, offset)

    def hole(self, offset: int, size: int) -> bytes:
        valid = min(size, self.content.limit - offset)
        data = self.content.host.pread(valid, offset) if valid > 0 else b""
        return data + bytes(size - len(data))

    def backed_pages(self) -> int:
        return (min(self.content.limit, self.size) + PAGE_SIZE - 1) >> PAGE_SHIFT

    def before_write(self) -> None:
        self.before_change()
        if not self.written:
            self.written = True
            self.content.limit = self.size

    def drop_clean(self, wanted: int) -> int:
        """Give back up to `wanted` frames that only the cache holds and the host still has."""
        pages, dirty, frames = self.mapping.pages, self.mapping.dirty, self.mapping.frames
        victims = [i for i, f in pages.items() if i not in dirty and frames.count(f) == 1]
        limit = self.content.limit >> PAGE_SHIFT
        victims = [index for index in victims if index < limit][:wanted]
        for index in victims:
            frames.put(pages.pop(index))
        return len(victims)

    def truncate(self, size: int) -> None:
        super().truncate(size)
        self.content.limit = min(self.content.limit, size)

    def data_or_hole(self, offset: int, data: bool) -> int:
        if not 0 <= offset < self.size:
            raise KernelError(Errno.ENXIO)
        return offset if data else self.size


class LowerDir(LowerMixin, MemDir):
    """A directory of the host, with the names added and removed here."""

    def __init__(self, sb: OverlayFs, path: bytes, found: os.stat_result) -> None:
        #: Names of the host that are gone here.
        self.whiteouts: set[bytes] = set()
        super().__init__(sb, path, found)

    def lookup(self, name: bytes) -> Inode:
        inode = self.names.get(name)
        if inode is not None:
            return inode
        if name in self.whiteouts:
            raise KernelError(Errno.ENOENT)
        path = self.path + b"/" + name
        return self.overlay.inode(path, self.overlay.tree.lstat(path))

    def host_entries(self) -> list[DirEntry]:
        """What the host has here."""
        return self.overlay.tree.entries(self.path, (self.st_dev, self.ino))

    def iterate(self) -> Iterator[DirEntry]:
        for entry in self.iterate_here():
            if entry.name not in (b".", b".."):
                yield entry

    def iterate_dots(self, dentry: Dentry) -> Iterator[DirEntry]:
        above = follow_up(dentry)
        for entry in self.iterate_here():
            if entry.name == b".." and above is not None:
                entry.ino = above.inode.ino
            yield entry

    def iterate_here(self) -> Iterator[DirEntry]:
        """The host's entries in its order, "." and ".." among them, then the new ones."""
        replaced = set()
        for entry in self.host_entries():
            inode = self.names.get(entry.name)
            if inode is not None:
                replaced.add(entry.name)
                yield DirEntry(entry.name, inode.ino, inode.kind >> 12)
            elif entry.name not in self.whiteouts:
                yield entry
        for name, inode in self.names.items():
            if name not in replaced:
                yield DirEntry(name, inode.ino, inode.kind >> 12)

    def is_empty(self) -> bool:
        return not self.names and next(self.iterate(), None) is None

    def enter(self, name: bytes, inode: Inode) -> None:
        self.before_change()
        super().enter(name, inode)

    def remove(self, name: bytes) -> None:
        self.before_change()
        if name not in self.whiteouts:
            self.charge(NAME_COST + len(name))
            self.whiteouts.add(name)
        super().remove(name)

    def entries_changed(self, size: int) -> None:
        self.changed()
