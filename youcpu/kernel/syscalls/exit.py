"""The end: kernel/exit.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.args import Int
from youcpu.kernel.exit import do_exit, do_group_exit
from youcpu.kernel.syscalls.table import syscall

if TYPE_CHECKING:
    from youcpu.kernel.task import Task


@syscall(60)
def exit_(task: Task, error_code: Int) -> Int:
    """_exit(2) of one thread."""
    do_exit(task, (error_code & 0xFF) << 8)
    return 0


@syscall(231)
def exit_group(task: Task, error_code: Int) -> Int:
    """exit_group(2)."""
    do_group_exit(task, (error_code & 0xFF) << 8)
    return 0
