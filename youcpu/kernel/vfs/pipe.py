"""Pipes and FIFOs: fs/pipe.c, fs/fifo.c."""

from __future__ import annotations

import stat
from collections import deque
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import O_ACCMODE, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY
from youcpu.abi.poll import POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM
from youcpu.kernel.errors import Blocked, KernelError
from youcpu.kernel.mm.uaccess import put_user
from youcpu.kernel.vfs.dcache import Dentry
from youcpu.kernel.vfs.file import File
from youcpu.kernel.vfs.inode import Inode
from youcpu.kernel.wait import WaitQueue

if TYPE_CHECKING:
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.hostrw import RwNode
    from youcpu.kernel.vfs.kmem import KernelMemory
    from youcpu.kernel.vfs.tmpfs import MemNode

PIPE_BUF = 4096
PIPE_SIZE = 65536
#: fs.pipe-max-size
PIPE_MAX_SIZE = 1 << 20
FIONREAD = 0x541B
_READ, _WRITE = 1, 2


class Pipe:
    """struct pipe_inode_info: bytes on their way, and who is at the ends."""

    __slots__ = ("chunks", "kmem", "packets", "queue", "readers", "size", "used", "writers")

    def __init__(self, kmem: KernelMemory) -> None:
        self.kmem = kmem
        self.chunks: deque[bytes] = deque()
        self.used = 0
        self.size = PIPE_SIZE
        self.readers = self.writers = 0
        self.queue = WaitQueue()
        #: O_DIRECT: a read gives one write at most.
        self.packets = False

    def __del__(self) -> None:
        self.kmem.uncharge(self.used)

    def room(self) -> int:
        """Bytes that can be written; a packet takes a page whatever its size."""
        if self.packets and len(self.chunks) >= self.size // PIPE_BUF:
            return 0
        return self.size - self.used

    def take(self, count: int) -> bytes:
        """Up to `count` bytes from the front."""
        if len(self.chunks) == 1 and len(self.chunks[0]) <= count:
            data = self.chunks.popleft()
            self._release(len(data))
            return data
        parts = []
        left = count
        while left and self.chunks:
            chunk = self.chunks.popleft()
            if len(chunk) > left:
                if not self.packets:
                    self.chunks.appendleft(chunk[left:])
                else:
                    self._release(len(chunk) - left)
                chunk = chunk[:left]
            parts.append(chunk)
            left -= len(chunk)
            if self.packets:
                break
        data = b"".join(parts)
        self._release(len(data))
        return data

    def _release(self, count: int) -> None:
        self.used -= count
        self.kmem.uncharge(count)

    def peek(self, count: int) -> bytes:
        """The first `count` bytes, which stay: tee(2)."""
        parts = []
        for chunk in self.chunks:
            if count <= 0:
                break
            parts.append(chunk[:count])
            count -= len(chunk)
        return b"".join(parts)

    def put_back(self, data: bytes) -> None:
        """What was taken but found no place goes to the front again."""
        if data:
            self.chunks.appendleft(data)
            self.used += len(data)
            self.kmem.used += len(data)

    def give(self, data: bytes) -> None:
        """Append bytes; there is room. Raises ENOMEM."""
        if not self.kmem.charge(len(data)):
            raise KernelError(Errno.ENOMEM)
        # Small writes join, or a million of one byte would cost us a million objects.
        if self.chunks and not self.packets and len(self.chunks[-1]) + len(data) <= PIPE_BUF:
            self.chunks[-1] += data
        else:
            self.chunks.append(data)
        self.used += len(data)


class PipeInode(Inode):
    """An inode of pipefs."""

    __slots__ = ("pipe",)

    def __init__(self, task: Task, pipe: Pipe) -> None:
        sb = task.kernel.vfs.pipefs
        super().__init__(sb, sb.new_ino(), stat.S_IFIFO | 0o600, task.cred.fsuid, task.cred.fsgid)
        self.pipe = pipe

    def open(self, dentry: Dentry, flags: int, task: Task) -> File:
        """By its magic link in /proc/PID/fd: as a FIFO."""
        return _open_pipe(self.pipe, dentry, flags, task, wait=False)


class PipeFile(File):
    """One end of a pipe, or both (a FIFO opened O_RDWR)."""

    __slots__ = ("pipe", "released")
    stream = True
    seekable = False
    pollable = True
    writes_all = True

    def __init__(self, dentry: Dentry, flags: int, pipe: Pipe) -> None:
        super().__init__(dentry, flags)
        self.pipe = pipe
        self.released = False
        pipe.readers += self.readable
        pipe.writers += self.writable

    @property
    def queue(self) -> WaitQueue:
        return self.pipe.queue

    def read(self, count: int) -> bytes:
        pipe = self.pipe
        if not count:
            return b""
        if not pipe.used:
            if not pipe.writers:
                return b""
            if self.nonblocking:
                raise KernelError(Errno.EAGAIN)
            raise Blocked(pipe.queue)
        data = pipe.take(count)
        pipe.queue.wake_up()
        return data

    def write(self, data: bytes) -> int:
        pipe = self.pipe
        if not pipe.readers:
            raise KernelError(Errno.EPIPE)
        if not data:
            return 0
        room = pipe.room()
        # Up to PIPE_BUF bytes are written at once or not at all.
        if room <= 0 or (len(data) <= PIPE_BUF and room < len(data)):
            if self.nonblocking:
                raise KernelError(Errno.EAGAIN)
            raise Blocked(pipe.queue)
        part = data[:room]
        pipe.give(part)
        pipe.queue.wake_up()
        return len(part)

    def pread(self, count: int, offset: int) -> bytes:
        raise KernelError(Errno.ESPIPE)

    def pwrite(self, data: bytes, offset: int) -> int:
        raise KernelError(Errno.ESPIPE)

    def poll(self) -> int:
        pipe = self.pipe
        events = 0
        if self.readable:
            if pipe.used:
                events |= POLLIN | POLLRDNORM
            if not pipe.writers:
                events |= POLLHUP
        if self.writable:
            if pipe.room() >= PIPE_BUF:
                events |= POLLOUT | POLLWRNORM
            if not pipe.readers:
                events |= POLLERR
        return events

    def ioctl(self, task: Task, command: int, argument: int) -> int:
        if command != FIONREAD:
            raise KernelError(Errno.ENOTTY)
        put_user(task, argument, self.pipe.used, 4)
        return 0

    def pipe_size(self) -> int:
        return self.pipe.size

    def set_pipe_size(self, size: int) -> int:
        if not 0 < size <= 1 << 31:
            raise KernelError(Errno.EINVAL)
        # A power of two of pages: round_pipe_size().
        size = max(4096, 1 << (size - 1).bit_length())
        if size > PIPE_MAX_SIZE:
            raise KernelError(Errno.EPERM)
        if size < self.pipe.used:
            raise KernelError(Errno.EBUSY)
        self.pipe.size = size
        return size

    def sync(self) -> None:
        raise KernelError(Errno.EINVAL)

    def __del__(self) -> None:
        # An open that a signal ended while it waited for the other side.
        self.release()

    def release(self) -> None:
        if self.released:
            return
        self.released = True
        self.pipe.readers -= self.readable
        self.pipe.writers -= self.writable
        self.pipe.queue.wake_up()


def create_pipe(task: Task, flags: int) -> tuple[PipeFile, PipeFile]:
    """pipe2(2): the end to read and the end to write."""
    pipe = Pipe(task.kernel.vfs.kmem)
    pipe.packets = bool(flags & 0o40000)
    inode = PipeInode(task, pipe)
    dentry = Dentry(b"pipe:[%d]" % inode.ino, inode)
    flags &= O_NONBLOCK | 0o40000
    return PipeFile(dentry, O_RDONLY | flags, pipe), PipeFile(dentry, O_WRONLY | flags, pipe)


def open_fifo(inode: MemNode | RwNode, dentry: Dentry, flags: int, task: Task) -> File:
    """A FIFO of a file system: the pipe lives as long as somebody has it open."""
    pipe = inode.endpoint
    if not isinstance(pipe, Pipe) or not (pipe.readers or pipe.writers or pipe.queue.waiters):
        pipe = inode.endpoint = Pipe(task.kernel.vfs.kmem)
    return _open_pipe(pipe, dentry, flags, task)


def _open_pipe(pipe: Pipe, dentry: Dentry, flags: int, task: Task, wait: bool = True) -> File:
    """fifo_open(): wait for the other end, but for a pipe opened through /proc/PID/fd.

    A wait is remembered by task.restart.
    """
    access = flags & O_ACCMODE
    if access == O_RDWR:
        return PipeFile(dentry, flags, pipe)
    if wait and access == O_WRONLY and flags & O_NONBLOCK and not pipe.readers:
        raise KernelError(Errno.ENXIO)
    waiting = task.restart
    if isinstance(waiting, PipeFile) and waiting.pipe is pipe:
        file = waiting
    else:
        # Open at once, so that the other side sees this one.
        file = PipeFile(dentry, flags, pipe)
        pipe.queue.wake_up()
    others = pipe.writers if access == O_RDONLY else pipe.readers
    if others or not wait or flags & O_NONBLOCK:
        return file
    task.restart = file
    raise Blocked(pipe.queue)
