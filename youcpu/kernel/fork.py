"""Making tasks: kernel/fork.c kernel_clone(), copy_process()."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.sched import (
    CLONE_CHILD_CLEARTID,
    CLONE_CHILD_SETTID,
    CLONE_CLEAR_SIGHAND,
    CLONE_DETACHED,
    CLONE_FILES,
    CLONE_FS,
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWTIME,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    CLONE_PARENT,
    CLONE_PARENT_SETTID,
    CLONE_PIDFD,
    CLONE_SETTLS,
    CLONE_SIGHAND,
    CLONE_THREAD,
    CLONE_VFORK,
    CLONE_VM,
)
from youcpu.abi.signal import SS_DISABLE
from youcpu.hardware.cpu import CR3, FS, RAX, RSP
from youcpu.hardware.memory import OutOfFrames
from youcpu.kernel.cred import CAP_SYS_ADMIN, CAP_SYS_RESOURCE
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.dup_mmap import dup_mmap
from youcpu.kernel.mm.fault import OutOfMemory
from youcpu.kernel.mm.mm import TASK_SIZE
from youcpu.kernel.mm.uaccess import put_user
from youcpu.kernel.rlimit import RLIMIT_NPROC
from youcpu.kernel.task import Task, ThreadGroup
from youcpu.kernel.wait import WaitQueue
from youcpu.record import record

if TYPE_CHECKING:
    from youcpu.kernel.mm.mm import MM

_NAMESPACES = (
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID
    | CLONE_NEWNET | CLONE_NEWTIME
)  # fmt: skip
#: kernel.threads-max of this machine.
THREADS_MAX = 32768


@record
class CloneArguments:
    """struct kernel_clone_args; addresses of the program, 0 where not given."""

    flags: int
    exit_signal: int
    stack: int = 0
    tls: int = 0
    parent_tid: int = 0
    child_tid: int = 0
    pidfd: int = 0
    set_tid: int = 0


def check_flags(task: Task, flags: int) -> None:
    """Combinations that copy_process() refuses. Raises EINVAL, EPERM."""
    if flags & CLONE_THREAD and not flags & CLONE_SIGHAND:
        raise KernelError(Errno.EINVAL)
    if flags & CLONE_SIGHAND and not flags & CLONE_VM:
        raise KernelError(Errno.EINVAL)
    if flags & CLONE_SIGHAND and flags & CLONE_CLEAR_SIGHAND:
        raise KernelError(Errno.EINVAL)
    if flags & CLONE_PARENT and task.group.unkillable:
        # Nobody would reap a sibling of init.
        raise KernelError(Errno.EINVAL)
    if flags & CLONE_FS and flags & (CLONE_NEWNS | CLONE_NEWUSER):
        raise KernelError(Errno.EINVAL)
    if flags & CLONE_THREAD and flags & (CLONE_NEWUSER | CLONE_NEWPID):
        raise KernelError(Errno.EINVAL)
    if flags & CLONE_PIDFD and flags & CLONE_DETACHED:
        raise KernelError(Errno.EINVAL)
    if flags & _NAMESPACES:
        # One world for all: as a kernel without namespaces, or without the right to them.
        if not task.cred.capable(CAP_SYS_ADMIN) and not flags & CLONE_NEWUSER:
            raise KernelError(Errno.EPERM)
        raise KernelError(Errno.EINVAL)


def copy_process(task: Task, args: CloneArguments) -> Task:
    """A child of `task`, not yet runnable. Raises EINVAL, EPERM, EAGAIN, ENOMEM."""
    flags = args.flags
    check_flags(task, flags)
    if flags & CLONE_SETTLS and args.tls >= TASK_SIZE:
        raise KernelError(Errno.EPERM)
    exceeded = task.nproc_exceeded
    _check_counts(task)
    kernel = task.kernel
    mm = task.mm if flags & CLONE_VM else _copy_mm(task)
    pid = args.set_tid if args.set_tid else kernel.alloc_pid()
    group = task.group if flags & CLONE_THREAD else _copy_signal(task, pid, args)
    sighand = task.sighand if flags & CLONE_SIGHAND else task.sighand.copy()
    if flags & CLONE_CLEAR_SIGHAND:
        sighand.flush()
    child = Task(kernel, pid, group, task.cred.prepare(), mm, task.files, task.fs, sighand)
    if flags & CLONE_VM:
        mm.users += 1
    _copy_files(task, child, flags)
    _copy_attributes(task, child, flags, exceeded)
    child.cpu_state = _copy_thread(child, args)
    if flags & CLONE_CHILD_CLEARTID:
        child.clear_child_tid = args.child_tid
    if flags & CLONE_PARENT_SETTID:
        _store_tid(task, args.parent_tid, pid)
    if flags & CLONE_VFORK:
        child.vfork_done = WaitQueue()
    kernel.tasks[pid] = child
    kernel.groups.setdefault(group.pid, group)
    return child


def _check_counts(task: Task) -> None:
    kernel = task.kernel
    if len(kernel.tasks) >= THREADS_MAX:
        raise KernelError(Errno.EAGAIN)
    cred, limit = task.cred, task.group.rlimits.soft(RLIMIT_NPROC)
    free = not cred.uid or cred.capable(CAP_SYS_RESOURCE) or cred.capable(CAP_SYS_ADMIN)
    if not free and len(kernel.tasks) >= limit and kernel.user_tasks(cred.uid) >= limit:
        raise KernelError(Errno.EAGAIN)
    task.nproc_exceeded = False


def _copy_mm(task: Task) -> MM:
    """copy_mm(): the parent's pages, shared until one side writes."""
    try:
        mm = task.kernel.new_mm()
    except OutOfFrames as error:
        raise KernelError(Errno.ENOMEM) from error
    try:
        dup_mmap(task.mm, mm)
    except OutOfFrames as error:
        mm.release()
        raise KernelError(Errno.ENOMEM) from error
    return mm


def _copy_signal(task: Task, pid: int, args: CloneArguments) -> ThreadGroup:
    """copy_signal(): a new process in the family of the caller."""
    old = task.group
    group = ThreadGroup(pid, old.leader_cred, old.rlimits.copy())
    group.pgid, group.sid = old.pgid, old.sid
    group.exit_signal = args.exit_signal
    group.start_ns = task.kernel.clock.monotonic_ns()
    group.comm = task.comm
    group.oom_score_adj, group.oom_score_adj_min = old.oom_score_adj, old.oom_score_adj_min
    group.tty = old.tty
    if args.flags & CLONE_PARENT:
        group.parent, group.exit_signal = old.parent, old.exit_signal
    else:
        group.parent = old
    if group.parent is not None:
        group.parent.children.append(group)
    return group


def _copy_files(task: Task, child: Task, flags: int) -> None:
    if flags & CLONE_FILES:
        task.files.refs += 1
    else:
        child.files = task.files.copy()
    if flags & CLONE_FS:
        task.fs.refs += 1
    else:
        child.fs = task.fs.copy()


def _copy_attributes(task: Task, child: Task, flags: int, exceeded: bool) -> None:
    """What dup_task_struct() copies with the whole task_struct."""
    child.comm = task.comm
    child.nproc_exceeded = exceeded
    child.blocked = task.blocked
    # The alternate stack stays with a fork, and with vfork, which runs on the parent's.
    if not flags & CLONE_VM or flags & CLONE_VFORK:
        child.altstack = task.altstack
    else:
        child.altstack = (0, SS_DISABLE, 0)
    if not flags & CLONE_VM:
        child.rseq = task.rseq
    child.personality = task.personality
    child.no_new_privs = task.no_new_privs
    child.timer_slack_ns = task.timer_slack_ns
    child.nice = task.nice


def _copy_thread(child: Task, args: CloneArguments) -> bytes:
    """copy_thread(): the caller's registers, with 0 for a result, and its own stack and TLS."""
    cpu = child.kernel.cpu
    state = cpu.state
    kept = state[RAX], state[RSP], state[FS + 1], state[CR3]
    state[RAX] = 0
    if args.stack:
        state[RSP] = args.stack
    if args.flags & CLONE_SETTLS:
        state[FS + 1] = args.tls
    state[CR3] = child.mm.cr3
    image = cpu.snapshot()
    state[RAX], state[RSP], state[FS + 1], state[CR3] = kept
    return image


def _store_tid(task: Task, address: int, pid: int) -> None:
    """Where the address is bad Linux says nothing either."""
    try:
        put_user(task, address, pid, 4)
    except (KernelError, OutOfMemory):
        pass


def wake_up_new_task(parent: Task, child: Task, args: CloneArguments, how: str) -> None:
    """The child may run; the tracer learns of it."""
    kernel = parent.kernel
    kernel.probes.fork(parent, child, how)
    if args.flags & CLONE_CHILD_SETTID:
        # schedule_tail(): in the child's memory, where it may be the first page copied.
        _store_tid(child, args.child_tid, child.pid)
    kernel.scheduler.wake_up_new(parent, child)
