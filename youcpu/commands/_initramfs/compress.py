"""The archive's way to its file: compressed as Linux's own unpackers take it."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, Any, Protocol

from youcpu.options import UsageError


class Sink(Protocol):
    """Something that takes bytes until it is closed; the file below stays open."""

    def write(self, data: bytes, /) -> object:
        """More of the archive."""

    def close(self) -> object:
        """The end of the stream. Raises OSError."""


def open_sink(kind: str, file: IO[bytes]) -> Sink:
    """A stream of one of KINDS into `file`. Raises UsageError where its library is missing."""
    return KINDS[kind](file)


class _Plain:
    def __init__(self, file: IO[bytes]) -> None:
        self.write = file.write

    def close(self) -> None:
        pass


def _gzip(file: IO[bytes]) -> Sink:
    import gzip

    # No name and no time in the header: the same tree gives the same bytes.
    return gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0)


def _xz(file: IO[bytes]) -> Sink:
    import lzma

    # lib/xz knows CRC32 only, and Documentation/staging/xz.rst asks for small dictionaries.
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 20}]
    return lzma.LZMAFile(file, "wb", check=lzma.CHECK_CRC32, filters=filters)


def _zstd(file: IO[bytes]) -> Sink:
    try:
        import zstandard
    except ImportError:
        return _ZstdProgram(file)
    sink: Any = zstandard.ZstdCompressor(level=10).stream_writer(file, closefd=False)
    return sink  # type: ignore[no-any-return]


class _ZstdProgram:
    """zstd(1), where Python's library is not installed."""

    def __init__(self, file: IO[bytes]) -> None:
        import shutil
        import subprocess

        program = shutil.which("zstd")
        if program is None:
            raise UsageError(
                "--compress zstd needs Python's zstandard (pip install 'youcpu[boot]') or zstd(1)"
            )
        file.flush()
        self._process = subprocess.Popen(
            [program, "-q", "-10", "-c"], stdin=subprocess.PIPE, stdout=file
        )
        assert self._process.stdin is not None
        self.write = self._process.stdin.write

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        if self._process.wait():
            raise OSError(5, "zstd failed")


KINDS: dict[str, Callable[[IO[bytes]], Sink]] = {
    "gzip": _gzip,
    "xz": _xz,
    "zstd": _zstd,
    "none": _Plain,
}
