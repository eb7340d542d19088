"""Making, removing and moving files: fs/namei.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.args import Int
from youcpu.abi.args_file import (
    AtFlags,
    DirFd,
    MknodDevice,
    MknodMode,
    Mode,
    Path,
    RenameFlags,
)
from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import (
    AT_EMPTY_PATH,
    AT_FDCWD,
    AT_REMOVEDIR,
    AT_SYMLINK_FOLLOW,
    RENAME_EXCHANGE,
    RENAME_NOREPLACE,
    RENAME_WHITEOUT,
)
from youcpu.kernel.cred import CAP_DAC_READ_SEARCH
from youcpu.kernel.errors import KernelError
from youcpu.kernel.syscalls.table import syscall
from youcpu.kernel.vfs.dirops import (
    do_link,
    do_mkdir,
    do_mknod,
    do_rename,
    do_rmdir,
    do_symlink,
    do_unlink,
)
from youcpu.kernel.vfs.namei import LOOKUP_EMPTY, LOOKUP_FOLLOW, path_lookup

if TYPE_CHECKING:
    from youcpu.kernel.task import Task


@syscall(83)
def mkdir(task: Task, pathname: Path, mode: Mode) -> Int:
    do_mkdir(task, AT_FDCWD, pathname, mode)
    return 0


@syscall(258)
def mkdirat(task: Task, dfd: DirFd, pathname: Path, mode: Mode) -> Int:
    do_mkdir(task, dfd, pathname, mode)
    return 0


@syscall(133)
def mknod(task: Task, filename: Path, mode: MknodMode, dev: MknodDevice) -> Int:
    do_mknod(task, AT_FDCWD, filename, mode & 0xFFFF, dev)
    return 0


@syscall(259)
def mknodat(task: Task, dfd: DirFd, filename: Path, mode: MknodMode, dev: MknodDevice) -> Int:
    do_mknod(task, dfd, filename, mode & 0xFFFF, dev)
    return 0


@syscall(84)
def rmdir(task: Task, pathname: Path) -> Int:
    do_rmdir(task, AT_FDCWD, pathname)
    return 0


@syscall(87)
def unlink(task: Task, pathname: Path) -> Int:
    do_unlink(task, AT_FDCWD, pathname)
    return 0


@syscall(263)
def unlinkat(task: Task, dfd: DirFd, pathname: Path, flag: AtFlags) -> Int:
    if flag & ~AT_REMOVEDIR:
        raise KernelError(Errno.EINVAL)
    if flag:
        do_rmdir(task, dfd, pathname)
    else:
        do_unlink(task, dfd, pathname)
    return 0


@syscall(88)
def symlink(task: Task, oldname: Path, newname: Path) -> Int:
    do_symlink(task, oldname, AT_FDCWD, newname)
    return 0


@syscall(266)
def symlinkat(task: Task, oldname: Path, newdfd: DirFd, newname: Path) -> Int:
    do_symlink(task, oldname, newdfd, newname)
    return 0


@syscall(86)
def link(task: Task, oldname: Path, newname: Path) -> Int:
    do_link(task, path_lookup(task, AT_FDCWD, oldname, 0), AT_FDCWD, newname)
    return 0


@syscall(265)
def linkat(
    task: Task, olddfd: DirFd, oldname: Path, newdfd: DirFd, newname: Path, flags: AtFlags
) -> Int:
    if flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH):
        raise KernelError(Errno.EINVAL)
    how = LOOKUP_FOLLOW if flags & AT_SYMLINK_FOLLOW else 0
    if flags & AT_EMPTY_PATH:
        # Otherwise a descriptor passed to us could be linked where we may not look.
        if not oldname and not task.cred.capable(CAP_DAC_READ_SEARCH):
            raise KernelError(Errno.ENOENT)
        how |= LOOKUP_EMPTY
    do_link(task, path_lookup(task, olddfd, oldname, how), newdfd, newname)
    return 0


def _renameat2(
    task: Task, olddfd: int, oldname: bytes, newdfd: int, newname: bytes, flags: int
) -> int:
    if flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT):
        raise KernelError(Errno.EINVAL)
    if flags & (RENAME_NOREPLACE | RENAME_WHITEOUT) and flags & RENAME_EXCHANGE:
        raise KernelError(Errno.EINVAL)
    if flags & RENAME_WHITEOUT:
        raise KernelError(Errno.EINVAL)
    do_rename(task, olddfd, oldname, newdfd, newname, flags)
    return 0


@syscall(82)
def rename(task: Task, oldname: Path, newname: Path) -> Int:
    return _renameat2(task, AT_FDCWD, oldname, AT_FDCWD, newname, 0)


@syscall(264)
def renameat(task: Task, olddfd: DirFd, oldname: Path, newdfd: DirFd, newname: Path) -> Int:
    return _renameat2(task, olddfd, oldname, newdfd, newname, 0)


@syscall(316, partial="no RENAME_WHITEOUT")
def renameat2(
    task: Task, olddfd: DirFd, oldname: Path, newdfd: DirFd, newname: Path, flags: RenameFlags
) -> Int:
    return _renameat2(task, olddfd, oldname, newdfd, newname, flags)
