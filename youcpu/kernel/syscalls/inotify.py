"""Watching files: fs/notify/inotify/inotify_user.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.args import Int, UInt
from youcpu.abi.args_file import Fd, Path
from youcpu.abi.args_poll import InotifyFlags
from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import AT_FDCWD, O_CLOEXEC, O_NONBLOCK, O_RDONLY
from youcpu.kernel.errors import KernelError
from youcpu.kernel.syscalls.table import syscall
from youcpu.kernel.vfs.anon_inode import anon_dentry
from youcpu.kernel.vfs.fsnotify import IN_ALL_EVENTS
from youcpu.kernel.vfs.inode import MAY_READ
from youcpu.kernel.vfs.inotify import IN_MASK_ADD, IN_MASK_CREATE, Inotify
from youcpu.kernel.vfs.namei import LOOKUP_DIRECTORY, LOOKUP_FOLLOW, path_lookup
from youcpu.kernel.vfs.open import check_permission

if TYPE_CHECKING:
    from youcpu.kernel.task import Task

IN_ONLYDIR = 0x01000000
IN_DONT_FOLLOW = 0x02000000


@syscall(253)
def inotify_init(task: Task) -> Fd:
    return inotify_init1(task, 0)


@syscall(294)
def inotify_init1(task: Task, flags: InotifyFlags) -> Fd:
    if flags & ~(O_CLOEXEC | O_NONBLOCK):
        raise KernelError(Errno.EINVAL)
    dentry = anon_dentry(task, b"inotify")
    file = Inotify(dentry, O_RDONLY | flags & O_NONBLOCK, task.kernel.vfs.kmem)
    return task.files.install(file, bool(flags & O_CLOEXEC))


def _instance(task: Task, fd: int) -> Inotify:
    file = task.files.get(fd)
    if not isinstance(file, Inotify):
        raise KernelError(Errno.EINVAL)
    return file


@syscall(254, partial="no IN_ACCESS events")
def inotify_add_watch(task: Task, fd: Fd, pathname: Path, mask: UInt) -> Int:
    if not mask & IN_ALL_EVENTS or (mask & IN_MASK_ADD and mask & IN_MASK_CREATE):
        raise KernelError(Errno.EINVAL)
    instance = _instance(task, fd)
    how = 0 if mask & IN_DONT_FOLLOW else LOOKUP_FOLLOW
    how |= LOOKUP_DIRECTORY if mask & IN_ONLYDIR else 0
    place = path_lookup(task, AT_FDCWD, pathname, how)
    check_permission(task, place, MAY_READ)
    task.kernel.vfs.watched = True
    return instance.add(place.inode, mask)


@syscall(255)
def inotify_rm_watch(task: Task, fd: Fd, wd: Int) -> Int:
    _instance(task, fd).remove(wd)
    return 0
