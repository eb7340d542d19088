"""A machine that stands still: the memory and the CPUs of a dump, as machine.py has live ones.

Wires formats (bytes of a dump) to hardware (page tables in them). The file is mapped, not
read; .xz and .zst are unpacked to a temporary file in which zeros take no space.
"""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Protocol

from youcpu.formats.core_dump import EM_386, kernel_page_table
from youcpu.formats.dump import parse_dump
from youcpu.formats.errors import FormatError
from youcpu.formats.memory_image import FileBytes, MemoryImage
from youcpu.hardware.paging import (
    CR0_PE,
    CR0_PG,
    CR0_WP,
    CR4_LA57,
    CR4_PAE,
    CR4_PGE,
    CR4_PSE,
    EFER_LMA,
    EFER_LME,
    EFER_NXE,
    PagingRegisters,
)
from youcpu.record import record, replace

CHUNK = 1 << 20
UNPACKED_LIMIT = 1 << 40
LONG_MODE = EFER_LME | EFER_LMA | EFER_NXE

# --levels: (CR4 bits set, CR4 bits cleared, EFER)
LEVELS = {
    "4": (CR4_PAE, CR4_LA57, LONG_MODE),
    "5": (CR4_PAE | CR4_LA57, 0, LONG_MODE),
    "pae": (CR4_PAE, CR4_LA57, EFER_NXE),
    "32": (CR4_PSE, CR4_PAE | CR4_LA57, 0),
}


class NoTables(Exception):
    """The dump does not say where the page tables are; one line for the user."""


@record(frozen=True)
class Overrides:
    """Registers that the user tells; None: as the dump has them."""

    cr3: int | None = None
    cr0: int | None = None
    cr4: int | None = None
    efer: int | None = None
    pkru: int | None = None
    levels: str | None = None
    physical_bits: int = 52


@record
class StoppedMachine:
    """A dump, opened: its memory, and the registers of a CPU on request."""

    path: str
    image: MemoryImage

    def registers(self, cpu: int | None, told: Overrides) -> tuple[PagingRegisters, str]:
        """The paging registers of `cpu` (None: the first) and where they come from.

        Raises NoTables where neither the dump nor the user tells CR3.
        """
        registers, origin = self._found_registers(cpu, told)
        if told.levels is not None:
            set_bits, clear, efer = LEVELS[told.levels]
            registers = replace(
                registers,
                cr0=registers.cr0 | CR0_PE | CR0_PG,
                cr4=registers.cr4 & ~clear | set_bits,
                efer=efer,
            )
        named = {
            name: value
            for name in ("cr3", "cr0", "cr4", "efer", "pkru")
            if (value := getattr(told, name)) is not None
        }
        return replace(registers, physical_bits=told.physical_bits, **named), origin

    def _found_registers(self, cpu: int | None, told: Overrides) -> tuple[PagingRegisters, str]:
        cpus = self.image.cpus
        if cpu is not None and not 0 <= cpu < max(len(cpus), 1):
            raise NoTables(f"no CPU {cpu}: the dump has {len(cpus) or 'none'}")
        if cpus:
            state = cpus[cpu or 0]
            # The note has no EFER. QEMU writes e_machine by its LMA; NXE is what Linux sets.
            efer = EFER_NXE if self.image.machine == EM_386 else LONG_MODE
            found = PagingRegisters(state.cr3, state.cr0, state.cr4, efer)
            return found, f"CPU {state.index}, its QEMU note"
        if told.cr3 is not None:
            return PagingRegisters(told.cr3, CR0_PE | CR0_WP | CR0_PG), "told by --cr3"
        kernel = kernel_page_table(self.image.vmcoreinfo)
        if kernel is None:
            raise NoTables(f"a {self.image.format} dump without CPU notes: tell it with --cr3")
        table, five = kernel
        cr4 = CR4_PAE | CR4_PGE | (CR4_LA57 if five else 0)
        return PagingRegisters(table, cr4=cr4), "init_top_pgt in VMCOREINFO"


@contextmanager
def open_dump(path: str) -> Iterator[StoppedMachine]:
    """The dump at `path`, "-" is standard input. Raises OSError, FormatError."""
    with _opened(path) as file:
        unpacked = _unpacked(path, file)
        try:
            with _mapped(unpacked or file) as data:
                image = parse_dump(data)
                yield StoppedMachine(path, image)
        finally:
            if unpacked is not None:
                unpacked.close()


def _opened(path: str) -> IO[bytes]:
    return os.fdopen(os.dup(0), "rb") if path == "-" else open(path, "rb")


@contextmanager
def _mapped(file: IO[bytes]) -> Iterator[FileBytes]:
    status = os.fstat(file.fileno())
    size = status.st_size
    if not stat.S_ISREG(status.st_mode):
        raise FormatError(0, "not a regular file")
    if not size:
        yield b""
        return
    try:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError, OverflowError):  # /proc/kcore cannot be mapped
        yield ReadOnDemand(file.fileno(), size)
        return
    # Not closed here: tables may still be looked at; the last view that goes closes it.
    yield memoryview(data)


class ReadOnDemand:
    """A file's bytes by slice where the file cannot be mapped."""

    def __init__(self, descriptor: int, size: int) -> None:
        self.descriptor = descriptor
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, where: slice) -> bytes:
        start, stop, _ = where.indices(self.size)
        try:
            return os.pread(self.descriptor, max(stop - start, 0), start)
        except OSError:
            return b""


def _unpacked(path: str, file: IO[bytes]) -> IO[bytes] | None:
    """A temporary file with the bytes if they are packed (.xz, .zst) or come from a pipe."""
    if path.endswith(".xz"):
        import lzma

        try:
            return _copy_sparse(lzma.open(file))
        except (lzma.LZMAError, EOFError) as error:
            raise FormatError(0, f"not whole xz data: {error}") from None
    if path.endswith((".zst", ".zstd")):
        return _unpack_zstd(path, file)
    return _copy_sparse(file) if stat.S_ISFIFO(os.fstat(file.fileno()).st_mode) else None


def _unpack_zstd(path: str, file: IO[bytes]) -> IO[bytes]:
    import shutil
    import subprocess

    try:
        import zstandard
    except ImportError:
        program = shutil.which("zstd")
        if program is None:
            raise FormatError(
                0, "zstd data: install the zstd program or the zstandard package"
            ) from None
        with subprocess.Popen(
            [program, "-dc", "--", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            assert process.stdout is not None
            result = _copy_sparse(process.stdout)
        if process.returncode:
            result.close()
            raise FormatError(0, "not whole zstd data") from None
        return result
    try:
        return _copy_sparse(_ZstdReader(zstandard.ZstdDecompressor(), file))
    except zstandard.ZstdError as error:
        raise FormatError(0, f"not whole zstd data: {error}") from None


class _ZstdReader:
    """Frames one after another; unlike zstandard's own reader it notices where one is cut off."""

    #: 4 bytes of zstd make up to 128 KiB: so much at once stays within some 32 MiB.
    PIECE = 1 << 10

    def __init__(self, decompressor: Any, file: IO[bytes]) -> None:
        self._decompressor, self._file = decompressor, file
        self._frame: Any = None
        self._packed = b""
        self._plain = memoryview(b"")

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end. Raises FormatError, ZstdError."""
        while not self._plain:
            packed = self._packed or self._file.read(self.PIECE)
            if not packed:
                if self._frame is not None:
                    raise FormatError(0, "not whole zstd data: the last frame is cut off")
                return b""
            frame = self._frame = self._frame or self._decompressor.decompressobj()
            self._plain = memoryview(frame.decompress(packed))
            self._packed = frame.unused_data
            if frame.eof:
                self._frame = None
        taken = bytes(self._plain[:size])
        self._plain = self._plain[size:]
        return taken


class Readable(Protocol):
    """What gives bytes until it gives none."""

    def read(self, size: int, /) -> bytes: ...


def _copy_sparse(source: Readable) -> IO[bytes]:
    """A temporary file with the bytes of `source`; runs of zeros become holes."""
    import tempfile

    target = tempfile.TemporaryFile(prefix="youcpu-")  # noqa: SIM115  the caller closes it
    zeros = bytes(CHUNK)
    size = 0
    try:
        while chunk := source.read(CHUNK):
            if chunk == zeros[: len(chunk)]:
                target.seek(len(chunk), os.SEEK_CUR)
            else:
                target.write(chunk)
            size += len(chunk)
            if size > UNPACKED_LIMIT:
                raise FormatError(0, f"more than {UNPACKED_LIMIT >> 40} TiB when unpacked")
        target.truncate(size)
    except BaseException:
        target.close()
        raise
    return target
