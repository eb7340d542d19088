"""Text in Latin-1 to stdout as bytes, diagnostics to stderr in step with it."""

from __future__ import annotations

import sys

from youcpu.formats.elf.image import Diagnostic

FLUSH = 1 << 18  # characters of output that are kept back


class Output:
    """`warned`: something was said on stderr. `failed`: a file could not be shown."""

    def __init__(self, command: str) -> None:
        self.command = command
        self._pieces: list[str] = []
        self._size = 0
        self.warned = False
        self.failed = False

    def write(self, text: str) -> None:
        self._pieces.append(text)
        self._size += len(text)
        if self._size > FLUSH:
            self._write_out()

    def _write_out(self) -> None:
        if self._pieces:
            sys.stdout.buffer.write("".join(self._pieces).encode("latin-1"))
            self._pieces.clear()
            self._size = 0

    def flush(self) -> None:
        self._write_out()
        sys.stdout.buffer.flush()

    def diagnose(self, diagnostics: list[Diagnostic], file: str) -> None:
        """Say what came up since the last time, each message once, and forget it."""
        if not diagnostics:
            return
        self.flush()
        for severity, message in dict.fromkeys(diagnostics):
            self._say(f"{file}: {severity}: {message}")
        diagnostics.clear()

    def fail(self, message: str) -> None:
        """A file, or a part of one, that cannot be shown."""
        self.flush()
        self.failed = True
        self._say(message)

    def _say(self, message: str) -> None:
        self.warned = True
        # A name in the file must not steer the terminal.
        shown = "".join(
            c if c.isprintable() or c >= "\x80" else f"\\x{ord(c):02x}" for c in message
        )
        line = f"youcpu {self.command}: {shown}\n"
        sys.stderr.buffer.write(line.encode("utf-8", "surrogateescape"))
        sys.stderr.buffer.flush()
