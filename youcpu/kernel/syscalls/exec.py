"""Replacing the program: fs/exec.c execve, execveat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.args import Int
from youcpu.abi.args_file import AtFlags, DirFd, Path
from youcpu.abi.args_io import EnvVector, StringVector
from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import AT_FDCWD
from youcpu.abi.signal import SIG_DFL, Sig
from youcpu.kernel.errors import KernelError
from youcpu.kernel.exec.binprm import MAX_ARG_STRINGS, MAX_ARG_STRLEN, ExecError
from youcpu.kernel.exec.exec import check_name, do_execveat_common, finish
from youcpu.kernel.exec.load_elf import load_elf_image
from youcpu.kernel.exec.stages import stage_sink
from youcpu.kernel.mm.uaccess import copy_from_user, strncpy_from_user
from youcpu.kernel.rlimit import RLIMIT_NPROC, RLIMIT_STACK
from youcpu.kernel.signal import SigInfo, force_signal
from youcpu.kernel.syscalls.table import syscall

if TYPE_CHECKING:
    from youcpu.kernel.task import Task

#: IS_ERR(): a "pointer" among the last 4,095 values is an error, not an address.
_ERROR_POINTERS = (1 << 64) - 4095
_POINTERS_AT_ONCE = 512


class UserArguments:
    """argv or envp in the program's memory: struct user_arg_ptr."""

    __slots__ = ("address", "pointers", "task")

    def __init__(self, task: Task, address: int) -> None:
        self.task = task
        self.address = address
        self.pointers: list[int] = []

    def count(self) -> int:
        """count(): pointers up to the NULL. A NULL vector has none. Raises EFAULT, E2BIG."""
        address = self.address
        while address:
            # As far as the page goes: what lies behind the NULL must not fault.
            size = min(8 * _POINTERS_AT_ONCE, 4096 - (address & 0xFFF) & -8 or 8)
            view = memoryview(copy_from_user(self.task, address, size)).cast("Q")
            for pointer in view:
                if not pointer:
                    return len(self.pointers)
                if pointer >= _ERROR_POINTERS:
                    raise KernelError(Errno.EFAULT)
                if len(self.pointers) >= MAX_ARG_STRINGS:
                    raise KernelError(Errno.E2BIG)
                self.pointers.append(pointer)
            address += size
        return 0

    def string(self, index: int) -> bytes | None:
        """One string; None: longer than MAX_ARG_STRLEN. Raises EFAULT."""
        return strncpy_from_user(self.task, self.pointers[index], MAX_ARG_STRLEN)


@syscall(59)
def execve(task: Task, pathname: Path, argv: StringVector, envp: EnvVector) -> Int:
    """The calling program is replaced; returns only where that fails."""
    return _exec(task, AT_FDCWD, pathname, argv, envp, 0)


@syscall(322)
def execveat(
    task: Task, dirfd: DirFd, pathname: Path, argv: StringVector, envp: EnvVector, flags: AtFlags
) -> Int:
    """execve relative to a directory, or of a descriptor itself (AT_EMPTY_PATH)."""
    return _exec(task, dirfd, pathname, argv, envp, flags)


def _exec(task: Task, dirfd: int, name: bytes, argv: int, envp: int, flags: int) -> int:
    check_name(name, flags)
    if task.nproc_exceeded:
        limit = task.group.rlimits.soft(RLIMIT_NPROC)
        if task.kernel.user_tasks(task.cred.uid) > limit:
            raise KernelError(Errno.EAGAIN)
        task.nproc_exceeded = False
    try:
        bprm = do_execveat_common(
            task,
            dirfd,
            name,
            UserArguments(task, argv),
            UserArguments(task, envp),
            flags,
            task.group.rlimits.soft(RLIMIT_STACK),
            load_elf_image,
            stage_sink(task),
        )
    except ExecError as error:
        if not error.fatal:
            raise
        # Beyond the point of no return there is nobody to return to: force_fatal_sig().
        task.sighand.actions[Sig.SIGSEGV].handler = SIG_DFL
        force_signal(task, SigInfo(Sig.SIGSEGV))
        return -error.errno
    finish(bprm)
    return 0
