"""Arguments of fcntl(2): the third depends on the command. fs/fcntl.c."""

from __future__ import annotations

import struct
from typing import Annotated

from youcpu.abi import fcntl
from youcpu.abi.args import Capture, Marker, OneOf, descriptor, signed_int
from youcpu.abi.args_file import open_flags
from youcpu.abi.args_signal import signal_choice
from youcpu.abi.structs import Flock
from youcpu.abi.values import OMITTED, Address, Hex, Remark, Struct

_LOCKS = {
    fcntl.F_SETLK,
    fcntl.F_SETLKW,
    fcntl.F_OFD_SETLK,
    fcntl.F_OFD_SETLKW,
}
_GET_LOCKS = {fcntl.F_GETLK, fcntl.F_OFD_GETLK}
_NO_ARGUMENT = {
    fcntl.F_GETFD,
    fcntl.F_GETFL,
    fcntl.F_GETOWN,
    fcntl.F_GETSIG,
    fcntl.F_GETLEASE,
    fcntl.F_GETPIPE_SZ,
    fcntl.F_GET_SEALS,
}


def flock_value(data: bytes, with_pid: bool) -> Struct:
    """struct flock; the pid is an answer only."""
    lock = Flock.unpack(data)
    fields: dict[str, object] = {
        "l_type": fcntl.LOCK_TYPE_NAMES.choice(lock.l_type & 0xFFFF),
        "l_whence": fcntl.SEEK_NAMES.choice(lock.l_whence & 0xFFFF),
        "l_start": lock.l_start,
        "l_len": lock.l_len,
    }
    if with_pid:
        fields["l_pid"] = lock.l_pid
    return Struct(fields)


class Command(OneOf):
    """Second argument: it also says how the result is to be read."""

    decides_result = True

    def __init__(self) -> None:
        super().__init__(fcntl.F_NAMES, signed=False)

    def outcome(self, index: int, call: Capture) -> tuple[object, Remark | None] | None:
        command = call.raw[index] & 0xFFFFFFFF
        result = call.result
        if result is None or result < 0:
            return None
        if command in (fcntl.F_DUPFD, fcntl.F_DUPFD_CLOEXEC):
            return descriptor(call, result), None
        if command == fcntl.F_GETFL:
            return Hex(result), Remark({"flags": open_flags(result)})
        if command == fcntl.F_GETFD and result:
            return Hex(result), Remark({"flags": fcntl.FD_NAMES.flags(result)})
        if command == fcntl.F_GETSIG:
            return self._signal(result)
        if command == fcntl.F_GETLEASE:
            return Hex(result), Remark({"": fcntl.LOCK_TYPE_NAMES.choice(result)})
        if command == fcntl.F_GET_SEALS and result:
            return Hex(result), Remark({"seals": fcntl.SEAL_NAMES.flags(result)})
        return None

    @staticmethod
    def _signal(result: int) -> tuple[object, Remark | None] | None:
        return (result, Remark({"": signal_choice(result)})) if result else None


class Argument(Marker):
    """Third argument: a number, flags or a lock."""

    at_exit = True

    def capture(self, index: int, call: Capture) -> object:
        command = call.raw[index - 1] & 0xFFFFFFFF
        raw = call.raw[index]
        if command in _NO_ARGUMENT:
            return OMITTED
        if command in _LOCKS or command in _GET_LOCKS:
            return self._lock(raw, command, call)
        if command in (fcntl.F_SETOWN_EX, fcntl.F_GETOWN_EX):
            return self._owner(raw, command, call)
        shown = _SHOWN.get(command)
        return Hex(raw) if shown is None else shown(raw)

    @staticmethod
    def _owner(raw: int, command: int, call: Capture) -> object:
        asks = command == fcntl.F_GETOWN_EX
        data = None if asks and call.failed else call.exactly(raw, 8)
        if data is None:
            return Address(raw)
        kind, pid = struct.unpack("<ii", data)
        return Struct({"type": fcntl.F_OWNER_NAMES.choice(kind), "pid": pid})

    @staticmethod
    def _lock(raw: int, command: int, call: Capture) -> object:
        asks = command in _GET_LOCKS
        data = None if asks and call.failed else call.exactly(raw, Flock.SIZE)
        return Address(raw) if data is None else flock_value(data, asks)


_SHOWN = {
    fcntl.F_DUPFD: signed_int,
    fcntl.F_DUPFD_CLOEXEC: signed_int,
    fcntl.F_SETFD: fcntl.FD_NAMES.flags,
    fcntl.F_SETFL: lambda raw: open_flags(raw & 0xFFFFFFFF),
    fcntl.F_SETOWN: signed_int,
    fcntl.F_NOTIFY: lambda raw: fcntl.DN_NAMES.flags(raw & 0xFFFFFFFF),
    fcntl.F_SETSIG: lambda raw: signal_choice(signed_int(raw)),
    fcntl.F_SETLEASE: lambda raw: fcntl.LOCK_TYPE_NAMES.choice(raw & 0xFFFFFFFF),
    fcntl.F_ADD_SEALS: lambda raw: fcntl.SEAL_NAMES.flags(raw & 0xFFFFFFFF),
    fcntl.F_SETPIPE_SZ: signed_int,
}

FcntlCommand = Annotated[int, Command()]
#: Stands right behind FcntlCommand; unsigned long as the register has it.
FcntlArg = Annotated[int, Argument()]
