"""execve: fs/exec.c, from the name of a file to a format that takes it.

    getname -> do_open_execat -> count, limit, copy strings -> exec_binprm
                                                                  |
      +------------------ next interpreter (at most 5 rewrites) <-+
      v                                                           |
    first 256 bytes -> misc -> script -> elf -> compat elf -------+-> loader: the new image

Only ENOEXEC goes on to the next format. The loader is the machine's; the dry run has one
that stops there, so both walk this very loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import AT_EMPTY_PATH, AT_FDCWD
from youcpu.kernel.errors import KernelError
from youcpu.kernel.exec.binfmt_elf import load_compat_elf_binary, load_elf_binary
from youcpu.kernel.exec.binfmt_misc import load_misc_binary
from youcpu.kernel.exec.binfmt_script import load_script
from youcpu.kernel.exec.binprm import ExecError, LinuxBinprm
from youcpu.kernel.exec.open import (
    AT_EXECVE_CHECK,
    allow_write_access,
    do_open_execat,
    drop_exec,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from youcpu.kernel.exec.binprm import Arguments, Loader, StageSink
    from youcpu.kernel.task import Task

PATH_MAX = 4096
#: exec_binprm(): the sixth rewrite is refused.
MAX_REWRITES = 5


class Format(NamedTuple):
    """struct linux_binfmt: one row of the search."""

    name: str
    load: Callable[[LinuxBinprm], None]


#: In the kernel's order: binfmt_misc puts itself first, the compat copy of elf comes last.
FORMATS = (
    Format("misc", load_misc_binary),
    Format("script", load_script),
    Format("elf", load_elf_binary),
    Format("compat_elf", load_compat_elf_binary),
)


def search_binary_handler(bprm: LinuxBinprm) -> None:
    """One round: each format in turn, until one answers other than ENOEXEC. Raises ExecError."""
    bprm.read_buffer()
    bprm.answers = []
    bprm.stage(
        "buffer",
        path=bprm.interp,
        buffer=bprm.buf,
        size=bprm.file.inode.size,
        bprm=bprm,
    )
    for handler in FORMATS:
        try:
            handler.load(bprm)
        except ExecError as error:
            bprm.answers.append((handler.name, error.errno, error.reason))
            bprm.stage("answer", handler=handler.name, errno=error.errno, reason=error.reason)
            if bprm.point_of_no_return or error.errno is not Errno.ENOEXEC:
                raise
        else:
            bprm.answers.append((handler.name, None, ""))
            bprm.stage("answer", handler=handler.name, errno=None, reason="")
            return
    raise ExecError(Errno.ENOEXEC, "search", bprm.interp, "no format takes the file", bprm.role)


def exec_binprm(bprm: LinuxBinprm) -> None:
    """Rounds of the search until a format loads an image. Raises ExecError."""
    while True:
        if bprm.depth > MAX_REWRITES:
            raise ExecError(
                Errno.ELOOP,
                "depth",
                bprm.interp,
                f"after {MAX_REWRITES} interpreters a sixth one is asked for",
                bprm.role,
            )
        search_binary_handler(bprm)
        if bprm.interpreter is None:
            return
        tried = bprm.file
        bprm.file = bprm.interpreter
        bprm.interpreter = None
        allow_write_access(tried)
        if bprm.have_execfd:
            if bprm.executable is not None:
                tried.put()
                raise ExecError(
                    Errno.ENOEXEC,
                    "execfd",
                    bprm.interp,
                    "a rule with flag O leads to this interpreter, which is no ELF program itself",
                    bprm.role,
                )
            bprm.executable = tried
        else:
            tried.put()
        bprm.depth += 1


def check_name(name: bytes, flags: int) -> None:
    """What getname() says of a name before anything else is looked at. Raises ExecError."""
    if len(name) >= PATH_MAX:
        reason = f"the path is {len(name):,} bytes long, at most {PATH_MAX - 1:,} pass"
        raise ExecError(Errno.ENAMETOOLONG, "name", name, reason)
    if not name and not flags & AT_EMPTY_PATH:
        raise ExecError(Errno.ENOENT, "name", name, "the path is empty")


def alloc_bprm(
    task: Task, dirfd: int, name: bytes, flags: int, rlimit_stack: int, loader: Loader
) -> LinuxBinprm:
    """Open the file and settle the name that the program will see. Raises ExecError."""
    file = do_open_execat(task, dirfd, name, flags, "program")
    if dirfd == AT_FDCWD or name.startswith(b"/"):
        return LinuxBinprm(task, file, name, rlimit_stack, loader)
    fd_path = b"/dev/fd/%d" % dirfd
    bprm = LinuxBinprm(task, file, fd_path + b"/" + name if name else fd_path, rlimit_stack, loader)
    # Since 6.14: the name comes from the file, not from the number of the descriptor.
    bprm.comm_from_dentry = not name
    bprm.path_inaccessible = dirfd in task.files.cloexec
    return bprm


def do_execveat_common(
    task: Task,
    dirfd: int,
    name: bytes,
    argv: Arguments,
    envp: Arguments,
    flags: int,
    rlimit_stack: int,
    loader: Loader,
    sink: StageSink | None = None,
) -> LinuxBinprm:
    """All of execve but the loader's part. Raises KernelError; ExecError where a file is at fault.

    The returned bprm holds `file` and `executable` open; `finish` lets them go.
    """
    bprm = alloc_bprm(task, dirfd, name, flags, rlimit_stack, loader)
    bprm.sink = sink
    bprm.is_check = bool(flags & AT_EXECVE_CHECK)
    try:
        bprm.stage("open", path=name, filename=bprm.filename, file=bprm.file)
        bprm.copy_strings(argv, envp)
        bprm.stage(
            "arguments",
            argc=len(bprm.argv),
            envc=len(bprm.envp),
            used=bprm.used,
            limit=bprm.limit,
        )
        if not bprm.is_check:
            exec_binprm(bprm)
    except KernelError as error:
        if isinstance(error, ExecError):
            error.fatal = bprm.point_of_no_return
        finish(bprm)
        raise
    return bprm


def finish(bprm: LinuxBinprm) -> None:
    """free_bprm(): let go of the files."""
    if bprm.interpreter is not None:
        drop_exec(bprm.interpreter)
    drop_exec(bprm.file)
    if bprm.executable is not None:
        bprm.executable.put()
