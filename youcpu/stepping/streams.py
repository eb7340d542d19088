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


class Output:
    """Files that take standard output and error of one run."""

    def __init__(self) -> None:
        self.files: list[IO[bytes]] = [_temporary(), _temporary()]
        #: Bytes of this run that were thrown away.
        self.dropped = [0, 0]

    @property
    def descriptors(self) -> tuple[int, int]:
        """Of output and error."""
        return self.files[0].fileno(), self.files[1].fileno()

    def tail(self, size: int) -> bytes:
        """The end of what the run wrote, output and then error."""
        found = b""
        for file in self.files:
            length = os.fstat(file.fileno()).st_size
            found += os.pread(file.fileno(), size, max(length - size, 0))
        return found[-size:]

    def close(self) -> None:
        """The files go."""
        for file in self.files:
            file.close()


class Streams:
    """Standard input, output and error of one program, for as many runs as are needed."""

    def __init__(self, stdin: str | None = None) -> None:
        """`stdin`: a path, "-" for ours (read to its end first), None: empty. Raises OSError."""
        self._input = _input(stdin)
        #: Bytes of standard output and error that the user has already.
        self._passed = [0, 0]

    @property
    def stdin(self) -> int:
        """Descriptor of the input; all runs share its position."""
        return self._input.fileno()

    def rewind(self) -> None:
        """A run begins: its input is at the start."""
        if self._input.seekable():
            os.lseek(self.stdin, 0, os.SEEK_SET)

    def pending(self, output: Output) -> list[bytes]:
        """What a run wrote that the user does not have, to output and to error."""
        found = []
        for number, file in enumerate(output.files):
            size = os.fstat(file.fileno()).st_size
            start = max(self._passed[number] - output.dropped[number], 0)
            found.append(os.pread(file.fileno(), max(size - start, 0), start))
            self._passed[number] = max(self._passed[number], size + output.dropped[number])
            if size > _KEPT and start <= size:
                os.ftruncate(file.fileno(), 0)
                output.dropped[number] += size
        return found

    def close(self) -> None:
        """The input goes."""
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
