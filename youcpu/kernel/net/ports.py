"""Addresses and ports of the loopback network: net/ipv4/inet_hashtables.c, udp.c."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.socket import AF_INET, AF_INET6
from youcpu.kernel.errors import KernelError
from youcpu.record import record

if TYPE_CHECKING:
    from youcpu.kernel.net.inet import InetSocket

#: net.ipv4.ip_local_port_range
EPHEMERAL = range(32768, 61000)
_SOCKADDR_IN, _SOCKADDR_IN6_MIN, _SOCKADDR_IN6 = 16, 24, 28
_MAPPED = bytes(10) + b"\xff\xff"


@record(frozen=True)
class Address:
    """An IPv4 (4 bytes) or IPv6 (16 bytes) address; IPv4 in IPv6 form is IPv4."""

    raw: bytes

    @property
    def is_set(self) -> bool:
        """Not the wildcard."""
        return any(self.raw)

    @property
    def is_local(self) -> bool:
        """Of the loopback device: 127.0.0.0/8, ::1."""
        return self.raw[0] == 127 if len(self.raw) == 4 else self.raw == bytes(15) + b"\1"

    def source(self) -> Address:
        """The address that is sent from to reach this one."""
        return Address(bytes((127, 0, 0, 1)) if len(self.raw) == 4 else bytes(15) + b"\1")


@record(frozen=True)
class Endpoint:
    """Address and port."""

    address: Address
    port: int

    @classmethod
    def any(cls, family: int) -> Endpoint:
        """The wildcard of a family, any port."""
        return cls(Address(bytes(4 if family == AF_INET else 16)), 0)

    def reachable(self) -> Endpoint:
        """As a destination: the wildcard is this machine. Raises ENETUNREACH."""
        if not self.address.is_set:
            return Endpoint(self.address.source(), self.port)
        if not self.address.is_local:
            raise KernelError(Errno.ENETUNREACH)
        return self


def parse_sockaddr(family: int, data: bytes, connecting: bool = False) -> tuple[int, Endpoint]:
    """(sa_family, endpoint) of a struct sockaddr for a socket of `family`. Raises EINVAL.

    `connecting`: AF_UNSPEC needs no address.
    """
    if len(data) < 2:
        raise KernelError(Errno.EINVAL)
    (said,) = struct.unpack_from("<H", data)
    if connecting and said == 0:
        return said, Endpoint.any(family)
    if len(data) < (_SOCKADDR_IN if family == AF_INET else _SOCKADDR_IN6_MIN):
        raise KernelError(Errno.EINVAL)
    (port,) = struct.unpack_from(">H", data, 2)
    raw = data[4:8] if family == AF_INET else data[8:24]
    return said, Endpoint(Address(raw[12:] if raw.startswith(_MAPPED) else raw), port)


def pack_sockaddr(family: int, endpoint: Endpoint | None) -> bytes:
    """struct sockaddr_in or sockaddr_in6; None: the wildcard, port 0."""
    endpoint = endpoint or Endpoint.any(family)
    raw = endpoint.address.raw
    if family == AF_INET:
        return struct.pack("<H", family) + struct.pack(">H", endpoint.port) + raw + bytes(8)
    if len(raw) == 4:
        raw = _MAPPED + raw if any(raw) else bytes(16)
    head = struct.pack("<H", AF_INET6) + struct.pack(">HI", endpoint.port, 0)
    return head + raw + bytes(4)


class Ports:
    """Sockets of one protocol by port."""

    __slots__ = ("_next", "sockets")

    def __init__(self) -> None:
        self.sockets: dict[int, list[InetSocket]] = {}
        self._next = EPHEMERAL.start

    def bind(self, socket: InetSocket, wanted: Endpoint) -> Endpoint:
        """Give a socket a port. Raises EADDRINUSE."""
        port = wanted.port or self._ephemeral()
        endpoint = Endpoint(wanted.address, port)
        for other in self.sockets.get(port, ()):
            assert other.local is not None
            if _overlap(socket, endpoint.address, other) and not socket.reuses(other):
                raise KernelError(Errno.EADDRINUSE)
        self.sockets.setdefault(port, []).append(socket)
        return endpoint

    def _ephemeral(self) -> int:
        for step in range(len(EPHEMERAL)):
            port = EPHEMERAL[(self._next - EPHEMERAL.start + step) % len(EPHEMERAL)]
            if port not in self.sockets:
                self._next = port + 1
                return port
        raise KernelError(Errno.EADDRINUSE)

    def find(self, target: Endpoint) -> InetSocket | None:
        """Who gets what is sent there: a listener or an unconnected one, the exact one first."""
        best = None
        for socket in self.sockets.get(target.port, ()):
            assert socket.local is not None
            address = socket.local.address
            if socket.connection and not socket.listening:
                continue
            if address == target.address:
                return socket
            if address.is_set or not _serves(socket, target.address):
                continue
            best = best or socket
        return best

    def release(self, socket: InetSocket) -> None:
        """The port is free, unless others have it too."""
        if socket.local is None:
            return
        sockets = self.sockets.get(socket.local.port, [])
        if socket in sockets:
            sockets.remove(socket)
        if not sockets:
            self.sockets.pop(socket.local.port, None)


def _serves(socket: InetSocket, address: Address) -> bool:
    """Whether a wildcard socket takes an address: IPv6 ones take IPv4 too."""
    if len(address.raw) == 4:
        return socket.family == AF_INET or not socket.v6only
    return socket.family == AF_INET6


def _overlap(socket: InetSocket, address: Address, other: InetSocket) -> bool:
    assert other.local is not None
    there = other.local.address
    if address.is_set and there.is_set:
        return address == there
    if socket.family == other.family:
        return True
    return not (socket.v6only or other.v6only)
