"""Ancillary messages: net/core/scm.c. Files and credentials travel with the data."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.kernel.errors import KernelError
from youcpu.kernel.net.socket import Credentials, Message, PassedFiles, Socket

if TYPE_CHECKING:
    from youcpu.kernel.task import Task

SOL_SOCKET, SCM_RIGHTS, SCM_CREDENTIALS = 1, 1, 2
#: include/net/scm.h
SCM_MAX_FD = 253
MSG_PEEK, MSG_CMSG_CLOEXEC = 0x2, 0x40000000
_HEADER = struct.Struct("<QII")
_CRED = struct.Struct("<iII")


def _align(size: int) -> int:
    return (size + 7) & ~7


def parse_control(
    task: Task, socket: Socket, control: bytes
) -> tuple[PassedFiles | None, Credentials | None]:
    """scm_send(): files and credentials that the program sends along. Raises EINVAL, EBADF."""
    passed = None
    cred = None
    at = 0
    while at + _HEADER.size <= len(control):
        length, level, kind = _HEADER.unpack_from(control, at)
        if length < _HEADER.size or at + length > len(control):
            raise KernelError(Errno.EINVAL)
        data = control[at + _HEADER.size : at + length]
        if level == SOL_SOCKET and kind == SCM_RIGHTS:
            passed = _take_files(task, data)
        elif level == SOL_SOCKET and kind == SCM_CREDENTIALS:
            cred = _take_credentials(task, data)
        elif level == SOL_SOCKET:
            raise KernelError(Errno.EINVAL)
        at += _align(length)
    return passed, cred


def _take_files(task: Task, data: bytes) -> PassedFiles | None:
    count = len(data) // 4
    if count > SCM_MAX_FD:
        raise KernelError(Errno.EINVAL)
    files = [task.files.get(fd) for (fd,) in struct.iter_unpack("<i", data[: count * 4])]
    # too_many_unix_fds(): as many as descriptors may be on their way.
    if task.kernel.vfs.files_in_flight + count > task.files.limit:
        raise KernelError(Errno.ETOOMANYREFS)
    return PassedFiles(task.kernel.vfs, files) if files else None


def _take_credentials(task: Task, data: bytes) -> Credentials:
    if len(data) != _CRED.size:
        raise KernelError(Errno.EINVAL)
    pid, uid, gid = _CRED.unpack(data)
    cred = task.cred
    own = (
        pid == task.tgid
        and uid in (cred.uid, cred.euid, cred.suid)
        and gid in (cred.gid, cred.egid, cred.sgid)
    )
    if not own and not cred.capable(21):  # CAP_SYS_ADMIN, CAP_SETUID, CAP_SETGID
        raise KernelError(Errno.EPERM)
    return pid, uid, gid


def build_control(
    task: Task, socket: Socket, message: Message, room: int, flags: int
) -> tuple[bytes, bool]:
    """scm_recv(): the ancillary data that fits, and whether some was lost."""
    parts = b""
    lost = False
    if socket.pass_cred:
        if room >= _HEADER.size + _CRED.size:
            length = _HEADER.size + _CRED.size
            parts = _HEADER.pack(length, SOL_SOCKET, SCM_CREDENTIALS) + _CRED.pack(*message.cred)
            parts = parts.ljust(min(_align(length), room), b"\0")
        else:
            lost = True
    if message.passed is not None:
        more, some_lost = _give_files(task, message, room - len(parts), flags)
        parts += more
        lost = lost or some_lost
    return parts, lost


def _give_files(task: Task, message: Message, room: int, flags: int) -> tuple[bytes, bool]:
    assert message.passed is not None
    fit = max(0, (room - _HEADER.size) // 4)
    fds = []
    lost = len(message.passed.files) > fit
    for file in message.passed.files[:fit]:
        try:
            fds.append(task.files.install(file, bool(flags & MSG_CMSG_CLOEXEC)))
        except KernelError:
            lost = True
            break
    if not flags & MSG_PEEK:
        message.passed = None
    if not fds:
        return b"", lost
    length = _HEADER.size + 4 * len(fds)
    data = _HEADER.pack(length, SOL_SOCKET, SCM_RIGHTS) + struct.pack(f"<{len(fds)}i", *fds)
    return data.ljust(min(_align(length), room), b"\0"), lost
