"""What only the host knows of a file to be executed: mount flags, and who writes to it.

The file tree reads host files but cannot see how they are mounted or whether another
process of the host has them open for writing; the host's own execve would answer EACCES
and ETXTBSY.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from youcpu.kernel.errors import KernelError
from youcpu.kernel.vfs.overlay import LowerFile

if TYPE_CHECKING:
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.inode import Inode

_F_SETSIG = 10
_SIGURG = 23
#: File systems of the host where a refused lease means a writer (magic numbers of statfs(2)):
#: ext2-4, XFS, Btrfs, tmpfs, F2FS. Network file systems refuse leases for other reasons.
_LOCAL = frozenset((0xEF53, 0x58465342, 0x9123683E, 0x01021994, 0xF2F52010))


def _descriptor(inode: Inode) -> int | None:
    """Host descriptor of an unchanged host file, open for reading."""
    if not isinstance(inode, LowerFile) or inode.written:
        return None
    try:
        return inode.overlay.pool.fd(inode.content.host)
    except KernelError:
        return None


def host_facts(task: Task, inode: Inode) -> tuple[int, bool]:
    """(flags of the mount, whether somebody writes) of a file."""
    known = task.kernel.vfs.snapshot
    if known is None:
        return mounted_with(inode), host_writes(inode)
    facts = known.get(inode)
    if facts is None:
        facts = known[inode] = mounted_with(inode), host_writes(inode)
    return facts


def mounted_with(inode: Inode) -> int:
    """ST_NOEXEC, ST_NOSUID and so on of the mount that the host has the file on; 0: unknown."""
    fd = _descriptor(inode)
    try:
        return os.fstatvfs(fd).f_flag if fd is not None else 0
    except OSError:
        return 0


def host_writes(inode: Inode) -> bool:
    """Whether a process of the host has the file open for writing.

    A read lease (fcntl(2)) is granted only where nobody writes; it is given back at once.
    It wants the file's owner or CAP_LEASE; without, the answer is no.
    """
    fd = _descriptor(inode)
    if fd is None:
        return False
    try:
        # Who opens the file for writing just now waits a moment, and we are told by a signal:
        # let it be one that is ignored.
        fcntl.fcntl(fd, _F_SETSIG, _SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return _is_local(fd)
    except OSError:
        return False
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def _is_local(fd: int) -> bool:
    from youcpu.kernel.vfs.host_calls import host_statfs

    found = host_statfs(b"/proc/self/fd/%d" % fd)
    return found is not None and found.type in _LOCAL
