"""One program as /init, with the interpreters and libraries that it needs (youcpu ldd's search)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from youcpu.abi.elf import EM_X86_64, ET_DYN, ET_EXEC
from youcpu.abi.elf_machines import MACHINES
from youcpu.formats.errors import FormatError

if TYPE_CHECKING:
    from youcpu.formats.elf.ld_so import Process

_DEEPEST_SCRIPT = 5  # exec_binprm() takes as many interpreters in a row


def program_files(path: str) -> tuple[dict[str, str], dict[str, str]]:
    """All that the program needs to start: names in the archive with the files of this machine,
    and symlinks with their targets.

    Raises OSError; FormatError where a library is missing, or a kernel could not run it.
    """
    files = {"/init": path}
    for depth in range(_DEEPEST_SCRIPT + 1):
        interpreter = _script_interpreter(path)
        if interpreter is None:
            break
        if depth == _DEEPEST_SCRIPT:
            raise FormatError(0, f"{path}: the sixth script in a row, the kernel gives up (ELOOP)")
        if not interpreter.startswith("/"):
            raise FormatError(0, f"its interpreter {interpreter} is no absolute path")
        files[interpreter] = path = interpreter
    libraries, links = _libraries(path)
    for name in libraries:
        files.setdefault(name, name)
    return files, links


def _script_interpreter(path: str) -> str | None:
    with open(path, "rb") as file:
        head = file.read(256)
    if not head.startswith(b"#!"):
        return None
    words = head[2:].split(b"\n", 1)[0].split()
    if not words:
        raise FormatError(0, f"{path}: a script that names no interpreter")
    return os.fsdecode(words[0])


def _libraries(path: str) -> tuple[list[str], dict[str, str]]:
    """Paths of the loader and the libraries, none for a static program; symlinks to them."""
    process = _process(path)
    interpreter = process.program.interpreter
    if interpreter is None:
        return [], {}
    if process.missing:
        names = ", ".join(sorted({missing.name for missing in process.missing}))
        raise FormatError(0, f"missing on this machine: {names} (see youcpu ldd)")
    if not os.path.exists(interpreter):
        raise FormatError(0, f"its interpreter {interpreter} is not on this machine")
    paths, links = [interpreter], {}
    default = process.default_directories
    for loaded in process.objects[1:]:
        if loaded.path is None or loaded is process.interpreter:
            continue
        paths.append(loaded.path)
        # ld.so.cache stays here, and $ORIGIN of /init is another: found where ld.so looks last.
        if os.path.dirname(loaded.path) not in default and default:
            for name in loaded.names:
                if "/" not in name:
                    links[f"{default[0]}/{name}"] = loaded.path
    return paths, links


def _process(path: str) -> Process:
    """What ld.so would load on the CPU of a machine that is booted. Raises OSError, FormatError."""
    from youcpu.commands.elf.input import read_file
    from youcpu.commands.elf.tree import Tree
    from youcpu.formats.elf.ld_so import Process, Settings
    from youcpu.formats.elf.shared_object import SharedObject
    from youcpu.formats.ld_so_cache import parse_cache

    data = read_file(path)
    try:
        program = SharedObject(os.path.abspath(path), data)
    except FormatError as error:
        from youcpu.formats.identify import identify

        raise FormatError(error.offset, f"no program: {identify(data).description}") from None
    if program.elf.machine != EM_X86_64 or not program.elf.is64:
        bits = 64 if program.elf.is64 else 32
        name = MACHINES.get(program.elf.machine, f"machine {program.elf.machine}")
        raise FormatError(18, f"a {bits}-bit program for {name}: x86-64 is what is booted here")
    if program.elf.header.type not in (ET_EXEC, ET_DYN):
        raise FormatError(16, "no program: an ELF file of another type")
    tree = Tree("/")
    cache = tree.read("/etc/ld.so.cache")
    try:
        entries = parse_cache(bytes(cache)) if cache is not None else None
    except FormatError:
        entries = None
    # No subdirectories for better CPUs: the machine's is x86-64-v2.
    return Process(program, tree, Settings([], [], entries))
