"""What sockets of all families share: net/socket.c, net/core/sock.c. None reaches the host."""

from __future__ import annotations

import stat
from collections import deque
from typing import TYPE_CHECKING, NoReturn

from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import O_NONBLOCK, O_RDWR
from youcpu.abi.poll import (
    POLLHUP,
    POLLIN,
    POLLOUT,
    POLLRDHUP,
    POLLRDNORM,
    POLLWRBAND,
    POLLWRNORM,
)
from youcpu.abi.socket import SOCK_DGRAM, SOCK_STREAM
from youcpu.kernel.errors import Blocked, KernelError
from youcpu.kernel.mm.uaccess import put_user
from youcpu.kernel.vfs.anon_inode import AnonFile
from youcpu.kernel.vfs.dcache import Dentry
from youcpu.kernel.vfs.file import File
from youcpu.kernel.vfs.inode import Inode

if TYPE_CHECKING:
    from collections.abc import Callable

    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.mount import Vfs

#: net.core.wmem_default
BUFFER = 212992
#: net.core.somaxconn
SOMAXCONN = 4096
#: net.unix.max_dgram_qlen
MAX_DATAGRAMS = 10
#: What a queued message takes besides its bytes.
MESSAGE_COST = 512
MSG_OOB, MSG_ERRQUEUE = 0x1, 0x2000
FIONREAD, SIOCOUTQ = 0x541B, 0x5411
Credentials = tuple[int, int, int]


class PassedFiles:
    """Open files on their way (SCM_RIGHTS); those never received are closed."""

    __slots__ = ("files", "vfs")

    def __init__(self, vfs: Vfs, files: list[File]) -> None:
        self.vfs = vfs
        self.files = files
        for file in files:
            file.refs += 1
        vfs.files_in_flight += len(files)

    def __del__(self) -> None:
        self.vfs.files_in_flight -= len(self.files)
        for file in self.files:
            file.put()


class Message:
    """Bytes in a receive queue, with what came along."""

    __slots__ = ("cred", "data", "passed", "sender", "vfs")

    def __init__(
        self, vfs: Vfs, data: bytes, sender: bytes, cred: Credentials, passed: PassedFiles | None
    ) -> None:
        if not vfs.kmem.charge(len(data) + MESSAGE_COST):
            raise KernelError(Errno.ENOBUFS)
        self.vfs = vfs
        self.data = data
        self.sender = sender
        self.cred = cred
        self.passed = passed

    def cut(self, count: int) -> None:
        """The first `count` bytes have been received."""
        self.data = self.data[count:]
        self.vfs.kmem.uncharge(count)

    def __del__(self) -> None:
        if hasattr(self, "vfs"):
            self.vfs.kmem.uncharge(len(self.data) + MESSAGE_COST)


class SocketInode(Inode):
    """An inode of sockfs; its magic link cannot be opened (ENXIO)."""

    __slots__ = ()


class Socket(AnonFile):
    """struct socket and sock: a queue of messages, and the other end of a connection."""

    __slots__ = (
        "alive",
        "backlog",
        "cred",
        "error",
        "limit",
        "listening",
        "options",
        "pass_cred",
        "peer",
        "peer_cred",
        "queue_",
        "receive_timeout",
        "shut_read",
        "shut_write",
        "type",
        "used",
        "vfs",
    )
    family = 0
    protocol = 0
    #: recvmsg(2) on a stream that is not connected.
    unconnected = Errno.ENOTCONN

    def __init__(self, task: Task, kind: int, flags: int = 0) -> None:
        vfs = task.kernel.vfs
        inode = SocketInode(
            vfs.sockfs,
            vfs.sockfs.new_ino(),
            stat.S_IFSOCK | 0o777,
            task.cred.fsuid,
            task.cred.fsgid,
        )
        super().__init__(Dentry(b"socket:[%d]" % inode.ino, inode), O_RDWR | flags & O_NONBLOCK)
        self.vfs = vfs
        self.type = kind
        #: Not closed; a connection that waits to be accepted is alive too.
        self.alive = True
        self.peer: Socket | None = None
        self.cred: Credentials = (task.tgid, task.cred.euid, task.cred.egid)
        self.peer_cred: Credentials = (0, 0xFFFFFFFF, 0xFFFFFFFF)
        self.queue_: deque[Message] = deque()
        self.used = 0
        self.limit = BUFFER
        self.listening = False
        self.backlog: deque[Socket] = deque()
        self.shut_read = self.shut_write = False
        self.pass_cred = False
        #: SO_RCVTIMEO in ns; 0: for ever.
        self.receive_timeout = 0
        self.error: Errno | None = None
        #: What setsockopt(2) stored and getsockopt(2) gives back: (level, name) -> value.
        self.options: dict[tuple[int, int], bytes] = {}

    # What a family has of its own; names are struct sockaddr as bytes.

    def bind(self, task: Task, name: bytes) -> None:
        """bind(2)."""
        raise KernelError(Errno.EOPNOTSUPP)

    def connect(self, task: Task, name: bytes) -> None:
        """connect(2)."""
        raise KernelError(Errno.EOPNOTSUPP)

    def destination(self, task: Task, name: bytes) -> Socket | None:
        """Where sendto(2) leads. Raises EISCONN, EINVAL, ECONNREFUSED."""
        raise KernelError(Errno.EOPNOTSUPP)

    def name(self) -> bytes:
        """getsockname(2)."""
        return b""

    def peer_name(self) -> bytes:
        """getpeername(2). Raises ENOTCONN."""
        raise KernelError(Errno.ENOTCONN)

    def check_listen(self, task: Task) -> None:
        """Whether listen(2) may be. Raises EINVAL, EADDRINUSE."""

    def get_option(self, level: int, name: int) -> bytes:
        """An option of a level other than SOL_SOCKET. Raises EOPNOTSUPP, ENOPROTOOPT."""
        raise KernelError(Errno.EOPNOTSUPP)

    def set_option(self, level: int, name: int, value: bytes) -> None:
        """Set one. Raises EOPNOTSUPP, ENOPROTOOPT, EINVAL."""
        raise KernelError(Errno.EOPNOTSUPP)

    def check_flags(self, flags: int) -> None:
        """Kinds of receiving that find nothing. Raises EOPNOTSUPP, EINVAL, EAGAIN."""
        if flags & MSG_OOB:
            raise KernelError(Errno.EOPNOTSUPP)
        if flags & MSG_ERRQUEUE:
            raise KernelError(Errno.EAGAIN)

    @property
    def writes_all(self) -> bool:  # type: ignore[override]
        return self.type == SOCK_STREAM

    @property
    def connection(self) -> bool:
        """SOCK_STREAM or SOCK_SEQPACKET."""
        return self.type != SOCK_DGRAM

    @property
    def largest_message(self) -> int:
        """Bytes of a datagram or packet at most."""
        return self.limit

    def changed(self) -> None:
        """Wake who waits for this socket or writes to it."""
        self.wait_queue.wake_up()

    # Connecting.

    def join(self, other: Socket) -> None:
        """Both ends of a connection know each other."""
        self.peer, other.peer = other, self
        self.peer_cred, other.peer_cred = other.cred, self.cred

    def listen(self, task: Task, backlog: int) -> None:
        """listen(2). Raises EINVAL, EOPNOTSUPP, EADDRINUSE."""
        if not self.connection:
            raise KernelError(Errno.EOPNOTSUPP)
        if self.peer is not None:
            raise KernelError(Errno.EINVAL)
        self.check_listen(task)
        self.listening = True
        self.limit = min(backlog, SOMAXCONN) if backlog >= 0 else SOMAXCONN
        self.changed()

    def accept(self) -> Socket:
        """accept(2). Raises EINVAL, EAGAIN or Blocked."""
        if not self.connection:
            raise KernelError(Errno.EOPNOTSUPP)
        if not self.listening:
            raise KernelError(Errno.EINVAL)
        if not self.backlog:
            self.wait_to_receive(self.nonblocking)
        server = self.backlog.popleft()
        self.changed()
        return server

    # Sending.

    def seek(self, offset: int, whence: int) -> int:
        raise KernelError(Errno.ESPIPE)

    def read_to(self, count: int, store: Callable[[bytes], int]) -> int:
        return File.read_to(self, count, store)

    def write(self, data: bytes) -> int:
        return self.send(data)

    def send(
        self,
        data: bytes,
        target: Socket | None = None,
        passed: PassedFiles | None = None,
        dontwait: bool = False,
        cred: Credentials | None = None,
    ) -> int:
        """Bytes put into the other side's queue. Raises EPIPE, ENOTCONN, EMSGSIZE, EAGAIN."""
        other = self.peer if target is None else target
        if self.shut_write:
            raise KernelError(Errno.EPIPE)
        if other is None:
            raise KernelError(Errno.ENOTCONN)
        if not other.alive:
            if self.connection:
                raise KernelError(Errno.EPIPE)
            raise KernelError(Errno.ECONNREFUSED)
        if other.shut_read:
            raise KernelError(Errno.EPIPE)
        if self.type != SOCK_STREAM and len(data) > self.limit:
            raise KernelError(Errno.EMSGSIZE)
        if self.type == SOCK_STREAM and not data:
            return 0
        room = other.limit - other.used if not other.listening else 0
        full = room <= 0 or (self.type != SOCK_STREAM and room < len(data))
        if self.type == SOCK_DGRAM and len(other.queue_) > MAX_DATAGRAMS:
            full = True
        if full:
            if self.nonblocking or dontwait:
                raise KernelError(Errno.EAGAIN)
            raise Blocked(other.wait_queue)
        part = data[:room] if self.type == SOCK_STREAM else data
        other.receive_from(self, part, passed, cred or self.cred)
        return len(part)

    def receive_from(
        self, sender: Socket, data: bytes, passed: PassedFiles | None, cred: Credentials
    ) -> None:
        """A message arrives."""
        last = self.queue_[-1] if self.queue_ else None
        if (
            self.type == SOCK_STREAM
            and last is not None
            and passed is None
            and last.passed is None
            and last.cred == cred
            and len(last.data) + len(data) <= 4096
            and self.vfs.kmem.charge(len(data))
        ):
            last.data += data
        else:
            self.queue_.append(Message(self.vfs, data, sender.name(), cred, passed))
        self.used += len(data)
        self.changed()

    # Receiving.

    def read(self, count: int) -> bytes:
        if not count:
            return b""
        return self.receive(count)[0]

    def receive(
        self, count: int, peek: bool = False, dontwait: bool = False
    ) -> tuple[bytes, Message | None, int]:
        """Bytes, the message that they (or the files with them) came in, its full length."""
        if self.connection and (self.listening or self.peer is None):
            raise KernelError(self.unconnected if self.type == SOCK_STREAM else Errno.ENOTCONN)
        if not self.queue_:
            if self.shut_read or (self.connection and self._peer_is_done()):
                if self.error is not None:
                    error, self.error = self.error, None
                    raise KernelError(error)
                return b"", None, 0
            self.wait_to_receive(self.nonblocking or dontwait)
        first = self.queue_[0]
        if self.type != SOCK_STREAM:
            data, full = first.data[:count], len(first.data)
            if not peek:
                self.queue_.popleft()
                self.used -= full
                self.changed()
            return data, first, full
        return self._receive_stream(first, count, peek)

    def wait_to_receive(self, dontwait: bool) -> NoReturn:
        """Nothing is there. Raises Blocked; EAGAIN at once, or when SO_RCVTIMEO is over."""
        if dontwait:
            raise KernelError(Errno.EAGAIN)
        if not self.receive_timeout:
            raise Blocked(self.wait_queue)
        kernel = self.inode.sb.kernel
        now, task = kernel.clock.monotonic_ns(), kernel.scheduler.current
        assert task is not None
        if task.restart is None:
            task.restart = now + self.receive_timeout
        if now >= task.restart:
            raise KernelError(Errno.EAGAIN)
        # sock_intr_errno(): a call with a timeout is not restarted.
        raise Blocked(self.wait_queue, task.restart, restart=Errno.EINTR)

    def _receive_stream(self, first: Message, count: int, peek: bool) -> tuple[bytes, Message, int]:
        """Bytes of messages in a row, up to the next one that carries files."""
        parts = []
        left = count
        for message in self.queue_:
            if left <= 0 or (message is not first and message.passed is not None):
                break
            part = message.data[:left]
            parts.append(part)
            left -= len(part)
            if message.passed is not None:
                break
        data = b"".join(parts)
        if not peek:
            for part in parts:
                head = self.queue_[0]
                if len(part) == len(head.data):
                    self.queue_.popleft()
                else:
                    head.cut(len(part))
            self.used -= len(data)
            self.changed()
        return data, first, len(data)

    def _peer_is_done(self) -> bool:
        peer = self.peer
        return peer is None or peer.shut_write or not peer.alive

    def poll(self) -> int:
        events = 0
        if self.listening:
            return POLLIN | POLLRDNORM if self.backlog else 0
        done = self.connection and self.peer is not None and self._peer_is_done()
        if self.queue_ or self.shut_read or done:
            events |= POLLIN | POLLRDNORM
        if self.shut_read or done:
            events |= POLLRDHUP
        if (self.shut_read and self.shut_write) or (
            done and self.peer is not None and not self.peer.alive
        ):
            events |= POLLHUP
        if self.connection and self.peer is None:
            events |= POLLHUP
        if self.peer is None or self.peer.limit - self.peer.used > 0:
            events |= POLLOUT | POLLWRNORM | POLLWRBAND
        return events

    def shutdown(self, read: bool, write: bool) -> None:
        """shutdown(2). Raises ENOTCONN."""
        if self.connection and self.peer is None and not self.listening:
            raise KernelError(Errno.ENOTCONN)
        self.shut_read |= read
        self.shut_write |= write
        peer = self.peer
        if self.connection and peer is not None:
            peer.shut_read |= write
            peer.shut_write |= read
            peer.changed()
        self.changed()

    def ioctl(self, task: Task, command: int, argument: int) -> int:
        if command == FIONREAD:
            if self.listening:
                raise KernelError(Errno.EINVAL)
            put_user(task, argument, self.used, 4)
        elif command == SIOCOUTQ:
            put_user(task, argument, self.peer.used if self.peer is not None else 0, 4)
        else:
            raise KernelError(Errno.ENOTTY)
        return 0

    def sync(self) -> None:
        raise KernelError(Errno.EINVAL)

    def release(self) -> None:
        self.alive = False
        self.listening = False
        pending, self.backlog = list(self.backlog), deque()
        for server in pending:
            server.alive = False
            if server.peer is not None:
                server.peer.error = Errno.ECONNRESET
                server.peer.changed()
        unread = bool(self.queue_)
        self.queue_.clear()
        self.used = 0
        if self.connection and self.peer is not None:
            if unread:
                # What was sent and not read is lost: the other side hears of it.
                self.peer.error = Errno.ECONNRESET
            self.peer.changed()
        self.changed()
