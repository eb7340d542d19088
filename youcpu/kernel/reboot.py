"""Switching the machine off: kernel/reboot.c."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from youcpu.kernel.panic import HALT, POWER_OFF, RESTART, SystemEnd
from youcpu.kernel.printk import KERN_EMERG

if TYPE_CHECKING:
    from youcpu.kernel.kernel import Kernel

_TEXTS = {
    HALT: "reboot: System halted",
    POWER_OFF: "reboot: Power down",
    RESTART: "reboot: Restarting system",
}


def kernel_end(kernel: Kernel, how: str, command: str = "") -> NoReturn:
    """kernel_halt(), kernel_power_off(), kernel_restart(): say so and stop. Raises SystemEnd."""
    text = _TEXTS[how]
    if command:
        text += f" with command '{command}'"
    kernel.vfs.write_back()
    kernel.printk.printk(KERN_EMERG, text)
    raise SystemEnd(how, command=command)
