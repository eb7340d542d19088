"""Sockets: net/socket.c. AF_UNIX and the loopback of AF_INET and AF_INET6; no other network."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from youcpu.abi.args import Addr, Int, Long, Size, UInt
from youcpu.abi.args_file import Fd
from youcpu.abi.args_io import ReadBuffer, WriteBuffer
from youcpu.abi.args_net import (
    MsgFlags,
    ShutdownHow,
    SockaddrOut,
    SockaddrPtr,
    SocketDomain,
    SocketFlags,
    SocketPairPtr,
    SocketProtocol,
    SocketType,
    SocklenPtr,
)
from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import O_NONBLOCK, O_PATH
from youcpu.abi.socket import (
    AF_INET,
    AF_INET6,
    AF_UNIX,
    SOCK_CLOEXEC,
    SOCK_NONBLOCK,
    SOCK_STREAM,
    SOCK_TYPE_MASK,
)
from youcpu.kernel.errors import Blocked, KernelError
from youcpu.kernel.mm.uaccess import copy_from_user, copy_to_user, get_user, put_user
from youcpu.kernel.net.inet import InetSocket
from youcpu.kernel.net.scm import build_control, parse_control
from youcpu.kernel.net.socket import Socket
from youcpu.kernel.net.unix import UnixSocket
from youcpu.kernel.syscalls.pipe import install_pair
from youcpu.kernel.syscalls.table import syscall
from youcpu.kernel.time import read_timespec
from youcpu.kernel.vfs.iov_iter import IovIter, check_range, import_iovec
from youcpu.kernel.vfs.transfer import CHUNK, SIGPIPE

if TYPE_CHECKING:
    from youcpu.kernel.net.socket import Message
    from youcpu.kernel.task import Task

MSG_OOB, MSG_PEEK, MSG_TRUNC, MSG_DONTWAIT = 0x1, 0x2, 0x20, 0x40
MSG_CTRUNC, MSG_NOSIGNAL, MSG_CMSG_CLOEXEC, MSG_WAITALL = 0x8, 0x4000, 0x40000000, 0x100
_MSGHDR = struct.Struct("<QI4xQQQQI4x")
_MAX_MESSAGES = 1024
FAMILIES = (AF_UNIX, AF_INET, AF_INET6)


#: sizeof(struct sockaddr_storage)
_STORAGE = 128


def socket_of(task: Task, fd: int) -> Socket:
    """The socket of a descriptor. Raises EBADF, ENOTSOCK."""
    file = task.files.get(fd)
    if file.flags & O_PATH:
        raise KernelError(Errno.EBADF)
    if not isinstance(file, Socket):
        raise KernelError(Errno.ENOTSOCK)
    return file


def read_address(task: Task, address: int, size: int) -> bytes:
    """move_addr_to_kernel(): struct sockaddr as bytes. Raises EINVAL, EFAULT."""
    if not 0 <= size <= _STORAGE:
        raise KernelError(Errno.EINVAL)
    return copy_from_user(task, address, size)


def store_address(task: Task, address: int, length: int, name: bytes) -> None:
    """move_addr_to_user(): as much as fits, the full length in any case."""
    room = get_user(task, length, 4)
    if room >> 31:
        raise KernelError(Errno.EINVAL)
    copy_to_user(task, address, name[:room])
    put_user(task, length, len(name), 4)


def _new_socket(task: Task, family: int, type_: int, protocol: int) -> Socket:
    if type_ & ~(SOCK_TYPE_MASK | SOCK_CLOEXEC | SOCK_NONBLOCK):
        raise KernelError(Errno.EINVAL)
    kind = type_ & SOCK_TYPE_MASK
    if family not in FAMILIES:
        # As a kernel that was built without the protocol.
        raise KernelError(Errno.EAFNOSUPPORT)
    if kind > 10:
        raise KernelError(Errno.EINVAL)
    flags = O_NONBLOCK if type_ & SOCK_NONBLOCK else 0
    if family == AF_UNIX:
        return UnixSocket.create(task, kind, protocol, flags)
    return InetSocket.create(task, family, kind, protocol, flags)


@syscall(41, partial="AF_UNIX, and loopback of AF_INET and AF_INET6: no other network")
def socket(task: Task, family: SocketDomain, type_: SocketType, protocol: SocketProtocol) -> Fd:
    new = _new_socket(task, family, type_, protocol)
    return task.files.install(new, bool(type_ & SOCK_CLOEXEC))


@syscall(53)
def socketpair(
    task: Task,
    family: SocketDomain,
    type_: SocketType,
    protocol: SocketProtocol,
    usockvec: SocketPairPtr,
) -> Int:
    one = _new_socket(task, family, type_, protocol)
    if family != AF_UNIX:
        raise KernelError(Errno.EOPNOTSUPP)
    two = _new_socket(task, family, type_, protocol)
    one.join(two)
    install_pair(task, usockvec, (one, two), bool(type_ & SOCK_CLOEXEC))
    return 0


@syscall(49)
def bind(task: Task, fd: Fd, umyaddr: SockaddrPtr, addrlen: Int) -> Int:
    socket_of(task, fd).bind(task, read_address(task, umyaddr, addrlen))
    return 0


@syscall(50)
def listen(task: Task, fd: Fd, backlog: Int) -> Int:
    socket_of(task, fd).listen(task, backlog)
    return 0


@syscall(42)
def connect(task: Task, fd: Fd, uservaddr: SockaddrPtr, addrlen: Int) -> Int:
    socket_of(task, fd).connect(task, read_address(task, uservaddr, addrlen))
    return 0


@syscall(43)
def accept(task: Task, fd: Fd, upeer_sockaddr: SockaddrOut, upeer_addrlen: SocklenPtr) -> Fd:
    return accept4(task, fd, upeer_sockaddr, upeer_addrlen, 0)


@syscall(288)
def accept4(
    task: Task, fd: Fd, upeer_sockaddr: SockaddrOut, upeer_addrlen: SocklenPtr, flags: SocketFlags
) -> Fd:
    if flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK):
        raise KernelError(Errno.EINVAL)
    listener = socket_of(task, fd)
    task.files.lowest_free()
    new = listener.accept()
    if flags & SOCK_NONBLOCK:
        new.flags |= O_NONBLOCK
    number = task.files.install(new, bool(flags & SOCK_CLOEXEC))
    if upeer_sockaddr:
        store_address(task, upeer_sockaddr, upeer_addrlen, new.peer_name())
    return number


@syscall(51)
def getsockname(task: Task, fd: Fd, usockaddr: SockaddrOut, usockaddr_len: SocklenPtr) -> Int:
    store_address(task, usockaddr, usockaddr_len, socket_of(task, fd).name())
    return 0


@syscall(52)
def getpeername(task: Task, fd: Fd, usockaddr: SockaddrOut, usockaddr_len: SocklenPtr) -> Int:
    store_address(task, usockaddr, usockaddr_len, socket_of(task, fd).peer_name())
    return 0


@syscall(48)
def shutdown(task: Task, fd: Fd, how: ShutdownHow) -> Int:
    this = socket_of(task, fd)
    if how not in (0, 1, 2):
        raise KernelError(Errno.EINVAL)
    this.shutdown(read=how in (0, 2), write=how in (1, 2))
    return 0


def _target(task: Task, this: Socket, address: int, size: int) -> Socket | None:
    if not address or not size:
        return None
    return this.destination(task, read_address(task, address, size))


def _send(
    task: Task,
    this: Socket,
    data_from: IovIter,
    target: Socket | None,
    control: bytes,
    flags: int,
) -> int:
    if flags & MSG_OOB:
        raise KernelError(Errno.EOPNOTSUPP)
    passed, cred = parse_control(task, this, control)
    if this.type != SOCK_STREAM and data_from.left > this.largest_message:
        raise KernelError(Errno.EMSGSIZE)
    done = task.restart or 0
    data_from.skip(done)
    if done:
        # They went with the first part.
        passed = None
    try:
        while True:
            data = data_from.peek(CHUNK)
            dontwait = bool(flags & MSG_DONTWAIT) or this.nonblocking
            sent = this.send(data, target, passed, dontwait, cred)
            passed = None
            done += sent
            data_from.skip(sent)
            if this.type != SOCK_STREAM or (sent == len(data) and not data_from.left):
                return done
            if sent < len(data) and dontwait:
                return done
    except Blocked as blocked:
        task.restart = blocked.progress = done
        raise
    except KernelError as error:
        if done:
            return done
        if error.errno == Errno.EPIPE and this.connection and not flags & MSG_NOSIGNAL:
            task.kernel.send_signal(task, SIGPIPE)
        raise


@syscall(44)
def sendto(
    task: Task,
    fd: Fd,
    buff: WriteBuffer,
    len_: Size,
    flags: MsgFlags,
    addr: SockaddrPtr,
    addr_len: Int,
) -> Long:
    check_range(buff, len_)
    this = socket_of(task, fd)
    target = _target(task, this, addr, addr_len)
    return _send(task, this, IovIter(task, [(buff, len_)]), target, b"", flags)


@syscall(45)
def recvfrom(
    task: Task,
    fd: Fd,
    ubuf: ReadBuffer,
    size: Size,
    flags: MsgFlags,
    addr: SockaddrOut,
    addr_len: SocklenPtr,
) -> Long:
    check_range(ubuf, size)
    this = socket_of(task, fd)
    into = IovIter(task, [(ubuf, size)])
    done, message, _ = _receive(this, into, flags)
    if addr:
        store_address(task, addr, addr_len, message.sender if message is not None else b"")
    return done


def _receive(this: Socket, into: IovIter, flags: int) -> tuple[int, Message | None, bool]:
    """(bytes stored or full length with MSG_TRUNC, message, whether data was cut)."""
    this.check_flags(flags)
    want = min(into.left, CHUNK)
    data, message, full = this.receive(want, bool(flags & MSG_PEEK), bool(flags & MSG_DONTWAIT))
    stored = into.copy_out(data)
    if stored < len(data):
        raise KernelError(Errno.EFAULT)
    cut = full > len(data)
    if cut and flags & MSG_TRUNC:
        return full, message, cut
    return stored, message, cut


def _send_message(task: Task, fd: int, address: int, flags: int) -> int:
    header = _MSGHDR.unpack(copy_from_user(task, address, _MSGHDR.size))
    name, name_size, iov, iov_count, control, control_size, _ = header
    this = socket_of(task, fd)
    if iov_count > 1024:
        raise KernelError(Errno.EMSGSIZE)
    if control_size > 65536:
        raise KernelError(Errno.ENOBUFS)
    data_from = import_iovec(task, iov, iov_count)
    ancillary = copy_from_user(task, control, control_size) if control else b""
    target = _target(task, this, name, name_size)
    return _send(task, this, data_from, target, ancillary, flags)


@syscall(46)
def sendmsg(task: Task, fd: Fd, msg: Addr, flags: MsgFlags) -> Long:
    return _send_message(task, fd, msg, flags)


@syscall(47)
def recvmsg(task: Task, fd: Fd, msg: Addr, flags: MsgFlags) -> Long:
    header = _MSGHDR.unpack(copy_from_user(task, msg, _MSGHDR.size))
    name, name_size, iov, iov_count, control, control_size, _ = header
    this = socket_of(task, fd)
    if name and name_size >> 31:
        raise KernelError(Errno.EINVAL)
    if iov_count > 1024:
        raise KernelError(Errno.EMSGSIZE)
    done, message, cut = _receive(this, import_iovec(task, iov, iov_count), flags)
    answer = MSG_TRUNC if cut else 0
    used = 0
    if message is not None:
        ancillary, lost = build_control(task, this, message, control_size, flags)
        copy_to_user(task, control, ancillary)
        used = len(ancillary)
        answer |= MSG_CTRUNC if lost else 0
        if name:
            # msg_namelen lies at offset 8 of struct msghdr.
            put_user(task, msg + 8, name_size, 4)
            store_address(task, name, msg + 8, message.sender)
    elif name:
        put_user(task, msg + 8, 0, 4)
    put_user(task, msg + 40, used, 8)
    put_user(task, msg + 48, answer | flags & MSG_CMSG_CLOEXEC, 4)
    return done


@syscall(307)
def sendmmsg(task: Task, fd: Fd, mmsg: Addr, vlen: UInt, flags: MsgFlags) -> Int:
    done = 0
    for index in range(min(vlen, _MAX_MESSAGES)):
        at = mmsg + index * 64
        try:
            sent = _send_message(task, fd, at, flags | (MSG_DONTWAIT if done else 0))
            put_user(task, at + 56, sent, 4)
        except KernelError:
            if done:
                break
            raise
        done += 1
    return done


@syscall(299, partial="no timeout")
def recvmmsg(task: Task, fd: Fd, mmsg: Addr, vlen: UInt, flags: MsgFlags, timeout: Addr) -> Int:
    if timeout:
        read_timespec(task, timeout)
    done = 0
    for index in range(min(vlen, _MAX_MESSAGES)):
        at = mmsg + index * 64
        try:
            got = recvmsg(task, fd, at, flags & ~0x10000 | (MSG_DONTWAIT if done else 0))
            put_user(task, at + 56, got, 4)
        except KernelError:
            if done:
                break
            raise
        done += 1
    return done
