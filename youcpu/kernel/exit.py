"""The end of a process: kernel/exit.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.kernel.task import STOPPED, ZOMBIE

if TYPE_CHECKING:
    from youcpu.kernel.mm.mm import MM
    from youcpu.kernel.task import Task


def do_group_exit(task: Task, status: int) -> None:
    """End all threads. `status` as wait4(2) gives it: code << 8, or the signal (| 0x80: core)."""
    group = task.group
    if group.exit_status is None:
        group.exit_status = status
    for thread in list(group.threads):
        do_exit(thread)


def do_exit(task: Task) -> None:
    """End one thread; the last one takes the process with it."""
    if task.exited:
        return
    kernel = task.kernel
    group = task.group
    task.exited = True
    task.state = ZOMBIE
    group.threads.remove(task)
    kernel.tasks.pop(task.pid, None)
    kernel.probes.exit(task, group.exit_status or 0, bool(group.threads))
    task.files.put()
    release_mm(task, task.mm)
    if not group.threads:
        for timer, _ in group.itimers.values():
            timer.cancel()
        kernel.groups.pop(group.pid, None)
        kernel.process_ended(group)


def release_mm(task: Task, mm: MM) -> None:
    """One user of an address space less: mmput()."""
    mm.users -= 1
    if not mm.users:
        task.kernel.leave_mm(mm)
        mm.release()


def stop_group(task: Task, signo: int) -> None:
    """Job control: all threads stop until SIGCONT."""
    for thread in task.group.threads:
        thread.state = STOPPED
    task.group.stop_signal = signo
