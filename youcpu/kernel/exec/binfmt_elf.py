"""ELF: the part of fs/binfmt_elf.c load_elf_binary() before the point of no return.

The same source serves 32-bit files a second time (fs/compat_binfmt_elf.c), as a flavour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.formats import elf_exec
from youcpu.formats.elf_exec import COMPAT_ELF, ELF64, ElfError, ElfFlavour, ElfHeader
from youcpu.kernel.exec.binprm import ExecError
from youcpu.kernel.exec.open import drop_exec, open_exec

if TYPE_CHECKING:
    from youcpu.formats.elf_exec import ProgramHeader
    from youcpu.kernel.exec.binprm import LinuxBinprm
    from youcpu.kernel.vfs.file import File

ROLE = "ELF interpreter"
_SIGN = 1 << 63


class ElfInterpreter:
    """The file that PT_INTERP names; `head` is its ELF header, not yet looked at."""

    __slots__ = ("file", "head", "header", "path", "phdrs")

    def __init__(self, path: bytes, file: File, head: bytes) -> None:
        self.path = path
        self.file = file
        self.head = head
        self.header: ElfHeader | None = None
        self.phdrs: list[ProgramHeader] = []


class ElfImage:
    """An accepted program: what the loader maps. `executable_stack` None: nothing is said."""

    __slots__ = ("executable_stack", "file", "flavour", "header", "interpreter", "phdrs")

    def __init__(
        self,
        flavour: ElfFlavour,
        file: File,
        header: ElfHeader,
        phdrs: list[ProgramHeader],
        interpreter: ElfInterpreter | None,
    ) -> None:
        self.flavour = flavour
        self.file = file
        self.header = header
        self.phdrs = phdrs
        self.interpreter = interpreter
        self.executable_stack = elf_exec.executable_stack(phdrs)


def load_elf_binary(bprm: LinuxBinprm) -> None:
    """64-bit files. Raises ExecError; what comes after begin_new_exec() is the loader's."""
    _load(ELF64, bprm)


def load_compat_elf_binary(bprm: LinuxBinprm) -> None:
    """32-bit files for i386."""
    _load(COMPAT_ELF, bprm)


def _load(flavour: ElfFlavour, bprm: LinuxBinprm) -> None:
    try:
        header = elf_exec.check_ehdr(flavour, bprm.buf)
        phdrs = read_phdrs(flavour, bprm.file, header)
        interpreter = _open_interpreter(flavour, bprm, phdrs)
    except ElfError as error:
        raise ExecError(error.errno, flavour.name, bprm.interp, error.reason, bprm.role) from None
    try:
        if interpreter is not None:
            _check_interpreter(flavour, interpreter)
        kind = "ET_EXEC" if header.type == elf_exec.ET_EXEC else "ET_DYN"
        bprm.stage("accept", handler=flavour.name, reason=f"{kind}, {len(phdrs)} program headers")
        bprm.loader(bprm, ElfImage(flavour, bprm.file, header, phdrs, interpreter))
    except ElfError as error:
        assert interpreter is not None
        raise ExecError(error.errno, flavour.name, interpreter.path, error.reason, ROLE) from None
    finally:
        if interpreter is not None:
            drop_exec(interpreter.file)


def read_phdrs(flavour: ElfFlavour, file: File, header: ElfHeader) -> list[ProgramHeader]:
    """load_elf_phdrs(). Raises ElfError(ENOEXEC), whatever is wrong."""
    size = elf_exec.phdr_table_size(flavour, header)
    try:
        table = elf_read(file, size, header.phoff)
    except ElfError:
        raise ElfError(
            Errno.ENOEXEC,
            header.phoff,
            f"the {header.phnum} program headers at offset {header.phoff:#x} "
            "lie beyond the end of the file",
        ) from None
    return flavour.phdrs(table)


def elf_read(file: File, size: int, offset: int) -> bytes:
    """All of [offset, offset + size). Raises ElfError: EINVAL for a negative offset, else EIO."""
    if offset & _SIGN or (offset + size) & _SIGN:
        raise ElfError(Errno.EINVAL, offset, "the offset is negative")
    data = file.pread(size, offset)
    if len(data) != size:
        raise ElfError(Errno.EIO, offset, "the file ends before it")
    return data


def _open_interpreter(
    flavour: ElfFlavour, bprm: LinuxBinprm, phdrs: list[ProgramHeader]
) -> ElfInterpreter | None:
    """Open what the first PT_INTERP names and read its header. Raises ElfError, ExecError."""
    segment = next((entry for entry in phdrs if entry.type == elf_exec.PT_INTERP), None)
    if segment is None:
        return None
    elf_exec.check_interp_size(segment)
    path = elf_exec.interp_path(segment, elf_read(bprm.file, segment.filesz, segment.offset))
    file = open_exec(bprm.task, path, ROLE)
    bprm.stage("interpreter", path=path)
    try:
        head = elf_read(file, flavour.header_size, 0)
    except ElfError as error:
        drop_exec(file)
        reason = f"the interpreter is shorter than an ELF header ({flavour.header_size} bytes)"
        raise ExecError(error.errno, flavour.name, path, reason, ROLE) from None
    return ElfInterpreter(path, file, head)


def _check_interpreter(flavour: ElfFlavour, interpreter: ElfInterpreter) -> None:
    """Raises ElfError(ELIBBAD)."""
    if not interpreter.head.startswith(elf_exec.ELFMAG):
        raise ElfError(Errno.ELIBBAD, 0, "the interpreter is not an ELF file")
    header = interpreter.header = flavour.ehdr(interpreter.head)
    if header.machine not in flavour.machines:
        name = elf_exec.machine_name(header.machine)
        raise ElfError(Errno.ELIBBAD, 18, f"the interpreter is for {name}")
    try:
        interpreter.phdrs = read_phdrs(flavour, interpreter.file, header)
    except ElfError as error:
        raise ElfError(Errno.ELIBBAD, error.offset, f"of the interpreter, {error.reason}") from None
