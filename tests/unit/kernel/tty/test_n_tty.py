"""The line discipline does to typed and written bytes what the host's own does: a pty judges."""

from __future__ import annotations

import os
import pty
import random
import select
import termios
import time

import pytest

from youcpu.kernel.tty.n_tty import LineDiscipline, Settings

Answer = tuple[bytes, bytes]


class Host:
    """A pty's master in our hands."""

    def __init__(self, lflag: int, iflag: int, oflag: int) -> None:
        self.master, self.slave = pty.openpty()
        mode = termios.tcgetattr(self.slave)
        mode[0], mode[1], mode[3] = iflag, oflag, lflag
        for index, byte in enumerate(Settings().cc[:17]):
            mode[6][index] = bytes((byte,))
        termios.tcsetattr(self.slave, termios.TCSANOW, mode)

    def run(self, typed: bytes, written: bytes, echo: int, shown: int, lines: int) -> Answer:
        """Type, then write. The counts say when to stop waiting: the host's worker is slow."""
        os.write(self.master, typed)
        seen = self.drain(self.master, echo)
        if written:
            os.write(self.slave, written)
            seen += self.drain(self.master, shown - echo)
        os.set_blocking(self.slave, False)
        return seen, self.drain(self.slave, lines)

    def drain(self, fd: int, count: int) -> bytes:
        data = b""
        deadline = time.monotonic() + 3
        while len(data) < count and time.monotonic() < deadline:
            if select.select([fd], [], [], 0.05)[0]:
                data += os.read(fd, 4096)
        while select.select([fd], [], [], 0.002)[0]:
            data += os.read(fd, 4096)
        return data

    def close(self) -> None:
        os.close(self.master)
        os.close(self.slave)


def compare(lflag: int, iflag: int, oflag: int, typed: bytes, written: bytes) -> None:
    settings = Settings()
    settings.lflag, settings.iflag, settings.oflag = lflag, iflag, oflag
    shown = bytearray()
    discipline = LineDiscipline(settings, shown.extend, lambda signo: None)
    discipline.receive(typed)
    echo = len(shown)
    discipline.write(written)
    lines = b""
    while discipline.available:
        lines += discipline.take(4096)
    host = Host(lflag, iflag, oflag)
    try:
        expected = host.run(typed, written, echo, len(shown), len(lines))
    finally:
        host.close()
    case = (oct(lflag), oct(iflag), oct(oflag), typed, written)
    assert (bytes(shown), lines) == expected, case


USUAL = (
    termios.ISIG | termios.ICANON | termios.ECHO | termios.ECHOE | termios.ECHOK | 0o1000 | 0o4000
    | termios.IEXTEN
)  # fmt: skip
CASES = [
    b"hello\r", b"ab\x7fc\n", b"one two\x17three\n", b"gone\x15kept\n", b"a\tb\x7f\x7fc\n",
    b"\x01\x02\x7f\n", b"\x04", b"abc\x04", b"x\x04y\n", b"lit\x16\x03eral\n", b"again\x12more\n",
    b"a,b;c_d\x17\n", b"\x7f\x7fa\n", b"two\nlines\n", b"\xc3\xa4\x7f\n",
]  # fmt: skip


@pytest.mark.parametrize("typed", CASES)
def test_typed_lines_as_the_host(typed: bytes) -> None:
    compare(USUAL, termios.ICRNL, termios.OPOST | termios.ONLCR, typed, b"")


def test_random_bytes_and_flags_as_the_host() -> None:
    rng = random.Random(7)
    alphabet = b"ab \t\r\n\x7f\x15\x17\x16\x12\x01_;"
    for _ in range(40):
        lflag = termios.ICANON * rng.randrange(2) | termios.IEXTEN
        for flag in (termios.ECHO, termios.ECHOE, termios.ECHOK, termios.ECHONL, 0o1000, 0o4000):
            lflag |= flag * rng.randrange(2)
        iflag = rng.choice((0, termios.ICRNL, termios.INLCR, termios.IGNCR))
        oflag = rng.choice((0, 1, 5, 1 | termios.OCRNL, 1 | termios.ONLRET, 5 | termios.ONOCR))
        typed = bytes(rng.choices(alphabet, k=rng.randrange(1, 12)))
        written = bytes(rng.choices(b"xy\n\r\t", k=rng.randrange(4)))
        compare(lflag, iflag, oflag, typed, written)
