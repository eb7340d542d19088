"""Sockets with names in the file system, or abstract ones: net/unix/af_unix.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.socket import AF_UNIX, AF_UNSPEC, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET, SOCK_STREAM
from youcpu.kernel.errors import Blocked, KernelError
from youcpu.kernel.net.socket import Socket
from youcpu.kernel.net.unix_names import bind_name, find_socket, pack_name, parse_name

if TYPE_CHECKING:
    from youcpu.kernel.task import Task

KINDS = (SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET)


class UnixSocket(Socket):
    """struct unix_sock: `address` is sun_path as bound, b"" unbound; NUL first: abstract."""

    __slots__ = ("address",)
    family = AF_UNIX
    unconnected = Errno.EINVAL

    def __init__(self, task: Task, kind: int, flags: int = 0) -> None:
        super().__init__(task, kind, flags)
        self.address = b""

    @classmethod
    def create(cls, task: Task, kind: int, protocol: int, flags: int) -> UnixSocket:
        """unix_create(). Raises EPROTONOSUPPORT, ESOCKTNOSUPPORT."""
        if protocol not in (0, AF_UNIX):
            raise KernelError(Errno.EPROTONOSUPPORT)
        if kind == SOCK_RAW:
            kind = SOCK_DGRAM
        if kind not in KINDS:
            raise KernelError(Errno.ESOCKTNOSUPPORT)
        return cls(task, kind, flags)

    def bind(self, task: Task, name: bytes) -> None:
        bind_name(task, self, parse_name(name))

    def name(self) -> bytes:
        return pack_name(self.address)

    def peer_name(self) -> bytes:
        if self.peer is None:
            raise KernelError(Errno.ENOTCONN)
        return self.peer.name()

    def check_listen(self, task: Task) -> None:
        if not self.address:
            raise KernelError(Errno.EINVAL)

    def connect(self, task: Task, name: bytes) -> None:
        """Raises EPROTOTYPE, ECONNREFUSED, EISCONN, EINVAL; EAGAIN or Blocked: no room."""
        family, path = parse_name(name)
        if family == AF_UNSPEC and not self.connection:
            self.peer = None
            return
        if family != AF_UNIX or not path:
            raise KernelError(Errno.EINVAL)
        target = find_socket(task, path)
        if target.type != self.type:
            raise KernelError(Errno.EPROTOTYPE)
        if not self.connection:
            self.peer = target
            self.peer_cred = target.cred
            return
        if self.peer is not None:
            raise KernelError(Errno.EISCONN)
        if self.listening:
            raise KernelError(Errno.EINVAL)
        if not target.listening or target.shut_read:
            raise KernelError(Errno.ECONNREFUSED)
        if len(target.backlog) > target.limit:
            if self.nonblocking:
                raise KernelError(Errno.EAGAIN)
            raise Blocked(target.wait_queue)
        server = UnixSocket(task, self.type)
        server.cred = target.cred
        server.address = target.address
        server.join(self)
        target.backlog.append(server)
        target.changed()

    def destination(self, task: Task, name: bytes) -> Socket | None:
        family, path = parse_name(name)
        if self.connection:
            raise KernelError(Errno.EISCONN if self.peer is not None else Errno.EOPNOTSUPP)
        if family != AF_UNIX or not path:
            raise KernelError(Errno.EINVAL)
        target = find_socket(task, path)
        if target.type != self.type:
            raise KernelError(Errno.EPROTOTYPE)
        return target

    def release(self) -> None:
        self.vfs.abstract_sockets.pop(self.address, None)
        super().release()
