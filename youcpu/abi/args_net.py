"""Arguments of the socket calls: net/socket.c."""

from __future__ import annotations

from typing import Annotated

from youcpu.abi import socket
from youcpu.abi.args import Capture, Flags, Marker, OneOf, UnsignedInt
from youcpu.abi.args_process import DescriptorPair
from youcpu.abi.sockaddr import sockaddr_value
from youcpu.abi.values import Address, Array, Call, Changed, Either

_SOCKADDR_MAX = 128


class SocketKind(UnsignedInt):
    """Type and flags of socket(2)."""

    def capture(self, index: int, call: Capture) -> object:
        raw = call.raw[index] & 0xFFFFFFFF
        rest = raw & (socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        kind = socket.SOCK_NAMES.choice(raw & ~rest)
        return Either((kind, socket.SOCK_FLAG_NAMES.flags(rest)) if rest else (kind,))


class ProtocolNumber(UnsignedInt):
    """Protocol of socket(2): by name where the family has names."""

    def capture(self, index: int, call: Capture) -> object:
        value = call.raw[index] & 0xFFFFFFFF
        family = call.raw[index - 2] & 0xFFFFFFFF
        if family in (socket.AF_INET, socket.AF_INET6):
            return socket.IPPROTO_NAMES.choice(value)
        if family == socket.AF_NETLINK:
            return socket.NETLINK_NAMES.choice(value)
        if family == socket.AF_PACKET:
            protocol = (value & 0xFF) << 8 | value >> 8 & 0xFF
            return Call("htons", (socket.ETH_P_NAMES.choice(protocol),))
        return value


class SocketAddressIn(Marker):
    """Address that the call takes; its length is the next argument."""

    def capture(self, index: int, call: Capture) -> object:
        size = call.raw[index + 1] & 0xFFFFFFFF
        return _sockaddr(call, call.raw[index], size)


def _sockaddr(call: Capture, address: int, size: int) -> object:
    if not 2 <= size <= _SOCKADDR_MAX or not address:
        return Address(address)
    data = call.exactly(address, size)
    return Address(address) if data is None else sockaddr_value(data)


class SocketAddressOut(Marker):
    """Address that the call gives; the next argument points to its length."""

    at_exit = True

    def capture(self, index: int, call: Capture) -> object:
        address = call.raw[index]
        data = None if call.failed else call.exactly(call.raw[index + 1], 4)
        if data is None:
            return Address(address)
        return _sockaddr(call, address, int.from_bytes(data, "little"))


class LengthInOut(Marker):
    """Pointer to a length that the call changes: `[128 => 16]`."""

    changes = True

    def capture(self, index: int, call: Capture) -> object:
        data = call.exactly(call.raw[index], 4)
        if data is None:
            return Address(call.raw[index])
        return Array((int.from_bytes(data, "little", signed=True),))

    def changed(self, index: int, call: Capture, before: object) -> object:
        now = self.capture(index, call)
        if not (isinstance(now, Array) and isinstance(before, Array)) or now == before:
            return before
        return Changed(before.items[0], now.items[0])


SocketDomain = Annotated[int, OneOf(socket.AF_NAMES)]
SocketType = Annotated[int, SocketKind()]
#: Two behind SocketDomain.
SocketProtocol = Annotated[int, ProtocolNumber()]
SockaddrPtr = Annotated[int, SocketAddressIn()]
SockaddrOut = Annotated[int, SocketAddressOut()]
SocklenPtr = Annotated[int, LengthInOut()]
MsgFlags = Annotated[int, Flags(socket.MSG_NAMES)]
ShutdownHow = Annotated[int, OneOf(socket.SHUT_NAMES)]
SocketLevel = Annotated[int, OneOf(socket.SOL_NAMES)]
SocketOption = Annotated[int, OneOf(socket.SO_NAMES)]
#: socketpair(2): two descriptors.
SocketPairPtr = Annotated[int, DescriptorPair()]
#: accept4(2)
SocketFlags = Annotated[int, Flags(socket.SOCK_FLAG_NAMES)]
