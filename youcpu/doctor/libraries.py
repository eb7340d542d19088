"""A library that the loader will not find, and where it looked: ld.so(8) over the task's files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.fcntl import AT_FDCWD, O_RDONLY
from youcpu.doctor.finding import Finding, shown
from youcpu.doctor.paths import inode_of
from youcpu.formats.elf.ld_so import Process, Settings
from youcpu.formats.elf.shared_object import SharedObject
from youcpu.formats.errors import FormatError
from youcpu.formats.ld_so_cache import CacheEntry, parse_cache
from youcpu.kernel.errors import KernelError
from youcpu.kernel.vfs.dcache import d_path
from youcpu.kernel.vfs.namei import path_lookup
from youcpu.kernel.vfs.open import do_open

if TYPE_CHECKING:
    from youcpu.dry_run import Verdict
    from youcpu.formats.elf.ld_so import Loaded
    from youcpu.kernel.task import Task

CACHE = "/etc/ld.so.cache"
#: Where libraries lie that nobody told ldconfig of.
_USUAL = (b"/usr/local/lib", b"/opt/lib", b".")
_LARGEST = 1 << 30


def to_bytes(text: str) -> bytes:
    """A path of ld_so.py as the kernel has it."""
    return text.encode("utf-8", "surrogateescape")


def to_text(path: bytes) -> str:
    """A path of the kernel as ld_so.py has it."""
    return path.decode("utf-8", "surrogateescape")


class TaskTree:
    """The files of a task, for the dynamic linker's search: ld_so.Files."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def read(self, path: str) -> memoryview | None:
        try:
            file = do_open(self.task, AT_FDCWD, to_bytes(path), O_RDONLY)
            if not file.inode.is_regular or file.inode.size > _LARGEST:
                return None
            return memoryview(file.pread(file.inode.size, 0))
        except KernelError:
            return None

    def identity(self, path: str) -> object:
        inode = inode_of(self.task, to_bytes(path))
        return (inode.dev(), inode.ino) if inode is not None else path

    def real_directory(self, path: str) -> str:
        try:
            dentry = path_lookup(self.task, AT_FDCWD, to_bytes(path))
        except KernelError:
            return path.rpartition("/")[0] or "/"
        return to_text(d_path(dentry, self.task.fs.root)[0].rpartition(b"/")[0]) or "/"


def missing_library(task: Task, verdict: Verdict, envp: list[bytes]) -> Finding | None:
    """The first library that an accepted program's loader will not find; None: all are there."""
    image = verdict.image
    if image is None or image.interpreter is None:
        return None
    tree = TaskTree(task)
    program = tree.read(to_text(verdict.exe))
    if program is None:
        return None
    try:
        shared = SharedObject(to_text(verdict.exe), program)
        process = Process(shared, tree, _settings(tree, envp))
    except FormatError:
        return None
    missing = [one for one in process.missing if one is not process.interpreter]
    return _finding(task, process, missing[0]) if missing else None


def _settings(tree: TaskTree, envp: list[bytes]) -> Settings:
    values = dict(entry.partition(b"=")[::2] for entry in envp)
    path = to_text(values.get(b"LD_LIBRARY_PATH", b"")).replace(";", ":")
    preload = to_text(values.get(b"LD_PRELOAD", b"")).replace(":", " ").split()
    return Settings(path.split(":") if path else [], preload, _cache(tree))


def _cache(tree: TaskTree) -> list[CacheEntry] | None:
    data = tree.read(CACHE)
    try:
        return parse_cache(bytes(data)) if data is not None else None
    except FormatError:
        return None


def _finding(task: Task, process: Process, missing: Loaded) -> Finding:
    name = to_bytes(missing.name)
    asker = to_bytes(missing.loader.name) if missing.loader is not None else b""
    looked = []
    for attempt in missing.attempts:
        directory = attempt.path.rpartition("/")[0] or "/"
        wrong = "" if attempt.result == "no such file" else f": {attempt.result}"
        looked.append(f"{shown(to_bytes(directory))} ({attempt.source}{wrong})")
    if not process.musl and "/" not in missing.name:
        looked.append(f"{shown(CACHE.encode())} (no entry)")
    usual = next((place for place in _USUAL if inode_of(task, place + b"/" + name)), None)
    if usual is not None:
        mend = f"it lies in {shown(usual)}: run ldconfig for that directory, or set LD_LIBRARY_PATH"
    else:
        mend = f"install the package that has it (Debian: apt-file search {missing.name})"
    return Finding(
        name,
        f"the library {shown(name)}, which {shown(asker)} needs, is not found; "
        f"the loader looks in {', '.join(looked)}",
        mend,
        ("exec itself succeeds: the loader complains and exits with 127",),
    )
