"""Sockets between the programs of this machine: net/unix/af_unix.c. None reaches the host."""

from __future__ import annotations

import stat
from collections import deque
from typing import TYPE_CHECKING

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
from youcpu.abi.socket import SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM
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


class UnixSocket(AnonFile):
    """struct unix_sock: `address` is sun_path as bound, b"" unbound; NUL first: abstract."""

    __slots__ = (
        "address",
        "alive",
        "backlog",
        "cred",
        "error",
        "limit",
        "listening",
        "pass_cred",
        "peer",
        "peer_cred",
        "queue_",
        "shut_read",
        "shut_write",
        "type",
        "used",
        "vfs",
    )

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
        self.address = b""
        #: Not closed; a connection that waits to be accepted is alive too.
        self.alive = True
        self.peer: UnixSocket | None = None
        self.cred: Credentials = (task.tgid, task.cred.euid, task.cred.egid)
        self.peer_cred: Credentials = (0, 0xFFFFFFFF, 0xFFFFFFFF)
        self.queue_: deque[Message] = deque()
        self.used = 0
        self.limit = BUFFER
        self.listening = False
        self.backlog: deque[UnixSocket] = deque()
        self.shut_read = self.shut_write = False
        self.pass_cred = False
        self.error: Errno | None = None

    @property
    def writes_all(self) -> bool:  # type: ignore[override]
        return self.type == SOCK_STREAM

    @property
    def connection(self) -> bool:
        """SOCK_STREAM or SOCK_SEQPACKET."""
        return self.type != SOCK_DGRAM

    def changed(self) -> None:
        """Wake who waits for this socket or writes to it."""
        self.wait_queue.wake_up()

    # Connecting.

    def join(self, other: UnixSocket) -> None:
        """Both ends of a connection know each other."""
        self.peer, other.peer = other, self
        self.peer_cred, other.peer_cred = other.cred, self.cred

    def listen(self, backlog: int) -> None:
        """listen(2). Raises EINVAL, EOPNOTSUPP."""
        if not self.connection:
            raise KernelError(Errno.EOPNOTSUPP)
        if not self.address or self.peer is not None:
            raise KernelError(Errno.EINVAL)
        self.listening = True
        self.limit = min(backlog, SOMAXCONN) if backlog >= 0 else SOMAXCONN
        self.changed()

    def connect(self, task: Task, target: UnixSocket) -> None:
        """connect(2) to a socket that was found. Raises EPROTOTYPE, ECONNREFUSED, EISCONN."""
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

    def accept(self) -> UnixSocket:
        """accept(2). Raises EINVAL, EAGAIN or Blocked."""
        if not self.connection:
            raise KernelError(Errno.EOPNOTSUPP)
        if not self.listening:
            raise KernelError(Errno.EINVAL)
        if not self.backlog:
            if self.nonblocking:
                raise KernelError(Errno.EAGAIN)
            raise Blocked(self.wait_queue)
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
        target: UnixSocket | None = None,
        passed: PassedFiles | None = None,
        dontwait: bool = False,
        cred: Credentials | None = None,
    ) -> int:
        """Bytes put into the other side's queue. Raises EPIPE, ENOTCONN, EMSGSIZE, EAGAIN."""
        other = target or self.peer
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
        self, sender: UnixSocket, data: bytes, passed: PassedFiles | None, cred: Credentials
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
            self.queue_.append(Message(self.vfs, data, sender.address, cred, passed))
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
            raise KernelError(Errno.EINVAL if self.type == SOCK_STREAM else Errno.ENOTCONN)
        if not self.queue_:
            if self.shut_read or (self.connection and self._peer_is_done()):
                if self.error is not None:
                    error, self.error = self.error, None
                    raise KernelError(error)
                return b"", None, 0
            if self.nonblocking or dontwait:
                raise KernelError(Errno.EAGAIN)
            raise Blocked(self.wait_queue)
        first = self.queue_[0]
        if self.type != SOCK_STREAM:
            data, full = first.data[:count], len(first.data)
            if not peek:
                self.queue_.popleft()
                self.used -= full
                self.changed()
            return data, first, full
        return self._receive_stream(first, count, peek)

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
        self.vfs.abstract_sockets.pop(self.address, None)
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


KINDS = (SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET)
