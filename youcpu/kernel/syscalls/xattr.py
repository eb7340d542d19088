"""Extended attributes: fs/xattr.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.args import Int, Long, Size
from youcpu.abi.args_file import Fd, Path
from youcpu.abi.args_xattr import XattrFlags, XattrName, XattrValueIn, XattrValueOut
from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import AT_FDCWD, O_PATH, XATTR_CREATE, XATTR_REPLACE
from youcpu.kernel.cred import CAP_FOWNER, CAP_SYS_ADMIN
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.uaccess import copy_from_user, copy_to_user, strncpy_from_user
from youcpu.kernel.syscalls.table import syscall
from youcpu.kernel.vfs.inode import MAY_READ, MAY_WRITE
from youcpu.kernel.vfs.namei import LOOKUP_FOLLOW, path_lookup
from youcpu.kernel.vfs.open import check_permission
from youcpu.kernel.vfs.posix_acl import ACL_DEFAULT, ACL_HEADER, POSIX_ACLS, equivalent_mode

if TYPE_CHECKING:
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.dcache import Dentry
    from youcpu.kernel.vfs.inode import Inode

_NAME_MAX = 255
_SIZE_MAX = 65536


def _name(task: Task, address: int) -> bytes:
    name = strncpy_from_user(task, address, _NAME_MAX + 1)
    if not name:
        raise KernelError(Errno.ERANGE)
    return name


def _permission(task: Task, place: Dentry, name: bytes, mask: int) -> None:
    """xattr_permission()."""
    inode = place.inode
    if mask & MAY_WRITE and inode.sb.read_only:
        raise KernelError(Errno.EROFS)
    if name.startswith(b"trusted."):
        if not task.cred.capable(CAP_SYS_ADMIN):
            raise KernelError(Errno.EPERM if mask & MAY_WRITE else Errno.ENODATA)
        return
    if name.startswith((b"security.", b"system.")):
        if mask & MAY_WRITE and task.cred.fsuid != inode.uid and not task.cred.capable(CAP_FOWNER):
            raise KernelError(Errno.EPERM)
        return
    if name.startswith(b"user.") and not inode.is_regular and not inode.is_dir:
        raise KernelError(Errno.EPERM if mask & MAY_WRITE else Errno.ENODATA)
    check_permission(task, place, mask)


def _check_namespace(inode: Inode, name: bytes) -> None:
    """xattr_resolve_name(): there is a handler for it. Raises EOPNOTSUPP, EINVAL."""
    prefix, dot, rest = name.partition(b".")
    if name in POSIX_ACLS and not inode.is_symlink:
        return
    if not dot or prefix not in (b"user", b"trusted", b"security"):
        raise KernelError(Errno.EOPNOTSUPP)
    if not rest:
        raise KernelError(Errno.EINVAL)


def _get(task: Task, place: Dentry, name_at: int, value: int, size: int) -> int:
    name = _name(task, name_at)
    _permission(task, place, name, MAY_READ)
    _check_namespace(place.inode, name)
    data = place.inode.getxattr(name)
    if size:
        if len(data) > size:
            raise KernelError(Errno.ERANGE)
        copy_to_user(task, value, data)
    return len(data)


def _list(task: Task, place: Dentry, address: int, size: int) -> int:
    names = b"".join(name + b"\0" for name in place.inode.listxattr())
    if len(names) > _SIZE_MAX:
        raise KernelError(Errno.E2BIG)
    if size:
        if len(names) > size:
            raise KernelError(Errno.ERANGE)
        copy_to_user(task, address, names)
    return len(names)


def _set(task: Task, place: Dentry, name_at: int, value: int, size: int, flags: int) -> int:
    if flags & ~(XATTR_CREATE | XATTR_REPLACE):
        raise KernelError(Errno.EINVAL)
    name = _name(task, name_at)
    if size > _SIZE_MAX:
        raise KernelError(Errno.E2BIG)
    data = copy_from_user(task, value, size)
    _permission(task, place, name, MAY_WRITE)
    _check_namespace(place.inode, name)
    if name in POSIX_ACLS:
        return _set_acl(place.inode, name, data)
    exists = name in place.inode.listxattr()
    if exists and flags & XATTR_CREATE:
        raise KernelError(Errno.EEXIST)
    if not exists and flags & XATTR_REPLACE:
        raise KernelError(Errno.ENODATA)
    place.inode.setxattr(name, data)
    return 0


def _set_acl(inode: Inode, name: bytes, data: bytes) -> int:
    """posix_acl_update_mode(): an ACL of owner, group and others is the mode, nothing is kept.

    Raises EINVAL; EOPNOTSUPP for an ACL that says more than a mode.
    """
    if len(data) in (0, ACL_HEADER):
        # No entries: the ACL that is not there goes.
        return 0
    mode = equivalent_mode(data)
    if name == ACL_DEFAULT:
        if not inode.is_dir:
            raise KernelError(Errno.EACCES)
        raise KernelError(Errno.EOPNOTSUPP)
    if mode is None:
        raise KernelError(Errno.EOPNOTSUPP)
    inode.setattr(mode=inode.mode & 0o7000 | mode)
    return 0


def _remove(task: Task, place: Dentry, name_at: int) -> int:
    name = _name(task, name_at)
    _permission(task, place, name, MAY_WRITE)
    _check_namespace(place.inode, name)
    if name not in place.inode.listxattr():
        if name in POSIX_ACLS:
            return 0
        raise KernelError(Errno.ENODATA)
    place.inode.setxattr(name, None)
    return 0


def _at(task: Task, path: bytes, follow: int = LOOKUP_FOLLOW) -> Dentry:
    return path_lookup(task, AT_FDCWD, path, follow)


def _fd(task: Task, fd: int) -> Dentry:
    file = task.files.get(fd)
    if file.flags & O_PATH:
        raise KernelError(Errno.EBADF)
    return file.dentry


@syscall(188)
def setxattr(
    task: Task, path: Path, name: XattrName, value: XattrValueIn, size: Size, flags: XattrFlags
) -> Int:
    return _set(task, _at(task, path), name, value, size, flags)


@syscall(189)
def lsetxattr(
    task: Task, path: Path, name: XattrName, value: XattrValueIn, size: Size, flags: XattrFlags
) -> Int:
    return _set(task, _at(task, path, 0), name, value, size, flags)


@syscall(190)
def fsetxattr(
    task: Task, fd: Fd, name: XattrName, value: XattrValueIn, size: Size, flags: XattrFlags
) -> Int:
    return _set(task, _fd(task, fd), name, value, size, flags)


@syscall(191)
def getxattr(task: Task, path: Path, name: XattrName, value: XattrValueOut, size: Size) -> Long:
    return _get(task, _at(task, path), name, value, size)


@syscall(192)
def lgetxattr(task: Task, path: Path, name: XattrName, value: XattrValueOut, size: Size) -> Long:
    return _get(task, _at(task, path, 0), name, value, size)


@syscall(193)
def fgetxattr(task: Task, fd: Fd, name: XattrName, value: XattrValueOut, size: Size) -> Long:
    return _get(task, _fd(task, fd), name, value, size)


@syscall(194)
def listxattr(task: Task, path: Path, list_: XattrValueOut, size: Size) -> Long:
    return _list(task, _at(task, path), list_, size)


@syscall(195)
def llistxattr(task: Task, path: Path, list_: XattrValueOut, size: Size) -> Long:
    return _list(task, _at(task, path, 0), list_, size)


@syscall(196)
def flistxattr(task: Task, fd: Fd, list_: XattrValueOut, size: Size) -> Long:
    return _list(task, _fd(task, fd), list_, size)


@syscall(197)
def removexattr(task: Task, path: Path, name: XattrName) -> Int:
    return _remove(task, _at(task, path), name)


@syscall(198)
def lremovexattr(task: Task, path: Path, name: XattrName) -> Int:
    return _remove(task, _at(task, path, 0), name)


@syscall(199)
def fremovexattr(task: Task, fd: Fd, name: XattrName) -> Int:
    return _remove(task, _fd(task, fd), name)
