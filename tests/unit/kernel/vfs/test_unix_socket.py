"""AF_UNIX inside the machine, after unix(7) and what Linux answers."""

from __future__ import annotations

import os
import struct

import pytest

from youcpu.abi.errno import Errno
from youcpu.kernel.errors import Blocked

STREAM, DGRAM, SEQPACKET = 1, 2, 5


def address(name: bytes) -> bytes:
    return struct.pack("<H", 1) + name


def pair(machine, kind: int) -> tuple[int, int]:  # type: ignore[no-untyped-def]
    assert machine.call("socketpair", 1, kind, 0, machine.buffer) == 0
    one, two = struct.unpack("<ii", machine.get(8))
    return one, two


def message(machine, data: bytes = b"", control: bytes = b"", size: int = 0) -> int:  # type: ignore[no-untyped-def]
    """A struct msghdr with one buffer."""
    iov = machine.put(struct.pack("<QQ", machine.put(data or bytes(64)), len(data) or 64))
    where = machine.put(control or bytes(64))
    return machine.put(struct.pack("<QI4xQQQQI4x", 0, 0, iov, 1, where, len(control) or size, 0))


@pytest.mark.parametrize("kind", [STREAM, DGRAM, SEQPACKET])
def test_pairs_keep_or_join_messages(kind, machine) -> None:  # type: ignore[no-untyped-def]
    one, two = pair(machine, kind)
    machine.call("write", one, b"abc", 3)
    machine.call("write", one, b"def", 3)
    assert machine.read(two, 100) == (b"abcdef" if kind == STREAM else b"abc")
    if kind != STREAM:
        assert machine.read(two, 2) == b"de"
    with pytest.raises(Blocked):
        machine.call("read", two, machine.buffer, 1)
    machine.call("close", one)
    if kind == DGRAM:
        assert machine.call("write", two, b"x", 1) == -Errno.ECONNREFUSED
    else:
        assert machine.read(two, 1) == b""
        assert machine.call("write", two, b"x", 1) == -Errno.EPIPE
        assert machine.kernel.signals == [(1, 13)]


@pytest.mark.parametrize("name", [b"/tmp/youcpu-sock\0", b"\0abstract"])
def test_connect_accept_and_names(name, machine) -> None:  # type: ignore[no-untyped-def]
    server = machine.call("socket", 1, STREAM, 0)
    client = machine.call("socket", 1, STREAM, 0)
    where = address(name)
    missing = -Errno.ECONNREFUSED if name[0] == 0 else -Errno.ENOENT
    assert machine.call("connect", client, where, len(where)) == missing
    assert machine.call("bind", server, where, len(where)) == 0
    again = machine.call("socket", 1, STREAM, 0)
    assert machine.call("bind", again, where, len(where)) == -Errno.EADDRINUSE
    assert machine.call("connect", client, where, len(where)) == -Errno.ECONNREFUSED
    assert machine.call("listen", server, 5) == 0
    with pytest.raises(Blocked):
        machine.call("accept", server, 0, 0)
    assert machine.call("connect", client, where, len(where)) == 0
    assert machine.call("write", client, b"early", 5) == 5
    accepted = machine.call("accept", server, 0, 0)
    assert machine.read(accepted, 10) == b"early"
    length = machine.put((110).to_bytes(4, "little"))
    assert machine.call("getpeername", client, machine.buffer, length) == 0
    size = int.from_bytes(machine.get(4, length), "little")
    assert machine.get(size) == where
    if name[0]:
        assert not os.path.exists(name[:-1])


def test_files_travel(machine) -> None:  # type: ignore[no-untyped-def]
    one, two = pair(machine, STREAM)
    file = machine.open("/etc/passwd")
    control = struct.pack("<QIIi", 20, 1, 1, file)
    assert machine.call("sendmsg", one, message(machine, b"x", control), 0) == 1
    machine.call("close", file)
    header = message(machine, size=64)
    assert machine.call("recvmsg", two, header, 0) == 1
    where, size = struct.unpack("<QQ", machine.get(16, header + 32))
    assert size == 24
    length, level, kind, fd = struct.unpack("<QIIi", machine.get(20, where))
    assert (length, level, kind) == (20, 1, 1)
    assert machine.read(fd, 4) == b"root"
    assert machine.kernel.vfs.files_in_flight == 0


def test_files_in_flight_are_bounded(machine) -> None:  # type: ignore[no-untyped-def]
    one, _ = pair(machine, DGRAM)
    control = struct.pack("<QII253i", 16 + 4 * 253, 1, 1, *[one] * 253)
    answers = [machine.call("sendmsg", one, message(machine, b"x", control), 0) for _ in range(6)]
    assert answers == [1, 1, 1, 1, -Errno.ETOOMANYREFS, -Errno.ETOOMANYREFS]


def test_there_is_no_network(machine) -> None:  # type: ignore[no-untyped-def]
    for family in (16, 17):
        assert machine.call("socket", family, STREAM, 0) == -Errno.EAFNOSUPPORT
