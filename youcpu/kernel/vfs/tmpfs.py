"""Files in memory: mm/shmem.c. The pages of a file are guest frames in its AddressSpace."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import (
    F_SEAL_FUTURE_WRITE,
    F_SEAL_GROW,
    F_SEAL_SHRINK,
    F_SEAL_WRITE,
    O_NOATIME,
    SEEK_DATA,
    SEEK_HOLE,
)
from youcpu.hardware.memory import PAGE_SHIFT, PAGE_SIZE, OutOfFrames
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.code_pages import was_written
from youcpu.kernel.mm.page_cache import AddressSpace
from youcpu.kernel.vfs.file import SMALL_OFFSET, DirFile, File
from youcpu.kernel.vfs.inode import DirEntry, Inode
from youcpu.kernel.vfs.super import TMPFS_MAGIC, SuperBlock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from youcpu.kernel.cred import Credentials
    from youcpu.kernel.kernel import Kernel
    from youcpu.kernel.mm.page_cache import BackingStore
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.dcache import Dentry

#: What our objects take of the host's memory, roughly; charged to guest RAM.
INODE_COST = 1024
NAME_COST = 256


class TmpFs(SuperBlock):
    """An instance of tmpfs; the base of the overlay too.

    `block_directories`: directories are blocks, as on a disk, and have their size.
    """

    block_directories = False

    def __init__(self, kernel: Kernel, name: str, dev: int, magic: int = TMPFS_MAGIC) -> None:
        super().__init__(kernel, name, dev, magic)
        self.kmem = kernel.vfs.kmem
        self.multigrain = True

    def charge(self, size: int) -> None:
        """Raises ENOSPC."""
        if not self.kmem.charge(size):
            raise KernelError(Errno.ENOSPC)

    def make(self, mode: int, cred: Credentials, parent: Inode | None, rdev: int = 0) -> MemInode:
        """A new inode of the kind that `mode` says; group and dev as the parent wants."""
        self.charge(INODE_COST)
        kind = mode & 0o170000
        factory = {stat.S_IFREG: MemFile, stat.S_IFDIR: MemDir, stat.S_IFLNK: MemSymlink}
        gid = cred.fsgid
        if parent is not None and parent.mode & stat.S_ISGID:
            gid = parent.gid
            if kind == stat.S_IFDIR:
                mode |= stat.S_ISGID
        inode = factory.get(kind, MemNode)(self, self.new_ino(), mode, cred.fsuid, gid)
        inode.charged = INODE_COST
        inode.rdev = rdev
        if kind == stat.S_IFDIR:
            inode.nlink = 2
        if parent is not None:
            inode.st_dev = parent.dev()
        return inode


class MemInode(Inode):
    """What files, directories and links in memory share."""

    __slots__ = ("charged", "st_dev", "xattrs")

    def __init__(self, sb: TmpFs, ino: int, mode: int, uid: int = 0, gid: int = 0) -> None:
        super().__init__(sb, ino, mode, uid, gid)
        self.charged = 0
        self.st_dev = sb.dev
        self.xattrs: dict[bytes, bytes] | None = None

    @property
    def fs(self) -> TmpFs:
        """The superblock by its own type."""
        assert isinstance(self.sb, TmpFs)
        return self.sb

    def __del__(self) -> None:
        if self.mapping is not None:
            self.mapping.release()
        if self.charged:
            self.fs.kmem.uncharge(self.charged)

    def dev(self) -> int:
        return self.st_dev

    def before_change(self) -> None:
        """About to change content or attributes."""

    def accessed(self) -> None:
        """The content was read: relatime."""
        if self.atime <= self.mtime:
            self.atime = self.sb.now()

    def changed(self) -> None:
        """Content changed: mtime and ctime are now."""
        self.mtime = self.ctime = self.sb.now()

    def relink(self, by: int) -> None:
        """Change the link count."""
        self.before_change()
        self.nlink += by
        self.ctime = self.sb.now()

    def charge(self, size: int) -> None:
        """Take accounted memory until the inode goes. Raises ENOSPC."""
        self.fs.charge(size)
        self.charged += size

    def uncharge(self, size: int) -> None:
        """Give accounted memory back."""
        self.fs.kmem.uncharge(size)
        self.charged -= size

    def getxattr(self, name: bytes) -> bytes:
        value = (self.xattrs or {}).get(name)
        if value is None:
            raise KernelError(Errno.ENODATA)
        return value

    def listxattr(self) -> list[bytes]:
        return list(self.xattrs or ())

    def setxattr(self, name: bytes, value: bytes | None) -> None:
        if self.xattrs is None:
            self.xattrs = {}
        old = self.xattrs.pop(name, None)
        if old is not None:
            self.uncharge(NAME_COST + len(name) + len(old))
        if value is not None:
            self.charge(NAME_COST + len(name) + len(value))
            self.xattrs[name] = value
        self.ctime = self.sb.now()


class MemNode(MemInode):
    """A FIFO, socket or device node: only the name and its rights live here."""

    __slots__ = ("endpoint",)

    def __init__(self, sb: TmpFs, ino: int, mode: int, uid: int = 0, gid: int = 0) -> None:
        super().__init__(sb, ino, mode, uid, gid)
        #: The pipe behind a FIFO, the socket bound to a socket node.
        self.endpoint: object = None

    def open(self, dentry: Dentry, flags: int, task: Task) -> File:
        from youcpu.kernel.vfs.special import open_special

        return open_special(self, dentry, flags, task)


class MemSymlink(MemInode):
    """A symbolic link."""

    __slots__ = ("target",)

    def __init__(self, sb: TmpFs, ino: int, mode: int, uid: int = 0, gid: int = 0) -> None:
        super().__init__(sb, ino, mode, uid, gid)
        self.target = b""

    def readlink(self) -> bytes:
        return self.target


class MemFile(MemInode):
    """A regular file; pages never written are holes."""

    __slots__ = ("seals",)
    mapping: AddressSpace

    def __init__(self, sb: TmpFs, ino: int, mode: int, uid: int = 0, gid: int = 0) -> None:
        super().__init__(sb, ino, mode, uid, gid)
        self.mapping = AddressSpace(sb.kernel.frames, self.backing())
        #: F_SEAL_* bits; F_SEAL_SEAL: none can be added (all files but memfds).
        self.seals = 1

    def backing(self) -> BackingStore | None:
        """Where pages that are not in memory come from; None: they are zero."""
        return None

    def blocks(self) -> int:
        return len(self.mapping.pages) * (PAGE_SIZE // 512)

    def open(self, dentry: Dentry, flags: int, task: Task) -> File:
        if self.sb is task.kernel.vfs.memfd_fs:
            from youcpu.kernel.vfs.memfd import MemFdFile

            return MemFdFile(dentry, flags)
        return RegularFile(dentry, flags)

    def read_at(self, count: int, offset: int) -> bytes:
        """Up to `count` bytes at `offset`."""
        end = min(offset + count, self.size)
        if offset >= end:
            return b""
        return self.read_pages(offset, end)

    def read_pages(self, offset: int, end: int) -> bytes:
        """Bytes of [offset, end), which lies inside the file."""
        ram = self.sb.kernel.ram.bytes
        pages = self.mapping.pages
        parts: list[bytes | memoryview] = []
        while offset < end:
            inside = offset & (PAGE_SIZE - 1)
            size = min(PAGE_SIZE - inside, end - offset)
            frame = pages.get(offset >> PAGE_SHIFT)
            if frame is None:
                parts.append(self.hole(offset, size))
            else:
                start = (frame << PAGE_SHIFT) + inside
                parts.append(ram[start : start + size])
            offset += size
        return b"".join(parts)

    def hole(self, offset: int, size: int) -> bytes:
        """Bytes of a page that is not in memory."""
        return bytes(size)

    def write_at(self, data: bytes, offset: int) -> int:
        """Write; bytes written. Raises ENOSPC, EFBIG where not one byte could be."""
        if not data:
            return 0
        if offset + len(data) > SMALL_OFFSET:
            room = self.sb.max_bytes() - offset
            if room <= 0:
                raise KernelError(Errno.EFBIG)
            data = data[:room]
        self.before_write()
        missing = self.fs.kmem.reserve + (len(data) >> PAGE_SHIFT) + 2
        missing -= self.mapping.frames.available
        if missing > 0:
            self.sb.kernel.vfs.reclaim(missing)
        ram = self.sb.kernel.ram.bytes
        done = 0
        while done < len(data):
            inside = offset & (PAGE_SIZE - 1)
            size = min(PAGE_SIZE - inside, len(data) - done)
            frame = self._page_for_write(offset >> PAGE_SHIFT, size == PAGE_SIZE)
            if not frame:
                break
            start = (frame << PAGE_SHIFT) + inside
            ram[start : start + size] = data[done : done + size]
            done += size
            offset += size
        if not done:
            raise KernelError(Errno.ENOSPC)
        self.size = max(self.size, offset)
        self.changed()
        return done

    def before_write(self) -> None:
        """About to change the content."""

    def _page_for_write(self, index: int, whole: bool) -> int:
        """Frame to write to, 0 where RAM is full."""
        mapping = self.mapping
        frame = mapping.pages.get(index)
        if frame is None:
            frames = mapping.frames
            if frames.available <= self.fs.kmem.reserve:
                return 0
            try:
                if whole:
                    frame = mapping.pages[index] = frames.alloc()
                else:
                    frame = mapping.frame(index)
            except OutOfFrames:
                return 0
        mapping.dirty.add(index)
        if index in mapping.code:
            was_written(mapping)
        return frame

    def truncate(self, size: int) -> None:
        seals = self.seals
        if (size < self.size and seals & F_SEAL_SHRINK) or (
            size > self.size and seals & F_SEAL_GROW
        ):
            raise KernelError(Errno.EPERM)
        if size > SMALL_OFFSET and size > self.sb.max_bytes():
            raise KernelError(Errno.EFBIG)
        self.before_write()
        if size < self.size:
            self.mapping.truncate(size)
        elif size > self.size:
            self.mapping.zero_tail(self.size)
        self.size = size
        self.changed()

    def fallocate(self, mode: int, offset: int, end: int) -> None:
        sealed = F_SEAL_GROW if end > self.size else 0
        if mode & 0x12:
            sealed = F_SEAL_WRITE | F_SEAL_FUTURE_WRITE
        if self.seals & sealed:
            raise KernelError(Errno.EPERM)
        if mode & 0x12:  # FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE
            self.punch(offset, end)
        if mode & 2:
            return
        self.before_write()
        # Reserved means there: a later write must not fail.
        first, last = offset >> PAGE_SHIFT, (end + PAGE_SIZE - 1) >> PAGE_SHIFT
        pages = self.mapping.pages
        if last - first > self.mapping.frames.available:
            raise KernelError(Errno.ENOSPC)
        for index in range(first, last):
            if index not in pages and not self._page_for_write(index, False):
                raise KernelError(Errno.ENOSPC)
        if not mode & 1:  # FALLOC_FL_KEEP_SIZE
            self.size = max(self.size, end)
        self.changed()

    def punch(self, offset: int, end: int) -> None:
        """FALLOC_FL_PUNCH_HOLE and ZERO_RANGE: [offset, end) reads as zeros."""
        self.before_write()
        end = min(end, self.size)
        first, last = offset >> PAGE_SHIFT, (end + PAGE_SIZE - 1) >> PAGE_SHIFT
        # Only pages with content: the file may be a hole of any size.
        indices = {index for index in self.mapping.pages if first <= index < last}
        indices.update(range(first, min(last, self.backed_pages())))
        ram = self.sb.kernel.ram.bytes
        for index in sorted(indices):
            start, stop = max(offset, index << PAGE_SHIFT), min(end, (index + 1) << PAGE_SHIFT)
            frame = self._page_for_write(index, stop - start == PAGE_SIZE)
            if not frame:
                raise KernelError(Errno.ENOSPC)
            at = (frame << PAGE_SHIFT) + (start & (PAGE_SIZE - 1))
            ram[at : at + stop - start] = bytes(stop - start)
        self.changed()

    def backed_pages(self) -> int:
        """So many pages may have content that is not in memory."""
        return 0

    def data_or_hole(self, offset: int, data: bool) -> int:
        """SEEK_DATA and SEEK_HOLE: the next offset that is (not) in memory. Raises ENXIO."""
        if not 0 <= offset < self.size:
            raise KernelError(Errno.ENXIO)
        pages = self.mapping.pages
        index = offset >> PAGE_SHIFT
        if data:
            if index in pages:
                return offset
            later = [i for i in pages if i > index]
            if not later or min(later) << PAGE_SHIFT >= self.size:
                raise KernelError(Errno.ENXIO)
            return min(later) << PAGE_SHIFT
        while index in pages:
            index += 1
        return min(max(offset, index << PAGE_SHIFT), self.size)


class RegularFile(File):
    """An open regular file: mm/filemap.c."""

    __slots__ = ()
    inode: MemFile

    def pread(self, count: int, offset: int) -> bytes:
        inode = self.inode
        if inode.atime <= inode.mtime and not self.flags & O_NOATIME:
            inode.accessed()
        return inode.read_at(count, offset)

    def pwrite(self, data: bytes, offset: int) -> int:
        return self.inode.write_at(data, offset)

    def mmap(self, shared: bool, writable: bool) -> None:
        if shared and writable:
            self.inode.before_write()

    def seek(self, offset: int, whence: int) -> int:
        if whence in (SEEK_DATA, SEEK_HOLE):
            self.inode.refresh()
            return self._seek_to(self.inode.data_or_hole(offset, whence == SEEK_DATA))
        return super().seek(offset, whence)


def relink(inode: Inode, by: int) -> None:
    """Change the link count of an inode of this kind of file system."""
    assert isinstance(inode, MemInode)
    inode.relink(by)


class MemDir(MemInode):
    """A directory: names in the order they were made."""

    __slots__ = ("names",)

    def __init__(self, sb: TmpFs, ino: int, mode: int, uid: int = 0, gid: int = 0) -> None:
        super().__init__(sb, ino, mode, uid, gid)
        self.names: dict[bytes, Inode] = {}
        self.size = PAGE_SIZE if sb.block_directories else 40

    def open(self, dentry: Dentry, flags: int, task: Task) -> File:
        return DirFile(dentry, flags)

    def lookup(self, name: bytes) -> Inode:
        inode = self.names.get(name)
        if inode is None:
            raise KernelError(Errno.ENOENT)
        return inode

    def iterate(self) -> Iterator[DirEntry]:
        for name, inode in self.names.items():
            yield DirEntry(name, inode.ino, inode.kind >> 12)

    def is_empty(self) -> bool:
        """No entries but "." and ".."."""
        return not self.names

    def enter(self, name: bytes, inode: Inode) -> None:
        """Add a name. Raises ENOSPC."""
        self.charge(NAME_COST + len(name))
        self.names[name] = inode
        self.entries_changed(20)

    def remove(self, name: bytes) -> None:
        """Take a name away."""
        if self.names.pop(name, None) is not None:
            self.uncharge(NAME_COST + len(name))
        self.entries_changed(-20)

    def entries_changed(self, size: int) -> None:
        """mtime, and the size as shmem counts it (BOGO_DIRENT_SIZE)."""
        if not self.fs.block_directories:
            self.size = max(0, self.size + size)
        self.changed()

    def blocks(self) -> int:
        return PAGE_SIZE // 512 if self.fs.block_directories else 0

    def create(self, name: bytes, mode: int, cred: Credentials, rdev: int = 0) -> Inode:
        self.refresh()
        inode = self.fs.make(mode, cred, self, rdev)
        self.enter(name, inode)
        if inode.is_dir:
            self.nlink += 1
        return inode

    def symlink(self, name: bytes, target: bytes, cred: Credentials) -> Inode:
        self.refresh()
        inode = self.fs.make(stat.S_IFLNK | 0o777, cred, self)
        assert isinstance(inode, MemSymlink)
        inode.charge(len(target))
        inode.target = target
        inode.size = len(target)
        self.enter(name, inode)
        return inode

    def link(self, name: bytes, inode: Inode) -> None:
        inode.refresh()
        self.refresh()
        self.enter(name, inode)
        relink(inode, 1)

    def unlink(self, name: bytes, inode: Inode) -> None:
        inode.refresh()
        self.refresh()
        self.remove(name)
        relink(inode, -1)

    def rmdir(self, name: bytes, inode: Inode) -> None:
        assert isinstance(inode, MemDir)
        if not inode.is_empty():
            raise KernelError(Errno.ENOTEMPTY)
        inode.refresh()
        self.refresh()
        self.remove(name)
        relink(inode, -inode.nlink)
        self.nlink -= 1

    def rename(
        self, name: bytes, inode: Inode, to: Inode, new_name: bytes, victim: Inode | None
    ) -> None:
        assert isinstance(to, MemDir)
        if victim is not None:
            if victim.is_dir:
                to.rmdir(new_name, victim)
            else:
                to.unlink(new_name, victim)
        inode.refresh()
        self.refresh()
        to.refresh()
        to.enter(new_name, inode)
        self.remove(name)
        if inode.is_dir and to is not self:
            self.nlink -= 1
            to.nlink += 1
        relink(inode, 0)

    def exchange(self, name: bytes, inode: Inode, to: Inode, new_name: bytes, other: Inode) -> None:
        assert isinstance(to, MemDir)
        for node in (inode, other, self, to):
            node.refresh()
        self.remove(name)
        to.remove(new_name)
        self.enter(name, other)
        to.enter(new_name, inode)
        if to is not self:
            shift = inode.is_dir - other.is_dir
            self.nlink -= shift
            to.nlink += shift
        relink(inode, 0)
        relink(other, 0)

    def tmpfile(self, mode: int, cred: Credentials) -> Inode:
        inode = self.fs.make(stat.S_IFREG | mode, cred, self)
        inode.nlink = 0
        return inode
