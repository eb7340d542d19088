"""Keys for a guest: text from standard input as scan codes of set 1 (US layout)."""

from __future__ import annotations

import os
import select
from collections import deque

from youcpu.hardware.board import Board

#: Virtual time between two keys: a fast typist.
KEY_NS = 10_000_000
#: Input that does not come from a terminal is read whole; more than this nobody types.
MOST_INPUT = 1 << 16

_PLAIN = "\0\x1b1234567890-=\b\tqwertyuiop[]\r\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 "
_SHIFTED = '\0\x1b!@#$%^&*()_+\b\0QWERTYUIOP{}\r\0ASDFGHJKL:"~\0|ZXCVBNM<>?\0*\0 '
SHIFT, CTRL, ENTER = 0x2A, 0x1D, 0x1C
_ESCAPES = {b"A": 0x48, b"B": 0x50, b"C": 0x4D, b"D": 0x4B, b"H": 0x47, b"F": 0x4F}


def _table() -> dict[int, tuple[int, int]]:
    """Byte -> (modifier's scan code or 0, scan code)."""
    table = {}
    for code, char in enumerate(_SHIFTED):
        if char != "\0":
            table[ord(char)] = (SHIFT, code)
    for code, char in enumerate(_PLAIN):
        if char != "\0" and code != 0x37:
            table[ord(char)] = (0, code)
    for letter in range(26):
        table.setdefault(letter + 1, (CTRL, table[ord("a") + letter][1]))
    table[10] = table[13] = (0, ENTER)
    table[127] = table[8]
    return table


TABLE = _table()


def scan_codes(text: bytes) -> list[bytes]:
    """One string of scan codes a key, make and break; bytes that no key gives are left out."""
    keys: list[bytes] = []
    position = 0
    while position < len(text):
        arrow = _ESCAPES.get(text[position + 2 : position + 3])
        if text[position : position + 2] == b"\x1b[" and arrow is not None:
            keys.append(bytes((0xE0, arrow, 0xE0, arrow | 0x80)))
            position += 3
            continue
        modifier, code = TABLE.get(text[position], (0, 0))
        position += 1
        if not code:
            continue
        stroke = bytes((code, code | 0x80))
        keys.append(bytes((modifier,)) + stroke + bytes((modifier | 0x80,)) if modifier else stroke)
    return keys


class KeySource:
    """Presses keys when the guest can take them; a device with deadlines of its own."""

    def __init__(self, board: Board, fd: int | None) -> None:
        self._board = board
        self._keys: deque[bytes] = deque()
        self._fd = fd
        self.terminal = fd is not None and os.isatty(fd)
        self._next_ns = KEY_NS
        #: Keys are held back until the boot sector runs.
        self.open = False
        self.ended = fd is None

    @property
    def exhausted(self) -> bool:
        """No key will come any more."""
        return self.ended and not self._keys

    def start(self) -> None:
        """The boot sector runs: keys are pressed from now on."""
        self.open = True
        self._next_ns = self._board.now_ns() + KEY_NS
        if self._fd is not None and not self.terminal:
            self._read_all(self._fd)

    def _read_all(self, fd: int) -> None:
        data = b""
        try:
            while len(data) < MOST_INPUT and (piece := os.read(fd, MOST_INPUT - len(data))):
                data += piece
        except OSError:
            pass  # a closed or unreadable standard input: no keys
        self._keys.extend(scan_codes(data))
        self.ended = True

    def poll(self, seconds: float) -> bool:
        """Look at a terminal; whether keys came."""
        if self._fd is None or not self.terminal or self.ended or not self.open:
            return False
        if not select.select([self._fd], [], [], seconds)[0]:
            return False
        data = os.read(self._fd, 256)
        self.ended = not data or b"\x04" in data
        keys = scan_codes(data)
        self._keys.extend(keys)
        return bool(keys)

    # -- a device with a deadline --

    def deadline(self) -> int | None:
        """Virtual time of the next key, in ns."""
        return self._next_ns if self.open and self._keys else None

    def advance(self) -> None:
        """Press a key if its time has come and the one before it was taken."""
        board = self._board
        now = board.now_ns()
        if not self.open or not self._keys or now < self._next_ns:
            return
        self._next_ns = now + KEY_NS
        room = not board.keyboard.queue and not self._buffer_full()
        if room and board.keyboard.press(self._keys[0]):
            self._keys.popleft()

    def _buffer_full(self) -> bool:
        """Whether the firmware's INT 9 is there and its buffer of 15 keys is full."""
        memory = self._board.ram.bytes
        if int.from_bytes(memory[0x26:0x28], "little") != 0xF000:
            return False
        head, tail = (int.from_bytes(memory[at : at + 2], "little") for at in (0x41A, 0x41C))
        return (tail + 2 - 0x1E) % 0x20 == (head - 0x1E) % 0x20
