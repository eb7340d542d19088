"""A stepped program's standard files: input that can be read again, output that is kept.

A run that is played again must find its input where it was, and must not write twice. So the
program's input is a file, and its output goes to files of ours from which it is passed on.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import tempfile
from typing import IO

#: Output that has been passed on is thrown away beyond this, so that it does not fill the disk.
_KEPT = 64 << 20


class Streams:
    """Standard input, output and error of one program, for as many runs as are needed."""

    def __init__(self, stdin: str | None = None) -> None:
        """`stdin`: a path, "-" for ours (read to its end first), None: empty. Raises OSError."""
        self._input = _input(stdin)
        self._output: list[IO[bytes]] = []
        #: Bytes of standard output and error that the user has already.
        self._passed = [0, 0]
        #: Bytes of this run that were thrown away.
        self._dropped = [0, 0]

    def fresh(self) -> tuple[int, int, int]:
        """Descriptors for a run from the start."""
        os.lseek(self._input.fileno(), 0, os.SEEK_SET)
        self.close_output()
        self._output = [_temporary(), _temporary()]
        self._dropped = [0, 0]
        return (self._input.fileno(), *(file.fileno() for file in self._output))

    def pending(self) -> list[bytes]:
        """What the program wrote since this was asked last, to output and to error."""
        found = []
        for number, file in enumerate(self._output):
            size = os.fstat(file.fileno()).st_size
            start = self._passed[number] - self._dropped[number]
            found.append(os.pread(file.fileno(), max(size - start, 0), max(start, 0)))
            self._passed[number] = max(self._passed[number], size + self._dropped[number])
            if size > _KEPT and start <= size:
                os.ftruncate(file.fileno(), 0)
                self._dropped[number] += size
        return found

    def tail(self, size: int) -> bytes:
        """The end of what this run wrote, output and then error."""
        found = b""
        for file in self._output:
            length = os.fstat(file.fileno()).st_size
            found += os.pread(file.fileno(), size, max(length - size, 0))
        return found[-size:]

    def close_output(self) -> None:
        """The files of the run go."""
        for file in self._output:
            file.close()
        self._output = []

    def close(self) -> None:
        """All files go."""
        self.close_output()
        self._input.close()


def _input(path: str | None) -> IO[bytes]:
    if path is None:
        return open(os.devnull, "rb", buffering=0)
    if path != "-":
        return open(path, "rb", buffering=0)
    file = _temporary(append=False)
    shutil.copyfileobj(sys.stdin.buffer, file)
    return file


def _temporary(append: bool = True) -> IO[bytes]:
    file = tempfile.TemporaryFile(buffering=0, prefix="youcpu-")  # noqa: SIM115  closed by Streams
    if append:
        fcntl.fcntl(file.fileno(), fcntl.F_SETFL, os.O_APPEND)
    return file
