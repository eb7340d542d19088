"""Moving bytes between files and programs: fs/read_write.c, in chunks so that we stay small."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import O_APPEND
from youcpu.hardware.memory import PAGE_SIZE
from youcpu.kernel.errors import Blocked, KernelError
from youcpu.kernel.mm.uaccess import user_page
from youcpu.kernel.rlimit import RLIM_INFINITY, RLIMIT_FSIZE
from youcpu.kernel.vfs.attr import check_size_limit, remove_privs
from youcpu.kernel.vfs.fsnotify import IN_MODIFY, fsnotify

if TYPE_CHECKING:
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.file import File
    from youcpu.kernel.vfs.iov_iter import IovIter

CHUNK = 1 << 20
#: A pipe takes no more at once.
STREAM_CHUNK = 1 << 16
SIGPIPE = 13


def readable_file(task: Task, fd: int) -> File:
    """The open file of a descriptor that may be read. Raises EBADF."""
    file = task.files.get(fd)
    if not file.readable:
        raise KernelError(Errno.EBADF)
    return file


def writable_file(task: Task, fd: int) -> File:
    """The open file of a descriptor that may be written. Raises EBADF."""
    file = task.files.get(fd)
    if not file.writable:
        raise KernelError(Errno.EBADF)
    return file


def vfs_read(file: File, into: IovIter, offset: int | None = None) -> int:
    """Fill the program's buffers; `offset` None: at the file's own, which moves."""
    if file.stream and offset is None:
        return _read_stream(file, into)
    done = 0
    while into.left:
        want = min(into.left, CHUNK)
        try:
            at = file.pos if offset is None else offset + done
            data = file.pread(want, at)
        except (KernelError, Blocked):
            if done:
                break
            raise
        stored = into.copy_out(data)
        if offset is None:
            file.pos = at + stored
        done += stored
        if stored < len(data):
            if not done:
                raise KernelError(Errno.EFAULT)
            break
        if len(data) < want:
            break
    else:
        if not done:
            file.pread(0, file.pos)
    return done


def _read_stream(file: File, into: IovIter) -> int:
    """One read of what is there: the rest is waited for by the next call."""
    if into.left and not file.checks_buffer:
        # Nothing is taken out for a buffer that is not there.
        user_page(into.task, next(base for base, size in into.segments if size), True)
    return file.read_to(min(into.left, CHUNK), into.copy_out)


def vfs_write(task: Task, file: File, data_from: IovIter, offset: int | None = None) -> int:
    """Write the program's buffers; a pipe's writer may wait in the middle."""
    done = 0
    if task.restart is not None:
        done = task.restart
        data_from.skip(done)
    while data_from.left:
        chunk = CHUNK
        if file.writes_all:
            # The odd bytes of all that is written go with the first pages (pipe_write()).
            chunk = STREAM_CHUNK - -data_from.left % PAGE_SIZE
        try:
            data = data_from.peek(chunk)
            wanted = min(chunk, data_from.left)
            if len(data) < wanted:
                data = data[: file.write_unit(wanted, len(data))]
                if not data:
                    raise KernelError(Errno.EFAULT)
            count = write_once(task, file, data, None if offset is None else offset + done)
        except KernelError:
            if done:
                break
            raise
        except Blocked as blocked:
            task.restart = blocked.progress = done
            raise
        done += count
        data_from.skip(count)
        if not file.writes_all and (file.stream or count < len(data)):
            break
        if count < len(data) and file.nonblocking:
            break
    else:
        if not done:
            write_once(task, file, b"", offset)
    return done


def write_once(task: Task, file: File, data: bytes, offset: int | None = None) -> int:
    """One chunk; a broken pipe sends SIGPIPE."""
    inode = file.inode
    if inode.is_regular:
        remove_privs(task, inode)
        data = _within_limit(task, file, data, offset)
    try:
        if offset is None:
            done = file.write(data)
        else:
            if file.flags & O_APPEND and file.seekable:
                # Linux appends in pwrite(2) too (BUGS in its man page).
                inode.refresh()
                offset = inode.size
            done = file.pwrite(data, offset)
        if task.kernel.vfs.watched and done:
            fsnotify(file.dentry, IN_MODIFY)
        return done
    except KernelError as error:
        if error.errno == Errno.EPIPE:
            task.kernel.send_signal(task, SIGPIPE)
        raise


def _within_limit(task: Task, file: File, data: bytes, offset: int | None) -> bytes:
    """RLIMIT_FSIZE cuts a write; one that starts beyond it is SIGXFSZ and EFBIG."""
    limit = task.group.rlimits.soft(RLIMIT_FSIZE)
    if limit == RLIM_INFINITY or not data:
        return data
    start = file.inode.size if file.flags & O_APPEND else file.pos if offset is None else offset
    if start >= limit:
        check_size_limit(task, start + 1)
    return data[: limit - start]
