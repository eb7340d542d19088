"""The first line of a script: the parse of fs/binfmt_script.c, with every position kept.

The kernel looks at the first 256 bytes of the file, zero filled (BINPRM_BUF_SIZE):

    #! /usr/bin/env  python3 -u \\n import os ...
    ^^ ^            ^^          ^ ^
    |  name         | argument  | newline; `end` is here, or before trailing blanks
    magic           separator   trailing blank, trimmed

Blanks are space and tab, nothing else. There is one argument at most.
"""

from __future__ import annotations

from enum import Enum

#: include/uapi/linux/binfmts.h, since Linux 5.1 (128 before).
BINPRM_BUF_SIZE = 256
_BLANKS = b" \t"


class Refusal(Enum):
    """Why the script handler answers ENOEXEC, in plain words."""

    MAGIC = "it does not start with #!"
    ALL_BLANK = "there are only blanks after #! in the first 256 bytes"
    CUT = "the interpreter's path does not end within the first 256 bytes"
    NO_NAME = "there is no interpreter's name after #!"


class Shebang:
    """What the kernel makes of the buffer. Spans are [start, stop) in `buffer`.

    `refusal`: None where the line is accepted; the spans are then valid.
    `newline`: index of the newline that ends the line, None where there is none before
    the first NUL of the 256 bytes. `end`: where the kernel puts the terminating NUL.
    """

    __slots__ = ("argument_span", "buffer", "end", "name_span", "newline", "refusal")

    def __init__(
        self,
        buffer: bytes,
        refusal: Refusal | None,
        newline: int | None = None,
        end: int = 0,
    ) -> None:
        self.buffer = buffer
        self.refusal = refusal
        self.newline = newline
        self.end = end
        self.name_span = (0, 0)
        self.argument_span: tuple[int, int] | None = None

    @property
    def interpreter(self) -> bytes:
        """Path as the kernel opens it; may be empty."""
        start, stop = self.name_span
        return self.buffer[start:stop]

    @property
    def argument(self) -> bytes | None:
        """The one optional argument; may be empty, which is not the same as None."""
        if self.argument_span is None:
            return None
        start, stop = self.argument_span
        return self.buffer[start:stop]


def parse_shebang(head: bytes) -> Shebang:
    """Parse the start of a file (any length; 256 bytes count) as load_script() does."""
    buffer = head[:BINPRM_BUF_SIZE].ljust(BINPRM_BUF_SIZE, b"\0")
    if not buffer.startswith(b"#!"):
        return Shebang(buffer, Refusal.MAGIC)
    # strnchr() stops at a NUL: a newline after one is not found.
    nul = buffer.find(b"\0")
    newline = buffer.find(b"\n", 2, nul if nul >= 0 else BINPRM_BUF_SIZE)
    last = BINPRM_BUF_SIZE - 1
    if newline < 0:
        first = _non_blank(buffer, 2, last)
        if first is None:
            return Shebang(buffer, Refusal.ALL_BLANK)
        # Since Linux 5.1 (b5372fe5dc84): without a blank or NUL after the name it may be cut.
        if _terminator(buffer, first, last) is None:
            return Shebang(buffer, Refusal.CUT)
        end = last
    else:
        end = newline
    while buffer[end - 1] in _BLANKS:
        end -= 1
    name = _non_blank(buffer, 2, end)
    line = Shebang(buffer, None, newline if newline >= 0 else None, end)
    if name is None or name == end:
        line.refusal = Refusal.NO_NAME
        return line
    separator = _terminator(buffer, name, end)
    line.name_span = (name, end if separator is None else separator)
    if separator is not None and buffer[separator] != 0:
        argument = _non_blank(buffer, separator, end)
        if argument is not None:
            # The kernel put its NUL at `end`; one that was in the file cuts earlier.
            nul = buffer.find(b"\0", argument, end)
            line.argument_span = (argument, end if nul < 0 else nul)
    return line


def _non_blank(buffer: bytes, first: int, last: int) -> int | None:
    """next_non_spacetab(): index of the first other byte in [first, last], both included."""
    rest = buffer[first : last + 1]
    stripped = rest.lstrip(_BLANKS)
    return last + 1 - len(stripped) if stripped else None


def _terminator(buffer: bytes, first: int, last: int) -> int | None:
    """next_terminator(): index of the first blank or NUL in [first, last], both included."""
    found = [i for byte in (b" ", b"\t", b"\0") if (i := buffer.find(byte, first, last + 1)) >= 0]
    return min(found) if found else None
