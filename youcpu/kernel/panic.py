"""When the kernel cannot go on, or is told not to: kernel/panic.c, kernel/reboot.c."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from youcpu.kernel.clock import NS_PER_SECOND
from youcpu.kernel.printk import KERN_EMERG

if TYPE_CHECKING:
    from youcpu.kernel.kernel import Kernel

#: How a machine ends; also the texts of the outcome.
POWER_OFF, RESTART, HALT, PANIC = "power off", "restart", "halt", "panic"


class SystemEnd(Exception):
    """The machine stopped for good. `how`: one of the four above; `text`: why, for a panic.

    `command`: what RESTART2 hands to the firmware. `rebooting`: panic= said to restart.
    """

    def __init__(
        self, how: str, text: str = "", command: str = "", rebooting: bool = False
    ) -> None:
        super().__init__(text or how)
        self.how = how
        self.text = text
        self.command = command
        self.rebooting = rebooting


def panic(kernel: Kernel, text: str) -> NoReturn:
    """panic(): say why, then stop, or restart after panic= seconds. Raises SystemEnd."""
    log = kernel.printk
    # console_verbose(): a panic is seen whatever the level was.
    if log.console_loglevel:
        log.console_loglevel = 15
    log.printk(KERN_EMERG, f"Kernel panic - not syncing: {text}")
    current = kernel.scheduler.current
    pid, comm = (current.pid, current.comm) if current is not None else (1, b"swapper/0")
    name = comm.decode("utf-8", "replace")
    release = kernel.release.decode()
    log.printk(KERN_EMERG, f"CPU: 0 UID: 0 PID: {pid} Comm: {name} Not tainted {release}")
    timeout = kernel.panic_timeout
    if timeout > 0:
        log.printk(KERN_EMERG, f"Rebooting in {timeout} seconds..")
        kernel.clock.advance(timeout * NS_PER_SECOND)
    if not timeout:
        log.printk(KERN_EMERG, f"---[ end Kernel panic - not syncing: {text} ]---")
    raise SystemEnd(PANIC, text, rebooting=bool(timeout))
