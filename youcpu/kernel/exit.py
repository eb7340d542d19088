"""The end of a thread and of a process: kernel/exit.c, kernel/fork.c mm_release()."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.signal import (
    CLD_CONTINUED,
    CLD_DUMPED,
    CLD_EXITED,
    CLD_KILLED,
    CLD_STOPPED,
    SA_NOCLDSTOP,
    SA_NOCLDWAIT,
    SI_USER,
    SIG_IGN,
    Sig,
)
from youcpu.kernel.errors import KernelError
from youcpu.kernel.futex import exit_robust_list, futex_wake
from youcpu.kernel.ipc.sem import exit_sem
from youcpu.kernel.mm.fault import OutOfMemory
from youcpu.kernel.mm.uaccess import put_user
from youcpu.kernel.panic import panic
from youcpu.kernel.signal import SigInfo, send_signal
from youcpu.kernel.task import ZOMBIE
from youcpu.kernel.tty.job_control import disassociate

if TYPE_CHECKING:
    from youcpu.kernel.kernel import Kernel
    from youcpu.kernel.mm.mm import MM
    from youcpu.kernel.task import Task, ThreadGroup

#: Units of si_utime and si_stime: USER_HZ is 100.
NS_PER_TICK = 10_000_000


def do_group_exit(task: Task, status: int) -> None:
    """End all threads. `status` as wait4(2) gives it: code << 8, or the signal (| 0x80: core)."""
    group = task.group
    if group.exit_status is None:
        group.exit_status = status
    for thread in list(group.threads):
        if thread is not task:
            do_exit(thread, status)
    do_exit(task, status)


def do_exit(task: Task, status: int) -> None:
    """End one thread; the last one takes the process with it."""
    if task.exited:
        return
    kernel = task.kernel
    group = task.group
    if group is kernel.init and len(group.threads) == 1:
        code = group.exit_status or status
        panic(kernel, f"Attempted to kill init! exitcode={code:#010x}")
    task.exited = True
    kernel.scheduler.dequeue(task)
    task.leave_queues()
    if task.restart is not None:
        task.drop_restart()
    task.state = ZOMBIE
    tracer = kernel.tracer
    if tracer.frames and task.pid == kernel.first_pid:
        kernel.probes.frames(task)
    if tracer.memory and task.mm.users == 1:
        kernel.probes.memory(task)
    mm_release(task)
    group.threads.remove(task)
    kernel.tasks.pop(task.pid, None)
    if task.pid == group.pid:
        group.leader_status = status
        group.dead_leader = task
    if not group.threads and group.exit_status is None:
        group.exit_status = group.leader_status
    kernel.probes.exit(task, status, bool(group.threads))
    task.files.put()
    task.fs.refs -= 1
    group.max_rss_pages = max(group.max_rss_pages, release_mm(task, task.mm))
    task.mm = None  # type: ignore[assignment]  # a zombie has no memory
    group.cpu_ns += kernel.scheduler.cpu_time(task)
    for index in (0, 1):
        group.switches[index] += task.sched.switches[index]
    if not group.threads:
        _end_process(task, group)


def de_thread(task: Task) -> None:
    """execve of one thread ends the others; it gets the PID of the process."""
    group = task.group
    for thread in list(group.threads):
        if thread is not task:
            do_exit(thread, 0)
    if task.pid != group.pid:
        tasks = task.kernel.tasks
        del tasks[task.pid]
        task.kernel.probes.superseded(task, group.pid)
        task.pid = group.pid
        tasks[task.pid] = task
        group.dead_leader = None


def mm_release(task: Task) -> None:
    """The task lets go of its address space: robust futexes, the tid that join waits for, vfork."""
    mm = task.mm
    try:
        exit_robust_list(task)
        if task.clear_child_tid and mm.users > 1:
            put_user(task, task.clear_child_tid, 0, 4)
            futex_wake(task, task.clear_child_tid, 1)
    except (KernelError, OutOfMemory):
        pass
    task.clear_child_tid = task.robust_list = 0
    if task.vfork_done is not None:
        done, task.vfork_done = task.vfork_done, None
        done.wake_up()


def release_mm(task: Task, mm: MM) -> int:
    """One user of an address space less: mmput(). Pages that were in memory, if the last."""
    mm.users -= 1
    if mm.users:
        return 0
    task.kernel.leave_mm(mm)
    return mm.release()


def _end_process(task: Task, group: ThreadGroup) -> None:
    """exit_notify(): children find a new parent, the old one is told."""
    kernel = task.kernel
    for timer, _ in group.itimers.values():
        timer.cancel()
    for posix_timer in group.posix_timers.values():
        posix_timer.cancel()
    if group.sem_undo:
        exit_sem(group, kernel.clock.realtime_ns() // 1_000_000_000)
    group.zombie = True
    group.stop_signal = 0
    group.pending.flush(-1)
    affected = {group.pgid} | {child.pgid for child in group.children}
    _forget_children(kernel, group)
    for pgid in affected:
        _kill_orphaned_group(task, pgid, group.sid)
    if group.sid == group.pid:
        disassociate(kernel, group, on_exit=True)
    kernel.process_ended(group)
    group.exit_queue.wake_up()
    _notify_parent(kernel, group)


def _forget_children(kernel: Kernel, group: ThreadGroup) -> None:
    """forget_original_parent(): to the nearest subreaper above, or to init."""
    reaper = find_reaper(group)
    for child in group.children:
        child.parent = reaper
        if reaper is not None:
            reaper.children.append(child)
        for thread in child.threads:
            if thread.parent_death_signal:
                info = SigInfo(thread.parent_death_signal, SI_USER, pid=group.pid)
                send_signal(thread, info)
        child.exit_signal = int(Sig.SIGCHLD)
        if child.zombie:
            _notify_parent(kernel, child)
    group.children = []


def find_reaper(group: ThreadGroup) -> ThreadGroup | None:
    """Who gets the children of a process that ends."""
    ancestor = group.parent
    while ancestor is not None and ancestor.parent is not None:
        if ancestor.subreaper and not ancestor.zombie:
            return ancestor
        ancestor = ancestor.parent
    return ancestor


def is_orphaned(kernel_groups: list[ThreadGroup], pgid: int) -> bool:
    """will_become_orphaned_pgrp(): no member has a parent outside, in its session."""
    return not any(
        _has_outside_parent(member)
        for member in kernel_groups
        if member.pgid == pgid and not member.zombie
    )


def _has_outside_parent(member: ThreadGroup) -> bool:
    """Init does not count, but as the shell that started a program of the user."""
    parent = member.parent
    if parent is None or (parent.parent is None and not member.started_by_user):
        return False
    return parent.pgid != member.pgid and parent.sid == member.sid


def _kill_orphaned_group(task: Task, pgid: int, sid: int) -> None:
    """POSIX: a newly orphaned process group with a stopped member gets SIGHUP and SIGCONT."""
    groups = list(task.kernel.groups.values())
    members = [g for g in groups if g.pgid == pgid and g.sid == sid and not g.zombie]
    if not any(member.stop_signal for member in members) or not is_orphaned(groups, pgid):
        return
    for signo in (Sig.SIGHUP, Sig.SIGCONT):
        for member in members:
            send_signal(member.threads[0], SigInfo(int(signo)))


# -- what the parent learns --------------------------------------------------------------------


def _notify_parent(kernel: Kernel, group: ThreadGroup) -> None:
    """do_notify_parent(): SIGCHLD; a parent that ignores it has no zombies."""
    parent = group.parent
    if parent is None or not parent.threads:
        release_process(kernel, group)
        return
    status = group.exit_status or 0
    signal = status & 0x7F
    code = CLD_EXITED if not signal else CLD_DUMPED if status & 0x80 else CLD_KILLED
    autoreap = False
    if group.exit_signal == Sig.SIGCHLD:
        action = parent.threads[0].sighand.actions[Sig.SIGCHLD]
        autoreap = action.handler == SIG_IGN or bool(action.flags & SA_NOCLDWAIT)
    if group.exit_signal and not (autoreap and action.handler == SIG_IGN):
        _send_child_signal(parent, group, code, signal or status >> 8, group.exit_signal)
    if autoreap:
        release_process(kernel, group)
    parent.child_queue.wake_up()


def _send_child_signal(
    parent: ThreadGroup, child: ThreadGroup, code: int, status: int, signo: int
) -> None:
    info = SigInfo(
        signo, code, pid=child.pid, uid=child.leader_cred.uid, status=status,
        utime=child.cpu_ns // NS_PER_TICK, layout="child",
    )  # fmt: skip
    send_signal(parent.threads[0], info)


def notify_job_control(group: ThreadGroup, news: str) -> None:
    """do_notify_parent_cldstop(): a child stopped or goes on."""
    group.job_news = news
    parent = group.parent
    if parent is None or not parent.threads:
        return
    action = parent.threads[0].sighand.actions[Sig.SIGCHLD]
    if action.handler != SIG_IGN and not action.flags & SA_NOCLDSTOP:
        stopped = news == "stopped"
        code = CLD_STOPPED if stopped else CLD_CONTINUED
        status = group.stop_signal if stopped else int(Sig.SIGCONT)
        _send_child_signal(parent, group, code, status, int(Sig.SIGCHLD))
    parent.child_queue.wake_up()


def release_process(kernel: Kernel, group: ThreadGroup) -> None:
    """release_task(): the zombie is gone, its PID free."""
    parent = group.parent
    if parent is not None:
        parent.children.remove(group)
        parent.children_cpu_ns += group.cpu_ns + group.children_cpu_ns
        parent.children_minor_faults += group.minor_faults + group.children_minor_faults
        parent.children_major_faults += group.major_faults + group.children_major_faults
        parent.children_max_rss_pages = max(
            parent.children_max_rss_pages, group.max_rss_pages, group.children_max_rss_pages
        )
    kernel.groups.pop(group.pid, None)


def stop_group(task: Task, signo: int) -> None:
    """Job control: all threads stop until SIGCONT."""
    group = task.group
    group.stop_signal = signo
    for thread in group.threads:
        thread.stop()
    notify_job_control(group, "stopped")
