"""Socket addresses: include/uapi/linux/un.h, in.h, in6.h, netlink.h."""

from __future__ import annotations

import socket as _inet

from youcpu.abi import socket
from youcpu.abi.values import Call, GroupMask, Struct, Text


def sockaddr_value(data: bytes) -> Struct:
    """struct sockaddr of any family, from 2 bytes or more."""
    family = int.from_bytes(data[:2], "little")
    fields: dict[str, object] = {"sa_family": socket.AF_NAMES.choice(family)}
    if family == socket.AF_UNIX and len(data) > 2:
        fields["sun_path"] = _unix_path(data[2:])
    elif family == socket.AF_INET and len(data) >= 16:
        fields["sin_port"] = Call("htons", (int.from_bytes(data[2:4], "big"),))
        address = _inet.inet_ntop(_inet.AF_INET, data[4:8]).encode()
        fields["sin_addr"] = Call("inet_addr", (address,))
    elif family == socket.AF_INET6 and len(data) >= 24:
        fields["sin6_port"] = Call("htons", (int.from_bytes(data[2:4], "big"),))
        fields["sin6_flowinfo"] = Call("htonl", (int.from_bytes(data[4:8], "big"),))
        address = _inet.inet_ntop(_inet.AF_INET6, data[8:24]).encode()
        fields["sin6_addr"] = Call("inet_pton", ("AF_INET6", address, "&sin6_addr"), bare=True)
        if len(data) >= 28:
            fields["sin6_scope_id"] = int.from_bytes(data[24:28], "little")
    elif family == socket.AF_NETLINK and len(data) >= 12:
        fields["nl_pid"] = int.from_bytes(data[4:8], "little")
        fields["nl_groups"] = GroupMask(int.from_bytes(data[8:12], "little"))
    elif len(data) > 2:
        fields["sa_data"] = data[2:]
    return Struct(fields)


def _unix_path(path: bytes) -> object:
    if path[:1] == b"\0":
        # Abstract: not ended by NUL, written with @.
        return Text(path[1:], len(path) - 1, prefix="@", whole=True)
    return path.split(b"\0", 1)[0]
