"""The host's files, read only: what lies under the overlay. Plays the part of fs/ext4.

A HostTree is a directory of the host; paths in it start with "/" and have no symbolic link
but perhaps the last component: namei.py walks them, the host never does. FIFOs, sockets and
devices of the host are never opened.
"""

from __future__ import annotations

import os
import stat
from collections import OrderedDict
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.kernel.errors import KernelError
from youcpu.kernel.vfs.inode import DirEntry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from youcpu.kernel.vfs.super import Kstatfs

#: Every open of the host: no symbolic link at the end, no terminal, no waiting for FIFOs.
_SAFE = os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC | os.O_NONBLOCK
_PATH = getattr(os, "O_PATH", 0) | os.O_NOFOLLOW | os.O_CLOEXEC
#: Host descriptors kept open for reading; the host's own limit is often 1024.
POOL = 256
_ERRNOS = {int(errno): errno for errno in Errno}


def host_error(error: OSError) -> KernelError:
    """The host's answer as the program shall see it."""
    number = error.errno
    if number == Errno.EMFILE:
        number = Errno.ENFILE
    return KernelError(_ERRNOS.get(number or 0, Errno.EIO))


class HostTree:
    """A directory of the host, reached by path strings.

    Good where nobody changes directories into symbolic links under our feet to leave it:
    with the host's own root there is nothing to leave. Otherwise: StrictHostTree.
    """

    def __init__(self, root: bytes) -> None:
        self.root = root.rstrip(b"/")

    def lstat(self, path: bytes) -> os.stat_result:
        """Raises KernelError."""
        try:
            return os.lstat(self.root + path)
        except OSError as error:
            raise host_error(error) from None

    def readlink(self, path: bytes) -> bytes:
        """Raises KernelError."""
        try:
            return os.readlink(self.root + path)
        except OSError as error:
            raise host_error(error) from None

    def open(self, path: bytes, flags: int) -> int:
        """A host descriptor of a regular file or directory. Raises KernelError."""
        try:
            return os.open(self.root + path, flags | _SAFE)
        except OSError as error:
            raise host_error(error) from None

    def access(self, path: bytes, mask: int) -> bool:
        """What the host says of its own access rights (it may have ACLs)."""
        try:
            return os.access(self.root + path, mask, follow_symlinks=False, effective_ids=True)
        except (OSError, NotImplementedError):
            return False

    def listxattr(self, path: bytes) -> list[bytes]:
        """Names of the extended attributes. Raises KernelError."""
        try:
            return [os.fsencode(n) for n in os.listxattr(self.root + path, follow_symlinks=False)]
        except OSError as error:
            raise host_error(error) from None

    def getxattr(self, path: bytes, name: bytes) -> bytes:
        """Raises KernelError."""
        try:
            return os.getxattr(self.root + path, name, follow_symlinks=False)
        except OSError as error:
            raise host_error(error) from None

    def entries(self, path: bytes, identity: tuple[int, int]) -> list[DirEntry]:
        """All entries in the host's order, "." and ".." where the host has them."""
        fd = self.open(path or b"/", os.O_RDONLY | os.O_DIRECTORY)
        try:
            check_identity(fd, identity)
            return list(host_entries(fd))
        except OSError as error:
            raise host_error(error) from None
        finally:
            os.close(fd)

    def statfs(self, path: bytes) -> Kstatfs | None:
        """statfs(2) of the host; None where it cannot be asked."""
        from youcpu.kernel.vfs.host_calls import host_statfs

        return host_statfs(self.root + path or b"/")

    def birth_ns(self, path: bytes) -> int | None:
        """Time of birth by the host's statx; None where it does not say."""
        from youcpu.kernel.vfs.host_calls import host_birth_ns

        return host_birth_ns(self.root + path or b"/")


class StrictHostTree(HostTree):
    """A directory of the host that cannot be left: every component is opened beneath the last.

    Used where others may swap directories for symbolic links meanwhile: below --rw and
    --rootfs. The descriptor of the root is held for good.
    """

    def __init__(self, root: bytes) -> None:
        super().__init__(root)
        self.root_fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def directory(self, path: bytes) -> int:
        """O_PATH descriptor of a directory, to be closed by the caller. Raises OSError."""
        fd = os.dup(self.root_fd)
        for name in path.split(b"/"):
            if not name:
                continue
            try:
                deeper = os.open(name, _PATH | os.O_DIRECTORY, dir_fd=fd)
            finally:
                os.close(fd)
            fd = deeper
        return fd

    def at(self, path: bytes) -> tuple[int, bytes]:
        """Descriptor of the directory (to be closed) and the last component."""
        head, _, name = path.rpartition(b"/")
        return self.directory(head), name or b"."

    def lstat(self, path: bytes) -> os.stat_result:
        try:
            fd, name = self.at(path)
            try:
                return os.stat(name, dir_fd=fd, follow_symlinks=False)
            finally:
                os.close(fd)
        except OSError as error:
            raise host_error(error) from None

    def readlink(self, path: bytes) -> bytes:
        try:
            fd, name = self.at(path)
            try:
                return os.readlink(name, dir_fd=fd)
            finally:
                os.close(fd)
        except OSError as error:
            raise host_error(error) from None

    def open(self, path: bytes, flags: int) -> int:
        try:
            fd, name = self.at(path)
            try:
                return os.open(name, flags | _SAFE, dir_fd=fd)
            finally:
                os.close(fd)
        except OSError as error:
            raise host_error(error) from None

    def access(self, path: bytes, mask: int) -> bool:
        try:
            fd, name = self.at(path)
            try:
                return os.access(name, mask, dir_fd=fd, follow_symlinks=False, effective_ids=True)
            finally:
                os.close(fd)
        except (OSError, NotImplementedError):
            return False

    def listxattr(self, path: bytes) -> list[bytes]:
        fd = self.open(path, os.O_RDONLY)
        try:
            return [os.fsencode(name) for name in os.listxattr(fd)]
        except OSError as error:
            raise host_error(error) from None
        finally:
            os.close(fd)

    def getxattr(self, path: bytes, name: bytes) -> bytes:
        fd = self.open(path, os.O_RDONLY)
        try:
            return os.getxattr(fd, name)
        except OSError as error:
            raise host_error(error) from None
        finally:
            os.close(fd)

    def statfs(self, path: bytes) -> Kstatfs | None:
        return super().statfs(b"")

    def birth_ns(self, path: bytes) -> int | None:
        return None


def check_identity(fd: int, identity: tuple[int, int]) -> None:
    """Another file has taken the place of the one looked up: ESTALE."""
    found = os.fstat(fd)
    if (found.st_dev, found.st_ino) != identity:
        raise KernelError(Errno.ESTALE)


def host_entries(fd: int) -> Iterator[DirEntry]:
    """Entries of an open host directory, as getdents64 gives them."""
    from youcpu.kernel.vfs.host_calls import host_getdents

    raw = host_getdents(fd)
    if raw is not None:
        yield from raw
        return
    yield DirEntry(b".", os.fstat(fd).st_ino, stat.S_IFDIR >> 12)
    yield DirEntry(b"..", os.stat("..", dir_fd=fd).st_ino, stat.S_IFDIR >> 12)
    with os.scandir(fd) as entries:
        for entry in entries:
            kind = entry.stat(follow_symlinks=False).st_mode >> 12
            yield DirEntry(os.fsencode(entry.name), entry.inode(), kind)


class HostFile:
    """A regular file of the host; its descriptor is opened at need and may be taken away."""

    __slots__ = ("__weakref__", "identity", "path", "pool", "tree")

    def __init__(
        self, tree: HostTree, path: bytes, identity: tuple[int, int], pool: HostFdPool
    ) -> None:
        self.tree = tree
        self.path = path
        self.identity = identity
        self.pool = pool

    def pread(self, count: int, offset: int) -> bytes:
        """Raises KernelError."""
        try:
            return os.pread(self.pool.fd(self), count, offset)
        except OSError as error:
            raise host_error(error) from None

    def preadv(self, into: memoryview, offset: int) -> int:
        """Fill a buffer; bytes read. Raises KernelError."""
        try:
            return os.preadv(self.pool.fd(self), [into], offset)
        except OSError as error:
            raise host_error(error) from None

    def __del__(self) -> None:
        self.pool.close(self)


class HostFdPool:
    """Open host descriptors, the one longest unused goes first."""

    def __init__(self, limit: int = POOL) -> None:
        self.limit = limit
        #: (id of the HostFile) -> fd; the HostFile removes itself.
        self._fds: OrderedDict[int, int] = OrderedDict()

    def fd(self, file: HostFile) -> int:
        """Descriptor of a file, opened if need be. Raises KernelError."""
        key = id(file)
        fd = self._fds.get(key)
        if fd is not None:
            self._fds.move_to_end(key)
            return fd
        while len(self._fds) >= self.limit:
            os.close(self._fds.popitem(last=False)[1])
        fd = file.tree.open(file.path, os.O_RDONLY)
        try:
            check_identity(fd, file.identity)
        except KernelError:
            os.close(fd)
            raise
        self._fds[key] = fd
        return fd

    def close(self, file: HostFile) -> None:
        """The file is no longer of use."""
        fd = self._fds.pop(id(file), None)
        if fd is not None:
            os.close(fd)
