"""Reading and writing: fs/read_write.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.args import Long, OffsetHigh, Size, ULong
from youcpu.abi.args_file import Fd, RwfFlags, Whence
from youcpu.abi.args_io import IovecIn, IovecOut, ReadBuffer, WriteBuffer
from youcpu.abi.errno import Errno
from youcpu.kernel.errors import Blocked, KernelError
from youcpu.kernel.mm.uaccess import copy_from_user, copy_to_user, user_page
from youcpu.kernel.syscalls.table import syscall
from youcpu.kernel.vfs.file import MAX_OFFSET
from youcpu.kernel.vfs.iov_iter import MAX_RW_COUNT, IovIter, check_range, import_iovec
from youcpu.kernel.vfs.transfer import (
    CHUNK,
    readable_file,
    vfs_read,
    vfs_write,
    writable_file,
    write_once,
)

if TYPE_CHECKING:
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.file import File


def _one(task: Task, buf: int, count: int) -> IovIter:
    check_range(buf, count)
    return IovIter(task, [(buf, min(count, MAX_RW_COUNT))])


@syscall(0)
def read(task: Task, fd: Fd, buf: ReadBuffer, count: Size) -> Long:
    file = readable_file(task, fd)
    if count <= CHUNK and not file.stream:
        # The usual case without its generality.
        check_range(buf, count)
        data = file.pread(count, file.pos)
        try:
            copy_to_user(task, buf, data)
        except KernelError:
            return vfs_read(file, _one(task, buf, count))
        file.pos += len(data)
        return len(data)
    if 0 < count <= 4096 - (buf & 0xFFF):
        # A stream into one page: it is there before anything is taken out.
        check_range(buf, count)
        user_page(task, buf, True)
        data = file.read(count)
        copy_to_user(task, buf, data)
        return len(data)
    return vfs_read(file, _one(task, buf, count))


@syscall(1)
def write(task: Task, fd: Fd, buf: WriteBuffer, count: Size) -> Long:
    file = writable_file(task, fd)
    if count <= 4096 and task.restart is None:
        check_range(buf, count)
        try:
            data = copy_from_user(task, buf, count)
        except KernelError:
            return vfs_write(task, file, _one(task, buf, count))
        try:
            return write_once(task, file, data)
        except Blocked as blocked:
            task.restart = blocked.progress
            raise
    return vfs_write(task, file, _one(task, buf, count))


@syscall(19)
def readv(task: Task, fd: Fd, iov: IovecOut, iovcnt: ULong) -> Long:
    file = readable_file(task, fd)
    return vfs_read(file, import_iovec(task, iov, iovcnt))


@syscall(20)
def writev(task: Task, fd: Fd, iov: IovecIn, iovcnt: ULong) -> Long:
    file = writable_file(task, fd)
    return vfs_write(task, file, import_iovec(task, iov, iovcnt))


def _positional(file: File, offset: int) -> None:
    if offset < 0:
        raise KernelError(Errno.EINVAL)
    if not file.seekable:
        raise KernelError(Errno.ESPIPE)


def _at(file: File, into: IovIter, offset: int) -> IovIter:
    """rw_verify_area(): no byte lies beyond the largest offset. Raises EINVAL."""
    if offset + into.left > MAX_OFFSET and not file.unsigned_offset:
        raise KernelError(Errno.EINVAL)
    return into


@syscall(17)
def pread64(task: Task, fd: Fd, buf: ReadBuffer, count: Size, offset: Long) -> Long:
    if offset < 0:
        raise KernelError(Errno.EINVAL)
    file = task.files.get(fd)
    _positional(file, offset)
    readable_file(task, fd)
    if count <= CHUNK and offset + count <= MAX_OFFSET:
        check_range(buf, count)
        data = file.pread(count, offset)
        try:
            copy_to_user(task, buf, data)
            return len(data)
        except KernelError:
            pass
    return vfs_read(file, _at(file, _one(task, buf, count), offset), offset)


@syscall(18)
def pwrite64(task: Task, fd: Fd, buf: WriteBuffer, count: Size, offset: Long) -> Long:
    if offset < 0:
        raise KernelError(Errno.EINVAL)
    file = task.files.get(fd)
    _positional(file, offset)
    writable_file(task, fd)
    return vfs_write(task, file, _at(file, _one(task, buf, count), offset), offset)


@syscall(295)
def preadv(
    task: Task, fd: Fd, iov: IovecOut, iovcnt: ULong, pos_l: Long, pos_h: OffsetHigh
) -> Long:
    if pos_l < 0:
        raise KernelError(Errno.EINVAL)
    file = task.files.get(fd)
    _positional(file, pos_l)
    readable_file(task, fd)
    return vfs_read(file, _at(file, import_iovec(task, iov, iovcnt), pos_l), pos_l)


@syscall(296)
def pwritev(
    task: Task, fd: Fd, iov: IovecIn, iovcnt: ULong, pos_l: Long, pos_h: OffsetHigh
) -> Long:
    if pos_l < 0:
        raise KernelError(Errno.EINVAL)
    file = task.files.get(fd)
    _positional(file, pos_l)
    writable_file(task, fd)
    return vfs_write(task, file, _at(file, import_iovec(task, iov, iovcnt), pos_l), pos_l)


#: RWF_HIPRI, DSYNC, SYNC, NOWAIT, APPEND: nothing here is slow enough for them to matter.
_RWF_SUPPORTED = 0x1F
_RWF_APPEND = 0x10


@syscall(327)
def preadv2(
    task: Task,
    fd: Fd,
    iov: IovecOut,
    iovcnt: ULong,
    pos_l: Long,
    pos_h: OffsetHigh,
    flags: RwfFlags,
) -> Long:
    if flags & ~_RWF_SUPPORTED:
        raise KernelError(Errno.EOPNOTSUPP)
    if pos_l == -1:
        return vfs_read(readable_file(task, fd), import_iovec(task, iov, iovcnt))
    return preadv(task, fd, iov, iovcnt, pos_l, pos_h)


@syscall(328)
def pwritev2(
    task: Task,
    fd: Fd,
    iov: IovecIn,
    iovcnt: ULong,
    pos_l: Long,
    pos_h: OffsetHigh,
    flags: RwfFlags,
) -> Long:
    if flags & ~_RWF_SUPPORTED:
        raise KernelError(Errno.EOPNOTSUPP)
    if flags & _RWF_APPEND:
        file = writable_file(task, fd)
        file.inode.refresh()
        pos_l = file.inode.size
    elif pos_l == -1:
        return vfs_write(task, writable_file(task, fd), import_iovec(task, iov, iovcnt))
    return pwritev(task, fd, iov, iovcnt, pos_l, pos_h)


@syscall(8)
def lseek(task: Task, fd: Fd, offset: Long, whence: Whence) -> Long:
    file = task.files.get(fd)
    if file.flags & 0o10000000:
        raise KernelError(Errno.EBADF)
    return file.seek(offset, whence)
