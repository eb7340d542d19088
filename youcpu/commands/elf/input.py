"""Opening what a command line names: files, large ones mapped, and standard input."""

from __future__ import annotations

import os
import sys

from youcpu.formats.errors import FormatError

SMALL = 1 << 20  # bytes: below it a file is read, from there on mapped


def read_file(name: str) -> memoryview:
    """The bytes of a file, `-` being stdin. Raises OSError, or FormatError for no regular file."""
    import stat

    if name == "-":
        return memoryview(sys.stdin.buffer.read())
    # A FIFO must not block the opening of it.
    descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise FormatError(0, f"'{name}' is not an ordinary file")
        if status.st_size < SMALL:
            return memoryview(os.read(descriptor, SMALL))
        import mmap

        return memoryview(mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ))
    finally:
        os.close(descriptor)


def latin(name: str) -> str:
    """A file name as texts about ELF carry names: a character a byte."""
    return os.fsencode(name).decode("latin-1")
