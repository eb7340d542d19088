"""Changing attributes: fs/attr.c, fs/open.c."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.kernel.cred import CAP_CHOWN, CAP_FOWNER, CAP_FSETID
from youcpu.kernel.errors import KernelError
from youcpu.kernel.rlimit import RLIM_INFINITY, RLIMIT_FSIZE
from youcpu.kernel.vfs.fsnotify import IN_ATTRIB, IN_MODIFY, fsnotify
from youcpu.kernel.vfs.inode import MAY_WRITE
from youcpu.kernel.vfs.open import check_permission

if TYPE_CHECKING:
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.dcache import Dentry
    from youcpu.kernel.vfs.inode import Inode

SIGXFSZ = 25


def owner_or_capable(task: Task, inode: Inode) -> bool:
    """inode_owner_or_capable()."""
    return task.cred.fsuid == inode.uid or task.cred.capable(CAP_FOWNER)


def _writable(dentry: Dentry) -> Inode:
    inode = dentry.inode
    if inode.sb.read_only:
        raise KernelError(Errno.EROFS)
    inode.refresh()
    return inode


def in_group(task: Task, gid: int) -> bool:
    """in_group_p()."""
    return gid == task.cred.fsgid or gid in task.cred.groups


def do_chmod(task: Task, dentry: Dentry, mode: int) -> None:
    """chmod_common(). Raises EPERM, EROFS, EOPNOTSUPP for links."""
    inode = _writable(dentry)
    if inode.is_symlink:
        raise KernelError(Errno.EOPNOTSUPP)
    if not owner_or_capable(task, inode):
        raise KernelError(Errno.EPERM)
    mode &= 0o7777
    if not in_group(task, inode.gid) and not task.cred.capable(CAP_FSETID):
        mode &= ~stat.S_ISGID
    inode.setattr(mode=mode)
    if task.kernel.vfs.watched:
        fsnotify(dentry, IN_ATTRIB)


def do_chown(task: Task, dentry: Dentry, user: int, group: int) -> None:
    """chown_common(): -1 leaves an id. Raises EPERM, EROFS."""
    inode = _writable(dentry)
    cred = task.cred
    uid = None if user == 0xFFFFFFFF else user
    gid = None if group == 0xFFFFFFFF else group
    owner = cred.fsuid == inode.uid
    if not cred.capable(CAP_CHOWN):
        if uid is not None and not (owner and uid == inode.uid):
            raise KernelError(Errno.EPERM)
        if gid is not None and not (owner and (in_group(task, gid) or gid == inode.gid)):
            raise KernelError(Errno.EPERM)
    mode = None
    if not inode.is_dir:
        mode = inode.mode & 0o7777 & ~stat.S_ISUID
        if mode & stat.S_IXGRP:
            mode &= ~stat.S_ISGID
    inode.setattr(uid=uid, gid=gid, mode=mode)
    if task.kernel.vfs.watched:
        fsnotify(dentry, IN_ATTRIB)


def remove_privs(task: Task, inode: Inode) -> None:
    """file_remove_privs(): a write by others takes set-user-ID and set-group-ID away."""
    mode = inode.mode
    if not mode & (stat.S_ISUID | stat.S_ISGID) or not inode.is_regular:
        return
    if task.cred.capable(CAP_FSETID):
        return
    new = mode & 0o7777 & ~stat.S_ISUID
    if mode & stat.S_IXGRP:
        new &= ~stat.S_ISGID
    if new != mode & 0o7777:
        inode.setattr(mode=new)


def check_size_limit(task: Task, size: int) -> None:
    """RLIMIT_FSIZE: SIGXFSZ and EFBIG."""
    limit = task.group.rlimits.soft(RLIMIT_FSIZE)
    if limit != RLIM_INFINITY and size > limit:
        task.kernel.send_signal(task, SIGXFSZ)
        raise KernelError(Errno.EFBIG)


def do_truncate(task: Task, dentry: Dentry, length: int, open_for_writing: bool) -> None:
    """vfs_truncate() and do_ftruncate(). Raises EISDIR, EINVAL, EROFS, ETXTBSY, EFBIG."""
    inode = dentry.inode
    if length < 0:
        raise KernelError(Errno.EINVAL)
    if inode.is_dir:
        raise KernelError(Errno.EISDIR)
    if not inode.is_regular:
        raise KernelError(Errno.EINVAL)
    if not open_for_writing:
        check_permission(task, dentry, MAY_WRITE)
        if inode.writecount < 0:
            raise KernelError(Errno.ETXTBSY)
    inode.refresh()
    if length > inode.size:
        check_size_limit(task, length)
    remove_privs(task, inode)
    inode.truncate(length)
    if task.kernel.vfs.watched:
        fsnotify(dentry, IN_MODIFY)
