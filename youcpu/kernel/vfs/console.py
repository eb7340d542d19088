"""Standard input, output and error of the host as files: where the machine meets its user.

What they are shows as it is: fstat, seek and terminal settings are the host's. Of a
terminal's ioctls only those pass that ask, or set the line discipline; none that types
input (TIOCSTI) or takes the terminal away.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import stat
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import O_ACCMODE, O_APPEND, SEEK_DATA, SEEK_HOLE
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.page_cache import AddressSpace
from youcpu.kernel.mm.uaccess import copy_from_user, copy_to_user, put_user
from youcpu.kernel.tty.job_control import jobctrl_ioctl
from youcpu.kernel.vfs.file import File
from youcpu.kernel.vfs.hostfs import host_error
from youcpu.kernel.vfs.inode import Inode, Kstat
from youcpu.kernel.vfs.super import SuperBlock

if TYPE_CHECKING:
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.dcache import Dentry

TCGETS = 0x5401
#: TCSETS, TCSETSW, TCSETSF
TCSETS = (0x5402, 0x5403, 0x5404)
TCGETS2 = 0x802C542A
TCSBRK = 0x5409
TCXONC = 0x540A
TCFLSH = 0x540B
TIOCOUTQ = 0x5411
TIOCGWINSZ = 0x5413
FIONREAD = 0x541B
#: struct termios of the kernel: four flags, line, 19 control characters.
_TERMIOS_SIZE = 36
#: Asking ioctls of a terminal: command -> size of the answer.
_ASKING = {TCGETS: _TERMIOS_SIZE, TCGETS2: 44, TIOCGWINSZ: 8, TIOCOUTQ: 4, FIONREAD: 4}


class HostContent:
    """Pages of a regular file that is a standard descriptor."""

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def fill(self, offset: int, into: memoryview) -> int:
        """Read from the host's file."""
        return os.preadv(self.fd, [into], offset)


class ConsoleInode(Inode):
    """What is behind a host descriptor."""

    __slots__ = ("fd", "saved_termios")

    def __init__(self, sb: SuperBlock, fd: int) -> None:
        self.fd = fd
        #: Terminal settings as they were before the program changed them.
        self.saved_termios: bytes | None = None
        found = os.fstat(fd)
        super().__init__(sb, found.st_ino, found.st_mode, found.st_uid, found.st_gid)
        self.rdev = found.st_rdev
        if stat.S_ISREG(found.st_mode):
            self.mapping = AddressSpace(sb.kernel.frames, HostContent(fd))
        self.refresh()

    def refresh(self) -> None:
        found = os.fstat(self.fd)
        self.mode, self.uid, self.gid = found.st_mode, found.st_uid, found.st_gid
        self.nlink, self.size = found.st_nlink, found.st_size
        self.atime, self.mtime = found.st_atime_ns, found.st_mtime_ns
        self.ctime = found.st_ctime_ns

    def getattr(self) -> Kstat:
        self.refresh()
        found = os.fstat(self.fd)
        answer = super().getattr()
        answer.dev, answer.blksize, answer.blocks = (
            found.st_dev,
            found.st_blksize,
            found.st_blocks,
        )
        return answer

    def restore_terminal(self) -> None:
        """Give the user the terminal settings back that the program changed."""
        if self.saved_termios is not None:
            fcntl.ioctl(self.fd, TCSETS[0], self.saved_termios)

    def setattr(self, **changes: int | None) -> None:
        raise KernelError(Errno.EPERM)

    def truncate(self, size: int) -> None:
        try:
            os.ftruncate(self.fd, size)
        except OSError as error:
            raise host_error(error) from None

    def open(self, dentry: Dentry, flags: int, task: Task) -> File:
        access = fcntl.fcntl(self.fd, fcntl.F_GETFL) & O_ACCMODE
        if access not in (flags & O_ACCMODE, os.O_RDWR):
            raise KernelError(Errno.EACCES)
        return ConsoleFile(dentry, flags)


class ConsoleFile(File):
    """An open standard descriptor of the host; its offset is the host's."""

    __slots__ = ()
    inode: ConsoleInode
    stream = True
    pollable = True
    writes_all = True

    @property
    def seekable(self) -> bool:  # type: ignore[override]
        return self.inode.kind in (stat.S_IFREG, stat.S_IFBLK, stat.S_IFDIR)

    def read(self, count: int) -> bytes:
        self.wait(select.POLLIN)
        try:
            return os.read(self.inode.fd, count)
        except OSError as error:
            raise host_error(error) from None

    def wait(self, events: int) -> None:
        """Stop until the host descriptor is ready. Raises EAGAIN where waiting is not wanted."""
        if self.nonblocking and self.inode.kind != stat.S_IFREG:
            poll = select.poll()
            poll.register(self.inode.fd, events)
            if not poll.poll(0):
                raise KernelError(Errno.EAGAIN)

    def pread(self, count: int, offset: int) -> bytes:
        try:
            return os.pread(self.inode.fd, count, offset)
        except OSError as error:
            raise host_error(error) from None

    def write(self, data: bytes) -> int:
        self.wait(select.POLLOUT)
        try:
            if self.flags & O_APPEND and self.seekable:
                os.lseek(self.inode.fd, 0, os.SEEK_END)
            return os.write(self.inode.fd, data)
        except OSError as error:
            if error.errno == errno.EAGAIN and not self.nonblocking:
                poll = select.poll()
                poll.register(self.inode.fd, select.POLLOUT)
                poll.poll()
                return self.write(data)
            raise host_error(error) from None

    def pwrite(self, data: bytes, offset: int) -> int:
        try:
            return os.pwrite(self.inode.fd, data, offset)
        except OSError as error:
            raise host_error(error) from None

    def seek(self, offset: int, whence: int) -> int:
        if whence not in (0, 1, 2, SEEK_DATA, SEEK_HOLE):
            raise KernelError(Errno.EINVAL)
        try:
            self.pos = os.lseek(self.inode.fd, offset, whence)
        except OSError as error:
            raise host_error(error) from None
        return self.pos

    def poll(self) -> int:
        poll = select.poll()
        poll.register(self.inode.fd, 0x3FF)
        ready = poll.poll(0)
        return ready[0][1] if ready else 0

    def ioctl(self, task: Task, command: int, argument: int) -> int:
        if command == FIONREAD and self.inode.kind == stat.S_IFREG:
            left = self.inode.getattr().size - os.lseek(self.inode.fd, 0, os.SEEK_CUR)
            put_user(task, argument, left, 4)
            return 0
        if not os.isatty(self.inode.fd) and command != FIONREAD:
            raise KernelError(Errno.ENOTTY)
        try:
            return self._terminal(task, command, argument)
        except OSError as error:
            raise host_error(error) from None

    def _terminal(self, task: Task, command: int, argument: int) -> int:
        answer = jobctrl_ioctl(task, task.kernel.host_terminal, command, argument)
        if answer is not None:
            return answer
        fd = self.inode.fd
        size = _ASKING.get(command)
        if size is not None:
            copy_to_user(task, argument, fcntl.ioctl(fd, command, bytes(size)))
        elif command in TCSETS:
            settings = copy_from_user(task, argument, _TERMIOS_SIZE)
            if self.inode.saved_termios is None:
                self.inode.saved_termios = fcntl.ioctl(fd, TCGETS, bytes(_TERMIOS_SIZE))
            fcntl.ioctl(fd, command, settings)
        elif command in (TCSBRK, TCFLSH):
            fcntl.ioctl(fd, command, argument & 0xFFFFFFFF)
        elif command != TCXONC:
            raise KernelError(Errno.ENOTTY)
        return 0

    def sync(self) -> None:
        try:
            os.fsync(self.inode.fd)
        except OSError as error:
            raise host_error(error) from None
