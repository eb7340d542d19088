"""Changing the mount tree: fs/namespace.c. It is the user's, set by --rootfs and --rw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.args import Addr, HexULong, Int
from youcpu.abi.args_file import Path, UmountFlags
from youcpu.abi.args_io import CString
from youcpu.abi.errno import Errno
from youcpu.kernel.errors import KernelError
from youcpu.kernel.syscalls.table import syscall

if TYPE_CHECKING:
    from youcpu.kernel.task import Task


@syscall(165, partial="always EPERM")
def mount(
    task: Task, dev_name: CString, dir_name: Path, type_: CString, flags: HexULong, data: Addr
) -> Int:
    raise KernelError(Errno.EPERM)


@syscall(166, partial="always EPERM")
def umount2(task: Task, name: Path, flags: UmountFlags) -> Int:
    raise KernelError(Errno.EPERM)


@syscall(155, partial="always EPERM")
def pivot_root(task: Task, new_root: Path, put_old: Path) -> Int:
    raise KernelError(Errno.EPERM)
