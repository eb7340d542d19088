"""Arguments of ioctl(2): the third depends on the request. fs/ioctl.c, drivers/tty/tty_ioctl.c."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from youcpu.abi import ioctl
from youcpu.abi.args import Capture, Marker, OneOf, signed_int
from youcpu.abi.structs import Termios, Winsize
from youcpu.abi.values import OMITTED, Address, Array, Hex, Struct


def winsize_value(data: bytes, call: Capture) -> Struct:
    """struct winsize."""
    size = Winsize.unpack(data)
    names = ("ws_row", "ws_col", "ws_xpixel", "ws_ypixel")
    return Struct({name: getattr(size, name) for name in names})


def int_value(data: bytes, call: Capture) -> Array:
    """Pointer to int: `[5]`."""
    return Array((int.from_bytes(data, "little", signed=True),))


def termios_value(data: bytes, call: Capture) -> object:
    """The kernel's struct termios."""
    from youcpu.abi.termios import termios_struct

    return termios_struct(Termios.unpack(data))


class Request(OneOf):
    """Second argument."""

    def __init__(self) -> None:
        super().__init__(ioctl.IOCTL_NAMES, signed=False)


class Argument(Marker):
    """Third argument: memory in or out, a number, or nothing."""

    at_exit = True

    def capture(self, index: int, call: Capture) -> object:
        request = call.raw[index - 1] & 0xFFFFFFFF
        raw = call.raw[index]
        if request in _NONE:
            return OMITTED
        if request in _NUMBERS:
            return signed_int(raw)
        for table, answers in ((_OUT, True), (_IN, False)):
            entry = table.get(request)
            if entry is not None:
                size, decode = entry
                data = None if answers and call.failed else call.exactly(raw, size)
                return Address(raw) if data is None else decode(data, call)
        return Hex(raw)


_Decode = Callable[[bytes, Capture], object]
_NONE = {
    ioctl.TIOCEXCL,
    ioctl.TIOCNXCL,
    ioctl.TIOCNOTTY,
    ioctl.TIOCSBRK,
    ioctl.TIOCCBRK,
    ioctl.FIOCLEX,
    ioctl.FIONCLEX,
}
_NUMBERS = {ioctl.TCSBRK, ioctl.TCSBRKP, ioctl.TIOCSCTTY, ioctl.FICLONE}
_OUT: dict[int, tuple[int, _Decode]] = {
    ioctl.TCGETS: (Termios.SIZE, termios_value),
    ioctl.TIOCGWINSZ: (Winsize.SIZE, winsize_value),
    ioctl.TIOCGPGRP: (4, int_value),
    ioctl.TIOCGSID: (4, int_value),
    ioctl.TIOCOUTQ: (4, int_value),
    ioctl.FIONREAD: (4, int_value),
    ioctl.TIOCGETD: (4, int_value),
    ioctl.TIOCGPTN: (4, int_value),
    ioctl.TIOCGPTLCK: (4, int_value),
}
_IN: dict[int, tuple[int, _Decode]] = {
    ioctl.TCSETS: (Termios.SIZE, termios_value),
    ioctl.TCSETSW: (Termios.SIZE, termios_value),
    ioctl.TCSETSF: (Termios.SIZE, termios_value),
    ioctl.TIOCSWINSZ: (Winsize.SIZE, winsize_value),
    ioctl.TIOCSPGRP: (4, int_value),
    ioctl.FIONBIO: (4, int_value),
    ioctl.FIOASYNC: (4, int_value),
    ioctl.TIOCSPTLCK: (4, int_value),
}

IoctlRequest = Annotated[int, Request()]
#: Stands right behind IoctlRequest; unsigned long as the register has it.
IoctlArg = Annotated[int, Argument()]
