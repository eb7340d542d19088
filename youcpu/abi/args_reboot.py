"""Arguments of reboot(2) and syslog(2): kernel/reboot.c, kernel/printk/printk.c."""

from __future__ import annotations

from typing import Annotated

from youcpu.abi import reboot
from youcpu.abi.args import Capture, Marker, OneOf, SignedInt
from youcpu.abi.args_io import OutputBuffer, string_text
from youcpu.abi.names import NameTable
from youcpu.abi.values import OMITTED, Address, Noted

#: SYSLOG_ACTION_ numbers from 0.
_ACTIONS = (
    "CLOSE OPEN READ READ_ALL READ_CLEAR CLEAR CONSOLE_OFF CONSOLE_ON CONSOLE_LEVEL SIZE_UNREAD"
    " SIZE_BUFFER"
)
_SYSLOG = NameTable(
    "SYSLOG_ACTION_???",
    [(f"SYSLOG_ACTION_{name}", value) for value, name in enumerate(_ACTIONS.split())],
)
_READING = (2, 3, 4)
#: Actions that take nothing more.
_ALONE = (0, 1, 5, 6, 7, 9, 10)


class RestartCommand(Marker):
    """Fourth argument of reboot(2): a string, of RESTART2 only."""

    def capture(self, index: int, call: Capture) -> object:
        if call.raw[2] & 0xFFFFFFFF != reboot.CMD_RESTART2:
            return OMITTED
        return string_text(call, call.raw[index])


class SyslogAction(SignedInt):
    """First argument of syslog(2)."""

    def capture(self, index: int, call: Capture) -> object:
        action = (call.raw[index] & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
        return Noted(action, _SYSLOG.name(action) or _SYSLOG.hint)


class SyslogText(OutputBuffer):
    """Second argument of syslog(2)."""

    def capture(self, index: int, call: Capture) -> object:
        action = call.raw[0] & 0xFFFFFFFF
        if action in _ALONE:
            return OMITTED
        return super().capture(index, call) if action in _READING else Address(call.raw[index])


class SyslogLength(SignedInt):
    """Third argument of syslog(2)."""

    def capture(self, index: int, call: Capture) -> object:
        if call.raw[0] & 0xFFFFFFFF in _ALONE:
            return OMITTED
        return super().capture(index, call)


RebootMagic1 = Annotated[int, OneOf(reboot.MAGIC1_NAMES, signed=False)]
RebootMagic2 = Annotated[int, OneOf(reboot.MAGIC2_NAMES, signed=False)]
RebootCommand = Annotated[int, OneOf(reboot.COMMAND_NAMES, signed=False)]
RebootArg = Annotated[int, RestartCommand()]
SyslogActionArg = Annotated[int, SyslogAction()]
SyslogBuffer = Annotated[int, SyslogText()]
SyslogSize = Annotated[int, SyslogLength()]
