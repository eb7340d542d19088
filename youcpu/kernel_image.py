"""A kernel from a file, ready to be loaded: boot image, vmlinux inside it, its symbols.

Stage: boot, before the first instruction. What formats/ asks of the host is done here: files,
System.map beside the kernel, and the programs lz4 and zstd where Python's libraries are missing.
"""

from __future__ import annotations

import os
import subprocess

from youcpu.formats.bzimage import BzImage, is_bzimage, parse_bzimage
from youcpu.formats.errors import FormatError
from youcpu.formats.kernel_payload import (
    MissingLibrary,
    decompress_payload,
    payload_kind,
    promised_size,
)
from youcpu.formats.kernel_symbols import KernelSymbols
from youcpu.formats.vmlinux import Vmlinux, parse_vmlinux
from youcpu.record import record

#: Bytes: a larger file is no kernel (an unstripped vmlinux with DWARF has some 700 MiB).
_LARGEST_FILE = 2 << 30


@record(frozen=True)
class KernelImage:
    """`bzimage` is None where a vmlinux was given."""

    bzimage: BzImage | None
    vmlinux: Vmlinux

    @property
    def version(self) -> str | None:
        """As the boot image says it, else as the banner in the kernel's data does."""
        if self.bzimage is not None:
            return self.bzimage.kernel_version
        at = bytes(self.vmlinux.elf).find(b"Linux version ")
        if at < 0:
            return None
        text = bytes(self.vmlinux.elf[at + 14 : at + 270])
        return text.partition(b"\n")[0].partition(b"\0")[0].decode("utf-8", "replace")


def read_kernel(path: str) -> KernelImage:
    """The kernel in a file, unpacked. Raises OSError, FormatError (MissingLibrary among them)."""
    data = _read_file(path)
    if data[:4] == b"\x7fELF":
        return KernelImage(None, parse_vmlinux(data))
    if not is_bzimage(data) and (kind := payload_kind(data)):
        reason = f"{kind} data: unpack it first; a bzImage or a vmlinux is wanted"
        raise FormatError(0, reason)
    return unpack_kernel(parse_bzimage(data))


def unpack_kernel(image: BzImage) -> KernelImage:
    """The vmlinux of a boot image. Raises FormatError."""
    # The kernel unpacks itself within init_size: what is larger is damaged.
    limit = image.header.init_size or 256 << 20
    try:
        plain = decompress_payload(image.payload, image.payload_position, limit)
    except MissingLibrary:
        unpacked = _by_program(image.payload, limit)
        if unpacked is None:
            raise
        plain = unpacked
    try:
        return KernelImage(image, parse_vmlinux(plain))
    except FormatError as error:
        raise FormatError(error.offset, f"in the unpacked payload: {error.reason}") from None


def read_symbols(kernel: KernelImage, path: str, system_map: str | None = None) -> KernelSymbols:
    """Of `system_map` where it is named, else of the image itself, else of a System.map beside it.

    Raises OSError, FormatError.
    """
    from youcpu.formats.kallsyms import parse_kallsyms
    from youcpu.formats.kernel_symbols import elf_kernel_symbols
    from youcpu.formats.system_map import parse_system_map

    if system_map is not None:
        return parse_system_map(_read_file(system_map))
    try:
        return parse_kallsyms(kernel.vmlinux.elf)
    except FormatError as error:
        reasons = [error]
    if kernel.bzimage is None:
        try:
            return elf_kernel_symbols(kernel.vmlinux.elf)
        except FormatError as error:
            reasons.append(error)
    directory, name = os.path.split(path)
    beside = os.path.join(directory, name.replace("vmlinuz", "System.map"))
    if beside != path and os.path.exists(beside):
        return parse_system_map(_read_file(beside))
    raise reasons[0]


def _read_file(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(_LARGEST_FILE)


def _by_program(payload: memoryview, limit: int) -> bytes | None:
    """What lz4(1), zstd(1) or lzop(1) make of the payload; None without the program or a result."""
    import shutil

    commands = {"lz4": "lz4", "zstd": "zstd", "lzo": "lzop"}
    program = shutil.which(commands.get(payload_kind(payload) or "", ""))
    size = promised_size(payload)
    if program is None or not 0 < size <= limit:
        return None
    # The size after the data is no part of it.
    with subprocess.Popen(
        [program, "-dc"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        plain = _through(process, payload[:-4], size)
    return plain if len(plain) == size else None


def _through(process: subprocess.Popen[bytes], packed: memoryview, size: int) -> bytes:
    """Write and read at once; no more than `size` bytes are taken."""
    import threading

    assert process.stdin is not None
    assert process.stdout is not None
    stdin = process.stdin

    def feed() -> None:
        try:
            stdin.write(packed)
            stdin.close()
        except (BrokenPipeError, OSError):
            pass

    writer = threading.Thread(target=feed, daemon=True)
    writer.start()
    plain = process.stdout.read(size + 1)
    process.kill()
    writer.join()
    return plain
