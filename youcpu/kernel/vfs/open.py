"""Opening files: fs/open.c, fs/namei.c path_openat()."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import (
    O_ACCMODE,
    O_CREAT,
    O_DIRECTORY,
    O_EXCL,
    O_NOATIME,
    O_NOCTTY,
    O_NOFOLLOW,
    O_PATH,
    O_RDONLY,
    O_TMPFILE,
    O_TRUNC,
)
from youcpu.kernel.cred import CAP_FOWNER
from youcpu.kernel.errors import KernelError
from youcpu.kernel.vfs.file import File, PathFile
from youcpu.kernel.vfs.fsnotify import IN_CREATE, IN_OPEN, fsnotify, fsnotify_name
from youcpu.kernel.vfs.inode import MAY_EXEC, MAY_READ, MAY_WRITE
from youcpu.kernel.vfs.namei import (
    LOOKUP_DIRECTORY,
    LOOKUP_FOLLOW,
    Last,
    Walk,
    lookup_one,
    path_lookup,
)
from youcpu.kernel.vfs.super import PROC_SUPER_MAGIC

if TYPE_CHECKING:
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.dcache import Dentry


def do_open(task: Task, dfd: int, path: bytes, flags: int, mode: int = 0, resolve: int = 0) -> File:
    """An open file; not yet in a descriptor table (refs 0). Raises what open(2) does."""
    if flags & O_PATH:
        return _open_path(task, dfd, path, flags, resolve)
    if flags & O_TMPFILE == O_TMPFILE:
        return _open_tmpfile(task, dfd, path, flags, mode, resolve)
    if flags & O_CREAT:
        dentry, created = _create(task, dfd, path, flags, mode, resolve)
    else:
        follow = 0 if flags & O_NOFOLLOW else LOOKUP_FOLLOW
        want = LOOKUP_DIRECTORY if flags & O_DIRECTORY else 0
        dentry, created = path_lookup(task, dfd, path, follow | want, resolve), False
    if flags & O_DIRECTORY and not dentry.inode.is_dir:
        raise KernelError(Errno.ENOTDIR)
    return open_dentry(task, dentry, flags, created)


def open_dentry(task: Task, dentry: Dentry, flags: int, created: bool = False) -> File:
    """Check rights and open: fs/namei.c do_open(), may_open(); a new file is not checked."""
    inode = dentry.inode
    if inode.is_symlink:
        raise KernelError(Errno.ELOOP)
    writes = flags & O_ACCMODE != O_RDONLY or flags & O_TRUNC
    if inode.is_dir and writes:
        raise KernelError(Errno.EISDIR)
    if not created:
        _may_open(task, dentry, flags)
    if inode.is_regular and flags & O_ACCMODE != O_RDONLY and inode.writecount < 0:
        raise KernelError(Errno.ETXTBSY)
    file = inode.open(dentry, flags & ~(O_CREAT | O_EXCL | O_TRUNC), task)
    file.flags &= ~O_NOCTTY
    if inode.is_regular and file.writable:
        inode.writecount += 1
    if flags & O_TRUNC and inode.is_regular and not created:
        inode.truncate(0)
    if task.kernel.vfs.watched:
        fsnotify(dentry, IN_OPEN)
    return file


def _may_open(task: Task, dentry: Dentry, flags: int) -> None:
    inode = dentry.inode
    access = flags & O_ACCMODE
    mask = (MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE, MAY_READ | MAY_WRITE)[access]
    if flags & O_TRUNC:
        mask |= MAY_WRITE
    check_permission(task, dentry, mask)
    if flags & O_NOATIME and task.cred.fsuid != inode.uid and not task.cred.capable(CAP_FOWNER):
        raise KernelError(Errno.EPERM)


def check_permission(task: Task, dentry: Dentry, mask: int) -> None:
    """inode_permission(): read-only file systems, then the inode's own rights."""
    inode = dentry.inode
    if mask & MAY_WRITE and inode.sb.read_only and inode.kind in _WRITABLE_KINDS:
        raise KernelError(Errno.EROFS)
    inode.permission(task.cred, mask)


_WRITABLE_KINDS = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)


def _open_path(task: Task, dfd: int, path: bytes, flags: int, resolve: int) -> File:
    follow = 0 if flags & O_NOFOLLOW else LOOKUP_FOLLOW
    want = LOOKUP_DIRECTORY if flags & O_DIRECTORY else 0
    dentry = path_lookup(task, dfd, path, follow | want, resolve)
    return PathFile(dentry, flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW))


def _create(
    task: Task, dfd: int, path: bytes, flags: int, mode: int, resolve: int
) -> tuple[Dentry, bool]:
    """O_CREAT: the place and whether the file is new."""
    if not path:
        raise KernelError(Errno.ENOENT)
    follow = not flags & (O_NOFOLLOW | O_EXCL)
    last = Walk(task, dfd, path, resolve).run(path, follow, create=True)
    if not last.name:
        # The end is "/", "." or "..", or a magic link.
        if last.dentry is None or last.dentry.inode.is_dir:
            raise KernelError(Errno.EISDIR if not flags & O_EXCL else Errno.EEXIST)
        return last.dentry, False
    if last.slash:
        raise KernelError(Errno.EISDIR)
    dentry = last.dentry
    if dentry is None:
        try:
            dentry = lookup_one(task, last.directory, last.name)
        except KernelError as error:
            proc = last.directory.inode.sb.magic == PROC_SUPER_MAGIC
            if error.errno != Errno.ENOENT or proc:
                raise
            return create_file(task, last, stat.S_IFREG | (mode & 0o7777)), True
    if flags & O_EXCL:
        raise KernelError(Errno.EEXIST)
    if dentry.inode.is_dir:
        raise KernelError(Errno.EISDIR)
    return dentry, False


def create_file(task: Task, last: Last, mode: int, rdev: int = 0) -> Dentry:
    """A new entry in a directory that may be written; `mode` is cut by the umask."""
    directory = last.directory
    check_create(task, directory)
    mode &= ~task.fs.umask | 0o170000
    inode = directory.inode.create(last.name, mode, task.cred, rdev)
    dentry = directory.add(last.name, inode)
    if task.kernel.vfs.watched:
        fsnotify_name(directory, IN_CREATE, last.name, inode)
    return dentry


def check_create(task: Task, directory: Dentry) -> None:
    """may_create(): the directory still exists, may be written and searched."""
    if directory.deleted:
        raise KernelError(Errno.ENOENT)
    check_permission(task, directory, MAY_WRITE | MAY_EXEC)


def _open_tmpfile(task: Task, dfd: int, path: bytes, flags: int, mode: int, resolve: int) -> File:
    if flags & O_ACCMODE == O_RDONLY:
        raise KernelError(Errno.EINVAL)
    directory = path_lookup(task, dfd, path, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, resolve)
    check_permission(task, directory, MAY_WRITE | MAY_EXEC)
    inode = directory.inode.tmpfile(mode & 0o7777 & ~task.fs.umask, task.cred)
    dentry = directory.add(b"#%d" % inode.ino, inode)
    directory.drop(dentry.name)
    dentry.linkable = not flags & O_EXCL
    return open_dentry(task, dentry, flags & ~(O_TMPFILE & ~O_DIRECTORY), created=True)
