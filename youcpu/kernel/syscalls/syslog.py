"""The kernel's log for programs: kernel/printk/printk.c do_syslog()."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.args import Int
from youcpu.abi.args_reboot import SyslogActionArg, SyslogBuffer, SyslogSize
from youcpu.abi.errno import Errno
from youcpu.kernel.cred import CAP_SYSLOG
from youcpu.kernel.errors import Blocked, KernelError
from youcpu.kernel.mm.mm import TASK_SIZE
from youcpu.kernel.mm.uaccess import copy_to_user
from youcpu.kernel.printk import CONSOLE_LOGLEVEL_MIN, LOG_BUF_LEN, LogRecord
from youcpu.kernel.syscalls.table import syscall

if TYPE_CHECKING:
    from youcpu.kernel.printk import Printk
    from youcpu.kernel.task import Task

(
    CLOSE, OPEN, READ, READ_ALL, READ_CLEAR, CLEAR, CONSOLE_OFF, CONSOLE_ON, CONSOLE_LEVEL,
    SIZE_UNREAD, SIZE_BUFFER,
) = range(11)  # fmt: skip
#: Without CAP_SYSLOG these pass, as kernel.dmesg_restrict is 0.
_FREE = (READ_ALL, SIZE_BUFFER)


@syscall(103)
def syslog(task: Task, type: SyslogActionArg, bufp: SyslogBuffer, len: SyslogSize) -> Int:
    """syslog(2)."""
    if type not in _FREE and not task.cred.capable(CAP_SYSLOG):
        raise KernelError(Errno.EPERM)
    log = task.kernel.printk
    if type in (READ, READ_ALL, READ_CLEAR):
        return _read(task, type, bufp, len)
    if type == CLEAR:
        log.clear_sequence = log.next_sequence
    elif type in (CONSOLE_OFF, CONSOLE_ON, CONSOLE_LEVEL):
        _set_console(log, type, len)
    elif type == SIZE_UNREAD:
        return sum(_size(entry) for entry in log.since(log.syslog_sequence))
    elif type == SIZE_BUFFER:
        return LOG_BUF_LEN
    elif type not in (OPEN, CLOSE):
        raise KernelError(Errno.EINVAL)
    return 0


def _set_console(log: Printk, action: int, level: int) -> None:
    if action == CONSOLE_OFF:
        if log.saved_loglevel is None:
            log.saved_loglevel = log.console_loglevel
        log.console_loglevel = CONSOLE_LOGLEVEL_MIN
    elif action == CONSOLE_ON:
        if log.saved_loglevel is not None:
            log.console_loglevel, log.saved_loglevel = log.saved_loglevel, None
    elif not 1 <= level <= 8:
        raise KernelError(Errno.EINVAL)
    else:
        log.console_loglevel, log.saved_loglevel = level, None


def _size(entry: LogRecord) -> int:
    return len(entry.lines(with_priority=True))


def _read(task: Task, action: int, buffer: int, size: int) -> int:
    log = task.kernel.printk
    if not buffer or size < 0:
        raise KernelError(Errno.EINVAL)
    if not size:
        return 0
    if buffer >= TASK_SIZE:
        raise KernelError(Errno.EFAULT)
    if action == READ:
        data = log.unread(size)
        if not data:
            raise Blocked(log.queue)
        copy_to_user(task, buffer, data)
        return len(data)
    entries = log.since(log.clear_sequence)
    # The newest that fit: syslog_print_all().
    while entries and sum(map(_size, entries)) > size:
        entries.pop(0)
    data = b"".join(entry.lines(with_priority=True) for entry in entries)
    copy_to_user(task, buffer, data)
    if action == READ_CLEAR:
        log.clear_sequence = log.next_sequence
    return len(data)
