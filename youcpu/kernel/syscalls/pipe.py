"""Making pipes: fs/pipe.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.args import Int
from youcpu.abi.args_file import PipeFlags
from youcpu.abi.args_process import PipeFdsPtr
from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import O_CLOEXEC, O_DIRECT, O_NONBLOCK
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.uaccess import copy_to_user
from youcpu.kernel.syscalls.table import syscall
from youcpu.kernel.vfs.pipe import create_pipe

if TYPE_CHECKING:
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.file import File


def install_pair(task: Task, address: int, ends: tuple[File, File], cloexec: bool) -> None:
    """Two descriptors, stored as two ints; neither stays if that fails."""
    fds: list[int] = []
    try:
        fds = [task.files.install(file, cloexec) for file in ends]
        copy_to_user(task, address, b"".join(fd.to_bytes(4, "little") for fd in fds))
    except KernelError:
        for fd in fds:
            task.files.close(fd)
        raise


def do_pipe2(task: Task, address: int, flags: int) -> int:
    """do_pipe2()."""
    if flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT):
        raise KernelError(Errno.EINVAL)
    install_pair(task, address, create_pipe(task, flags), bool(flags & O_CLOEXEC))
    return 0


@syscall(22)
def pipe(task: Task, fildes: PipeFdsPtr) -> Int:
    return do_pipe2(task, fildes, 0)


@syscall(293)
def pipe2(task: Task, fildes: PipeFdsPtr, flags: PipeFlags) -> Int:
    return do_pipe2(task, fildes, flags)
