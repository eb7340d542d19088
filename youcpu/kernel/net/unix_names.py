"""Names of sockets: net/unix/af_unix.c unix_bind(), unix_find_other()."""

from __future__ import annotations

import stat
import struct
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import AT_FDCWD
from youcpu.abi.socket import AF_UNIX
from youcpu.kernel.errors import KernelError
from youcpu.kernel.vfs.dirops import filename_create
from youcpu.kernel.vfs.inode import MAY_WRITE
from youcpu.kernel.vfs.namei import path_lookup
from youcpu.kernel.vfs.open import check_permission, create_file

if TYPE_CHECKING:
    from youcpu.kernel.net.unix import UnixSocket
    from youcpu.kernel.task import Task

#: sizeof(struct sockaddr_un)
_SOCKADDR_UN = 110


def parse_name(data: bytes) -> tuple[int, bytes]:
    """Family, and sun_path without what follows its NUL (an abstract one whole)."""
    if len(data) < 2:
        raise KernelError(Errno.EINVAL)
    (family,) = struct.unpack_from("<H", data)
    name = data[2:]
    if family == AF_UNIX and len(data) > _SOCKADDR_UN:
        raise KernelError(Errno.EINVAL)
    if name and name[0]:
        name = name.split(b"\0")[0]
    return family, name


def pack_name(name: bytes) -> bytes:
    """struct sockaddr_un of a name."""
    data = struct.pack("<H", AF_UNIX) + name
    return data + b"\0" if name and name[0] else data


def bind_name(task: Task, socket: UnixSocket, address: tuple[int, bytes]) -> None:
    """bind(2): a node in the file system, or an abstract name. Raises EADDRINUSE, EINVAL."""
    family, name = address
    if family != AF_UNIX:
        raise KernelError(Errno.EINVAL)
    if socket.address:
        raise KernelError(Errno.EINVAL)
    names = task.kernel.vfs.abstract_sockets
    if not name:
        # Autobind: five hexadecimal digits.
        name = next(n for i in range(1 << 20) if (n := b"\0%05x" % i) not in names)
    if not name[0]:
        if name in names:
            raise KernelError(Errno.EADDRINUSE)
        names[name] = socket
        socket.address = name
        return
    try:
        last = filename_create(task, AT_FDCWD, name)
    except KernelError as error:
        if error.errno == Errno.EEXIST:
            raise KernelError(Errno.EADDRINUSE) from None
        raise
    node = create_file(task, last, stat.S_IFSOCK | 0o777)
    node.inode.endpoint = socket  # type: ignore[attr-defined]
    socket.address = name


def find_socket(task: Task, name: bytes) -> UnixSocket:
    """Who listens at a name. Raises ENOENT, EACCES, ECONNREFUSED; sockets of the host: the last."""
    if not name[0]:
        found = task.kernel.vfs.abstract_sockets.get(name)
        if found is None:
            raise KernelError(Errno.ECONNREFUSED)
        return found
    place = path_lookup(task, AT_FDCWD, name)
    check_permission(task, place, MAY_WRITE)
    if stat.S_IFMT(place.inode.mode) != stat.S_IFSOCK:
        raise KernelError(Errno.ECONNREFUSED)
    endpoint = getattr(place.inode, "endpoint", None)
    if endpoint is None or not endpoint.alive:
        raise KernelError(Errno.ECONNREFUSED)
    found_there: UnixSocket = endpoint
    return found_there
