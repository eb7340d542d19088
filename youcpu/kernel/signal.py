"""Signals: kernel/signal.c. Sending, queues, masks, default actions; frames are in sigframe.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.signal import (
    NSIG,
    SI_KERNEL,
    SIG_DFL,
    SIG_IGN,
    SIGRTMIN,
    DefaultAction,
    Sig,
    default_action,
)
from youcpu.record import field, record

if TYPE_CHECKING:
    from youcpu.kernel.task import Task
    from youcpu.kernel.wait import WaitQueue

#: Faults of the program itself, delivered before others (SYNCHRONOUS_MASK).
SYNCHRONOUS = frozenset({Sig.SIGSEGV, Sig.SIGBUS, Sig.SIGILL, Sig.SIGTRAP, Sig.SIGFPE, Sig.SIGSYS})
UNBLOCKABLE = 1 << (Sig.SIGKILL - 1) | 1 << (Sig.SIGSTOP - 1)
_STOPS = (Sig.SIGSTOP, Sig.SIGTSTP, Sig.SIGTTIN, Sig.SIGTTOU)


@record
class SigInfo:
    """siginfo_t: the fields of the union that the code calls for."""

    signo: int
    code: int = SI_KERNEL
    errno: int = 0
    pid: int = 0
    uid: int = 0
    status: int = 0
    value: int = 0
    addr: int = 0
    utime: int = 0
    stime: int = 0
    timer_id: int = 0
    overrun: int = 0
    band: int = 0
    fd: int = 0
    #: Which union member is meant: kill, timer, rt, child, fault, poll, sys.
    layout: str = "kill"


@record
class SigAction:
    """struct k_sigaction."""

    handler: int = SIG_DFL
    flags: int = 0
    restorer: int = 0
    mask: int = 0


#: However high RLIMIT_SIGPENDING is set: our memory is not the program's.
MAX_QUEUED = 65536


@record
class Pending:
    """Signals that wait for delivery: standard ones once each, real-time ones queued."""

    mask: int = 0
    queue: list[SigInfo] = field(default_factory=list)

    def add(self, info: SigInfo) -> None:
        """A standard signal that is pending already is not queued again."""
        bit = 1 << (info.signo - 1)
        if self.mask & bit and (info.signo < SIGRTMIN or len(self.queue) >= MAX_QUEUED):
            return
        self.mask |= bit
        self.queue.append(info)

    def take(self, signo: int) -> SigInfo:
        """The oldest of a signal that is pending."""
        index = next(i for i, info in enumerate(self.queue) if info.signo == signo)
        info = self.queue.pop(index)
        if not any(other.signo == signo for other in self.queue):
            self.mask &= ~(1 << (signo - 1))
        return info

    def flush(self, mask: int) -> None:
        """Forget all signals of a mask."""
        self.mask &= ~mask
        self.queue = [info for info in self.queue if not mask >> (info.signo - 1) & 1]


class SignalHandlers:
    """struct sighand_struct: one action a signal, shared by threads."""

    __slots__ = ("actions",)

    def __init__(self, actions: list[SigAction] | None = None) -> None:
        self.actions = actions or [SigAction() for _ in range(NSIG + 1)]

    def copy(self) -> SignalHandlers:
        """For a child process."""
        return SignalHandlers(
            [SigAction(a.handler, a.flags, a.restorer, a.mask) for a in self.actions]
        )

    def flush(self) -> None:
        """exec: handlers go back to the default, ignored ones stay (flush_signal_handlers)."""
        for action in self.actions:
            if action.handler != SIG_IGN:
                action.handler = SIG_DFL
            action.flags = action.mask = action.restorer = 0


def is_ignored(task: Task, signo: int) -> bool:
    """Whether the signal has no effect on this task; a blocked one is kept all the same.

    Blocked is also what rt_sigtimedwait(2) waits for: sig_ignored().
    """
    blocked = task.blocked | (task.real_blocked or 0)
    return not blocked >> (signo - 1) & 1 and task_ignores(task, signo)


def task_ignores(task: Task, signo: int) -> bool:
    """sig_task_ignored(): what its handler ignores, and what init does not get at all."""
    group = task.group
    if group.unkillable or group is task.kernel.init:
        # Nobody kills or stops the global init; what it has no handler for does not reach it.
        if signo in (Sig.SIGKILL, Sig.SIGSTOP):
            return True
        if group.unkillable and task.sighand.actions[signo].handler == SIG_DFL:
            return True
    return handler_ignores(task, signo)


def handler_ignores(task: Task, signo: int) -> bool:
    """sig_handler_ignored(): by SIG_IGN, or by a default action that does nothing."""
    handler = task.sighand.actions[signo].handler
    return handler == SIG_IGN or (
        handler == SIG_DFL and default_action(signo) is DefaultAction.IGNORE
    )


def send_signal(task: Task, info: SigInfo, to_thread: bool = False) -> None:
    """Queue a signal and wake whoever can take it: __send_signal_locked()."""
    signo = info.signo
    if signo == Sig.SIGCONT:
        mask = sum(1 << (stop - 1) for stop in _STOPS)
        for thread in task.group.threads:
            thread.pending.flush(mask)
            thread.unstop()
        task.group.pending.flush(mask)
        if task.group.stop_signal:
            task.group.stop_signal = 0
            task.kernel.process_continued(task.group)
    elif signo in _STOPS:
        mask = 1 << (Sig.SIGCONT - 1)
        task.group.pending.flush(mask)
        for thread in task.group.threads:
            thread.pending.flush(mask)
    if is_ignored(task, signo) or task.exited:
        return
    pending = task.pending if to_thread else task.group.pending
    pending.add(info)
    if signo == Sig.SIGKILL:
        for thread in list(task.group.threads):
            thread.signal_wake_up(True)
    else:
        taker = task if to_thread else _who_takes(task, signo)
        if taker is not None:
            taker.signal_wake_up(False)
    for queue in signal_queues(task):
        queue.wake_up()


def _who_takes(task: Task, signo: int) -> Task | None:
    """complete_signal(): the addressed thread if it can, another one else."""
    bit = 1 << (signo - 1)
    if not task.blocked & bit:
        return task
    return next((thread for thread in task.group.threads if not thread.blocked & bit), None)


def signal_queues(task: Task) -> list[WaitQueue]:
    """Where signalfd readers wait."""
    return [task.group.signalfd_queue]


def force_signal(task: Task, info: SigInfo) -> None:
    """A fault of the task itself: blocked or ignored means the default action (force_sig)."""
    action = task.sighand.actions[info.signo]
    bit = 1 << (info.signo - 1)
    if task.blocked & bit or action.handler == SIG_IGN:
        action.handler = SIG_DFL
        task.blocked &= ~bit
    if action.handler == SIG_DFL:
        # Of its own faults init dies, and the kernel with it.
        task.group.unkillable = False
    task.pending.add(info)
    task.signal_wake_up(False)


def next_signal(task: Task) -> int:
    """Number of the signal to deliver next, 0 where there is none: next_signal()."""
    mask = (task.pending.mask | task.group.pending.mask) & ~task.blocked
    if not mask:
        return 0
    for source in (task.pending.mask & ~task.blocked, mask):
        for signo in sorted(SYNCHRONOUS):
            if source >> (signo - 1) & 1:
                return int(signo)
        if source:
            return (source & -source).bit_length()
    return 0


def dequeue_signal(task: Task, mask: int | None = None) -> SigInfo | None:
    """Take the next deliverable signal (of `mask` if given)."""
    if mask is None:
        signo = next_signal(task)
    else:
        ready = (task.pending.mask | task.group.pending.mask) & mask
        signo = (ready & -ready).bit_length()
    if not signo:
        return None
    source = task.pending if task.pending.mask >> (signo - 1) & 1 else task.group.pending
    return source.take(signo)
