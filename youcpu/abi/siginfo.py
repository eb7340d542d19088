"""siginfo_t: include/uapi/asm-generic/siginfo.h; which fields count depends on signal and code."""

from __future__ import annotations

import struct

from youcpu.abi import signal
from youcpu.abi.args_signal import signal_choice
from youcpu.abi.signal import Sig
from youcpu.abi.values import Address, Choice, Hex, Struct
from youcpu.record import record

_FAULTS = {Sig.SIGILL, Sig.SIGFPE, Sig.SIGSEGV, Sig.SIGBUS, Sig.SIGTRAP}
_BY_SIGNAL: dict[int, str] = {
    Sig.SIGCHLD: "sigchld",
    Sig.SIGIO: "sigpoll",
    Sig.SIGSYS: "sigsys",
}
_HEAD = struct.Struct("<iii4x")


@record
class Siginfo:
    """128 bytes; fields that a kind of signal does not have stay 0."""

    signo: int
    code: int
    errno: int = 0
    pid: int = 0
    uid: int = 0
    #: CLD_*: exit code or signal.
    status: int = 0
    utime: int = 0
    stime: int = 0
    #: Faults.
    addr: int = 0
    #: SI_QUEUE, SI_TIMER: sigval as 64 bits.
    value: int = 0
    timer_id: int = 0
    overrun: int = 0
    #: SIGSYS
    call_addr: int = 0
    syscall: int = 0
    arch: int = 0
    #: SIGIO
    band: int = 0
    fd: int = 0

    @property
    def layout(self) -> str:
        """Member of the union: kill, timer, rt, sigchld, sigfault, sigpoll or sigsys."""
        if self.code in (signal.SI_USER, signal.SI_TKILL):
            return "kill"
        if self.code == signal.SI_TIMER:
            return "timer"
        if self.code < 0:
            return "rt"
        if self.code == signal.SI_KERNEL and self.signo not in _FAULTS:
            return "kernel"
        if self.signo in _FAULTS:
            return "sigfault"
        return _BY_SIGNAL.get(self.signo, "kill")

    def pack(self) -> bytes:
        """As the program sees it."""
        head = _HEAD.pack(self.signo, self.errno, self.code)
        layout = self.layout
        if layout == "timer":
            body = struct.pack("<iiQ", self.timer_id, self.overrun, self.value)
        elif layout == "rt":
            body = struct.pack("<iIQ", self.pid, self.uid, self.value)
        elif layout == "sigchld":
            body = struct.pack("<iIi4xqq", self.pid, self.uid, self.status, self.utime, self.stime)
        elif layout == "sigfault":
            body = struct.pack("<Q", self.addr)
        elif layout == "sigpoll":
            body = struct.pack("<qi", self.band, self.fd)
        elif layout == "sigsys":
            body = struct.pack("<QiI", self.call_addr, self.syscall, self.arch)
        else:
            body = struct.pack("<iI", self.pid, self.uid)
        return (head + body).ljust(128, b"\0")

    @classmethod
    def unpack(cls, data: bytes) -> Siginfo:
        """From 128 bytes."""
        signo, errno, code = _HEAD.unpack_from(data)
        info = cls(signo, code, errno)
        layout = info.layout
        if layout == "timer":
            info.timer_id, info.overrun, info.value = struct.unpack_from("<iiQ", data, 16)
        elif layout == "sigfault":
            (info.addr,) = struct.unpack_from("<Q", data, 16)
        elif layout == "sigpoll":
            info.band, info.fd = struct.unpack_from("<qi", data, 16)
        elif layout == "sigsys":
            info.call_addr, info.syscall, info.arch = struct.unpack_from("<QiI", data, 16)
        elif layout == "sigchld":
            info.pid, info.uid, info.status, info.utime, info.stime = struct.unpack_from(
                "<iIi4xqq", data, 16
            )
        else:
            info.pid, info.uid, info.value = struct.unpack_from("<iIQ", data, 16)
        return info

    def struct(self) -> Struct:
        """The fields that count, for the trace."""
        fields: dict[str, object] = {
            "si_signo": signal_choice(self.signo),
            "si_code": si_code(self.signo, self.code),
        }
        if self.errno:
            fields["si_errno"] = self.errno
        fields.update(self._specific())
        return Struct(fields)

    def _specific(self) -> dict[str, object]:
        match self.layout:
            case "kill":
                return {"si_pid": self.pid, "si_uid": self.uid}
            case "timer":
                return {
                    "si_timerid": Hex(self.timer_id),
                    "si_overrun": self.overrun,
                } | self._value()
            case "rt":
                return {"si_pid": self.pid, "si_uid": self.uid} | self._value()
            case "sigchld":
                exited = self.code == signal.CLD_EXITED
                return {
                    "si_pid": self.pid,
                    "si_uid": self.uid,
                    "si_status": self.status if exited else signal_choice(self.status),
                    "si_utime": self.utime,
                    "si_stime": self.stime,
                }
            case "sigfault":
                return {"si_addr": Address(self.addr)}
            case "sigpoll":
                return {"si_band": self.band, "si_fd": self.fd}
            case "sigsys":
                return {"si_call_addr": Address(self.call_addr), "si_syscall": self.syscall}
            case _:
                return {}

    def _value(self) -> dict[str, object]:
        low = self.value & 0xFFFFFFFF
        return {"si_int": (low ^ 0x80000000) - 0x80000000, "si_ptr": Address(self.value)}


def si_code(signo: int, code: int) -> Choice:
    """A code by name: the signal's own ones come first."""
    table = signal.CODE_NAMES.get(signo)
    name = signal.SI_NAMES.name(code) or (table.name(code) if table else None)
    return Choice(code, name, table.hint if table else "SI_???", decimal=True)
