"""What a system call argument is: one marker decodes it for the handler and for the trace.

A handler is annotated with aliases of the form `Annotated[<what the handler gets>, Marker()]`:

    @syscall(0)
    def read(task: Task, fd: Fd, buf: ReadBuffer, count: Size) -> Long: ...

`expression` is compiled into the dispatcher (once, at first use): Python source with {raw}
for the register. `capture` runs only while someone listens and gives the value for the trace.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from youcpu.abi.names import NameTable
from youcpu.abi.values import OMITTED, Address, Descriptor, Hex, Remark


class Capture:
    """One system call as a marker sees it; a task keeps one and reuses it for each call.

    `raw`: the six argument registers; `result` is None on entry (then only markers with
    `at_exit` False are asked), negative for -errno. `read(address, size)` gives guest bytes,
    fewer where memory ends (empty: EFAULT).
    """

    __slots__ = ("fd_path", "limit", "raw", "read", "result", "stack_pointer", "verbose")

    def __init__(
        self,
        read: Callable[[int, int], bytes],
        fd_path: Callable[[int], bytes | None] | None = None,
        limit: int = 32,
        verbose: bool = False,
        stack_pointer: Callable[[], int] = int,
    ) -> None:
        """`fd_path`: path of a descriptor (None: not open), only if someone wants to see it.

        `limit`: bytes of a buffer, elements of an array that are shown; `verbose`: vectors in
        full. `stack_pointer`: RSP of the program at the call.
        """
        self.read = read
        self.stack_pointer = stack_pointer
        self.fd_path = fd_path
        self.limit = limit
        self.verbose = verbose
        self.raw: tuple[int, ...] = ()
        self.result: int | None = None

    @property
    def failed(self) -> bool:
        """The call has returned an error."""
        return self.result is not None and -4096 < self.result < 0

    def exactly(self, address: int, size: int) -> bytes | None:
        """`size` bytes of the program's memory; None: not all of them are there."""
        if not address:
            return None
        data = self.read(address, size)
        return data if len(data) == size else None

    def string(self, address: int, limit: int) -> tuple[bytes, bool] | None:
        """The C string at `address`: up to `limit` bytes, and whether its NUL came.

        None: memory ends before the NUL.
        """
        data = b""
        while len(data) <= limit:
            # Never beyond a page: what follows may not be there.
            count = 4096 - ((address + len(data)) & 4095)
            part = self.read(address + len(data), min(count, 256))
            end = part.find(b"\0")
            if end >= 0:
                data += part[:end]
                return data[:limit], len(data) <= limit
            if not part:
                return None
            data += part
        return data[:limit], False


class Marker:
    """Kind of an argument. Subclasses say how to decode and to show it."""

    expression = "{raw}"
    #: Output buffers are captured when the call returns.
    at_exit = False
    #: `changed` has something to say.
    changes = False
    #: `outcome` has something to say.
    decides_result = False

    def capture(self, index: int, call: Capture) -> object:
        """Value of argument `index` for the trace: one of abi/values."""
        return call.raw[index]

    def captured_result(self, result: int, call: Capture) -> tuple[object, Remark | None]:
        """Value of the call's result and what it means, when this marker annotates it."""
        return result, None

    def changed(self, index: int, call: Capture, before: object) -> object:
        """Value on return of an argument that was captured on entry as `before`."""
        return before

    def outcome(self, index: int, call: Capture) -> tuple[object, Remark | None] | None:
        """(result, remark) where an argument decides how the result is to be read: fcntl(2).

        Remarks of several arguments are put together.
        """
        return None


def signed_int(raw: int) -> int:
    """C int in a register."""
    return ((raw & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000


def descriptor(call: Capture, number: int) -> object:
    """A file descriptor, with its path if someone wants to see it."""
    if call.fd_path is None:
        return number
    return Descriptor(number, call.fd_path(number))


class SignedInt(Marker):
    """C int: the low 32 bits of the register, signed."""

    expression = "(({raw} & 0xffffffff) ^ 0x80000000) - 0x80000000"

    def capture(self, index: int, call: Capture) -> object:
        return ((call.raw[index] & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000


class UnsignedInt(Marker):
    """C unsigned int: the low 32 bits of the register."""

    expression = "{raw} & 0xffffffff"

    def capture(self, index: int, call: Capture) -> object:
        return call.raw[index] & 0xFFFFFFFF


class SignedLong(Marker):
    """C long: 64 bits, signed."""

    expression = "({raw} ^ 0x8000000000000000) - 0x8000000000000000"

    def capture(self, index: int, call: Capture) -> object:
        return (call.raw[index] ^ (1 << 63)) - (1 << 63)


class UnsignedLong(Marker):
    """C unsigned long, size_t."""


Int = Annotated[int, SignedInt()]
UInt = Annotated[int, UnsignedInt()]
Long = Annotated[int, SignedLong()]
ULong = Annotated[int, UnsignedLong()]
Size = Annotated[int, UnsignedLong()]


class Pointer(Marker):
    """An address that is shown as such."""

    def capture(self, index: int, call: Capture) -> object:
        return Address(call.raw[index])

    def captured_result(self, result: int, call: Capture) -> tuple[object, Remark | None]:
        return Address(result), None


class HexLong(Marker):
    """unsigned long that people read in hexadecimal: the offset of mmap(2)."""

    def capture(self, index: int, call: Capture) -> object:
        return Hex(call.raw[index])

    def captured_result(self, result: int, call: Capture) -> tuple[object, Remark | None]:
        return Hex(result), None


class Hex32(UnsignedInt):
    """unsigned int that people read in hexadecimal."""

    def capture(self, index: int, call: Capture) -> object:
        return Hex(call.raw[index] & 0xFFFFFFFF)


class Hidden(Marker):
    """An argument without meaning."""

    def capture(self, index: int, call: Capture) -> object:
        return OMITTED


class Flags(Marker):
    """A set of bits with names; `bits` 32 or 64 wide."""

    def __init__(self, table: NameTable, bits: int = 32) -> None:
        self.table = table
        self.mask = (1 << bits) - 1
        if bits == 32:
            self.expression = UnsignedInt.expression

    def capture(self, index: int, call: Capture) -> object:
        return self.table.flags(call.raw[index] & self.mask)


class OneOf(Marker):
    """An enumeration, C int; `signed` as the handler gets it."""

    def __init__(self, table: NameTable, signed: bool = True) -> None:
        self.table = table
        self.sign = 0x80000000 if signed else 0
        self.expression = (SignedInt if signed else UnsignedInt).expression

    def capture(self, index: int, call: Capture) -> object:
        value = call.raw[index] & 0xFFFFFFFF
        return self.table.choice((value ^ self.sign) - self.sign)


class OneOfResult(OneOf):
    """The same as a result: a number, with its name behind it."""

    def captured_result(self, result: int, call: Capture) -> tuple[object, Remark | None]:
        name = self.table.name(result)
        return result, Remark({"": name}) if name else None


class Record(Marker):
    """Pointer to `size` bytes in memory; `decode` makes a value of them.

    `at_exit`: the call fills them in, they are shown if it succeeded.
    """

    def __init__(
        self, size: int, decode: Callable[[bytes, Capture], object], at_exit: bool = False
    ) -> None:
        self.size = size
        self.decode = decode
        self.at_exit = at_exit

    def capture(self, index: int, call: Capture) -> object:
        address = call.raw[index]
        if self.at_exit and call.failed:
            return Address(address)
        data = call.exactly(address, self.size)
        return Address(address) if data is None else self.decode(data, call)


Addr = Annotated[int, Pointer()]
#: unsigned long shown in hexadecimal.
HexULong = Annotated[int, HexLong()]
#: High half of an offset that has 64 bits anyway: not shown.
OffsetHigh = Annotated[int, Hidden()]
HexUInt = Annotated[int, Hex32()]
#: Flags that have no names (yet).
Flags32 = Annotated[int, Hex32()]
