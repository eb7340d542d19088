"""How the kernel says no: an errno for the program, or a wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.errno import ERESTARTSYS, Errno

if TYPE_CHECKING:
    from youcpu.kernel.wait import WaitQueue


class KernelError(Exception):
    """Goes to the program as -errno."""

    def __init__(self, errno: Errno) -> None:
        super().__init__(errno.name)
        self.errno = errno


class Blocked(Exception):
    """The system call has to wait; it is run again from its start when `queue` wakes the task.

    `deadline_ns`: virtual time (monotonic) at which it is run again in any case.
    `restart`: the ERESTART code (or Errno.EINTR) that a signal makes of the wait.
    A handler that must remember something between the runs keeps it in `task.restart`.
    `killable`: only a deadly signal ends the wait.
    `progress`: bytes moved so far; where a signal ends the wait they are the result, not EINTR.
    """

    def __init__(
        self,
        queue: WaitQueue | None = None,
        deadline_ns: int | None = None,
        restart: int = ERESTARTSYS,
        progress: int = 0,
        killable: bool = False,
    ) -> None:
        super().__init__()
        self.queue = queue
        self.deadline_ns = deadline_ns
        self.restart = restart
        self.progress = progress
        self.killable = killable
