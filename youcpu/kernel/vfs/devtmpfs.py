"""/dev: drivers/base/devtmpfs.c, drivers/char/mem.c, drivers/char/random.c."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.kernel.cred import Credentials
from youcpu.kernel.errors import KernelError
from youcpu.kernel.tty.tty import CONSOLE, SERIAL, TTY, Tty, open_tty
from youcpu.kernel.vfs.file import File
from youcpu.kernel.vfs.kmsg import KmsgDevice
from youcpu.kernel.vfs.tmpfs import MemDir, TmpFs

if TYPE_CHECKING:
    from youcpu.kernel.kernel import Kernel
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.dcache import Dentry
    from youcpu.kernel.vfs.hostrw import RwNode
    from youcpu.kernel.vfs.inode import Inode
    from youcpu.kernel.vfs.tmpfs import MemNode

_NODES = (
    (b"null", 1, 3),
    (b"zero", 1, 5),
    (b"full", 1, 7),
    (b"random", 1, 8),
    (b"urandom", 1, 9),
    (b"tty", 5, 0),
)
_LINKS = (
    (b"fd", b"/proc/self/fd"),
    (b"stdin", b"/proc/self/fd/0"),
    (b"stdout", b"/proc/self/fd/1"),
    (b"stderr", b"/proc/self/fd/2"),
)
#: /dev/kmsg, of a booted machine.
KMSG = (1, 11)
_ROOT = Credentials.of(0, 0)


class DevFs(TmpFs):
    """The device nodes that there are; none is the host's."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel, "devtmpfs", _host_dev(b"/dev", os.makedev(0, 5)))
        root = self.make(stat.S_IFDIR | 0o755, _ROOT, None)
        assert isinstance(root, MemDir)
        self.root = root
        for name, major, minor in _NODES:
            root.create(name, stat.S_IFCHR | 0o666, _ROOT, os.makedev(major, minor))
        for name, target in _LINKS:
            root.symlink(name, target, _ROOT)
        for name in (b"shm", b"pts"):
            root.create(name, stat.S_IFDIR | 0o755, _ROOT)

    def add_console(self) -> None:
        """The nodes of a booted machine's console and log."""
        nodes = ((b"console", CONSOLE, 0o600), (b"ttyS0", SERIAL, 0o660), (b"kmsg", KMSG, 0o644))
        for name, number, mode in nodes:
            self.root.create(name, stat.S_IFCHR | mode, _ROOT, os.makedev(*number))

    def shared_memory(self, sb: TmpFs) -> Inode:
        """Root directory of the tmpfs on /dev/shm."""
        return sb.make(stat.S_IFDIR | 0o1777, _ROOT, None)

    def add_terminal(self, path: bytes, rdev: int, uid: int, gid: int) -> None:
        """The node of a terminal that is one of the standard descriptors: ttyname(3) wants it."""
        names = path.split(b"/")[2:]
        place: Inode = self.root
        for name in names[:-1]:
            try:
                place = place.lookup(name)
            except KernelError:
                place = place.create(name, stat.S_IFDIR | 0o755, _ROOT)
        try:
            place.lookup(names[-1])
        except KernelError:
            place.create(names[-1], stat.S_IFCHR | 0o620, Credentials.of(uid, gid), rdev)


def _host_dev(path: bytes, other: int) -> int:
    try:
        return os.stat(path).st_dev
    except OSError:
        return other


def open_device(inode: MemNode | RwNode, dentry: Dentry, flags: int, task: Task) -> File:
    """Open a character device by its number. Raises ENXIO where we have no driver."""
    number = (os.major(inode.rdev), os.minor(inode.rdev))
    if number in (TTY, CONSOLE, SERIAL):
        tty = task.group.tty if number == TTY else task.kernel.vfs.console_tty
        if isinstance(tty, Tty):
            return open_tty(tty, dentry, flags, task, number == CONSOLE)
    if number == (5, 0) or inode.rdev in task.kernel.vfs.terminals:
        return task.kernel.vfs.open_terminal(inode.rdev, dentry, flags)
    factory = _DRIVERS.get(number) if inode.kind == stat.S_IFCHR else None
    if factory is None:
        raise KernelError(Errno.ENXIO)
    return factory(dentry, flags)


class NullDevice(File):
    """/dev/null."""

    __slots__ = ()

    def read(self, count: int) -> bytes:
        return b""

    def pread(self, count: int, offset: int) -> bytes:
        return b""

    def write(self, data: bytes) -> int:
        return len(data)

    def pwrite(self, data: bytes, offset: int) -> int:
        return len(data)

    def seek(self, offset: int, whence: int) -> int:
        # null_lseek(): always at 0.
        self.pos = 0
        return 0


class ZeroDevice(NullDevice):
    """/dev/zero."""

    __slots__ = ()

    def read(self, count: int) -> bytes:
        return bytes(count)

    def pread(self, count: int, offset: int) -> bytes:
        return bytes(count)

    def mmap(self, shared: bool, writable: bool) -> None:
        """Maps as anonymous memory; the inode has no pages of its own."""


class FullDevice(ZeroDevice):
    """/dev/full."""

    __slots__ = ()

    def write(self, data: bytes) -> int:
        raise KernelError(Errno.ENOSPC)

    def pwrite(self, data: bytes, offset: int) -> int:
        raise KernelError(Errno.ENOSPC)


class RandomDevice(File):
    """/dev/random and /dev/urandom: the machine's seeded generator."""

    __slots__ = ()

    def read(self, count: int) -> bytes:
        return self.inode.sb.kernel.random.randbytes(count)

    def pread(self, count: int, offset: int) -> bytes:
        return self.read(count)

    def write(self, data: bytes) -> int:
        return len(data)

    def pwrite(self, data: bytes, offset: int) -> int:
        return len(data)

    def seek(self, offset: int, whence: int) -> int:
        # noop_llseek(), and reading does not move the position.
        self.pos = 0
        return 0


_DRIVERS = {
    (1, 3): NullDevice,
    (1, 5): ZeroDevice,
    (1, 7): FullDevice,
    (1, 8): RandomDevice,
    (1, 9): RandomDevice,
    KMSG: KmsgDevice,
}
