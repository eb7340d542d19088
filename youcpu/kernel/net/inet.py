"""TCP and UDP within the machine: net/ipv4/af_inet.c, tcp.c, udp.c, net/ipv6/.

Only the loopback device is there: nothing reaches the host, other networks are unreachable.
What is sent arrives at once and whole; there are no packets, no loss and no retransmission.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import O_NONBLOCK
from youcpu.abi.poll import POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRNORM
from youcpu.abi.socket import (
    AF_INET6,
    AF_UNSPEC,
    IPPROTO_IP,
    IPPROTO_IPV6,
    IPPROTO_TCP,
    IPPROTO_UDP,
    IPV6_V6ONLY,
    SO_REUSEADDR,
    SO_REUSEPORT,
    SOCK_DGRAM,
    SOCK_RAW,
    SOCK_STREAM,
    SOL_SOCKET,
)
from youcpu.kernel.cred import CAP_NET_BIND_SERVICE, CAP_NET_RAW
from youcpu.kernel.errors import Blocked, KernelError
from youcpu.kernel.net.ports import Endpoint, Ports, pack_sockaddr, parse_sockaddr
from youcpu.kernel.net.socket import MSG_OOB, Credentials, Message, PassedFiles, Socket

if TYPE_CHECKING:
    from youcpu.kernel.task import Task

_PROTOCOLS = {SOCK_STREAM: IPPROTO_TCP, SOCK_DGRAM: IPPROTO_UDP}
_FIRST_UNPRIVILEGED = 1024
#: The largest UDP payload: 65535 less the headers.
_MAX_DATAGRAM = 65507


class InetSocket(Socket):
    """struct inet_sock. `local` None: not bound; `remote` None: not connected."""

    __slots__ = ("bound", "connecting", "family", "groups", "local", "remote", "reset")

    def __init__(self, task: Task, family: int, kind: int, flags: int = 0) -> None:
        super().__init__(task, kind, flags)
        self.family = family
        self.local: Endpoint | None = None
        self.remote: Endpoint | None = None
        #: By bind(2), not by itself: SOCK_BINDPORT_LOCK.
        self.bound = False
        #: A connect(2) that did not wait, and was not asked about since.
        self.connecting = False
        #: Multicast groups that it has joined.
        self.groups: set[tuple[str, bytes]] = set()
        #: The other side is gone and has answered a write with RST.
        self.reset = False

    @classmethod
    def create(cls, task: Task, family: int, kind: int, protocol: int, flags: int) -> InetSocket:
        """inet_create(). Raises EPROTONOSUPPORT, ESOCKTNOSUPPORT, EPERM."""
        if kind == SOCK_RAW and not task.cred.capable(CAP_NET_RAW):
            raise KernelError(Errno.EPERM)
        if kind == SOCK_RAW:
            raise KernelError(Errno.EPROTONOSUPPORT)
        if kind not in _PROTOCOLS:
            raise KernelError(Errno.ESOCKTNOSUPPORT)
        if protocol not in (0, _PROTOCOLS[kind]):
            raise KernelError(Errno.EPROTONOSUPPORT)
        return cls(task, family, kind, flags)

    @property
    def protocol(self) -> int:  # type: ignore[override]
        return _PROTOCOLS[self.type]

    @property
    def ports(self) -> Ports:
        """Who has which port of this protocol."""
        return self.vfs.ports[self.type]

    @property
    def largest_message(self) -> int:
        return _MAX_DATAGRAM

    @property
    def v6only(self) -> bool:
        """IPV6_V6ONLY: no IPv4 through this socket."""
        return bool(self._flag(IPPROTO_IPV6, IPV6_V6ONLY))

    def _flag(self, level: int, name: int) -> int:
        value = self.options.get((level, name), b"")
        return int.from_bytes(value[:4], "little")

    def reuses(self, other: InetSocket) -> bool:
        """Whether both may have the same port: inet_csk_bind_conflict()."""
        for option in (SO_REUSEADDR, SO_REUSEPORT):
            if self._flag(SOL_SOCKET, option) and other._flag(SOL_SOCKET, option):
                return option == SO_REUSEPORT or not other.listening
        return False

    # -- names ---------------------------------------------------------------------------

    def name(self) -> bytes:
        return pack_sockaddr(self.family, self.local)

    def peer_name(self) -> bytes:
        if self.remote is None or (self.connection and self.peer is None):
            raise KernelError(Errno.ENOTCONN)
        return pack_sockaddr(self.family, self.remote)

    def bind(self, task: Task, name: bytes) -> None:
        """Raises EINVAL, EAFNOSUPPORT, EADDRNOTAVAIL, EADDRINUSE, EACCES."""
        family, endpoint = parse_sockaddr(self.family, name)
        if family != self.family and not (family == AF_UNSPEC and not endpoint.address.is_set):
            raise KernelError(Errno.EAFNOSUPPORT)
        if not endpoint.address.is_local and endpoint.address.is_set:
            raise KernelError(Errno.EADDRNOTAVAIL)
        port = endpoint.port
        if 0 < port < _FIRST_UNPRIVILEGED and not task.cred.capable(CAP_NET_BIND_SERVICE):
            raise KernelError(Errno.EACCES)
        if self.local is not None:
            raise KernelError(Errno.EINVAL)
        self._take(endpoint)
        self.bound = True

    def _take(self, endpoint: Endpoint) -> None:
        self.local = self.ports.bind(self, endpoint)

    def autobind(self) -> None:
        """inet_autobind(): a port of the ephemeral range, any address."""
        if self.local is None:
            self._take(Endpoint.any(self.family))

    def check_listen(self, task: Task) -> None:
        self.autobind()

    def _source(self, target: Endpoint) -> None:
        """The local address that goes with a destination."""
        self.autobind()
        assert self.local is not None
        if not self.local.address.is_set:
            self.local = Endpoint(target.address.source(), self.local.port)

    # -- connecting ----------------------------------------------------------------------

    def connect(self, task: Task, name: bytes) -> None:
        """Raises EAFNOSUPPORT, ENETUNREACH, ECONNREFUSED, EISCONN, EINPROGRESS; Blocked."""
        family, endpoint = parse_sockaddr(self.family, name, connecting=True)
        if family == AF_UNSPEC:
            self._disconnect()
            return
        if family != self.family:
            raise KernelError(Errno.EAFNOSUPPORT)
        target = endpoint.reachable()
        if not self.connection:
            self._source(target)
            self.remote = target
            return
        if self.connecting:
            self._connected()
            return
        if self.peer is not None or self.listening:
            raise KernelError(Errno.EISCONN)
        self._source(target)
        self._handshake(task, target)

    def _connected(self) -> None:
        """connect(2) again after EINPROGRESS: how did it end?"""
        self.connecting = False
        if self.error is not None:
            error, self.error = self.error, None
            raise KernelError(error)

    def _disconnect(self) -> None:
        if self.connection and self.peer is not None:
            super().release()
            self.alive = True
        self.peer = self.remote = None
        if not self.bound:
            self.ports.release(self)
            self.local = None

    def _handshake(self, task: Task, target: Endpoint) -> None:
        listener = self.ports.find(target)
        refused = listener is None or not listener.listening or listener.shut_read
        if listener is not None and not refused:
            if len(listener.backlog) > listener.limit:
                # The listener drops what it has no room for; the SYN is sent again.
                self.connecting = self.nonblocking
                if self.nonblocking:
                    raise KernelError(Errno.EINPROGRESS)
                raise Blocked(listener.wait_queue)
            self.remote = target
            server = InetSocket(task, listener.family, self.type)
            server.local, server.remote = target, self.local
            server.options = dict(listener.options)
            server.cred = listener.cred
            server.join(self)
            listener.backlog.append(server)
            listener.changed()
        if self.flags & O_NONBLOCK:
            # The answer arrives behind connect(2): inet_stream_connect().
            self.connecting = True
            self.error = Errno.ECONNREFUSED if refused else None
            raise KernelError(Errno.EINPROGRESS)
        if refused:
            raise KernelError(Errno.ECONNREFUSED)

    # -- sending and receiving -----------------------------------------------------------

    def destination(self, task: Task, name: bytes) -> Socket | None:
        """Raises EINVAL, EAFNOSUPPORT, ENETUNREACH."""
        if self.connection:
            return None  # TCP does not look at it
        family, endpoint = parse_sockaddr(self.family, name)
        if family not in (self.family, AF_UNSPEC):
            raise KernelError(Errno.EAFNOSUPPORT)
        if not endpoint.port:
            raise KernelError(Errno.EINVAL)
        target = endpoint.reachable()
        self.autobind()
        return self.ports.find(target) or NOBODY

    def send(
        self,
        data: bytes,
        target: Socket | None = None,
        passed: PassedFiles | None = None,
        dontwait: bool = False,
        cred: Credentials | None = None,
    ) -> int:
        """Raises EPIPE, EDESTADDRREQ, ECONNREFUSED, EAGAIN."""
        if self.type == SOCK_DGRAM:
            return self._send_datagram(data, target)
        if self.error is not None and not self.connecting:
            error, self.error = self.error, None
            raise KernelError(error)
        if self.peer is None or self.shut_write:
            raise KernelError(Errno.EPIPE)
        if not self.peer.alive:
            if self.reset:
                raise KernelError(Errno.EPIPE)
            self.reset = True
            return len(data)
        return super().send(data, None, None, dontwait)

    def _send_datagram(self, data: bytes, target: Socket | None) -> int:
        if self.shut_write:
            raise KernelError(Errno.EPIPE)
        if target is None and self.remote is None:
            raise KernelError(Errno.EDESTADDRREQ)
        if self.error is not None:
            error, self.error = self.error, None
            raise KernelError(error)
        if target is None:
            assert self.remote is not None
            target = self.ports.find(self.remote)
            if target is None:
                # ICMP port unreachable: told to a connected socket by its next call.
                self.error = Errno.ECONNREFUSED
                self.changed()
        if isinstance(target, InetSocket) and target.accepts(self, len(data)):
            target.receive_from(self, data, None, self.cred)
        return len(data)

    def accepts(self, sender: InetSocket, size: int) -> bool:
        """Whether a datagram goes into the queue: there is room, and it is for this socket."""
        if self.remote is not None and self.remote != sender.sending_name(self):
            return False
        return self.used + size <= self.limit and not self.shut_read

    def sending_name(self, receiver: InetSocket) -> Endpoint:
        """The address that a receiver sees."""
        assert self.local is not None
        if self.local.address.is_set:
            return self.local
        at = receiver.local.address if receiver.local is not None else self.local.address
        return Endpoint(at.source(), self.local.port)

    def receive_from(
        self, sender: Socket, data: bytes, passed: PassedFiles | None, cred: Credentials
    ) -> None:
        super().receive_from(sender, data, passed, cred)
        if self.type == SOCK_DGRAM and isinstance(sender, InetSocket):
            self.queue_[-1].sender = pack_sockaddr(self.family, sender.sending_name(self))

    def check_flags(self, flags: int) -> None:
        if flags & MSG_OOB:
            raise KernelError(Errno.EINVAL)  # there is no urgent data
        super().check_flags(flags)

    def receive(
        self, count: int, peek: bool = False, dontwait: bool = False
    ) -> tuple[bytes, Message | None, int]:
        if self.error is not None and not self.queue_ and not self.connecting:
            error, self.error = self.error, None
            raise KernelError(error)
        data, message, full = super().receive(count, peek, dontwait)
        # TCP does not say where from.
        return data, None if self.connection else message, full

    def poll(self) -> int:
        events = super().poll()
        if self.connection and self.peer is not None and not self.listening:
            events &= ~POLLHUP
            if not self.peer.alive or self.peer.shut_write:
                events |= POLLIN | POLLRDNORM | POLLRDHUP
                if self.shut_write:
                    events |= POLLHUP
        if self.error is not None:
            events |= POLLERR | POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM
        return events

    def shutdown(self, read: bool, write: bool) -> None:
        """Only the end of sending is told to the other side."""
        if self.connection and self.peer is None and not self.listening:
            raise KernelError(Errno.ENOTCONN)
        if not self.connection and self.remote is None:
            raise KernelError(Errno.ENOTCONN)
        if self.listening and read:
            self._stop_listening()
            return
        self.shut_read |= read
        self.shut_write |= write
        if self.peer is not None:
            self.peer.changed()
        self.changed()

    def _stop_listening(self) -> None:
        self.listening = False
        for server in self.backlog:
            server.release()
        self.backlog.clear()
        self.changed()

    # -- options -------------------------------------------------------------------------

    def _knows(self, level: int, name: int) -> bool:
        """Whether the protocol has the option."""
        if level == IPPROTO_IPV6 and self.family != AF_INET6:
            return False
        if level in (IPPROTO_TCP, IPPROTO_UDP) and level != self.protocol:
            return False
        return name in _OPTIONS.get(level, ())

    def get_option(self, level: int, name: int) -> bytes:
        if not self._knows(level, name):
            own = level in (IPPROTO_IP, self.protocol)
            raise KernelError(Errno.ENOPROTOOPT if own else Errno.EOPNOTSUPP)
        return self.options.get((level, name), struct.pack("<i", _DEFAULTS.get((level, name), 0)))

    def set_option(self, level: int, name: int, value: bytes) -> None:
        if not self._knows(level, name):
            raise KernelError(Errno.ENOPROTOOPT)
        if not value or (len(value) < 4 and level != IPPROTO_IP):
            raise KernelError(Errno.EINVAL)
        if level == IPPROTO_IP and name in _MEMBERSHIP:
            self._membership(name, value)
        else:
            self.options[level, name] = value.ljust(4, b"\0")

    def _membership(self, name: int, value: bytes) -> None:
        """Groups are joined and left, and nobody sends to them. Raises EADDRNOTAVAIL."""
        group = _MEMBERSHIP[name], value
        if name in (IP_ADD_MEMBERSHIP, MCAST_JOIN_GROUP):
            self.groups.add(group)
        elif group in self.groups:
            self.groups.discard(group)
        else:
            raise KernelError(Errno.EADDRNOTAVAIL)

    def release(self) -> None:
        self.ports.release(self)
        super().release()


IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP, MCAST_JOIN_GROUP, MCAST_LEAVE_GROUP = 35, 36, 42, 45
_MEMBERSHIP = {
    IP_ADD_MEMBERSHIP: "group", IP_DROP_MEMBERSHIP: "group", MCAST_JOIN_GROUP: "request",
    MCAST_LEAVE_GROUP: "request",
}  # fmt: skip
#: Level -> the options that there are: include/uapi/linux/in.h, tcp.h, udp.h, in6.h.
_OPTIONS = {
    IPPROTO_IP: {*range(1, 26), *range(32, 52)},
    IPPROTO_TCP: set(range(1, 38)),
    IPPROTO_UDP: {1, 100, 101, 102, 103, 104},
    IPPROTO_IPV6: set(range(1, 81)),
}
#: IP_TTL, IP_MULTICAST_TTL, IP_MULTICAST_LOOP, TCP_MAXSEG, keepalive times, IPV6_UNICAST_HOPS
_DEFAULTS = {
    (IPPROTO_IP, 2): 64, (IPPROTO_IP, 33): 1, (IPPROTO_IP, 34): 1, (IPPROTO_TCP, 2): 536,
    (IPPROTO_TCP, 4): 7200, (IPPROTO_TCP, 5): 75, (IPPROTO_TCP, 6): 9, (IPPROTO_IPV6, 16): 64,
}  # fmt: skip


class _Nobody(Socket):
    """Stands for a port where nobody listens: datagrams to it are lost."""

    __slots__ = ()

    def __init__(self) -> None:
        """No inode: it is never opened."""


NOBODY = _Nobody()
