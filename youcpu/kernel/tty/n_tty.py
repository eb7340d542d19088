"""The line discipline: drivers/tty/n_tty.c. What is typed becomes lines, echo and signals; what
is written becomes what the line shows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from youcpu.abi import termios as t
from youcpu.abi.signal import Sig

#: N_TTY_BUF_SIZE
BUFFER_SIZE = 4096
(
    VINTR, VQUIT, VERASE, VKILL, VEOF, VTIME, VMIN, VSWTC, VSTART, VSTOP, VSUSP, VEOL, VREPRINT,
    VDISCARD, VWERASE, VLNEXT, VEOL2,
) = range(17)  # fmt: skip
#: INIT_C_CC
CONTROL_CHARACTERS = bytes.fromhex("03 1c 7f 15 04 00 01 00 11 13 1a 00 12 0f 17 16 00 00 00")
_DISABLED = 0
XTABS = 0o14000
B9600 = 0o15
_BELL, _TAB, _LF, _CR = 7, 9, 10, 13


class Settings:
    """struct ktermios, with tty_std_termios' values."""

    def __init__(self) -> None:
        self.iflag = t.ICRNL | t.IXON
        self.oflag = t.OPOST | t.ONLCR
        self.cflag = t.CS8 | t.CREAD | t.HUPCL | t.CLOCAL | B9600
        self.lflag = (
            t.ISIG | t.ICANON | t.ECHO | t.ECHOE | t.ECHOK | t.ECHOCTL | t.ECHOKE | t.IEXTEN
        )
        self.line = 0
        self.cc = CONTROL_CHARACTERS


class LineDiscipline:
    """One terminal's N_TTY. `output` sends bytes down the line, `signal` one to the foreground."""

    def __init__(
        self, settings: Settings, output: Callable[[bytes], object],
        signal: Callable[[int], object],
    ) -> None:  # fmt: skip
        self.settings = settings
        self._output = output
        self._signal = signal
        #: Finished input, and the line that is being typed. `None` is an end of file.
        self.ready: deque[int | None] = deque()
        self.editing: list[int] = []
        self._literal = False
        self.column = 0
        #: Column in which the typed line began: behind the prompt.
        self._line_column = 0
        #: ^S was typed.
        self.stopped = False
        self._held: list[bytes] = []

    # -- output --------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """What a program writes, with the conversions of c_oflag: do_output_char()."""
        self._send(self._processed(data))

    def _send(self, data: bytes) -> None:
        if self.stopped:
            self._held.append(data)
        else:
            self._output(data)

    def resume(self) -> None:
        """start_tty(): what ^S held back goes out."""
        self.stopped = False
        held, self._held = b"".join(self._held), []
        if held:
            self._output(held)

    def _processed(self, data: bytes) -> bytes:
        flags = self.settings.oflag
        if not flags & t.OPOST:
            return data
        out = bytearray()
        for byte in data:
            if byte == _LF:
                if flags & (t.ONLRET | t.ONLCR):
                    self.column = 0
                self._line_column = self.column
                out += b"\r\n" if flags & t.ONLCR else b"\n"
            elif byte == _CR:
                if flags & t.ONOCR and not self.column:
                    continue
                if flags & t.OCRNL:
                    out += b"\n"
                    if not flags & t.ONLRET:
                        continue
                else:
                    out += b"\r"
                self.column = self._line_column = 0
            elif byte == _TAB:
                spaces = 8 - (self.column & 7)
                self.column += spaces
                out += b" " * spaces if flags & XTABS == XTABS else b"\t"
            elif byte == 8:
                self.column = max(self.column - 1, 0)
                out.append(byte)
            else:
                if byte >= 32 and (not self.settings.iflag & t.IUTF8 or byte & 0xC0 != 0x80):
                    self.column += 1
                out.append(byte)
        return bytes(out)

    # -- input ---------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """What came in over the line: n_tty_receive_buf()."""
        for byte in data:
            self._receive(byte)

    def _receive(self, byte: int) -> None:
        s = self.settings
        if self._literal:
            self._literal = False
            self._add(byte)
            return
        if s.iflag & t.ISTRIP:
            byte &= 0x7F
        if s.iflag & t.IXON and self._flow(byte):
            return
        if s.lflag & t.ISIG and self._typed_signal(byte):
            return
        if self.stopped and s.iflag & t.IXON and s.iflag & t.IXANY:
            self.resume()
        if byte == _CR:
            if s.iflag & t.IGNCR:
                return
            if s.iflag & t.ICRNL:
                self._receive_line_feed()
                return
        elif byte == _LF and s.iflag & t.INLCR:
            byte = _CR
        if s.lflag & t.ICANON:
            self._canonical(byte)
        else:
            self._add(byte)

    def _receive_line_feed(self) -> None:
        """A CR that became LF: its echo is an LF in any mode, that of a typed LF may be ^J."""
        if self.settings.lflag & t.ICANON:
            self._canonical(_LF)
        elif self._has_room():
            if self.settings.lflag & t.ECHO:
                self._send(self._processed(b"\n"))
            self.ready.append(_LF)

    def _is(self, byte: int, index: int) -> bool:
        character = self.settings.cc[index]
        return byte == character and character != _DISABLED

    def _flow(self, byte: int) -> bool:
        if self._is(byte, VSTART):
            self.resume()
        elif self._is(byte, VSTOP):
            self.stopped = True
        else:
            return False
        return True

    def _typed_signal(self, byte: int) -> bool:
        for index, signo in ((VINTR, Sig.SIGINT), (VQUIT, Sig.SIGQUIT), (VSUSP, Sig.SIGTSTP)):
            if self._is(byte, index):
                if not self.settings.lflag & t.NOFLSH:
                    self.flush_input()
                    self._held.clear()
                if self.stopped:
                    self.resume()
                self._echo(byte)
                self._signal(int(signo))
                return True
        return False

    def flush_input(self) -> None:
        """TCIFLUSH."""
        self.ready.clear()
        self.editing.clear()
        self._literal = False

    def _canonical(self, byte: int) -> None:
        lflag = self.settings.lflag
        extended = lflag & t.IEXTEN
        if (
            self._is(byte, VERASE)
            or self._is(byte, VKILL)
            or (extended and self._is(byte, VWERASE))
        ):
            self._erase(byte)
        elif extended and self._is(byte, VLNEXT):
            self._literal = True
            if lflag & t.ECHO and lflag & t.ECHOCTL:
                self._send(b"^\b")
        elif extended and lflag & t.ECHO and self._is(byte, VREPRINT):
            self._echo(byte)
            self._send(self._processed(b"\n"))
            for other in self.editing:
                self._echo(other)
        elif byte == _LF:
            if lflag & (t.ECHO | t.ECHONL):
                self._send(self._processed(b"\n"))
            self._finish(byte)
        elif self._is(byte, VEOF):
            self._finish(None)
        elif self._is(byte, VEOL) or (extended and self._is(byte, VEOL2)):
            self._echo(byte)
            self._finish(byte)
        else:
            self._add(byte)

    def _finish(self, end: int | None) -> None:
        self.ready += self.editing
        self.ready.append(end)
        self.editing.clear()

    def _add(self, byte: int) -> None:
        canonical = self.settings.lflag & t.ICANON
        if not self._has_room():
            return
        if not self.editing:
            self._line_column = self.column
        self._echo(byte)
        if canonical:
            self.editing.append(byte)
        else:
            self.ready.append(byte)

    def _has_room(self) -> bool:
        if len(self.ready) + len(self.editing) < BUFFER_SIZE - 1:
            return True
        if self.settings.iflag & t.IMAXBEL:
            self._send(bytes((_BELL,)))
        return False

    def _echo(self, byte: int) -> None:
        """echo_char(): control characters as ^X."""
        lflag = self.settings.lflag
        if not lflag & t.ECHO:
            return
        control = byte < 32 or byte == 127
        if control and lflag & t.ECHOCTL and byte != _TAB:
            self.column += 2
            self._send(b"^" + bytes((byte ^ 0x40,)))
        else:
            self._send(self._processed(bytes((byte,))))

    # -- editing -------------------------------------------------------------------------------

    def _erase(self, byte: int) -> None:
        """eraser(): a character, a word or the line."""
        lflag = self.settings.lflag
        if not self.editing:
            return
        if self._is(byte, VKILL):
            if not lflag & t.ECHO:
                self.editing.clear()
                return
            if not (lflag & t.ECHOK and lflag & t.ECHOKE and lflag & t.ECHOE):
                self.editing.clear()
                self._echo(byte)
                if lflag & t.ECHOK:
                    self._send(self._processed(b"\n"))
                return
            while self.editing:
                self._erase_one(True)
            return
        word = self._is(byte, VWERASE)
        seen = False
        while self.editing:
            last = self.editing[-1]
            if word:
                letter = bytes((last,)).isalnum() or last == 0x5F
                if letter:
                    seen = True
                elif seen:
                    return
            self._erase_one(bool(lflag & t.ECHOE) or word, byte)
            if not word:
                return

    def _erase_one(self, visibly: bool, byte: int = 0) -> None:
        lflag = self.settings.lflag
        last = self.editing.pop()
        while self.settings.iflag & t.IUTF8 and last & 0xC0 == 0x80 and self.editing:
            last = self.editing.pop()
        if not lflag & t.ECHO:
            return
        if not visibly:
            self._echo(byte)
            return
        if last == _TAB:
            self._erase_tab()
            return
        width = 2 if (last < 32 or last == 127) and lflag & t.ECHOCTL else 1
        if width == 1 and (last < 32 or last == 127):
            return
        self.column = max(self.column - width, 0)
        self._send(b"\b \b" * width)

    def _erase_tab(self) -> None:
        """As many columns back as the tab went: from the tab before it or the line's start."""
        columns = 0
        for other in reversed(self.editing):
            if other == _TAB:
                break
            if other < 32 or other == 127:
                columns += 2 if self.settings.lflag & t.ECHOCTL else 0
            else:
                columns += 1
        else:
            columns += self._line_column
        back = 8 - (columns & 7)
        self.column = max(self.column - back, 0)
        self._send(b"\b" * back)

    # -- reading -------------------------------------------------------------------------------

    @property
    def available(self) -> int:
        """Bytes that a read would get, an end of file counted as one."""
        return len(self.ready)

    def take(self, count: int) -> bytes:
        """Up to `count` bytes; in canonical mode of one line. Empty: end of file."""
        data = bytearray()
        canonical = self.settings.lflag & t.ICANON
        while self.ready and len(data) < count:
            byte = self.ready.popleft()
            if byte is None:
                if canonical or not self.ready:
                    break
                continue
            data.append(byte)
            if canonical and (byte == _LF or self._is(byte, VEOL) or self._is(byte, VEOL2)):
                break
        else:
            # canon_copy_from_read_buf(): an EOF right behind what was asked for goes with it.
            if canonical and data and self.ready and self.ready[0] is None:
                self.ready.popleft()
        return bytes(data)

    def canonical_changed(self) -> None:
        """n_tty_set_termios(): ICANON was switched; what was being typed may be read now."""
        self.ready += self.editing
        self.editing.clear()
