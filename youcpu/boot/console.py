"""The console: the guest's first UART on our standard input and output.

Output is written as it comes, a slice of the CPU at a time. Input reaches the guest at the pace
at which it reads: on a terminal when keys are pressed, from a file or pipe a line at a time, each
when all its programs sleep. So the same file gives the same log, byte for byte.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from typing import Any

from youcpu.hardware.devices.uart import IER_RDI, Uart

CTRL_A, EXIT_KEY, HELP_KEY = 0x01, ord("x"), ord("h")
HELP = b"\r\nCtrl-A x  end the machine\r\nCtrl-A h  this\r\nCtrl-A Ctrl-A  Ctrl-A\r\n"
_CHUNK = 4096


class Console:
    """Ties a UART to two descriptors of the host; `input_fd` None: nobody types."""

    def __init__(self, write: Callable[[bytes], None], input_fd: int | None) -> None:
        self._write = write
        self._fd = input_fd
        self.interactive = input_fd is not None and os.isatty(input_fd)
        #: All that the guest sent in its last lines, for whoever looks for a text.
        self.recent = bytearray()
        self._held = bytearray()
        self._typed = bytearray()
        self._escape = False
        self._saved_terminal: list[Any] | None = None
        #: No more will be typed.
        self.ended = input_fd is None
        #: The user asked for the end (Ctrl-A x).
        self.left = False

    # -- output --

    def send(self, byte: int) -> None:
        """A byte from the UART."""
        self._held.append(byte)

    def flush(self) -> bytes:
        """Write out what has come; it is given back as well."""
        if not self._held:
            return b""
        data = bytes(self._held)
        self._held.clear()
        self.recent += data
        del self.recent[:-8192]
        self._write(data)
        return data

    # -- input --

    def raw(self) -> None:
        """On a terminal: every key goes to the guest, Ctrl-C too."""
        if self.interactive and self._fd is not None:
            import termios
            import tty

            self._saved_terminal = termios.tcgetattr(self._fd)
            tty.setraw(self._fd, termios.TCSADRAIN)

    def restore(self) -> None:
        """The terminal as it was."""
        if self._saved_terminal is not None and self._fd is not None:
            import termios

            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._saved_terminal)
            self._saved_terminal = None

    def poll(self, seconds: float = 0) -> bool:
        """Take what was typed, waiting so long for it; whether something is there."""
        if not self.ended and self._fd is not None and len(self._typed) < _CHUNK:
            try:
                ready = select.select([self._fd], [], [], seconds)[0]
                data = os.read(self._fd, _CHUNK) if ready else None
            except OSError:
                data = b""
            if data is not None:
                self.ended = not data
                self._take(data)
        return bool(self._typed)

    def _take(self, data: bytes) -> None:
        if not self.interactive:
            self._typed += data
            return
        for byte in data:
            if self._escape:
                self._escape = False
                if byte == CTRL_A:
                    self._typed.append(byte)
                elif byte | 0x20 == EXIT_KEY:
                    self.left = True
                else:
                    self._write(HELP)
            elif byte == CTRL_A:
                self._escape = True
            else:
                self._typed.append(byte)

    def feed(self, uart: Uart) -> bool:
        """Give the UART what it has room for; whether it got something.

        Only where the guest listens: what arrives before it opens the device would be lost.
        """
        if not self._typed or not uart.ier & IER_RDI or uart.received:
            return False
        count = min(uart.room, len(self._typed))
        if not self.interactive:
            line = self._typed.find(b"\n", 0, count)
            count = line + 1 if line >= 0 else count
        for byte in self._typed[:count]:
            uart.receive(byte)
        del self._typed[:count]
        return count > 0

    @property
    def waiting(self) -> bool:
        """Something was typed that the guest has not taken."""
        return bool(self._typed)
