"""Descriptors of a process: fs/file.c struct files_struct."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.kernel.errors import KernelError

if TYPE_CHECKING:
    from youcpu.kernel.vfs.file import File

#: Default soft RLIMIT_NOFILE of the kernel.
DEFAULT_LIMIT = 1024


class FdTable:
    """fd -> File. `limit` is the soft RLIMIT_NOFILE; prlimit keeps it up to date."""

    __slots__ = ("_used", "cloexec", "files", "limit", "refs")

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self.files: dict[int, File] = {}
        self.cloexec: set[int] = set()
        self.limit = limit
        #: Bit n: fd n is in use. One number: the lowest zero bit is found without a loop.
        self._used = 0
        #: Tasks that share the table (CLONE_FILES).
        self.refs = 1

    def get(self, fd: int) -> File:
        """Open file of `fd`. Raises EBADF."""
        file = self.files.get(fd)
        if file is None:
            raise KernelError(Errno.EBADF)
        return file

    def lowest_free(self, start: int = 0) -> int:
        """Lowest descriptor >= start that is free. Raises EMFILE."""
        used = self._used >> start
        fd = start + (~used & (used + 1)).bit_length() - 1
        if fd >= self.limit:
            raise KernelError(Errno.EMFILE)
        return fd

    def install(self, file: File, cloexec: bool = False, start: int = 0) -> int:
        """Lowest free descriptor >= start for `file`, which gets one more user."""
        fd = self.lowest_free(start)
        self._set(fd, file, cloexec)
        return fd

    def replace(self, fd: int, file: File, cloexec: bool = False) -> None:
        """dup2: `file` at exactly `fd`; what was there is closed. Raises EBADF."""
        if not 0 <= fd < self.limit:
            raise KernelError(Errno.EBADF)
        old = self.files.get(fd)
        self._set(fd, file, cloexec)
        if old is not None:
            old.flush(self)
            old.put()

    def _set(self, fd: int, file: File, cloexec: bool) -> None:
        if not file.charged:
            file.charge()
        file.refs += 1
        self.files[fd] = file
        self._used |= 1 << fd
        if cloexec:
            self.cloexec.add(fd)
        else:
            self.cloexec.discard(fd)

    def close(self, fd: int) -> None:
        """Raises EBADF."""
        file = self.files.pop(fd, None)
        if file is None:
            raise KernelError(Errno.EBADF)
        self._used &= ~(1 << fd)
        self.cloexec.discard(fd)
        file.flush(self)
        file.put()

    def close_on_exec(self) -> None:
        """execve closes what asked for it."""
        for fd in sorted(self.cloexec):
            self.close(fd)

    def close_all(self) -> None:
        """The last user of the table is gone."""
        for fd in sorted(self.files):
            self.close(fd)

    def put(self) -> None:
        """One task less; the last one closes everything."""
        self.refs -= 1
        if not self.refs:
            self.close_all()

    def copy(self) -> FdTable:
        """fork: the same open files, each with one more user."""
        table = FdTable(self.limit)
        for fd, file in self.files.items():
            file.refs += 1
            table.files[fd] = file
        table.cloexec = set(self.cloexec)
        table._used = self._used
        return table

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self.files))
