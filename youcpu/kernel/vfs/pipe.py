"""Pipes and FIFOs: fs/pipe.c, fs/fifo.c."""

from __future__ import annotations

import stat
from collections import deque
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import O_ACCMODE, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY
from youcpu.abi.poll import POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM
from youcpu.hardware.memory import PAGE_SIZE
from youcpu.kernel.errors import Blocked, KernelError
from youcpu.kernel.mm.uaccess import put_user
from youcpu.kernel.vfs.dcache import Dentry
from youcpu.kernel.vfs.file import File
from youcpu.kernel.vfs.inode import Inode
from youcpu.kernel.wait import WaitQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.hostrw import RwNode
    from youcpu.kernel.vfs.kmem import KernelMemory
    from youcpu.kernel.vfs.tmpfs import MemNode

PIPE_SIZE = 65536
#: fs.pipe-max-size
PIPE_MAX_SIZE = 1 << 20
FIONREAD = 0x541B
_READ, _WRITE = 1, 2


class PipeBuffer:
    """struct pipe_buffer: what one page of a pipe holds. `end`: where in the page it ends."""

    __slots__ = ("data", "end", "packet")

    def __init__(self, data: bytes, packet: bool) -> None:
        self.data = data
        self.end = len(data)
        self.packet = packet


class Pipe:
    """struct pipe_inode_info: bytes on their way, page by page, and who is at the ends.

    A full pipe is one without a free slot for a page, however few bytes the pages hold.
    """

    __slots__ = ("buffers", "kmem", "packets", "queue", "readers", "size", "used", "writers")

    def __init__(self, kmem: KernelMemory) -> None:
        self.kmem = kmem
        self.buffers: deque[PipeBuffer] = deque()
        self.used = 0
        self.size = PIPE_SIZE
        self.readers = self.writers = 0
        self.queue = WaitQueue()
        #: O_DIRECT: a read gives one write at most.
        self.packets = False

    def __del__(self) -> None:
        self.kmem.uncharge(self.used)

    def room(self) -> int:
        """Bytes that free slots could hold; 0: the pipe is full."""
        return self.size - len(self.buffers) * PAGE_SIZE

    def peek(self, count: int) -> bytes:
        """The first `count` bytes, or the rest of a packet; they stay."""
        parts = []
        for buffer in self.buffers:
            if count <= 0:
                break
            parts.append(buffer.data[:count])
            count -= len(buffer.data)
            if buffer.packet:
                break
        return b"".join(parts)

    def consume(self, count: int) -> None:
        """Take the first `count` bytes away, of a packet all."""
        buffers = self.buffers
        while count > 0:
            buffer = buffers[0]
            size = len(buffer.data)
            if size > count and not buffer.packet:
                buffer.data = buffer.data[count:]
                self._release(count)
                return
            buffers.popleft()
            self._release(size)
            count -= size

    def take(self, count: int) -> bytes:
        """Up to `count` bytes from the front."""
        data = self.peek(count)
        self.consume(len(data))
        return data

    def whole_buffers(self, stored: int) -> int:
        """How many of `stored` bytes are whole buffers: the next one could not be stored."""
        whole = 0
        for buffer in self.buffers:
            if whole + len(buffer.data) > stored:
                break
            whole += len(buffer.data)
        return whole

    def _release(self, count: int) -> None:
        self.used -= count
        self.kmem.uncharge(count)

    def merged(self, size: int) -> int:
        """So many bytes of a write of `size` go into the page of the write before."""
        part = size % PAGE_SIZE
        if part and self.buffers:
            last = self.buffers[-1]
            if not last.packet and last.end + part <= PAGE_SIZE:
                return part
        return 0

    def give(self, data: bytes) -> int:
        """Append what there is room for; bytes taken. Raises ENOMEM."""
        done = self.merged(len(data))
        size = min(len(data), done + self.room())
        if not self.kmem.charge(size):
            raise KernelError(Errno.ENOMEM)
        if done:
            last = self.buffers[-1]
            last.data += data[:done]
            last.end += done
        for start in range(done, size, PAGE_SIZE):
            self.buffers.append(
                PipeBuffer(data[start : min(start + PAGE_SIZE, size)], self.packets)
            )
        self.used += size
        return size


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
    checks_buffer = True

    def __init__(self, dentry: Dentry, flags: int, pipe: Pipe) -> None:
        super().__init__(dentry, flags)
        self.pipe = pipe
        self.released = False
        pipe.readers += self.readable
        pipe.writers += self.writable

    @property
    def queue(self) -> WaitQueue:
        return self.pipe.queue

    def wait_for_data(self) -> bool:
        """Whether there is something to read; False: never again. Raises EAGAIN, Blocked."""
        pipe = self.pipe
        if pipe.used:
            return True
        if not pipe.writers:
            return False
        if self.nonblocking:
            raise KernelError(Errno.EAGAIN)
        raise Blocked(pipe.queue)

    def read(self, count: int) -> bytes:
        if not count or not self.wait_for_data():
            return b""
        data = self.pipe.take(count)
        self.pipe.queue.wake_up()
        return data

    def read_to(self, count: int, store: Callable[[bytes], int]) -> int:
        if not count or not self.wait_for_data():
            return 0
        pipe = self.pipe
        data = pipe.peek(count)
        stored = store(data)
        if stored < len(data):
            # A page that the program's memory has no place for stays in the pipe.
            stored = pipe.whole_buffers(stored)
            if not stored:
                raise KernelError(Errno.EFAULT)
        pipe.consume(stored)
        pipe.queue.wake_up()
        return stored

    def write(self, data: bytes) -> int:
        pipe = self.pipe
        if not pipe.readers:
            raise KernelError(Errno.EPIPE)
        if not data:
            return 0
        # Up to PIPE_BUF bytes, a page, are written at once or not at all.
        done = pipe.give(data)
        if not done:
            if self.nonblocking:
                raise KernelError(Errno.EAGAIN)
            raise Blocked(pipe.queue)
        pipe.queue.wake_up()
        return done

    def write_unit(self, wanted: int, readable: int) -> int:
        first = self.pipe.merged(wanted)
        return 0 if readable < first else first + (readable - first) // PAGE_SIZE * PAGE_SIZE

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
            if pipe.room() > 0:
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
        if size > 1 << 31:
            raise KernelError(Errno.EINVAL)
        # A power of two of pages, 0 is one: round_pipe_size().
        size = PAGE_SIZE if size <= PAGE_SIZE else 1 << (size - 1).bit_length()
        if size > PIPE_MAX_SIZE:
            raise KernelError(Errno.EPERM)
        if size < len(self.pipe.buffers) * PAGE_SIZE:
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
