"""Options of sockets: net/core/sock.c sk_setsockopt(), sk_getsockopt()."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from youcpu.abi.args import Addr, Int
from youcpu.abi.args_file import Fd
from youcpu.abi.args_net import SocketLevel, SocketOption, SocklenPtr
from youcpu.abi.errno import Errno
from youcpu.abi.socket import (
    SO_ACCEPTCONN,
    SO_BROADCAST,
    SO_DEBUG,
    SO_DOMAIN,
    SO_DONTROUTE,
    SO_ERROR,
    SO_KEEPALIVE,
    SO_LINGER,
    SO_OOBINLINE,
    SO_PASSCRED,
    SO_PEERCRED,
    SO_PRIORITY,
    SO_PROTOCOL,
    SO_RCVBUF,
    SO_RCVBUFFORCE,
    SO_RCVLOWAT,
    SO_RCVTIMEO,
    SO_REUSEADDR,
    SO_REUSEPORT,
    SO_SNDBUF,
    SO_SNDBUFFORCE,
    SO_SNDTIMEO,
    SO_TYPE,
    SOL_SOCKET,
)
from youcpu.kernel.cred import CAP_NET_ADMIN
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.uaccess import copy_from_user, copy_to_user, get_user, put_user
from youcpu.kernel.syscalls.net import socket_of
from youcpu.kernel.syscalls.table import syscall

if TYPE_CHECKING:
    from youcpu.kernel.net.socket import Socket
    from youcpu.kernel.task import Task

#: net.core.wmem_max
_BUFFER_MAX = 212992
_NS_PER_US = 1000
#: Kept and given back; what they stand for makes no difference on this machine.
_SWITCHES = (
    SO_DEBUG, SO_REUSEADDR, SO_DONTROUTE, SO_BROADCAST, SO_KEEPALIVE, SO_OOBINLINE, SO_REUSEPORT,
)  # fmt: skip
_NUMBERS = {SO_PRIORITY: 0, SO_RCVLOWAT: 1}
_STRUCTURES = {SO_LINGER: 8, SO_SNDTIMEO: 16, SO_RCVTIMEO: 16}


@syscall(54, partial="many options are taken and have no effect")
def setsockopt(
    task: Task, fd: Fd, level: SocketLevel, optname: SocketOption, optval: Addr, optlen: Int
) -> Int:
    """setsockopt(2)."""
    this = socket_of(task, fd)
    if optlen < 0:
        raise KernelError(Errno.EINVAL)
    if level != SOL_SOCKET:
        this.set_option(level, optname, copy_from_user(task, optval, min(optlen, 256)))
        return 0
    size = _STRUCTURES.get(optname, 4)
    if optlen < size:
        raise KernelError(Errno.EINVAL)
    _set(task, this, optname, copy_from_user(task, optval, size))
    return 0


def _set(task: Task, this: Socket, name: int, data: bytes) -> None:
    (value,) = struct.unpack_from("<i", data)
    if name in (SO_SNDBUF, SO_RCVBUF):
        this.limit = max(4608, min(value & 0xFFFFFFFF, _BUFFER_MAX) * 2)
    elif name in (SO_SNDBUFFORCE, SO_RCVBUFFORCE):
        if not task.cred.capable(CAP_NET_ADMIN):
            raise KernelError(Errno.EPERM)
        this.limit = max(4608, min(max(value, 0), (1 << 30) - 1) * 2)
    elif name == SO_PASSCRED:
        this.pass_cred = bool(value)
    elif name == SO_RCVTIMEO:
        seconds, microseconds = struct.unpack("<qq", data)
        if not 0 <= microseconds < 1_000_000:
            raise KernelError(Errno.EDOM)
        this.receive_timeout = max(0, seconds) * 1_000_000_000 + microseconds * _NS_PER_US
        this.options[SOL_SOCKET, name] = data
    elif name in _SWITCHES:
        this.options[SOL_SOCKET, name] = struct.pack("<i", bool(value))
    elif name in _NUMBERS or name in _STRUCTURES:
        this.options[SOL_SOCKET, name] = data
    else:
        raise KernelError(Errno.ENOPROTOOPT)


@syscall(55)
def getsockopt(
    task: Task, fd: Fd, level: SocketLevel, optname: SocketOption, optval: Addr, optlen: SocklenPtr
) -> Int:
    """getsockopt(2)."""
    this = socket_of(task, fd)
    size = get_user(task, optlen, 4)
    if size >> 31:
        raise KernelError(Errno.EINVAL)
    if level == SOL_SOCKET:
        data = _option(this, optname)
    else:
        data = this.get_option(level, optname)
    data = data[:size]
    copy_to_user(task, optval, data)
    put_user(task, optlen, len(data), 4)
    return 0


def _option(this: Socket, name: int) -> bytes:
    if name == SO_PEERCRED:
        return struct.pack("<iII", *this.peer_cred)
    if name == SO_ERROR:
        error, this.error = this.error, None
        return struct.pack("<i", error or 0)
    if name in _STRUCTURES:
        return this.options.get((SOL_SOCKET, name), bytes(_STRUCTURES[name]))
    values = {
        SO_TYPE: this.type,
        SO_DOMAIN: this.family,
        SO_PROTOCOL: this.protocol,
        SO_SNDBUF: this.limit,
        SO_RCVBUF: this.limit,
        SO_PASSCRED: int(this.pass_cred),
        SO_ACCEPTCONN: int(this.listening),
    }
    if name in values:
        return struct.pack("<i", values[name])
    if name not in _SWITCHES and name not in _NUMBERS:
        raise KernelError(Errno.ENOPROTOOPT)
    return this.options.get((SOL_SOCKET, name), struct.pack("<i", _NUMBERS.get(name, 0)))
