"""execve(2), execveat(2): fs/exec.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.args import Int
from youcpu.abi.args_file import AtFlags, DirFd, Path
from youcpu.abi.args_io import EnvVector, StringVector
from youcpu.abi.errno import Errno
from youcpu.abi.signal import Sig
from youcpu.kernel.errors import KernelError
from youcpu.kernel.exec.binprm import MAX_ARG_STRINGS, MAX_ARG_STRLEN, ExecError, LinuxBinprm
from youcpu.kernel.exec.exec import do_execveat_common, finish
from youcpu.kernel.exec.load_elf import load_elf_image
from youcpu.kernel.exec.open import AT_FDCWD
from youcpu.kernel.mm.uaccess import get_user, strncpy_from_user
from youcpu.kernel.rlimit import RLIMIT_STACK
from youcpu.kernel.signal import SigInfo, force_signal
from youcpu.kernel.syscalls.table import syscall

if TYPE_CHECKING:
    from youcpu.kernel.task import Task


class UserArguments:
    """argv or envp in the program's memory: struct user_arg_ptr."""

    __slots__ = ("_address", "_task")

    def __init__(self, task: Task, address: int) -> None:
        self._task = task
        self._address = address

    def count(self) -> int:
        """Pointers before the NULL; a NULL array has none. Raises EFAULT, E2BIG."""
        if not self._address:
            return 0
        number = 0
        while get_user(self._task, self._address + 8 * number, 8):
            number += 1
            if number >= MAX_ARG_STRINGS:
                raise KernelError(Errno.E2BIG)
        return number

    def string(self, index: int) -> bytes | None:
        """One string; None: too long. Raises EFAULT."""
        pointer = get_user(self._task, self._address + 8 * index, 8)
        return strncpy_from_user(self._task, pointer, MAX_ARG_STRLEN)


def _do_execve(task: Task, dirfd: int, path: bytes, argv: int, envp: int, flags: int) -> int:
    bprm: list[LinuxBinprm] = []

    def loader(started: LinuxBinprm, image: object) -> None:
        bprm.append(started)
        load_elf_image(started, image)  # type: ignore[arg-type]

    try:
        done = do_execveat_common(
            task,
            dirfd,
            path,
            UserArguments(task, argv),
            UserArguments(task, envp),
            flags,
            task.group.rlimits.soft(RLIMIT_STACK),
            loader,
        )
    except ExecError:
        if bprm and bprm[0].point_of_no_return:
            # The old image is gone, there is nobody to tell (force_fatal_sig).
            task.blocked = 0
            task.sighand.actions[Sig.SIGSEGV].handler = 0
            force_signal(task, SigInfo(Sig.SIGSEGV))
            return 0
        raise
    finish(done)
    return 0


@syscall(59)
def execve(task: Task, filename: Path, argv: StringVector, envp: EnvVector) -> Int:
    """execve(2)."""
    return _do_execve(task, AT_FDCWD, filename, argv, envp, 0)


@syscall(322)
def execveat(
    task: Task, dirfd: DirFd, filename: Path, argv: StringVector, envp: EnvVector, flags: AtFlags
) -> Int:
    """execveat(2)."""
    return _do_execve(task, dirfd, filename, argv, envp, flags)
