"""Making, removing and moving names: the second half of fs/namei.c."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import RENAME_EXCHANGE, RENAME_NOREPLACE
from youcpu.kernel.cred import CAP_FOWNER, CAP_MKNOD
from youcpu.kernel.errors import KernelError
from youcpu.kernel.vfs.dcache import Dentry, follow_up
from youcpu.kernel.vfs.fsnotify import (
    IN_ATTRIB,
    IN_CREATE,
    IN_DELETE,
    IN_DELETE_SELF,
    IN_MOVE_SELF,
    IN_MOVED_FROM,
    IN_MOVED_TO,
    fsnotify_name,
    fsnotify_self,
)
from youcpu.kernel.vfs.inode import MAY_EXEC, MAY_READ, MAY_WRITE
from youcpu.kernel.vfs.namei import Last, lookup_one, path_parent
from youcpu.kernel.vfs.open import check_create, check_permission, create_file
from youcpu.kernel.vfs.super import PROC_SUPER_MAGIC

if TYPE_CHECKING:
    from youcpu.kernel.task import Task

#: ext4's limit; others are higher.
LINK_MAX = 65000


def last_component(path: bytes) -> bytes:
    """The last component as written; b"" for "/"."""
    return path.rstrip(b"/").rpartition(b"/")[2]


def _special_last(path: bytes) -> bool:
    """LAST_ROOT, LAST_DOT, LAST_DOTDOT."""
    return last_component(path) in (b"", b".", b"..")


def _find(task: Task, last: Last) -> Dentry | None:
    try:
        return lookup_one(task, last.directory, last.name)
    except KernelError as error:
        # proc_lookup() fails where others leave a negative entry: nothing is ever made there.
        if error.errno == Errno.ENOENT and last.directory.inode.sb.magic != PROC_SUPER_MAGIC:
            return None
        raise


def filename_create(task: Task, dfd: int, path: bytes, directory: bool = False) -> Last:
    """A name that does not exist yet, in an existing directory. Raises EEXIST, ENOENT."""
    last = path_parent(task, dfd, path)
    if _special_last(path):
        raise KernelError(Errno.EEXIST)
    if _find(task, last) is not None:
        raise KernelError(Errno.EEXIST)
    if last.slash and not directory:
        raise KernelError(Errno.ENOENT)
    return last


def do_mkdir(task: Task, dfd: int, path: bytes, mode: int) -> None:
    """mkdir(2)."""
    last = filename_create(task, dfd, path, directory=True)
    if last.directory.inode.nlink >= LINK_MAX:
        raise KernelError(Errno.EMLINK)
    create_file(task, last, stat.S_IFDIR | (mode & 0o1777))


def do_mknod(task: Task, dfd: int, path: bytes, mode: int, dev: int) -> None:
    """mknod(2): devices need CAP_MKNOD and have our drivers only."""
    kind = stat.S_IFMT(mode)
    if kind == stat.S_IFDIR:
        raise KernelError(Errno.EPERM)
    if kind not in (0, stat.S_IFREG, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK):
        raise KernelError(Errno.EINVAL)
    last = filename_create(task, dfd, path)
    if kind in (stat.S_IFCHR, stat.S_IFBLK):
        check_create(task, last.directory)
        if not task.cred.capable(CAP_MKNOD):
            raise KernelError(Errno.EPERM)
    else:
        dev = 0
    create_file(task, last, (kind or stat.S_IFREG) | (mode & 0o7777), dev)


def do_symlink(task: Task, target: bytes, dfd: int, path: bytes) -> None:
    """symlink(2)."""
    if not target:
        raise KernelError(Errno.ENOENT)
    last = filename_create(task, dfd, path)
    check_create(task, last.directory)
    inode = last.directory.inode.symlink(last.name, target, task.cred)
    last.directory.add(last.name, inode)
    if task.kernel.vfs.watched:
        fsnotify_name(last.directory, IN_CREATE, last.name, inode)


def do_link(task: Task, old: Dentry, dfd: int, path: bytes) -> None:
    """link(2): `old` has been looked up."""
    last = filename_create(task, dfd, path)
    inode = old.inode
    directory = last.directory.inode
    if mount_of(old) is not mount_of(last.directory):
        raise KernelError(Errno.EXDEV)
    _may_linkat(task, old)
    check_create(task, last.directory)
    if directory.sb is not inode.sb:
        raise KernelError(Errno.EXDEV)
    if inode.is_dir:
        raise KernelError(Errno.EPERM)
    inode.refresh()
    if not inode.nlink and not old.linkable:
        raise KernelError(Errno.ENOENT)
    if inode.nlink >= LINK_MAX:
        raise KernelError(Errno.EMLINK)
    directory.link(last.name, inode)
    last.directory.add(last.name, inode)
    if task.kernel.vfs.watched:
        fsnotify_self(inode, IN_ATTRIB)
        fsnotify_name(last.directory, IN_CREATE, last.name, inode)


def _may_linkat(task: Task, old: Dentry) -> None:
    """fs.protected_hardlinks = 1: only to own files, or ones that may be read and written."""
    cred, inode = task.cred, old.inode
    if cred.fsuid == inode.uid or cred.capable(CAP_FOWNER):
        return
    sgid = inode.mode & (stat.S_ISGID | stat.S_IXGRP) == stat.S_ISGID | stat.S_IXGRP
    if not inode.is_regular or inode.mode & stat.S_ISUID or sgid:
        raise KernelError(Errno.EPERM)
    try:
        inode.permission(cred, MAY_READ | MAY_WRITE)
    except KernelError:
        raise KernelError(Errno.EPERM) from None


def may_delete(task: Task, directory: Dentry, victim: Dentry, wants_dir: bool) -> None:
    """fs/namei.c may_delete()."""
    check_permission(task, directory, MAY_WRITE | MAY_EXEC)
    cred, above, inode = task.cred, directory.inode, victim.inode
    if (
        above.mode & stat.S_ISVTX
        and cred.fsuid not in (inode.uid, above.uid)
        and not cred.capable(CAP_FOWNER)
    ):
        raise KernelError(Errno.EPERM)
    if wants_dir:
        if not inode.is_dir:
            raise KernelError(Errno.ENOTDIR)
    elif inode.is_dir:
        raise KernelError(Errno.EISDIR)
    if victim.covers is not None:
        raise KernelError(Errno.EBUSY)


def do_unlink(task: Task, dfd: int, path: bytes) -> None:
    """unlink(2)."""
    last = path_parent(task, dfd, path)
    if _special_last(path):
        raise KernelError(Errno.EISDIR)
    victim = lookup_one(task, last.directory, last.name)
    if last.slash:
        raise KernelError(Errno.EISDIR if victim.inode.is_dir else Errno.ENOTDIR)
    may_delete(task, last.directory, victim, wants_dir=False)
    inode = victim.inode
    last.directory.inode.unlink(last.name, inode)
    last.directory.drop(last.name)
    task.kernel.vfs.ring.forget(victim)
    if task.kernel.vfs.watched:
        fsnotify_self(inode, IN_ATTRIB)
        fsnotify_name(last.directory, IN_DELETE, last.name, inode)
        if not inode.nlink:
            fsnotify_self(inode, IN_DELETE_SELF)


def do_rmdir(task: Task, dfd: int, path: bytes) -> None:
    """rmdir(2)."""
    last = path_parent(task, dfd, path)
    name = last_component(path)
    if name in (b"", b".", b".."):
        special = {b"": Errno.EBUSY, b".": Errno.EINVAL, b"..": Errno.ENOTEMPTY}
        raise KernelError(special[name])
    victim = lookup_one(task, last.directory, last.name)
    may_delete(task, last.directory, victim, wants_dir=True)
    if victim is task.fs.root:
        raise KernelError(Errno.EBUSY)
    inode = victim.inode
    last.directory.inode.rmdir(last.name, inode)
    last.directory.drop(last.name)
    task.kernel.vfs.ring.forget(victim)
    if task.kernel.vfs.watched:
        fsnotify_name(last.directory, IN_DELETE, last.name, inode)
        fsnotify_self(inode, IN_DELETE_SELF)


def mount_of(dentry: Dentry) -> Dentry:
    """Root of the mount that a place belongs to."""
    while dentry.parent is not None:
        dentry = dentry.parent
    return dentry


def do_rename(
    task: Task, old_dfd: int, old_path: bytes, new_dfd: int, new_path: bytes, flags: int
) -> None:
    """renameat2(2): checks in Linux's order, then the file system moves the entry."""
    old_last = path_parent(task, old_dfd, old_path)
    new_last = path_parent(task, new_dfd, new_path)
    old_dir, new_dir = old_last.directory, new_last.directory
    if mount_of(old_dir) is not mount_of(new_dir):
        raise KernelError(Errno.EXDEV)
    if _special_last(old_path):
        raise KernelError(Errno.EBUSY)
    if _special_last(new_path):
        raise KernelError(Errno.EEXIST if flags & RENAME_NOREPLACE else Errno.EBUSY)
    source = lookup_one(task, old_dir, old_last.name)
    target = _find(task, new_last)
    _rename_kinds(flags, old_last, source, new_last, target)
    if _is_above(source, new_dir):
        raise KernelError(Errno.EINVAL)
    if target is not None and _is_above(target, old_dir):
        raise KernelError(Errno.EINVAL if flags & RENAME_EXCHANGE else Errno.ENOTEMPTY)
    if target is not None and source.inode is target.inode:
        return
    _rename_rights(task, flags, old_dir, source, new_dir, target)
    if flags & RENAME_EXCHANGE:
        assert target is not None
        _exchange(old_last, source, new_last, target)
    else:
        _move(task, old_last, source, new_last, target)


def _rename_kinds(
    flags: int, old_last: Last, source: Dentry, new_last: Last, target: Dentry | None
) -> None:
    if flags & RENAME_NOREPLACE and target is not None:
        raise KernelError(Errno.EEXIST)
    if flags & RENAME_EXCHANGE:
        if target is None:
            raise KernelError(Errno.ENOENT)
        if not target.inode.is_dir and new_last.slash:
            raise KernelError(Errno.ENOTDIR)
    if not source.inode.is_dir and (
        old_last.slash or (new_last.slash and not flags & RENAME_EXCHANGE)
    ):
        raise KernelError(Errno.ENOTDIR)


def _is_above(dentry: Dentry, place: Dentry) -> bool:
    at: Dentry | None = place
    while at is not None:
        if at is dentry:
            return True
        at = follow_up(at)
    return False


def _rename_rights(
    task: Task, flags: int, old_dir: Dentry, source: Dentry, new_dir: Dentry, target: Dentry | None
) -> None:
    """The checks of vfs_rename()."""
    is_dir = source.inode.is_dir
    may_delete(task, old_dir, source, is_dir)
    if target is None:
        check_create(task, new_dir)
    else:
        wants_dir = target.inode.is_dir if flags & RENAME_EXCHANGE else is_dir
        may_delete(task, new_dir, target, wants_dir)
    if new_dir is not old_dir:
        # ".." changes: a directory must be writable itself.
        if is_dir:
            check_permission(task, source, MAY_WRITE)
        if flags & RENAME_EXCHANGE and target is not None and target.inode.is_dir:
            check_permission(task, target, MAY_WRITE)


def _exchange(old_last: Last, source: Dentry, new_last: Last, target: Dentry) -> None:
    old_dir, new_dir = old_last.directory, new_last.directory
    old_dir.inode.exchange(old_last.name, source.inode, new_dir.inode, new_last.name, target.inode)
    source.swap(target)


def _move(
    task: Task, old_last: Last, source: Dentry, new_last: Last, target: Dentry | None
) -> None:
    old_dir, new_dir = old_last.directory, new_last.directory
    victim = target.inode if target is not None else None
    old_dir.inode.rename(old_last.name, source.inode, new_dir.inode, new_last.name, victim)
    source.move(new_dir, new_last.name)
    if target is not None:
        task.kernel.vfs.ring.forget(target)
    if task.kernel.vfs.watched:
        cookie = task.kernel.vfs.next_cookie()
        fsnotify_name(old_dir, IN_MOVED_FROM, old_last.name, source.inode, cookie)
        fsnotify_name(new_dir, IN_MOVED_TO, new_last.name, source.inode, cookie)
        if victim is not None and not victim.nlink:
            fsnotify_self(victim, IN_DELETE_SELF)
        fsnotify_self(source.inode, IN_MOVE_SELF)
