"""Opening a file to execute it: fs/exec.c do_open_execat(), open_exec(), deny_write_access()."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, O_RDONLY
from youcpu.kernel.errors import KernelError
from youcpu.kernel.exec.binprm import ExecError
from youcpu.kernel.exec.host_facts import host_facts
from youcpu.kernel.vfs.inode import MAY_EXEC
from youcpu.kernel.vfs.namei import LOOKUP_EMPTY, LOOKUP_FOLLOW, path_lookup

if TYPE_CHECKING:
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.dcache import Dentry
    from youcpu.kernel.vfs.file import File
    from youcpu.kernel.vfs.inode import Inode

#: Since Linux 6.14: only ask whether the file may be executed.
AT_EXECVE_CHECK = 0x10000
KNOWN_FLAGS = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_EXECVE_CHECK
KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
}


def open_exec(task: Task, name: bytes, role: str) -> File:
    """An interpreter, by the kernel's own path: "" is the working directory. Raises ExecError."""
    return do_open_execat(task, AT_FDCWD, name, AT_EMPTY_PATH, role)


def do_open_execat(task: Task, dirfd: int, name: bytes, flags: int, role: str) -> File:
    """Look up, check, open; no writers until allow_write_access(). Raises ExecError."""
    if flags & ~KNOWN_FLAGS:
        raise ExecError(Errno.EINVAL, "flags", name, f"flags {flags:#x} are not known", role)
    lookup = 0 if flags & AT_SYMLINK_NOFOLLOW else LOOKUP_FOLLOW
    if flags & AT_EMPTY_PATH:
        lookup |= LOOKUP_EMPTY
    try:
        dentry = path_lookup(task, dirfd, name, lookup)
    except KernelError as error:
        raise ExecError(error.errno, "lookup", name, role=role) from None
    _may_exec(task, dentry.inode, name, role)
    return _open(task, dentry, name, role)


def _may_exec(task: Task, inode: Inode, name: bytes, role: str) -> None:
    """may_open() for MAY_EXEC, and path_noexec()."""
    if inode.is_symlink:
        raise ExecError(Errno.ELOOP, "open", name, "it is a symbolic link, not followed", role)
    if not inode.is_regular:
        kind = KINDS.get(inode.kind, "no regular file")
        raise ExecError(Errno.EACCES, "kind", name, f"it is {kind}", role)
    if inode.noexec() or host_facts(task, inode)[0] & os.ST_NOEXEC:
        raise ExecError(Errno.EACCES, "noexec", name, "its file system is mounted noexec", role)
    try:
        inode.permission(task.cred, MAY_EXEC)
    except KernelError as error:
        raise ExecError(error.errno, "permission", name, "no execute permission", role) from None


def _open(task: Task, dentry: Dentry, name: bytes, role: str) -> File:
    try:
        deny_write_access(dentry.inode)
    except KernelError as error:
        raise ExecError(error.errno, "busy", name, "it is open for writing", role) from None
    if host_facts(task, dentry.inode)[1]:
        dentry.inode.writecount += 1
        reason = "a process of the host has it open for writing"
        raise ExecError(Errno.ETXTBSY, "busy", name, reason, role)
    try:
        file = dentry.inode.open(dentry, O_RDONLY, task)
    except KernelError as error:
        dentry.inode.writecount += 1
        raise ExecError(error.errno, "read", name, "its content cannot be read", role) from None
    file.refs += 1
    return file


def clone_exec(task: Task, opened: File) -> File:
    """Another open file of one that binfmt_misc holds open (flag F). Raises ExecError."""
    return _open(task, opened.dentry, opened.dentry.name, "binfmt_misc interpreter")


def deny_write_access(inode: Inode) -> None:
    """One more user who wants no writers. Raises ETXTBSY."""
    if inode.writecount > 0:
        raise KernelError(Errno.ETXTBSY)
    inode.writecount -= 1


def allow_write_access(file: File) -> None:
    """One such user less."""
    file.inode.writecount += 1


def drop_exec(file: File) -> None:
    """Let go of a file from do_open_execat()."""
    allow_write_access(file)
    file.put()
