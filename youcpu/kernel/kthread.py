"""Tasks without a program: kernel/kthread.c. They exist in the tables; what they do is Python.

PID 1 while programs are run one by one: it adopts orphans and, as its SIGCHLD is ignored, has
no zombies. PID 2 of a boot, kthreadd: parent of kernel threads, of which there are no others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.signal import SIG_IGN
from youcpu.kernel.rlimit import Rlimits
from youcpu.kernel.task import SLEEPING, Task, ThreadGroup
from youcpu.kernel.vfs.fdtable import FdTable
from youcpu.kernel.vfs.namei import FsStruct

if TYPE_CHECKING:
    from youcpu.kernel.kernel import Kernel


def unforked(kernel: Kernel, group: ThreadGroup, files: FdTable, umask: int = 0o022) -> Task:
    """A task of the kernel's own making: at the root of the tree, without memory."""
    root = kernel.vfs.root
    task = Task(
        kernel,
        group.pid,
        group,
        group.leader_cred,
        None,  # type: ignore[arg-type]
        files,
        FsStruct(root, root, umask),
    )
    group.start_ns = kernel.clock.monotonic_ns()
    kernel.groups[group.pid] = group
    return task


def kernel_thread(kernel: Kernel, group: ThreadGroup, comm: bytes) -> Task:
    """A task of the kernel that sleeps for good; it takes no signal (ignore_signals())."""
    task = unforked(kernel, group, FdTable())
    task.comm = group.comm = comm
    task.state = SLEEPING
    for action in task.sighand.actions:
        action.handler = SIG_IGN
    task.set_blocked(0)
    group.kernel_thread = True
    kernel.kernel_threads[group.pid] = task
    return task


def kthreadd(kernel: Kernel) -> Task:
    """PID 2. Its process group and session are 0, those of the idle task that made it."""
    group = ThreadGroup(2, kernel.init.leader_cred, Rlimits())
    group.pgid = group.sid = 0
    return kernel_thread(kernel, group, b"kthreadd")
