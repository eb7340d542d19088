"""Directories of the host that the program may change (--rw): in place of fs/9p.

Every operation starts at the held descriptor of the top directory and opens one component
after the other without following links (hostfs.StrictHostTree), then works with that
directory's descriptor and a plain name. Whoever swaps a directory for a symbolic link
meanwhile gains nothing: the walk fails, or the directory is not the one looked up (ESTALE).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakValueDictionary

from youcpu.abi.errno import Errno
from youcpu.kernel.errors import KernelError
from youcpu.kernel.vfs.dcache import follow_up
from youcpu.kernel.vfs.file import DirFile, File
from youcpu.kernel.vfs.hostfs import (
    HostFdPool,
    StrictHostTree,
    check_identity,
    host_entries,
    host_error,
)
from youcpu.kernel.vfs.hostrw_file import RwFile, RwRegular
from youcpu.kernel.vfs.inode import DirEntry, Inode, Kstat
from youcpu.kernel.vfs.super import Kstatfs, SuperBlock, host_max_bytes

if TYPE_CHECKING:
    from youcpu.kernel.cred import Credentials
    from youcpu.kernel.kernel import Kernel
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.dcache import Dentry

T = TypeVar("T")


class RwFs(SuperBlock):
    """One --rw directory."""

    def __init__(self, kernel: Kernel, path: bytes) -> None:
        self.tree = StrictHostTree(path)
        found = os.fstat(self.tree.root_fd)
        super().__init__(kernel, "host", found.st_dev, 0)
        self.revalidate = self.multigrain = True
        self.pool: HostFdPool = kernel.vfs.host_fds
        self._inodes: WeakValueDictionary[tuple[int, int], RwInode] = WeakValueDictionary()
        self.root = self.inode(None, b"", found)

    def inode(self, parent: RwDir | None, name: bytes, found: os.stat_result) -> RwInode:
        """The inode of what was just found as `name` in `parent`."""
        key = (found.st_dev, found.st_ino)
        inode = self._inodes.get(key)
        if inode is None or inode.kind != stat.S_IFMT(found.st_mode):
            kinds: dict[int, type[RwInode]] = {
                stat.S_IFREG: RwRegularInode,
                stat.S_IFDIR: RwDir,
                stat.S_IFLNK: RwSymlink,
            }
            inode = kinds.get(stat.S_IFMT(found.st_mode), RwNode)(self, found)
            self._inodes[key] = inode
        inode.parent, inode.name = parent, name
        inode.take(found)
        return inode

    def max_bytes(self) -> int:
        return host_max_bytes(self.tree.statfs(b""))

    def statfs(self) -> Kstatfs:
        return self.tree.statfs(b"") or super().statfs()

    def sync(self) -> None:
        for inode in list(self._inodes.values()):
            if isinstance(inode, RwRegularInode):
                inode.write_back()


class RwInode(Inode):
    """A file of the host; `parent` and `name` are where it was last seen."""

    def __init__(self, sb: RwFs, found: os.stat_result) -> None:
        super().__init__(sb, found.st_ino, found.st_mode)
        self.fs = sb
        self.parent: RwDir | None = None
        self.name = b""
        self.identity = (found.st_dev, found.st_ino)
        self._blksize = self._blocks = 0

    def take(self, found: os.stat_result) -> None:
        """Attributes as the host just told them."""
        self.mode, self.uid, self.gid = found.st_mode, found.st_uid, found.st_gid
        self.nlink, self.size, self.rdev = found.st_nlink, found.st_size, found.st_rdev
        self.atime, self.mtime = found.st_atime_ns, found.st_mtime_ns
        self.ctime = found.st_ctime_ns
        self._blksize, self._blocks = found.st_blksize, found.st_blocks

    def dev(self) -> int:
        return self.identity[0]

    def blocks(self) -> int:
        return self._blocks

    def path(self) -> bytes:
        """Path below the top, of what was looked up."""
        names = []
        inode: RwInode = self
        while inode.parent is not None:
            names.append(inode.name)
            inode = inode.parent
        return b"".join(b"/" + name for name in reversed(names))

    def find(self) -> os.stat_result:
        """Ask the host anew. Raises KernelError."""
        if self.parent is None:
            return os.fstat(self.fs.tree.root_fd)
        return self.fs.tree.lstat(self.path())

    def refresh(self) -> None:
        try:
            found = self.find()
        except KernelError:
            return
        if (found.st_dev, found.st_ino) == self.identity:
            self.take(found)

    def getattr(self) -> Kstat:
        self.refresh()
        answer = super().getattr()
        answer.blksize = self._blksize
        return answer

    def held(self) -> int:
        """A descriptor of exactly this inode that we have anyway; -1: none."""
        return -1

    def handle(self) -> int:
        """An O_PATH descriptor of exactly this inode, to be closed. Raises KernelError."""
        try:
            if (held := self.held()) >= 0:
                return os.dup(held)
            if self.parent is None:
                return os.dup(self.fs.tree.root_fd)
            directory, name = self.fs.tree.at(self.path())
            try:
                fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
            finally:
                os.close(directory)
        except OSError as error:
            raise host_error(error) from None
        return _checked(fd, self.identity)

    def on_host(self, act: Callable[[bytes], T]) -> T:
        """Call `act` with a path of the host that leads to this very inode."""
        fd = self.handle()
        try:
            return act(b"/proc/self/fd/%d" % fd)
        except OSError as error:
            raise host_error(error) from None
        finally:
            os.close(fd)

    def setattr(
        self,
        *,
        mode: int | None = None,
        uid: int | None = None,
        gid: int | None = None,
        atime: int | None = None,
        mtime: int | None = None,
    ) -> None:
        if uid is not None or gid is not None:
            user = -1 if uid is None else uid
            group = -1 if gid is None else gid
            if self.is_symlink:
                self._on_link(lambda name, at: os.chown(name, user, group, dir_fd=at,
                                                        follow_symlinks=False))  # fmt: skip
            else:
                self.on_host(lambda path: os.chown(path, user, group))
        if mode is not None and not self.is_symlink:
            self.on_host(lambda path: os.chmod(path, mode))
        if atime is not None or mtime is not None:
            self.refresh()
            times = (
                self.atime if atime is None else atime,
                self.mtime if mtime is None else mtime,
            )
            if self.is_symlink:
                self._on_link(lambda name, at: os.utime(name, ns=times, dir_fd=at,
                                                        follow_symlinks=False))  # fmt: skip
            else:
                self.on_host(lambda path: os.utime(path, ns=times))
        self.refresh()

    def _on_link(self, act: Callable[[bytes, int], None]) -> None:
        """A symbolic link has no handle that may be changed: by directory and name."""
        assert self.parent is not None
        with self.parent.directory() as fd:
            act(self.name, fd)

    def getxattr(self, name: bytes) -> bytes:
        if not self.is_symlink:
            return self.on_host(lambda path: os.getxattr(path, name))
        assert self.parent is not None
        with self.parent.directory() as fd:
            path = b"/proc/self/fd/%d/%s" % (fd, self.name)
            return os.getxattr(path, name, follow_symlinks=False)

    def listxattr(self) -> list[bytes]:
        if self.is_symlink:
            return []
        return self.on_host(lambda path: [os.fsencode(name) for name in os.listxattr(path)])

    def setxattr(self, name: bytes, value: bytes | None) -> None:
        if self.is_symlink:
            raise KernelError(Errno.EPERM)
        if value is None:
            self.on_host(lambda path: os.removexattr(path, name))
        else:
            self.on_host(lambda path: os.setxattr(path, name, value))


def _checked(fd: int, identity: tuple[int, int]) -> int:
    try:
        check_identity(fd, identity)
    except KernelError:
        os.close(fd)
        raise
    return fd


class RwNode(RwInode):
    """A FIFO, socket or device of the host: only its name is shared, it is never opened."""

    def __init__(self, sb: RwFs, found: os.stat_result) -> None:
        super().__init__(sb, found)
        self.endpoint: object = None

    def open(self, dentry: Dentry, flags: int, task: Task) -> File:
        from youcpu.kernel.vfs.special import open_special

        return open_special(self, dentry, flags, task)


class RwSymlink(RwInode):
    """A symbolic link."""

    def readlink(self) -> bytes:
        return self.fs.tree.readlink(self.path())


class RwRegularInode(RwRegular, RwInode):
    """A regular file; see hostrw_file.py."""

    def __init__(self, sb: RwFs, found: os.stat_result) -> None:
        RwInode.__init__(self, sb, found)
        self.prepare(sb.kernel.frames)

    def find(self) -> os.stat_result:
        # A file that is open is asked itself: its name may be gone.
        fd = self.held()
        return os.fstat(fd) if fd >= 0 else super().find()

    def held(self) -> int:
        return next(iter(self.fds), self.fresh)

    def open_host(self, flags: int) -> int:
        """A host descriptor of exactly this file. Raises KernelError."""
        if self.fresh >= 0:
            fd, self.fresh = self.fresh, -1
            return fd
        held = self.held()
        if held >= 0 and not self.nlink:
            return self._reopen(held, flags)
        fd = self.fs.tree.open(self.path(), flags)
        return _checked(fd, self.identity)

    def _reopen(self, held: int, flags: int) -> int:
        """The file has no name any more: by a descriptor that is open."""
        try:
            return os.open(b"/proc/self/fd/%d" % held, flags | os.O_CLOEXEC)
        except OSError as error:
            raise host_error(error) from None

    def open(self, dentry: Dentry, flags: int, task: Task) -> File:
        return RwFile(dentry, flags)


class RwDir(RwInode):
    """A directory; all changes go through its descriptor."""

    @contextmanager
    def directory(self) -> Iterator[int]:
        """A descriptor of exactly this directory; errors of the host become ours."""
        fd = -1
        try:
            fd = self.fs.tree.directory(self.path())
            check_identity(fd, self.identity)
            yield fd
        except OSError as error:
            raise host_error(error) from None
        finally:
            if fd >= 0:
                os.close(fd)

    def open(self, dentry: Dentry, flags: int, task: Task) -> File:
        return DirFile(dentry, flags)

    def lookup(self, name: bytes) -> Inode:
        with self.directory() as fd:
            return self._found(name, fd)

    def _found(self, name: bytes, fd: int) -> RwInode:
        return self.fs.inode(self, name, os.stat(name, dir_fd=fd, follow_symlinks=False))

    def iterate_dots(self, dentry: Dentry) -> Iterator[DirEntry]:
        above = follow_up(dentry)
        fd = self.fs.tree.open(self.path() or b"/", os.O_RDONLY | os.O_DIRECTORY)
        try:
            check_identity(fd, self.identity)
            for entry in host_entries(fd):
                if entry.name == b".." and above is not None:
                    entry.ino = above.inode.ino
                yield entry
        except OSError as error:
            raise host_error(error) from None
        finally:
            os.close(fd)

    def create(self, name: bytes, mode: int, cred: Credentials, rdev: int = 0) -> Inode:
        kind, bits = stat.S_IFMT(mode), mode & 0o7777
        if kind in (stat.S_IFCHR, stat.S_IFBLK):
            raise KernelError(Errno.EPERM)
        fresh = -1
        with self.directory() as fd:
            if kind == stat.S_IFDIR:
                os.mkdir(name, bits & 0o1777, dir_fd=fd)
            elif kind == stat.S_IFREG:
                flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                fresh = os.open(name, flags, 0o600, dir_fd=fd)
            else:
                os.mknod(name, kind | 0o600, 0, dir_fd=fd)
            inode = self._found(name, fd)
        if isinstance(inode, RwRegularInode):
            # open(O_CREAT | O_WRONLY, 0444) may write what nobody may open again.
            inode.fresh = fresh
        # Our own umask must not matter; set-group-ID directories pass theirs on.
        self._set_new_mode(inode, bits | inode.mode & stat.S_ISGID if inode.is_dir else bits)
        self._give(inode, cred)
        return inode

    def tmpfile(self, mode: int, cred: Credentials) -> Inode:
        with self.directory() as fd:
            fresh = os.open(b".", os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600, dir_fd=fd)
        found = os.fstat(fresh)
        inode = self.fs.inode(self, b"#%d" % found.st_ino, found)
        assert isinstance(inode, RwRegularInode)
        inode.fresh = fresh
        self._set_new_mode(inode, mode)
        self._give(inode, cred)
        return inode

    def _set_new_mode(self, inode: RwInode, bits: int) -> None:
        if inode.mode & 0o7777 != bits:
            inode.setattr(mode=bits)

    def _give(self, inode: RwInode, cred: Credentials) -> None:
        """A new file belongs to the program's file-system ids, where the host allows that."""
        gid = self.gid if self.mode & stat.S_ISGID else cred.fsgid
        if (inode.uid, inode.gid) != (cred.fsuid, gid):
            mode = inode.mode & 0o7777
            try:
                inode.setattr(uid=cred.fsuid, gid=gid)
                if mode & 0o6000:
                    inode.setattr(mode=mode)
            except KernelError:
                pass

    def symlink(self, name: bytes, target: bytes, cred: Credentials) -> Inode:
        with self.directory() as fd:
            os.symlink(target, name, dir_fd=fd)
            inode = self._found(name, fd)
        self._give(inode, cred)
        return inode

    def link(self, name: bytes, inode: Inode) -> None:
        assert isinstance(inode, RwInode)
        assert inode.parent is not None
        if not inode.nlink and (held := inode.held()) >= 0:
            # O_TMPFILE: it gets its first name.
            with self.directory() as fd:
                os.link(b"/proc/self/fd/%d" % held, name, dst_dir_fd=fd, follow_symlinks=True)
                self._found(name, fd)
            return
        with inode.parent.directory() as source, self.directory() as fd:
            found = os.stat(inode.name, dir_fd=source, follow_symlinks=False)
            if (found.st_dev, found.st_ino) != inode.identity:
                raise KernelError(Errno.ESTALE)
            os.link(inode.name, name, src_dir_fd=source, dst_dir_fd=fd, follow_symlinks=False)
            self._found(name, fd)

    def unlink(self, name: bytes, inode: Inode) -> None:
        with self.directory() as fd:
            os.unlink(name, dir_fd=fd)
        inode.nlink -= 1
        inode.refresh()

    def rmdir(self, name: bytes, inode: Inode) -> None:
        with self.directory() as fd:
            os.rmdir(name, dir_fd=fd)
        inode.nlink = 0

    def rename(
        self, name: bytes, inode: Inode, to: Inode, new_name: bytes, victim: Inode | None
    ) -> None:
        assert isinstance(to, RwDir)
        assert isinstance(inode, RwInode)
        with self.directory() as source, to.directory() as target:
            os.rename(name, new_name, src_dir_fd=source, dst_dir_fd=target)
        inode.parent, inode.name = to, new_name
        if victim is not None:
            victim.nlink = 0 if victim.is_dir else victim.nlink - 1

    def exchange(self, name: bytes, inode: Inode, to: Inode, new_name: bytes, other: Inode) -> None:
        from youcpu.kernel.vfs.host_calls import host_exchange

        assert isinstance(to, RwDir)
        assert isinstance(inode, RwInode)
        assert isinstance(other, RwInode)
        with self.directory() as source, to.directory() as target:
            host_exchange(source, name, target, new_name)
        inode.parent, inode.name = to, new_name
        other.parent, other.name = self, name
