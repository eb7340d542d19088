"""Moving data between descriptors: fs/splice.c, fs/read_write.c."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from youcpu.abi.args import Long, Size, UInt, ULong
from youcpu.abi.args_file import Fd, OffsetInOut, OffsetPtr, SpliceFlags
from youcpu.abi.args_io import IovecIn
from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import O_APPEND
from youcpu.kernel.errors import Blocked, KernelError
from youcpu.kernel.mm.uaccess import copy_from_user, put_user
from youcpu.kernel.syscalls.table import syscall
from youcpu.kernel.vfs.iov_iter import MAX_RW_COUNT, import_iovec
from youcpu.kernel.vfs.pipe import PipeFile
from youcpu.kernel.vfs.transfer import (
    CHUNK,
    readable_file,
    vfs_write,
    writable_file,
    write_once,
)

if TYPE_CHECKING:
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.file import File

_SPLICE_FLAGS = 0xF
SPLICE_F_NONBLOCK = 2


def _offset(task: Task, address: int) -> int | None:
    """The loff_t at a pointer; None without one."""
    if not address:
        return None
    (value,) = struct.unpack("<q", copy_from_user(task, address, 8))
    if value < 0:
        raise KernelError(Errno.EINVAL)
    return int(value)


def _move(
    task: Task,
    source: File,
    at: int | None,
    target: File,
    to: int | None,
    count: int,
) -> int:
    """Up to `count` bytes from file to file; what the target does not take stays in the source."""
    done = 0
    count = min(count, MAX_RW_COUNT)
    while done < count:
        want = min(count - done, CHUNK)
        position = source.pos if at is None else at + done
        try:
            data = source.pread(want, position)
            if not data:
                break
            moved = write_once(task, target, data, None if to is None else to + done)
        except (KernelError, Blocked):
            if done:
                break
            raise
        if at is None:
            source.pos = position + moved
        done += moved
        if moved < len(data) or len(data) < want:
            break
    return done


@syscall(40)
def sendfile(task: Task, out_fd: Fd, in_fd: Fd, offset: OffsetInOut, count: Size) -> Long:
    at = _offset(task, offset)
    source = readable_file(task, in_fd)
    if at is not None and not source.seekable:
        raise KernelError(Errno.ESPIPE)
    target = writable_file(task, out_fd)
    # What has no splice_read().
    if source.inode.is_dir or (source.stream and not source.inode.is_regular):
        raise KernelError(Errno.EINVAL)
    if target.flags & O_APPEND and target.inode.is_regular:
        raise KernelError(Errno.EINVAL)
    done = _move(task, source, at, target, None, count)
    if at is not None:
        put_user(task, offset, at + done, 8)
    return done


@syscall(326)
def copy_file_range(
    task: Task,
    fd_in: Fd,
    off_in: OffsetPtr,
    fd_out: Fd,
    off_out: OffsetPtr,
    len_: Size,
    flags: UInt,
) -> Long:
    source, target = task.files.get(fd_in), task.files.get(fd_out)
    at, to = _offset(task, off_in), _offset(task, off_out)
    if flags:
        raise KernelError(Errno.EINVAL)
    if source.inode.is_dir or target.inode.is_dir:
        raise KernelError(Errno.EISDIR)
    if not source.inode.is_regular or not target.inode.is_regular:
        raise KernelError(Errno.EINVAL)
    if not source.readable or not target.writable or target.flags & O_APPEND:
        raise KernelError(Errno.EBADF)
    if source.inode.sb is not target.inode.sb:
        raise KernelError(Errno.EXDEV)
    first = source.pos if at is None else at
    second = target.pos if to is None else to
    size = min(len_, MAX_RW_COUNT)
    if source.inode is target.inode and first < second + size and second < first + size:
        raise KernelError(Errno.EINVAL)
    done = _move(task, source, at, target, to, size)
    if at is not None:
        put_user(task, off_in, at + done, 8)
    if to is not None:
        put_user(task, off_out, to + done, 8)
    return done


@syscall(275)
def splice(
    task: Task,
    fd_in: Fd,
    off_in: OffsetPtr,
    fd_out: Fd,
    off_out: OffsetPtr,
    len_: Size,
    flags: SpliceFlags,
) -> Long:
    if not len_:
        return 0
    if flags & ~_SPLICE_FLAGS:
        raise KernelError(Errno.EINVAL)
    source, target = readable_file(task, fd_in), writable_file(task, fd_out)
    from_pipe, to_pipe = isinstance(source, PipeFile), isinstance(target, PipeFile)
    if (from_pipe and off_in) or (to_pipe and off_out):
        raise KernelError(Errno.ESPIPE)
    if not from_pipe and not to_pipe:
        raise KernelError(Errno.EINVAL)
    at, to = _offset(task, off_in), _offset(task, off_out)
    if isinstance(source, PipeFile):
        if isinstance(target, PipeFile) and source.pipe is target.pipe:
            raise KernelError(Errno.EINVAL)
        done = _from_pipe(task, source, target, to, len_, bool(flags & SPLICE_F_NONBLOCK))
    else:
        assert isinstance(target, PipeFile)
        done = _to_pipe(task, source, at, target, len_)
    if at is not None:
        put_user(task, off_in, at + done, 8)
    if to is not None:
        put_user(task, off_out, to + done, 8)
    return done


def _from_pipe(
    task: Task, source: PipeFile, target: File, to: int | None, count: int, nonblocking: bool
) -> int:
    pipe = source.pipe
    if nonblocking and not pipe.used and pipe.writers:
        raise KernelError(Errno.EAGAIN)
    if target.flags & O_APPEND and target.inode.is_regular:
        raise KernelError(Errno.EINVAL)
    if isinstance(target, PipeFile):
        room = target.pipe.room()
        if room <= 0 and target.pipe.readers:
            if nonblocking or target.nonblocking:
                raise KernelError(Errno.EAGAIN)
            raise Blocked(target.pipe.queue)
        count = min(count, max(room, 1))
    if not source.wait_for_data():
        return 0
    done = write_once(task, target, pipe.peek(min(count, pipe.size)), to)
    pipe.consume(done)
    pipe.queue.wake_up()
    return done


def _to_pipe(task: Task, source: File, at: int | None, target: PipeFile, count: int) -> int:
    pipe = target.pipe
    room = pipe.room()
    if room <= 0 and pipe.readers:
        if target.nonblocking:
            raise KernelError(Errno.EAGAIN)
        raise Blocked(pipe.queue)
    want = min(count, max(room, 1))
    if source.stream and not source.inode.is_regular:
        data = source.read(want)
        return write_once(task, target, data) if data else 0
    return _move(task, source, at, target, None, want)


@syscall(276)
def tee(task: Task, fdin: Fd, fdout: Fd, len_: Size, flags: SpliceFlags) -> Long:
    if flags & ~_SPLICE_FLAGS:
        raise KernelError(Errno.EINVAL)
    if not len_:
        return 0
    source, target = readable_file(task, fdin), writable_file(task, fdout)
    if not isinstance(source, PipeFile) or not isinstance(target, PipeFile):
        raise KernelError(Errno.EINVAL)
    if source.pipe is target.pipe:
        raise KernelError(Errno.EINVAL)
    room = target.pipe.room()
    if not source.pipe.used:
        if not source.pipe.writers:
            return 0
        if flags & SPLICE_F_NONBLOCK or source.nonblocking:
            raise KernelError(Errno.EAGAIN)
        raise Blocked(source.pipe.queue)
    if room <= 0:
        raise Blocked(target.pipe.queue)
    data = source.pipe.peek(min(len_, room))
    return write_once(task, target, data)


@syscall(278, partial="data is copied, to a pipe only")
def vmsplice(task: Task, fd: Fd, uiov: IovecIn, nr_segs: ULong, flags: SpliceFlags) -> Long:
    if flags & ~_SPLICE_FLAGS:
        raise KernelError(Errno.EINVAL)
    file = writable_file(task, fd)
    if not isinstance(file, PipeFile):
        raise KernelError(Errno.EBADF)
    return vfs_write(task, file, import_iovec(task, uiov, nr_segs))
