"""Open file descriptions: include/linux/fs.h struct file, fs/read_write.c, fs/readdir.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import (
    O_ACCMODE,
    O_APPEND,
    O_NONBLOCK,
    O_PATH,
    O_RDWR,
    O_WRONLY,
    SEEK_CUR,
    SEEK_DATA,
    SEEK_END,
    SEEK_HOLE,
    SEEK_SET,
)
from youcpu.abi.poll import POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM
from youcpu.kernel.errors import KernelError
from youcpu.kernel.vfs.dcache import d_path
from youcpu.kernel.vfs.fsnotify import IN_CLOSE_NOWRITE, IN_CLOSE_WRITE, fsnotify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.dcache import Dentry
    from youcpu.kernel.vfs.fdtable import FdTable
    from youcpu.kernel.vfs.inode import DirEntry, Inode
    from youcpu.kernel.wait import WaitQueue

ALWAYS_READY = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM

#: An open file's share of accounted memory.
FILE_COST = 1024
#: An entry of a directory being read.
ENTRY_COST = 256
MAX_OFFSET = (1 << 63) - 1
#: Every file system has files as long as this.
SMALL_OFFSET = 1 << 31


class File:
    """One open file. Offsets and flags are shared by all its descriptors.

    `read` and `write` use and move the offset; a kind of file without one overrides them.
    They may raise Blocked. `stream`: what is read is gone, so it must not be read in vain.
    """

    __slots__ = (
        "__weakref__",
        "charged",
        "dentry",
        "flags",
        "inode",
        "owner",
        "pos",
        "refs",
        "watchers",
    )
    stream = False
    #: A write waits until all bytes have found room (pipes, stream sockets, terminals).
    writes_all = False
    #: read_to() finds out by itself that the program's buffer is not there.
    checks_buffer = False
    #: pread, pwrite and lseek make sense.
    seekable = True
    #: FOP_UNSIGNED_OFFSET: offsets are addresses.
    unsigned_offset = False
    #: poll(2) waits for it, epoll takes it.
    pollable = False

    def __init__(self, dentry: Dentry, flags: int) -> None:
        self.dentry = dentry
        self.inode: Inode = dentry.inode
        self.flags = flags
        self.pos = 0
        self.refs = 0
        #: Bytes that count against guest RAM.
        self.charged = 0
        #: F_SETOWN: pid.
        self.owner = 0
        #: epoll items that must go with the last descriptor.
        self.watchers: list[object] | None = None

    @property
    def readable(self) -> bool:
        return self.flags & O_ACCMODE != O_WRONLY and not self.flags & O_PATH

    @property
    def writable(self) -> bool:
        return self.flags & O_ACCMODE in (O_WRONLY, O_RDWR) and not self.flags & O_PATH

    @property
    def nonblocking(self) -> bool:
        return bool(self.flags & O_NONBLOCK)

    def path(self, root: Dentry) -> bytes:
        """Where it is, as seen from a root directory; " (deleted)" where the name is gone."""
        path = d_path(self.dentry, root)[0]
        return path + b" (deleted)" if self.dentry.deleted else path

    @property
    def queue(self) -> WaitQueue | None:
        """Where to wait for a change of poll(); None: it never changes."""
        return None

    def read(self, count: int) -> bytes:
        """Up to `count` bytes from the offset, which moves."""
        data = self.pread(count, self.pos)
        self.pos += len(data)
        return data

    def read_to(self, count: int, store: Callable[[bytes], int]) -> int:
        """Read and hand on to `store`, which tells how many bytes it had a place for."""
        data = self.read(count)
        stored = store(data)
        if data and not stored:
            raise KernelError(Errno.EFAULT)
        return stored

    def pread(self, count: int, offset: int) -> bytes:
        """Up to `count` bytes at `offset`; empty at the end."""
        raise KernelError(Errno.EINVAL)

    def write(self, data: bytes) -> int:
        """Write at the offset (at the end with O_APPEND), which moves; bytes written."""
        if self.flags & O_APPEND:
            self.inode.refresh()
            self.pos = self.inode.size
        done = self.pwrite(data, self.pos)
        self.pos += done
        return done

    def write_unit(self, wanted: int, readable: int) -> int:
        """So many bytes are written where the program's memory ends before all it `wanted`."""
        return readable

    def pwrite(self, data: bytes, offset: int) -> int:
        """Write at `offset`; bytes written."""
        raise KernelError(Errno.EINVAL)

    def seek(self, offset: int, whence: int) -> int:
        """lseek(2): the new offset."""
        if not self.seekable:
            raise KernelError(Errno.ESPIPE)
        if whence >= SEEK_END:
            self.inode.refresh()
        return self._seek_to(self._target(offset, whence, self.inode.size))

    def _target(self, offset: int, whence: int, size: int) -> int:
        if whence == SEEK_CUR:
            return self.pos + offset
        if whence == SEEK_END:
            return size + offset
        if whence == SEEK_SET:
            return offset
        if whence not in (SEEK_DATA, SEEK_HOLE):
            raise KernelError(Errno.EINVAL)
        if not 0 <= offset < size:
            raise KernelError(Errno.ENXIO)
        return offset if whence == SEEK_DATA else size

    def _seek_to(self, target: int) -> int:
        if not 0 <= target <= MAX_OFFSET or (
            target > SMALL_OFFSET and target > self.inode.sb.max_bytes()
        ):
            # The sum wraps around in loff_t, and a negative one is refused as well.
            raise KernelError(Errno.EINVAL)
        self.pos = target
        return target

    def entries(self, start: int) -> Iterator[tuple[DirEntry, int]]:
        """Directory entries from cookie `start` with the cookie after each."""
        raise KernelError(Errno.ENOTDIR)

    def poll(self) -> int:
        """POLL* events that hold now."""
        return ALWAYS_READY

    def ioctl(self, task: Task, command: int, argument: int) -> int:
        """Raises ENOTTY unless the kind of file knows the command."""
        raise KernelError(Errno.ENOTTY)

    def sync(self) -> None:
        """fsync(2)."""

    def pipe_size(self) -> int:
        """F_GETPIPE_SZ. Raises EBADF: not a pipe."""
        raise KernelError(Errno.EBADF)

    def set_pipe_size(self, size: int) -> int:
        """F_SETPIPE_SZ: the size that it has then."""
        raise KernelError(Errno.EBADF)

    def get_seals(self) -> int:
        """F_GET_SEALS. Raises EINVAL: not a file in memory."""
        raise KernelError(Errno.EINVAL)

    def add_seals(self, seals: int) -> None:
        """F_ADD_SEALS."""
        raise KernelError(Errno.EINVAL)

    def put(self) -> None:
        """One user less; the last one releases the file."""
        self.refs -= 1
        if self.refs == 0:
            if self.watchers:
                from youcpu.kernel.vfs.eventpoll import forget

                forget(self)
            if self.inode.sb.kernel.vfs.watched and not self.flags & O_PATH:
                fsnotify(self.dentry, IN_CLOSE_WRITE if self.writable else IN_CLOSE_NOWRITE)
            self.release()
            self.inode.sb.kernel.vfs.kmem.uncharge(self.charged)
            self.charged = 0

    def charge(self, size: int = FILE_COST, errno: Errno = Errno.ENFILE) -> None:
        """Count `size` more bytes until the file is released. Raises `errno`."""
        if not self.inode.sb.kernel.vfs.kmem.charge(size):
            raise KernelError(errno)
        self.charged += size

    def recharge(self, old: int, new: int) -> None:
        """What the file keeps grew or shrank. Raises ENOMEM."""
        if new > old:
            self.charge(new - old, Errno.ENOMEM)
        else:
            self.inode.sb.kernel.vfs.kmem.uncharge(old - new)
            self.charged -= old - new

    def flush(self, table: FdTable) -> None:
        """A descriptor was closed: record locks of that process go (fs/locks.c)."""
        if self.inode.locks is not None:
            from youcpu.kernel.vfs.locks import remove_posix

            remove_posix(self.inode, table)

    def mmap(self, shared: bool, writable: bool) -> None:
        """About to be mapped; `writable` shared pages will change the file. Raises ENODEV."""
        if self.inode.mapping is None:
            raise KernelError(Errno.ENODEV)

    def release(self) -> None:
        """The last user is gone."""
        if self.writable and self.inode.writecount > 0:
            self.inode.writecount -= 1
        if self.inode.locks is not None:
            from youcpu.kernel.vfs.locks import remove_flock

            remove_flock(self.inode, self)


class PathFile(File):
    """O_PATH: a place only. Nearly every use is EBADF (callers check the flag)."""

    __slots__ = ()

    def release(self) -> None:
        """Nothing was opened."""


class DirFile(File):
    """An open directory: fs/readdir.c, fs/libfs.c dcache_readdir.

    The entries are taken when reading starts at 0; the offset counts them.
    """

    __slots__ = ("_entries",)

    def __init__(self, dentry: Dentry, flags: int) -> None:
        super().__init__(dentry, flags)
        self._entries: list[DirEntry] | None = None

    def read(self, count: int) -> bytes:
        raise KernelError(Errno.EISDIR)

    def pread(self, count: int, offset: int) -> bytes:
        raise KernelError(Errno.EISDIR)

    def entries(self, start: int) -> Iterator[tuple[DirEntry, int]]:
        if start == 0 or self._entries is None:
            entries = list(self._all())
            old = len(self._entries or ())
            self.recharge(old * ENTRY_COST, len(entries) * ENTRY_COST)
            self._entries = entries
        for index in range(start, len(self._entries)):
            yield self._entries[index], index + 1

    def _all(self) -> Iterator[DirEntry]:
        return self.inode.iterate_dots(self.dentry)

    def seek(self, offset: int, whence: int) -> int:
        if whence not in (SEEK_SET, SEEK_CUR):
            raise KernelError(Errno.EINVAL)
        return self._seek_to(self._target(offset, whence, 0))
