"""Changing the mount tree: fs/namespace.c, fs/nsfs.c.

While programs are run one by one the tree is the user's, set by --rootfs and --rw. On a booted
machine it is init's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.args import Int
from youcpu.abi.args_file import Path, PathOrNull, UmountFlags
from youcpu.abi.args_io import CString
from youcpu.abi.args_mount import MountFlags
from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import AT_FDCWD
from youcpu.abi.mount import MS_MGC_MSK, MS_MGC_VAL, MS_MOVE, UMOUNT_NOFOLLOW
from youcpu.kernel.cred import CAP_SYS_ADMIN
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.uaccess import copy_from_user_partial, strncpy_from_user
from youcpu.kernel.syscalls.table import syscall
from youcpu.kernel.vfs.namei import LOOKUP_FOLLOW, path_lookup
from youcpu.kernel.vfs.namespace import do_mount, do_move, do_umount

if TYPE_CHECKING:
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.dcache import Dentry

_PAGE = 4096


def _string(task: Task, address: int) -> bytes | None:
    """strndup_user(). Raises EFAULT, EINVAL."""
    if not address:
        return None
    text = strncpy_from_user(task, address, _PAGE)
    if text is None:
        raise KernelError(Errno.EINVAL)
    return text


def _check(task: Task) -> None:
    """may_mount(): a capability, and a tree that is init's."""
    if not task.cred.capable(CAP_SYS_ADMIN) or not task.kernel.vfs.booting:
        raise KernelError(Errno.EPERM)


def _place(task: Task, path: bytes, follow: int = LOOKUP_FOLLOW) -> Dentry:
    return path_lookup(task, AT_FDCWD, path, follow)


@syscall(165, partial="a booted machine's: proc, sysfs, devtmpfs, tmpfs; no bind mounts")
def mount(
    task: Task, dev_name: PathOrNull, dir_name: Path, type_: CString, flags: MountFlags,
    data: CString,
) -> Int:  # fmt: skip
    """mount(2)."""
    if not task.kernel.vfs.booting:
        raise KernelError(Errno.EPERM)
    kind = _string(task, type_)
    # exact_copy_from_user(): as much of a page as there is.
    options = copy_from_user_partial(task, data, _PAGE).split(b"\0")[0] if data else b""
    place = _place(task, dir_name)
    _check(task)
    if flags & MS_MGC_MSK == MS_MGC_VAL:
        flags &= ~MS_MGC_MSK
    vfs = task.kernel.vfs
    if flags & MS_MOVE:
        do_move(vfs, _place(task, dev_name or b""), place)
    else:
        do_mount(vfs, dev_name or b"none", place, kind, flags, options)
    return 0


@syscall(166, partial="a booted machine's")
def umount2(task: Task, name: Path, flags: UmountFlags) -> Int:
    """umount2(2)."""
    if not task.kernel.vfs.booting:
        raise KernelError(Errno.EPERM)
    place = _place(task, name, 0 if flags & UMOUNT_NOFOLLOW else LOOKUP_FOLLOW)
    _check(task)
    do_umount(task.kernel.vfs, place, task.fs.root, flags)
    return 0


@syscall(155, partial="always EPERM")
def pivot_root(task: Task, new_root: Path, put_old: Path) -> Int:
    """pivot_root(2)."""
    raise KernelError(Errno.EPERM)
