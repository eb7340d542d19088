"""Arguments of ioctl(2): the third depends on the request. fs/ioctl.c, drivers/tty/tty_ioctl.c."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from youcpu.abi import ioctl, stat, termios
from youcpu.abi.args import Capture, Marker, OneOf, signed_int
from youcpu.abi.ioctl_names import IOCTL_NAMES
from youcpu.abi.names import NameTable
from youcpu.abi.structs import Termios, Winsize
from youcpu.abi.values import OMITTED, Address, Array, Call, Hex, Struct, Text

_Decode = Callable[[bytes, Capture], object]


def winsize_value(data: bytes, call: Capture) -> Struct:
    """struct winsize."""
    size = Winsize.unpack(data)
    names = ("ws_row", "ws_col", "ws_xpixel", "ws_ypixel")
    return Struct({name: getattr(size, name) for name in names})


def int_value(data: bytes, call: Capture) -> Array:
    """Pointer to int: `[5]`."""
    return Array((int.from_bytes(data, "little", signed=True),))


def termios_value(data: bytes, call: Capture) -> object:
    """The kernel's struct termios; the head of termios2 too."""
    return termios.termios_struct(Termios.unpack(data[: Termios.SIZE]))


def _termio(data: bytes, call: Capture) -> object:
    return termios.termio_struct(data)


def _flags(table: NameTable) -> _Decode:
    def decode(data: bytes, call: Capture) -> object:
        return Array((table.flags(int.from_bytes(data, "little")),))

    return decode


def _character(data: bytes, call: Capture) -> object:
    return Text(data, 1)


class Request(OneOf):
    """Second argument."""

    def __init__(self) -> None:
        super().__init__(IOCTL_NAMES, signed=False)

    def capture(self, index: int, call: Capture) -> object:
        found = self.table.choice(call.raw[index] & 0xFFFFFFFF)
        return found if found.name else _ioc(found.value)


def _ioc(request: int) -> object:
    """A request without a name, in its parts."""
    direction, kind, number, size = ioctl.decode_request(request)
    parts = (_DIRECTIONS[direction], Hex(kind), Hex(number), Hex(size))
    return Call("_IOC", parts)


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
        table = _CHOICES.get(request)
        if table is not None:
            return table.choice(raw & 0xFFFFFFFF)
        for entries, answers in ((_OUT, True), (_IN, False)):
            entry = entries.get(request)
            if entry is not None:
                size, decode = entry
                data = None if answers and call.failed else call.exactly(raw, size)
                return Address(raw) if data is None else decode(data, call)
        return Hex(raw)


_DIRECTIONS = (
    "_IOC_NONE",
    "_IOC_WRITE",
    "_IOC_READ",
    "_IOC_READ|_IOC_WRITE",
)
_NONE = {
    ioctl.TIOCEXCL,
    ioctl.TIOCNXCL,
    ioctl.TIOCNOTTY,
    ioctl.TIOCSBRK,
    ioctl.TIOCCBRK,
    ioctl.TIOCCONS,
    ioctl.TIOCVHANGUP,
    ioctl.FIOCLEX,
    ioctl.FIONCLEX,
}
_NUMBERS = {ioctl.TCSBRK, ioctl.TCSBRKP, ioctl.TIOCSCTTY, ioctl.FICLONE}
_CHOICES = {ioctl.TCXONC: termios.TCXONC_NAMES, ioctl.TCFLSH: termios.TCFLSH_NAMES}
_INT: tuple[int, _Decode] = (4, int_value)
_TERMIOS: tuple[int, _Decode] = (Termios.SIZE, termios_value)
_TERMIOS2: tuple[int, _Decode] = (44, termios_value)
_TERMIO: tuple[int, _Decode] = (18, _termio)
_MODEM: tuple[int, _Decode] = (4, _flags(termios.MODEM_NAMES))
_INODE_FLAGS: tuple[int, _Decode] = (4, _flags(stat.FS_FL_NAMES))
_OUT: dict[int, tuple[int, _Decode]] = {
    ioctl.TCGETS: _TERMIOS,
    ioctl.TIOCGLCKTRMIOS: _TERMIOS,
    ioctl.TCGETS2: _TERMIOS2,
    ioctl.TCGETA: _TERMIO,
    ioctl.TIOCGWINSZ: (Winsize.SIZE, winsize_value),
    ioctl.TIOCGPGRP: _INT,
    ioctl.TIOCGSID: _INT,
    ioctl.TIOCOUTQ: _INT,
    ioctl.FIONREAD: _INT,
    ioctl.TIOCGETD: _INT,
    ioctl.TIOCGPTN: _INT,
    ioctl.TIOCGPTLCK: _INT,
    ioctl.TIOCGPKT: _INT,
    ioctl.TIOCGEXCL: _INT,
    ioctl.TIOCGSOFTCAR: _INT,
    ioctl.TIOCMGET: _MODEM,
    ioctl.FS_IOC_GETFLAGS: _INODE_FLAGS,
}
_IN: dict[int, tuple[int, _Decode]] = {
    ioctl.TCSETS: _TERMIOS,
    ioctl.TCSETSW: _TERMIOS,
    ioctl.TCSETSF: _TERMIOS,
    ioctl.TIOCSLCKTRMIOS: _TERMIOS,
    ioctl.TCSETS2: _TERMIOS2,
    ioctl.TCSETSW2: _TERMIOS2,
    ioctl.TCSETSF2: _TERMIOS2,
    ioctl.TCSETA: _TERMIO,
    ioctl.TCSETAW: _TERMIO,
    ioctl.TCSETAF: _TERMIO,
    ioctl.TIOCSWINSZ: (Winsize.SIZE, winsize_value),
    ioctl.TIOCSPGRP: _INT,
    ioctl.TIOCPKT: _INT,
    ioctl.TIOCSETD: _INT,
    ioctl.TIOCSSOFTCAR: _INT,
    ioctl.FIONBIO: _INT,
    ioctl.FIOASYNC: _INT,
    ioctl.TIOCSPTLCK: _INT,
    ioctl.TIOCSTI: (1, _character),
    ioctl.TIOCMSET: _MODEM,
    ioctl.TIOCMBIS: _MODEM,
    ioctl.TIOCMBIC: _MODEM,
    ioctl.FS_IOC_SETFLAGS: _INODE_FLAGS,
}

IoctlRequest = Annotated[int, Request()]
#: Stands right behind IoctlRequest; unsigned long as the register has it.
IoctlArg = Annotated[int, Argument()]
