"""Mode, owner, length of files: fs/open.c; the root and the umask: fs/open.c, kernel/sys.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.args import Int, Long
from youcpu.abi.args_file import AtFlags, DirFd, FallocateMode, Fd, FileLength, Mode, Path
from youcpu.abi.args_process import Gid, Uid
from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, O_PATH
from youcpu.kernel.errors import KernelError
from youcpu.kernel.syscalls.table import syscall
from youcpu.kernel.vfs.attr import check_size_limit, do_chmod, do_chown, do_truncate
from youcpu.kernel.vfs.inode import MAY_EXEC
from youcpu.kernel.vfs.namei import LOOKUP_DIRECTORY, LOOKUP_EMPTY, LOOKUP_FOLLOW, path_lookup
from youcpu.kernel.vfs.open import check_permission

if TYPE_CHECKING:
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.dcache import Dentry

CAP_SYS_CHROOT = 18
FALLOC_FL_KEEP_SIZE = 1
FALLOC_FL_PUNCH_HOLE = 2
FALLOC_FL_ZERO_RANGE = 0x10


def _no_path(task: Task, fd: int) -> Dentry:
    file = task.files.get(fd)
    if file.flags & O_PATH:
        raise KernelError(Errno.EBADF)
    return file.dentry


def _at(task: Task, dfd: int, path: bytes, flags: int) -> Dentry:
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise KernelError(Errno.EINVAL)
    follow = 0 if flags & AT_SYMLINK_NOFOLLOW else LOOKUP_FOLLOW
    empty = LOOKUP_EMPTY if flags & AT_EMPTY_PATH else 0
    return path_lookup(task, dfd, path, follow | empty)


@syscall(90)
def chmod(task: Task, filename: Path, mode: Mode) -> Int:
    do_chmod(task, path_lookup(task, AT_FDCWD, filename), mode)
    return 0


@syscall(91)
def fchmod(task: Task, fd: Fd, mode: Mode) -> Int:
    do_chmod(task, _no_path(task, fd), mode)
    return 0


@syscall(268)
def fchmodat(task: Task, dfd: DirFd, filename: Path, mode: Mode) -> Int:
    do_chmod(task, path_lookup(task, dfd, filename), mode)
    return 0


@syscall(452)
def fchmodat2(task: Task, dfd: DirFd, filename: Path, mode: Mode, flags: AtFlags) -> Int:
    do_chmod(task, _at(task, dfd, filename, flags), mode)
    return 0


@syscall(92)
def chown(task: Task, filename: Path, user: Uid, group: Gid) -> Int:
    do_chown(task, path_lookup(task, AT_FDCWD, filename), user & 0xFFFFFFFF, group & 0xFFFFFFFF)
    return 0


@syscall(93)
def fchown(task: Task, fd: Fd, user: Uid, group: Gid) -> Int:
    do_chown(task, _no_path(task, fd), user & 0xFFFFFFFF, group & 0xFFFFFFFF)
    return 0


@syscall(94)
def lchown(task: Task, filename: Path, user: Uid, group: Gid) -> Int:
    place = path_lookup(task, AT_FDCWD, filename, 0)
    do_chown(task, place, user & 0xFFFFFFFF, group & 0xFFFFFFFF)
    return 0


@syscall(260)
def fchownat(task: Task, dfd: DirFd, filename: Path, user: Uid, group: Gid, flag: AtFlags) -> Int:
    do_chown(task, _at(task, dfd, filename, flag), user & 0xFFFFFFFF, group & 0xFFFFFFFF)
    return 0


@syscall(76)
def truncate(task: Task, path: Path, length: FileLength) -> Int:
    if length < 0:
        raise KernelError(Errno.EINVAL)
    do_truncate(task, path_lookup(task, AT_FDCWD, path), length, open_for_writing=False)
    return 0


@syscall(77)
def ftruncate(task: Task, fd: Fd, length: FileLength) -> Int:
    if length < 0:
        raise KernelError(Errno.EINVAL)
    file = task.files.get(fd)
    if file.flags & O_PATH:
        raise KernelError(Errno.EBADF)
    if not file.inode.is_regular or not file.writable:
        raise KernelError(Errno.EINVAL)
    do_truncate(task, file.dentry, length, open_for_writing=True)
    return 0


@syscall(285, partial="no collapse, insert or unshare of ranges")
def fallocate(task: Task, fd: Fd, mode: FallocateMode, offset: Long, length: Long) -> Int:
    if offset < 0 or length <= 0:
        raise KernelError(Errno.EINVAL)
    known = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE
    if mode & ~known or (mode & FALLOC_FL_PUNCH_HOLE and not mode & FALLOC_FL_KEEP_SIZE):
        raise KernelError(Errno.EOPNOTSUPP)
    if mode & FALLOC_FL_PUNCH_HOLE and mode & FALLOC_FL_ZERO_RANGE:
        raise KernelError(Errno.EOPNOTSUPP)
    file = task.files.get(fd)
    if not file.writable:
        raise KernelError(Errno.EBADF)
    if not file.inode.is_regular:
        raise KernelError(Errno.ESPIPE if file.inode.kind == 0o010000 else Errno.ENODEV)
    if offset + length > file.inode.sb.max_bytes():
        raise KernelError(Errno.EFBIG)
    end = offset + length
    file.inode.refresh()
    if end > file.inode.size and not mode & FALLOC_FL_KEEP_SIZE:
        check_size_limit(task, end)
    file.inode.fallocate(mode, offset, end)
    return 0


@syscall(95)
def umask(task: Task, mask: Mode) -> Mode:
    old = task.fs.umask
    task.fs.umask = mask & 0o777
    return old


@syscall(161)
def chroot(task: Task, filename: Path) -> Int:
    place = path_lookup(task, AT_FDCWD, filename, LOOKUP_FOLLOW | LOOKUP_DIRECTORY)
    check_permission(task, place, MAY_EXEC)
    if not task.cred.capable(CAP_SYS_CHROOT):
        raise KernelError(Errno.EPERM)
    task.fs.root = place
    return 0
