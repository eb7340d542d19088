"""Waiting for children: kernel/exit.c do_wait(), wait_consider_task()."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from youcpu.abi.errno import ERESTARTSYS, Errno
from youcpu.abi.sched import WCONTINUED, WEXITED, WNOHANG, WNOWAIT, WUNTRACED
from youcpu.abi.signal import (
    CLD_CONTINUED,
    CLD_DUMPED,
    CLD_EXITED,
    CLD_KILLED,
    CLD_STOPPED,
    Sig,
)
from youcpu.kernel.errors import Blocked, KernelError
from youcpu.kernel.exit import release_process
from youcpu.record import record

if TYPE_CHECKING:
    from youcpu.kernel.task import Task, ThreadGroup

WALL, WCLONE = 0x40000000, 0x80000000


@record
class Found:
    """What a child did. `status` as wait4(2) tells it, `code` (CLD_) and `value` as waitid(2)."""

    group: ThreadGroup
    status: int
    code: int
    value: int
    #: CPU time and faults that wait4 reports: of the child and all that it waited for.
    usage: tuple[int, int, int, int] = (0, 0, 0, 0)


def do_wait(task: Task, wanted: Callable[[ThreadGroup], bool], options: int) -> Found | None:
    """A child with news; None: none yet and WNOHANG. Raises ECHILD, Blocked."""
    eligible = [
        child for child in task.group.children if wanted(child) and _is_kind(child, options)
    ]
    if not eligible:
        raise KernelError(Errno.ECHILD)
    for child in eligible:
        found = _consider(task, child, options)
        if found is not None:
            return found
    if options & WNOHANG:
        return None
    raise Blocked(task.group.child_queue, None, ERESTARTSYS)


def _is_kind(child: ThreadGroup, options: int) -> bool:
    """eligible_child(): a clone child is one that tells by another signal than SIGCHLD."""
    if options & WALL:
        return True
    return (child.exit_signal != Sig.SIGCHLD) == bool(options & WCLONE)


def _consider(task: Task, child: ThreadGroup, options: int) -> Found | None:
    keep = bool(options & WNOWAIT)
    if child.zombie:
        if not options & WEXITED:
            return None
        return _reap(task, child, keep)
    if child.job_news == "stopped" and options & WUNTRACED and child.stop_signal:
        if not keep:
            child.job_news = ""
        return Found(child, child.stop_signal << 8 | 0x7F, CLD_STOPPED, child.stop_signal)
    if child.job_news == "continued" and options & WCONTINUED:
        if not keep:
            child.job_news = ""
        return Found(child, 0xFFFF, CLD_CONTINUED, int(Sig.SIGCONT))
    return None


def _reap(task: Task, child: ThreadGroup, keep: bool) -> Found:
    status = child.exit_status or 0
    signal = status & 0x7F
    code = CLD_EXITED if not signal else CLD_DUMPED if status & 0x80 else CLD_KILLED
    usage = (
        child.cpu_ns + child.children_cpu_ns,
        child.minor_faults + child.children_minor_faults,
        child.major_faults + child.children_major_faults,
        max(child.max_rss_pages, child.children_max_rss_pages),
    )
    if not keep:
        release_process(task.kernel, child)
    return Found(child, status, code, signal or status >> 8, usage)
