"""Signals: kernel/signal.c, arch/x86/kernel/signal_64.c."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from youcpu.abi.args import Int, Long, Size
from youcpu.abi.args_process import Pid
from youcpu.abi.args_signal import (
    SigactionIn,
    SigactionOut,
    SiginfoIn,
    SiginfoOut,
    Signal,
    SignalFramePtr,
    SigprocmaskHow,
    SigsetIn,
    SigsetOut,
    StackIn,
    StackOut,
)
from youcpu.abi.args_time import TimespecIn
from youcpu.abi.errno import ERESTARTNOHAND, Errno
from youcpu.abi.signal import (
    MINSIGSTKSZ,
    NSIG,
    SI_TKILL,
    SI_USER,
    SIG_BLOCK,
    SIG_SETMASK,
    SIG_UNBLOCK,
    SIGRTMIN,
    SS_AUTODISARM,
    SS_DISABLE,
    SS_ONSTACK,
    Sig,
)
from youcpu.hardware.cpu import RSP
from youcpu.kernel.cred import CAP_KILL
from youcpu.kernel.errors import Blocked, KernelError
from youcpu.kernel.mm.uaccess import copy_from_user, copy_to_user
from youcpu.kernel.rlimit import RLIMIT_SIGPENDING
from youcpu.kernel.sigframe import altstack_flags, on_altstack, pack_siginfo, sigreturn
from youcpu.kernel.signal import (
    UNBLOCKABLE,
    SigInfo,
    dequeue_signal,
    force_signal,
    handler_ignores,
    send_signal,
)
from youcpu.kernel.syscalls.table import syscall
from youcpu.kernel.time import read_timespec

if TYPE_CHECKING:
    from youcpu.kernel.task import Task, ThreadGroup

_SIGSET_SIZE = 8


def read_sigset(task: Task, address: int, size: int) -> int:
    """A signal set argument. Raises EINVAL on another size, EFAULT."""
    if size != _SIGSET_SIZE:
        raise KernelError(Errno.EINVAL)
    return int.from_bytes(copy_from_user(task, address, 8), "little")


def _write_mask(task: Task, address: int, mask: int) -> None:
    copy_to_user(task, address, mask.to_bytes(8, "little"))


@syscall(13)
def rt_sigaction(
    task: Task, signum: Signal, act: SigactionIn, oldact: SigactionOut, sigsetsize: Size
) -> Int:
    """rt_sigaction(2)."""
    if sigsetsize != _SIGSET_SIZE:
        raise KernelError(Errno.EINVAL)
    new = struct.unpack("<4Q", copy_from_user(task, act, 32)) if act else None
    if not 1 <= signum <= NSIG or (new and signum in (Sig.SIGKILL, Sig.SIGSTOP)):
        raise KernelError(Errno.EINVAL)
    action = task.sighand.actions[signum]
    old = (action.handler, action.flags, action.restorer, action.mask)
    if new is not None:
        action.handler, flags, action.restorer, mask = new
        action.flags = flags & 0xFFFFFFFF
        action.mask = mask & ~UNBLOCKABLE
        if handler_ignores(task, signum):
            # POSIX: what is ignored from now on is not pending any more.
            bit = 1 << (signum - 1)
            task.group.pending.flush(bit)
            for thread in task.group.threads:
                thread.pending.flush(bit)
    if oldact:
        copy_to_user(task, oldact, struct.pack("<4Q", *old))
    return 0


@syscall(14)
def rt_sigprocmask(
    task: Task, how: SigprocmaskHow, set: SigsetIn, oldset: SigsetOut, sigsetsize: Size
) -> Int:
    """rt_sigprocmask(2)."""
    if sigsetsize != _SIGSET_SIZE:
        raise KernelError(Errno.EINVAL)
    old = task.blocked
    if set:
        mask = read_sigset(task, set, sigsetsize) & ~UNBLOCKABLE
        if how == SIG_BLOCK:
            task.set_blocked(old | mask)
        elif how == SIG_UNBLOCK:
            task.set_blocked(old & ~mask)
        elif how == SIG_SETMASK:
            task.set_blocked(mask)
        else:
            raise KernelError(Errno.EINVAL)
    if oldset:
        _write_mask(task, oldset, old)
    return 0


@syscall(15)
def rt_sigreturn(task: Task, frame: SignalFramePtr) -> Long:
    """rt_sigreturn(2)."""
    try:
        return sigreturn(task, task.kernel.cpu)
    except KernelError:
        force_signal(task, SigInfo(Sig.SIGSEGV))
        return 0


@syscall(127)
def rt_sigpending(task: Task, set: SigsetOut, sigsetsize: Size) -> Int:
    """rt_sigpending(2)."""
    if sigsetsize > _SIGSET_SIZE:
        raise KernelError(Errno.EINVAL)
    mask = (task.pending.mask | task.group.pending.mask) & task.blocked
    copy_to_user(task, set, mask.to_bytes(8, "little")[:sigsetsize])
    return 0


@syscall(128)
def rt_sigtimedwait(
    task: Task, set: SigsetIn, info: SiginfoOut, timeout: TimespecIn, sigsetsize: Size
) -> Signal:
    """rt_sigtimedwait(2)."""
    mask = read_sigset(task, set, sigsetsize) & ~UNBLOCKABLE
    limit = read_timespec(task, timeout) if timeout else None
    task.end_signal_wait()
    found = dequeue_signal(task, mask)
    if found is None:
        now = task.kernel.clock.monotonic_ns()
        if task.restart is None and limit is not None:
            task.restart = now + limit
        deadline = task.restart
        if deadline is not None and now >= deadline:
            raise KernelError(Errno.EAGAIN)
        # A signal of the set must wake the task although it is blocked.
        task.real_blocked = task.blocked
        task.blocked &= ~mask
        raise Blocked(None, deadline, Errno.EINTR)
    if info:
        copy_to_user(task, info, pack_siginfo(found))
    return found.signo


@syscall(130)
def rt_sigsuspend(task: Task, mask: SigsetIn, sigsetsize: Size) -> Int:
    """rt_sigsuspend(2)."""
    new = read_sigset(task, mask, sigsetsize) & ~UNBLOCKABLE
    if task.restore_mask is None:
        task.restore_mask = task.blocked
        task.set_blocked(new)
    raise Blocked(None, None, ERESTARTNOHAND)


@syscall(219)
def restart_syscall(task: Task) -> Long:
    """restart_syscall(2): go on with a wait that a signal without a handler interrupted."""
    if task.restart_block is None:
        raise KernelError(Errno.EINTR)
    call, remembered = task.restart_block
    if task.restart is None:
        task.restart = remembered
    return call.row.dispatch(task, *call.arguments) or 0


@syscall(34)
def pause(task: Task) -> Int:
    """pause(2)."""
    raise Blocked(None, None, ERESTARTNOHAND)


@syscall(131)
def sigaltstack(task: Task, ss: StackIn, old_ss: StackOut) -> Int:
    """sigaltstack(2)."""
    sp = task.kernel.cpu.state[RSP]
    base, flags, size = task.altstack
    old = struct.pack("<QI4xQ", base, altstack_flags(task, sp) | (flags & SS_AUTODISARM), size)
    if ss:
        base, flags, size = struct.unpack("<QI4xQ", copy_from_user(task, ss, 24))
        mode = flags & ~SS_AUTODISARM
        if on_altstack(task, sp):
            raise KernelError(Errno.EPERM)
        if mode not in (0, SS_DISABLE, SS_ONSTACK):
            raise KernelError(Errno.EINVAL)
        if mode == SS_DISABLE:
            base = size = 0
        elif size < MINSIGSTKSZ:
            raise KernelError(Errno.ENOMEM)
        task.altstack = (base, flags, size)
    if old_ss:
        copy_to_user(task, old_ss, old)
    return 0


# -- sending ---------------------------------------------------------------------------------


def may_signal(task: Task, target: ThreadGroup, signo: int) -> bool:
    """kill_ok_by_cred(), and SIGCONT within a session."""
    other = target.leader_cred
    if {task.cred.euid, task.cred.uid} & {other.suid, other.uid}:
        return True
    if task.cred.capable(CAP_KILL):
        return True
    return signo == Sig.SIGCONT and target.sid == task.group.sid


def _check_signal(signo: int) -> None:
    if not 0 <= signo <= NSIG:
        raise KernelError(Errno.EINVAL)


def kill_group(task: Task, group: ThreadGroup, info: SigInfo) -> None:
    """A signal to a process, zombies and init take it and do nothing. Raises EPERM."""
    if not may_signal(task, group, info.signo):
        raise KernelError(Errno.EPERM)
    if info.signo and group.threads:
        send_signal(group.threads[0], info)


@syscall(62)
def kill(task: Task, pid: Pid, sig: Signal) -> Int:
    """kill(2): only processes of this machine exist."""
    groups = task.kernel.groups
    info = SigInfo(sig, SI_USER, pid=task.tgid, uid=task.cred.uid)
    if pid > 0:
        targets = [groups[pid]] if pid in groups else []
    elif pid == -1:
        targets = [g for g in groups.values() if g is not task.group and g.pid != 1]
    elif pid == -(1 << 31):
        raise KernelError(Errno.ESRCH)
    else:
        pgid = task.group.pgid if not pid else -pid
        targets = [g for g in groups.values() if g.pgid == pgid]
    _check_signal(sig)
    if not targets:
        raise KernelError(Errno.ESRCH)
    failure: KernelError | None = None
    sent = False
    for target in targets:
        try:
            kill_group(task, target, info)
            sent = True
        except KernelError as error:
            failure = error
    if failure is not None and not sent:
        raise failure
    return 0


@syscall(200)
def tkill(task: Task, tid: Pid, sig: Signal) -> Int:
    """tkill(2)."""
    if tid <= 0:
        raise KernelError(Errno.EINVAL)
    return _send_to_thread(task, 0, tid, SigInfo(sig, SI_TKILL, pid=task.tgid, uid=task.cred.uid))


@syscall(234)
def tgkill(task: Task, tgid: Pid, tid: Pid, sig: Signal) -> Int:
    """tgkill(2)."""
    if tid <= 0 or tgid <= 0:
        raise KernelError(Errno.EINVAL)
    info = SigInfo(sig, SI_TKILL, pid=task.tgid, uid=task.cred.uid)
    return _send_to_thread(task, tgid, tid, info)


def _send_to_thread(task: Task, tgid: int, tid: int, info: SigInfo) -> int:
    target = task.kernel.tasks.get(tid)
    if target is None or (tgid and target.tgid != tgid):
        raise KernelError(Errno.ESRCH)
    _check_signal(info.signo)
    if not may_signal(task, target.group, info.signo):
        raise KernelError(Errno.EPERM)
    if info.signo:
        send_signal(target, info, to_thread=True)
    return 0


def read_siginfo(task: Task, address: int, signo: int) -> SigInfo:
    """A siginfo of the program's own making, for rt_sigqueueinfo."""
    _, errno, code, pid, uid, value = struct.unpack_from(
        "<iii4xiIQ", copy_from_user(task, address, 128)
    )
    return SigInfo(signo, code, errno, pid, uid, value=value, layout="rt")


@syscall(129)
def rt_sigqueueinfo(task: Task, pid: Pid, sig: Signal, info: SiginfoIn) -> Int:
    """rt_sigqueueinfo(2)."""
    queued = read_siginfo(task, info, sig)
    if (queued.code >= 0 or queued.code == SI_TKILL) and pid != task.tgid:
        raise KernelError(Errno.EPERM)
    group = task.kernel.groups.get(pid)
    if group is None:
        raise KernelError(Errno.ESRCH)
    _check_signal(sig)
    _check_queue(group, sig)
    kill_group(task, group, queued)
    return 0


def _check_queue(group: ThreadGroup, signo: int) -> None:
    """__sigqueue_alloc(): RLIMIT_SIGPENDING counts what waits. Raises EAGAIN."""
    waiting = len(group.pending.queue) + sum(len(t.pending.queue) for t in group.threads)
    if signo >= SIGRTMIN and waiting >= group.rlimits.soft(RLIMIT_SIGPENDING):
        raise KernelError(Errno.EAGAIN)


@syscall(297)
def rt_tgsigqueueinfo(task: Task, tgid: Pid, tid: Pid, sig: Signal, info: SiginfoIn) -> Int:
    """rt_tgsigqueueinfo(2)."""
    if tid <= 0 or tgid <= 0:
        raise KernelError(Errno.EINVAL)
    queued = read_siginfo(task, info, sig)
    if (queued.code >= 0 or queued.code == SI_TKILL) and tid != task.pid:
        raise KernelError(Errno.EPERM)
    return _send_to_thread(task, tgid, tid, queued)
