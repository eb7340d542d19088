"""reboot(2): kernel/reboot.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.args import Int
from youcpu.abi.args_reboot import RebootArg, RebootCommand, RebootMagic1, RebootMagic2
from youcpu.abi.errno import Errno
from youcpu.abi.reboot import (
    CMD_CAD_OFF,
    CMD_CAD_ON,
    CMD_HALT,
    CMD_POWER_OFF,
    CMD_RESTART,
    CMD_RESTART2,
    MAGIC1,
    MAGIC2,
)
from youcpu.kernel.cred import CAP_SYS_BOOT
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.uaccess import copy_from_user, strncpy_from_user
from youcpu.kernel.panic import HALT, POWER_OFF, RESTART
from youcpu.kernel.reboot import kernel_end
from youcpu.kernel.syscalls.table import syscall

if TYPE_CHECKING:
    from youcpu.kernel.task import Task

#: The buffer of RESTART2 with its NUL.
_COMMAND_MAX = 255
_ENDS = {CMD_RESTART: RESTART, CMD_HALT: HALT, CMD_POWER_OFF: POWER_OFF}


@syscall(169, partial="no kexec, no hibernation")
def reboot(
    task: Task, magic1: RebootMagic1, magic2: RebootMagic2, cmd: RebootCommand, arg: RebootArg
) -> Int:
    """reboot(2): the machine ends; nothing of the host does."""
    kernel = task.kernel
    if not task.cred.capable(CAP_SYS_BOOT):
        raise KernelError(Errno.EPERM)
    if magic1 & 0xFFFFFFFF != MAGIC1 or magic2 & 0xFFFFFFFF not in MAGIC2:
        raise KernelError(Errno.EINVAL)
    if cmd in _ENDS:
        kernel_end(kernel, _ENDS[cmd])
    if cmd == CMD_RESTART2:
        command = strncpy_from_user(task, arg, _COMMAND_MAX)
        if command is None:
            command = copy_from_user(task, arg, _COMMAND_MAX)
        kernel_end(kernel, RESTART, command.decode("utf-8", "surrogateescape"))
    if cmd not in (CMD_CAD_ON, CMD_CAD_OFF):
        raise KernelError(Errno.EINVAL)
    kernel.ctrl_alt_del_restarts = cmd == CMD_CAD_ON
    return 0
