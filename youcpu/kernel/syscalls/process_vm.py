"""Memory of another process: mm/process_vm_access.c."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from youcpu.abi.args import Long, ULong
from youcpu.abi.args_io import IovecIn, IovecOut, IovecRemote
from youcpu.abi.args_process import Pid
from youcpu.abi.errno import Errno
from youcpu.kernel.cred import CAP_SYS_PTRACE
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.gup import access_remote_vm, write_remote_vm
from youcpu.kernel.mm.uaccess import copy_from_user
from youcpu.kernel.syscalls.table import syscall
from youcpu.kernel.vfs.iov_iter import UIO_MAXIOV, IovIter, import_iovec

if TYPE_CHECKING:
    from youcpu.kernel.mm.mm import MM
    from youcpu.kernel.task import Task

#: So many bytes go at once (PVM_MAX_USER_PAGES is 16).
_CHUNK = 1 << 16


def _remote(task: Task, address: int, count: int) -> list[tuple[int, int]]:
    """The other side's vector: its addresses are not checked before they are used."""
    if count > UIO_MAXIOV:
        raise KernelError(Errno.EINVAL)
    pairs = list(struct.iter_unpack("<QQ", copy_from_user(task, address, 16 * count)))
    if any(size >> 63 for _, size in pairs):
        raise KernelError(Errno.EINVAL)
    return pairs


def _mm_access(task: Task, pid: int) -> MM:
    """ptrace_may_access() by the real ids. Raises ESRCH, EPERM."""
    target = task.kernel.tasks.get(pid)
    if target is None or target.mm is None:
        raise KernelError(Errno.ESRCH)
    mine, theirs = task.cred, target.cred
    same = {theirs.uid, theirs.euid, theirs.suid} == {mine.uid} and (
        {theirs.gid, theirs.egid, theirs.sgid} == {mine.gid}
    )
    if target.group is not task.group and not same and not mine.capable(CAP_SYS_PTRACE):
        raise KernelError(Errno.EPERM)
    return target.mm


def _copy(mm: MM, remote: list[tuple[int, int]], local: IovIter, write: bool) -> int:
    """process_vm_rw_core(): bytes moved before the first fault. Raises EFAULT where none were."""
    done = 0
    for base, size in remote:
        at = 0
        while at < size and local.left:
            count = min(size - at, local.left, _CHUNK)
            try:
                moved = _step(mm, base + at, count, local, write)
            except KernelError:
                if done:
                    return done
                raise
            done += moved
            at += moved
            if moved < count:
                return done
    return done


def _step(mm: MM, address: int, count: int, local: IovIter, write: bool) -> int:
    if write:
        moved = write_remote_vm(mm, address, local.peek(count))
        local.skip(moved)
    else:
        moved = local.copy_out(access_remote_vm(mm, address, count))
    if not moved:
        raise KernelError(Errno.EFAULT)
    return moved


def _process_vm_rw(
    task: Task, pid: int, local: tuple[int, int], remote: tuple[int, int], flags: int, write: bool
) -> int:
    if flags:
        raise KernelError(Errno.EINVAL)
    into = import_iovec(task, *local)
    if not into.left:
        return 0
    pairs = _remote(task, *remote)
    if not any(size for _, size in pairs):
        return 0
    return _copy(_mm_access(task, pid), pairs, into, write)


@syscall(310)
def process_vm_readv(
    task: Task,
    pid: Pid,
    local_iov: IovecOut,
    liovcnt: ULong,
    remote_iov: IovecRemote,
    riovcnt: ULong,
    flags: ULong,
) -> Long:
    """process_vm_readv(2): from another process."""
    return _process_vm_rw(task, pid, (local_iov, liovcnt), (remote_iov, riovcnt), flags, False)


@syscall(311)
def process_vm_writev(
    task: Task,
    pid: Pid,
    local_iov: IovecIn,
    liovcnt: ULong,
    remote_iov: IovecRemote,
    riovcnt: ULong,
    flags: ULong,
) -> Long:
    """process_vm_writev(2): to another process."""
    return _process_vm_rw(task, pid, (local_iov, liovcnt), (remote_iov, riovcnt), flags, True)
