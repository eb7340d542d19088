"""The kernel's log: kernel/printk/printk.c. /dev/kmsg and syslog(2) read it, the console prints it.

A record is a level, a time and one line. The ring keeps the newest of them; what a reader has
missed it is told by EPIPE.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from youcpu.kernel.wait import WaitQueue
from youcpu.record import record
from youcpu.trace.events import PrintkEvent

if TYPE_CHECKING:
    from youcpu.kernel.clock import Clock
    from youcpu.trace.tracer import Tracer

KERN_EMERG, KERN_ALERT, KERN_CRIT, KERN_ERR, KERN_WARNING, KERN_NOTICE, KERN_INFO, KERN_DEBUG = (
    range(8)
)
#: include/linux/printk.h
CONSOLE_LOGLEVEL_SILENT, CONSOLE_LOGLEVEL_MIN, CONSOLE_LOGLEVEL_QUIET = 0, 1, 4
CONSOLE_LOGLEVEL_DEFAULT, CONSOLE_LOGLEVEL_DEBUG = 7, 10
DEFAULT_MESSAGE_LOGLEVEL = KERN_WARNING
#: CONFIG_LOG_BUF_SHIFT 17: bytes of text that are kept.
LOG_BUF_LEN = 1 << 17
#: Bytes of one record: PRINTKRB_RECORD_MAX.
LINE_MAX = 1024
#: syslog facility of the kernel; of what programs write to /dev/kmsg: LOG_USER.
LOG_KERN, LOG_USER = 0, 1
_US, _SECOND = 1000, 1_000_000


@record
class LogRecord:
    """struct printk_record: `facility` and `level` as syslog(3), `time_ns` since power-on."""

    sequence: int
    facility: int
    level: int
    time_ns: int
    text: bytes

    def prefix(self) -> bytes:
        """`[    0.000000] `: print_time()."""
        seconds, micros = divmod(self.time_ns // _US, _SECOND)
        return b"[%5d.%06d] " % (seconds, micros)

    def lines(self, with_priority: bool = False) -> bytes:
        """As the console and syslog(2) show it: the prefix before each line."""
        head = b"<%d>" % (self.facility << 3 | self.level) if with_priority else b""
        head += self.prefix()
        return b"".join(head + line + b"\n" for line in self.text.split(b"\n"))

    def extended(self) -> bytes:
        """As /dev/kmsg gives it: `priority,sequence,microseconds,-;text`."""
        priority = self.facility << 3 | self.level
        shown = b"".join(_escaped(byte) for byte in self.text)
        return b"%d,%d,%d,-;%s\n" % (priority, self.sequence, self.time_ns // _US, shown)


def _escaped(byte: int) -> bytes:
    """append_char(): what is not printable, and the backslash, as \\xHH."""
    if byte < 0x20 or byte >= 0x7F or byte == 0x5C:
        return b"\\x%02x" % byte
    return bytes((byte,))


class Printk:
    """The log of one machine."""

    def __init__(self, clock: Clock, tracer: Tracer) -> None:
        self._clock = clock
        self._tracer = tracer
        self.records: deque[LogRecord] = deque()
        self.next_sequence = 0
        self._bytes = 0
        #: Where SYSLOG_ACTION_CLEAR put the start for SYSLOG_ACTION_READ_ALL.
        self.clear_sequence = 0
        #: Where SYSLOG_ACTION_READ goes on.
        self.syslog_sequence = 0
        self.queue = WaitQueue()
        #: Records of a lower level go to the console.
        self.console_loglevel = CONSOLE_LOGLEVEL_DEFAULT
        #: Level before SYSLOG_ACTION_CONSOLE_OFF.
        self.saved_loglevel: int | None = None
        self.ignore_loglevel = False
        self._console: Callable[[bytes], object] | None = None

    def register_console(self, write: Callable[[bytes], object]) -> None:
        """From now on the console prints, first what was logged before: register_console()."""
        self._console = write
        for entry in self.records:
            self._print(entry)

    def printk(self, level: int, text: str | bytes, facility: int = LOG_KERN) -> None:
        """Log a line."""
        data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        entry = LogRecord(
            self.next_sequence, facility, level, self._clock.monotonic_ns(), data[:LINE_MAX]
        )
        self.next_sequence += 1
        self.records.append(entry)
        self._bytes += len(entry.text)
        while self._bytes > LOG_BUF_LEN:
            self._bytes -= len(self.records.popleft().text)
        self._print(entry)
        if self._tracer.wants(PrintkEvent):
            now = self._clock.realtime_ns()
            self._tracer.emit(PrintkEvent(0, now, level, entry.time_ns, entry.text))
        self.queue.wake_up()

    def _print(self, entry: LogRecord) -> None:
        if self._console is None:
            return
        if self.ignore_loglevel or entry.level < self.console_loglevel:
            self._console(entry.lines())

    @property
    def first_sequence(self) -> int:
        """Number of the oldest record that is still there."""
        return self.records[0].sequence if self.records else self.next_sequence

    def get(self, sequence: int) -> LogRecord | None:
        """The record of that number, or the oldest after it; None: it is still to come."""
        index = max(sequence - self.first_sequence, 0)
        return self.records[index] if index < len(self.records) else None

    def unread(self, size: int) -> bytes:
        """What SYSLOG_ACTION_READ gives: records that nobody read so far; empty: none.

        One that is longer than `size` is cut, its rest is lost.
        """
        data, sequence = b"", self.syslog_sequence
        while (entry := self.get(sequence)) is not None:
            lines = entry.lines(with_priority=True)
            if data and len(data) + len(lines) > size:
                break
            data += lines
            sequence = entry.sequence + 1
        self.syslog_sequence = sequence
        return data[:size]

    def since(self, sequence: int) -> list[LogRecord]:
        """All records from a number on."""
        return [entry for entry in self.records if entry.sequence >= sequence]
