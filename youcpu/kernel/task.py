"""A task: include/linux/sched.h struct task_struct."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from youcpu.kernel.cred import Credentials
    from youcpu.kernel.kernel import Kernel
    from youcpu.kernel.mm.mm import MM
    from youcpu.kernel.vfs.fdtable import FdTable
    from youcpu.kernel.vfs.namei import FsStruct


class Task:
    """One thread of a program. `kernel` is the machine-wide state, passed this way only."""

    __slots__ = (
        "comm",
        "cred",
        "files",
        "fs",
        "kernel",
        "mm",
        "pid",
        "restart",
        "tgid",
    )

    def __init__(
        self,
        kernel: Kernel,
        pid: int,
        cred: Credentials,
        mm: MM,
        files: FdTable,
        fs: FsStruct,
    ) -> None:
        self.kernel = kernel
        self.pid = pid
        self.tgid = pid
        self.comm = b""
        self.cred = cred
        self.mm = mm
        self.files = files
        self.fs = fs
        #: What a blocked system call remembers for its next run; None at its first.
        self.restart: Any = None

    def wake(self) -> None:
        """Runnable again."""
