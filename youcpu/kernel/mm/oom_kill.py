"""Who dies when memory is out: mm/oom_kill.c, and its files in /proc (fs/proc/base.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.kernel.cred import CAP_SYS_RESOURCE
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.mm import TASK_SIZE

if TYPE_CHECKING:
    from youcpu.kernel.kernel import Kernel
    from youcpu.kernel.task import Task

OOM_SCORE_ADJ_MIN, OOM_SCORE_ADJ_MAX = -1000, 1000
#: The older file counts from -17 (never) to 15.
OOM_DISABLE, OOM_ADJUST_MAX = -17, 15


def oom_badness(task: Task) -> int | None:
    """Pages in memory, in swap and for tables, moved by oom_score_adj; None: never this one."""
    adjustment = task.group.oom_score_adj
    if task.mm is None or adjustment == OOM_SCORE_ADJ_MIN:
        return None
    table = task.mm.page_table
    pages = table.table_frames + sum(1 for _ in table.entries(0, TASK_SIZE))
    return pages + adjustment * task.kernel.frames.total // 1000


def select_bad_process(kernel: Kernel, current: Task) -> Task:
    """The worst by oom_badness(), the current one where it is as bad; it dies if none may."""
    tasks = {task.mm: task for task in (*kernel.tasks.values(), current)}
    worst, most = current, oom_badness(current)
    for task in tasks.values():
        badness = oom_badness(task)
        if badness is not None and (most is None or badness > most):
            worst, most = task, badness
    return worst


def oom_score(task: Task) -> bytes:
    """proc_oom_score(): 0 to 1333, 666 for a process that has next to nothing."""
    badness = oom_badness(task)
    points = 0 if badness is None else (1000 + badness * 1000 // task.kernel.frames.total) * 2 // 3
    return b"%d\n" % max(points, 0)


def oom_score_adj(task: Task) -> bytes:
    """What was set."""
    return b"%d\n" % task.group.oom_score_adj


def oom_adj(task: Task) -> bytes:
    """The same on the older scale."""
    value = task.group.oom_score_adj
    if value == OOM_SCORE_ADJ_MAX:
        return b"%d\n" % OOM_ADJUST_MAX
    scaled = abs(value) * -OOM_DISABLE // OOM_SCORE_ADJ_MAX
    return b"%d\n" % (scaled if value >= 0 else -scaled)


def set_oom_score_adj(task: Task, data: bytes) -> None:
    """Raises EINVAL, ERANGE; EACCES where it goes below what a privileged one allowed."""
    value = _number(data)
    if not OOM_SCORE_ADJ_MIN <= value <= OOM_SCORE_ADJ_MAX:
        raise KernelError(Errno.EINVAL)
    _set(task, value)


def set_oom_adj(task: Task, data: bytes) -> None:
    """The older scale. Raises EINVAL, EACCES."""
    value = _number(data)
    if not (OOM_DISABLE <= value <= OOM_ADJUST_MAX):
        raise KernelError(Errno.EINVAL)
    if value == OOM_ADJUST_MAX:
        _set(task, OOM_SCORE_ADJ_MAX)
        return
    scaled = abs(value) * OOM_SCORE_ADJ_MAX // -OOM_DISABLE
    _set(task, scaled if value >= 0 else -scaled)


def _set(task: Task, value: int) -> None:
    writer = task.kernel.scheduler.current
    assert writer is not None
    privileged = writer.cred.capable(CAP_SYS_RESOURCE)
    group = task.group
    if value < group.oom_score_adj_min and not privileged:
        raise KernelError(Errno.EACCES)
    group.oom_score_adj = value
    if privileged:
        group.oom_score_adj_min = value


def _number(data: bytes) -> int:
    """kstrtoint() of what was written, blanks at both ends aside."""
    try:
        return int(data[:12].strip(), 0)
    except ValueError:
        raise KernelError(Errno.EINVAL) from None
