"""Arguments that are memory: buffers, vectors, strings: fs/read_write.c, lib/iov_iter.c."""

from __future__ import annotations

from typing import Annotated

from youcpu.abi.args import Capture, Marker
from youcpu.abi.structs import Iovec
from youcpu.abi.values import Address, Array, Noted, Struct, Text

_IOV_MAX = 1024


def buffer(call: Capture, address: int, size: int) -> object:
    """The start of a buffer, or its address where it cannot be read."""
    if not size:
        return Text(b"", 0) if address else Address(0)
    wanted = min(size, call.limit)
    data = call.read(address, wanted) if address else b""
    return Text(data, size) if len(data) == wanted and wanted else Address(address)


class InputBuffer(Marker):
    """Data that the call takes: its size is the next argument."""

    def capture(self, index: int, call: Capture) -> object:
        return buffer(call, call.raw[index], call.raw[index + 1])


class HostName(InputBuffer):
    """Name of sethostname(2): 64 bytes at most."""

    def capture(self, index: int, call: Capture) -> object:
        if call.raw[index + 1] & 0xFFFFFFFF > 64:
            return Address(call.raw[index])
        return super().capture(index, call)


class OutputBuffer(Marker):
    """Data that the call gives: its size is the result."""

    at_exit = True

    def capture(self, index: int, call: Capture) -> object:
        if call.failed or call.result is None:
            return Address(call.raw[index])
        return buffer(call, call.raw[index], call.result)


class StringResult(Marker):
    """A buffer that the call fills with a string: getcwd(2)."""

    at_exit = True

    def capture(self, index: int, call: Capture) -> object:
        address = call.raw[index]
        found = None if call.failed else call.string(address, 4096)
        return found[0] if found else Address(address)


class StringArgument(Marker):
    """A C string that is no path: cut like a buffer."""

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit

    def capture(self, index: int, call: Capture) -> object:
        return string_text(call, call.raw[index], self.limit)


def string_text(call: Capture, address: int, limit: int | None = None) -> object:
    """The C string at an address, as far as it is shown."""
    wanted = call.limit if limit is None else min(limit, call.limit)
    found = call.string(address, wanted) if address else None
    if found is None:
        return Address(address)
    data, whole = found
    return Text(data, len(data) if whole else len(data) + 1)


class Vector(Marker):
    """readv(2), writev(2): pairs of base and length; their number is the next argument."""

    def __init__(self, at_exit: bool) -> None:
        self.at_exit = at_exit

    def capture(self, index: int, call: Capture) -> object:
        left = None
        if self.at_exit:
            left = -1 if call.failed or call.result is None else call.result
        return iovec(call, call.raw[index], call.raw[index + 1], left)


class RemoteVector(Marker):
    """process_vm_readv(2): pairs of another process, whose memory is not shown."""

    def capture(self, index: int, call: Capture) -> object:
        return iovec(call, call.raw[index], call.raw[index + 1], -1)


def iovec(call: Capture, address: int, count: int, left: int | None) -> object:
    """An array of struct iovec; `left` bytes were stored (None: all count, -1: show none)."""
    if not count:
        return Array(())
    shown = min(count, _IOV_MAX if call.verbose else call.limit)
    data = call.read(address, shown * Iovec.SIZE) if address else b""
    if len(data) < Iovec.SIZE:
        return Address(address)
    items = []
    for at in range(0, len(data) - Iovec.SIZE + 1, Iovec.SIZE):
        entry = Iovec.unpack(data[at : at + Iovec.SIZE])
        size = entry.iov_len
        if left is None:
            base = buffer(call, entry.iov_base, size)
        elif left < 0:
            base = Address(entry.iov_base)
        else:
            base = buffer(call, entry.iov_base, min(left, size))
            left -= min(left, size)
        items.append(Struct({"iov_base": base, "iov_len": size}))
    broken_at = address + len(items) * Iovec.SIZE if len(items) < shown else 0
    return Array(tuple(items), count > len(items), broken_at)


class Strings(Marker):
    """argv: a NULL-terminated vector of C strings."""

    def capture(self, index: int, call: Capture) -> object:
        return strings(call, call.raw[index])


def strings(call: Capture, address: int) -> object:
    """Elements of a string vector, as many as bytes of a string unless all are wanted."""
    if not address:
        return Address(0)
    items: list[object] = []
    at = address
    while True:
        pointer = call.exactly(at, 8)
        if pointer is None:
            return Array(tuple(items), broken_at=at) if items else Address(address)
        if pointer == bytes(8):
            return Array(tuple(items))
        if len(items) >= call.limit and not call.verbose:
            return Array(tuple(items), more=True)
        items.append(string_text(call, int.from_bytes(pointer, "little")))
        at += 8


class Environment(Marker):
    """envp: how many variables, or all of them if wanted."""

    def capture(self, index: int, call: Capture) -> object:
        address = call.raw[index]
        if call.verbose or not address:
            return strings(call, address)
        count = 0
        while count < 0x100000:
            pointer = call.exactly(address + 8 * count, 8)
            if pointer is None:
                return (
                    Noted(Address(address), f"{count} vars, unterminated")
                    if count
                    else (Address(address))
                )
            if pointer == bytes(8):
                break
            count += 1
        return Noted(Address(address), f"{count} var{'' if count == 1 else 's'}")


class RandomBytes(OutputBuffer):
    """Buffer of getrandom(2)."""

    def capture(self, index: int, call: Capture) -> object:
        found = super().capture(index, call)
        if isinstance(found, Text):
            found.random = True
        return found


ReadBuffer = Annotated[int, OutputBuffer()]
RandomBuffer = Annotated[int, RandomBytes()]
WriteBuffer = Annotated[int, InputBuffer()]
#: Filled with a C string: getcwd(2).
StringBuffer = Annotated[int, StringResult()]
#: A C string that is no path; the handler gets its address.
CString = Annotated[int, StringArgument()]
IovecIn = Annotated[int, Vector(at_exit=False)]
IovecOut = Annotated[int, Vector(at_exit=True)]
IovecRemote = Annotated[int, RemoteVector()]
StringVector = Annotated[int, Strings()]
EnvVector = Annotated[int, Environment()]
#: sethostname(2): its size is the next argument.
CountedString = Annotated[int, HostName()]
#: memfd_create(2).
MemfdName = Annotated[int, StringArgument(limit=250)]
