"""What a system call argument is: one marker decodes it for the handler and for the trace.

A handler is annotated with aliases of the form `Annotated[<what the handler gets>, Marker()]`:

    @syscall(0)
    def read(task: Task, fd: Fd, buf: ReadBuffer, count: Size) -> Long: ...

`expression` is compiled into the dispatcher (once, at first use): Python source with {raw}
for the register. `capture` runs only while someone listens and gives the value for the trace.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated


@dataclass(slots=True)
class Capture:
    """One system call as a marker sees it.

    `raw`: the six argument registers; `result` is None on entry (then only markers with
    `at_exit` False are asked), negative for -errno. `read(address, size)` gives guest bytes,
    fewer where memory ends (empty: EFAULT).
    """

    raw: tuple[int, ...]
    result: int | None
    read: Callable[[int, int], bytes]
    #: Path of a descriptor of the task, for fds with -y; None: not open.
    fd_path: Callable[[int], bytes | None]


class Marker:
    """Kind of an argument. Subclasses say how to decode and to show it."""

    expression = "{raw}"
    #: Output buffers are captured when the call returns.
    at_exit = False

    def capture(self, index: int, call: Capture) -> object:
        """Value of argument `index` for the trace; render/ knows how its type looks."""
        return call.raw[index]


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
