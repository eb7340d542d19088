"""A task: include/linux/sched.h struct task_struct, and struct signal_struct of its process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from youcpu.abi.signal import SS_DISABLE, Sig
from youcpu.kernel.errors import Blocked
from youcpu.kernel.signal import Pending, SignalHandlers
from youcpu.kernel.wait import WaitEntry, WaitQueue

if TYPE_CHECKING:
    from youcpu.kernel.cred import Credentials
    from youcpu.kernel.kernel import Kernel
    from youcpu.kernel.mm.mm import MM
    from youcpu.kernel.rlimit import Rlimits
    from youcpu.kernel.timer import Timer
    from youcpu.kernel.tty.job_control import Terminal
    from youcpu.kernel.vfs.fdtable import FdTable
    from youcpu.kernel.vfs.namei import FsStruct
    from youcpu.trace.events import SyscallEvent

_SIGKILL_BIT = 1 << (Sig.SIGKILL - 1)

RUNNING, SLEEPING, STOPPED, ZOMBIE = "R", "S", "T", "Z"


class SchedEntity:
    """What the scheduler keeps of a task: struct sched_entity, sched_info. Times in ns."""

    __slots__ = (
        "cpu_ns",
        "deadline",
        "enqueued_ns",
        "first_run_ns",
        "lag",
        "queued",
        "sequence",
        "slices",
        "start_ns",
        "switches",
        "vruntime",
        "wait_ns",
        "weight",
    )

    def __init__(self) -> None:
        self.queued = False
        self.weight = 1024
        self.vruntime = 0
        self.deadline = 0
        self.lag = 0
        self.sequence = 0
        self.cpu_ns = self.wait_ns = 0
        self.start_ns = 0
        self.enqueued_ns = 0
        self.first_run_ns: int | None = None
        self.slices = 0
        #: Voluntary and involuntary.
        self.switches = [0, 0]


class ThreadGroup:
    """A process: what its threads share besides memory and files (struct signal_struct)."""

    def __init__(self, pid: int, cred: Credentials, rlimits: Rlimits) -> None:
        self.pid = pid
        self.threads: list[Task] = []
        self.parent: ThreadGroup | None = None
        self.children: list[ThreadGroup] = []
        self.pgid = pid
        self.sid = pid
        self.pending = Pending()
        self.signalfd_queue = WaitQueue()
        #: pidfds: woken when the process ends.
        self.exit_queue = WaitQueue()
        self.child_queue = WaitQueue()
        self.rlimits = rlimits
        #: Wait status as wait4(2) gives it; None while the process lives.
        self.exit_status: int | None = None
        self.exit_signal = int(Sig.SIGCHLD)
        #: Wait status of the first thread, which counts where no one called exit_group.
        self.leader_status = 0
        #: The thread whose id is the process's once it has ended: /proc shows it as a zombie.
        self.dead_leader: Task | None = None
        #: Ended and not yet waited for.
        self.zombie = False
        self.start_ns = 0
        #: CPU time of threads that are gone; what reaped children used, faults too.
        self.cpu_ns = 0
        self.children_cpu_ns = 0
        self.children_minor_faults = self.children_major_faults = 0
        self.max_rss_pages = self.children_max_rss_pages = 0
        self.switches = [0, 0]  # voluntary, involuntary
        #: ITIMER_REAL, VIRTUAL, PROF: (timer, interval in ns).
        self.itimers: dict[int, tuple[Timer, int]] = {}
        self.posix_timers: dict[int, Any] = {}
        #: Semaphore sets in which the process has something to undo.
        self.sem_undo: list[Any] = []
        self.minor_faults = self.major_faults = 0
        #: Ids that decide who may signal the process.
        self.leader_cred: Credentials = cred
        self.did_exec = False
        #: A command of the user: init stands for the shell that it came from.
        self.started_by_user = False
        #: PR_SET_CHILD_SUBREAPER
        self.subreaper = False
        #: How willingly it dies when memory is out, and the lowest that it may set itself.
        self.oom_score_adj = self.oom_score_adj_min = 0
        #: Controlling terminal; the group that was in its foreground when it was lost.
        self.tty: Terminal | None = None
        self.tty_old_pgrp = 0
        #: No program: kthread.c.
        self.kernel_thread = False
        #: SIGNAL_UNKILLABLE: init does not get signals that it has no handler for.
        self.unkillable = False
        #: Signal of a job-control stop, 0: it runs.
        self.stop_signal = 0
        #: What wait(2) has not told yet: "stopped", "continued" or nothing.
        self.job_news = ""
        self.comm = b""
        #: RLIMIT_CPU in ns, (next SIGXCPU, SIGKILL); None: never set.
        self.cpu_limit: tuple[int, int] | None = None

    def cpu_time(self) -> int:
        """CPU time of all threads, of those gone too, ns."""
        scheduler = self.threads[0].kernel.scheduler if self.threads else None
        live = sum(scheduler.cpu_time(task) for task in self.threads) if scheduler else 0
        return self.cpu_ns + live

    @property
    def leader(self) -> Task | None:
        """The thread whose id is the process's, as long as it lives."""
        return next((task for task in self.threads if task.pid == self.pid), None)


class PendingCall:
    """A system call in progress: row and registers, kept while it sleeps."""

    __slots__ = ("arguments", "event", "number", "row")

    def __init__(self, number: int, row: Any, arguments: tuple[int, ...], event: Any) -> None:
        self.number = number
        self.row = row
        self.arguments = arguments
        self.event: SyscallEvent | None = event


class Task:
    """One thread of a program. `kernel` is the machine-wide state, passed this way only."""

    def __init__(
        self,
        kernel: Kernel,
        pid: int,
        group: ThreadGroup,
        cred: Credentials,
        mm: MM,
        files: FdTable,
        fs: FsStruct,
        sighand: SignalHandlers | None = None,
    ) -> None:
        self.kernel = kernel
        self.pid = pid
        self.group = group
        group.threads.append(self)
        self.comm = b""
        self.cred = cred
        self.mm = mm
        self.files = files
        self.fs = fs
        self.state = RUNNING
        #: The CPU's registers while another task runs.
        self.cpu_state = b""
        self.sighand = sighand or SignalHandlers()
        self.pending = Pending()
        self.blocked = 0
        #: sigsuspend, ppoll, ...: the mask to come back to (TIF_RESTORE_SIGMASK).
        self.restore_mask: int | None = None
        #: sigaltstack: base, flags, size.
        self.altstack = (0, SS_DISABLE, 0)
        #: rt_sigtimedwait: the mask while the awaited signals are let through.
        self.real_blocked: int | None = None
        #: Last fault: vector, error code, CR2 (thread.trap_nr, error_code, cr2).
        self.trap = (0, 0, 0)
        self.call: PendingCall | None = None
        #: What a blocked system call remembers for its next run; None at its first.
        self.restart: Any = None
        self._wait_timer: Timer | None = None
        self.wait_queue: WaitQueue | None = None
        #: Number of the call that a signal interrupted, while its restart is undecided.
        self.interrupted: int | None = None
        #: restart_syscall(2): the call and what it remembered.
        self.restart_block: tuple[PendingCall, Any] | None = None
        #: vfork: who waits until this task lets go of the address space.
        self.vfork_done: WaitQueue | None = None
        self.sched = SchedEntity()
        self.clear_child_tid = 0
        self.robust_list = 0
        #: rseq: address, length, signature.
        self.rseq = (0, 0, 0)
        self.personality = 0
        self.no_new_privs = False
        self.parent_death_signal = 0
        self.timer_slack_ns = 50_000
        self.nice = 0
        self.exited = False
        #: PF_NPROC_EXCEEDED: its user had too many tasks when it became that user.
        self.nproc_exceeded = False

    @property
    def tgid(self) -> int:
        """PID of the process."""
        return self.group.pid

    @property
    def ppid(self) -> int:
        """PID of the parent process; 0 for the first."""
        return self.group.parent.pid if self.group.parent else 0

    # -- sleeping --------------------------------------------------------------------------

    def sleep(self, blocked: Blocked) -> None:
        """Stop running until the queue, the deadline or a signal wakes the task."""
        self.state = SLEEPING
        if blocked.queue is not None:
            blocked.queue.waiters.append(self)
            self.wait_queue = blocked.queue
        if blocked.deadline_ns is not None:
            self._wait_timer = self.kernel.timers.add(blocked.deadline_ns, self.wake)

    def wake(self) -> None:
        """Runnable again; its system call runs once more."""
        if self.state != SLEEPING:
            return
        self.leave_queues()
        self.state = RUNNING
        self.kernel.scheduler.enqueue(self)

    def leave_queues(self) -> None:
        """Nothing that the sleep was waiting for wakes the task any more."""
        if self._wait_timer is not None:
            self._wait_timer.cancel()
            self._wait_timer = None
        if self.wait_queue is not None:
            if self in self.wait_queue.waiters:
                self.wait_queue.waiters.remove(self)
            self.wait_queue = None

    def signal_wake_up(self, fatal: bool) -> None:
        """A signal is there: a sleeper wakes, SIGKILL ends a stop too."""
        if fatal and self.state == STOPPED:
            self.unstop()
        self.wake()

    def stop(self) -> None:
        """A job-control stop. A call that slept is run again when the task goes on."""
        if self.state == RUNNING:
            self.kernel.scheduler.dequeue(self)
        self.leave_queues()
        self.state = STOPPED

    def unstop(self) -> None:
        """SIGCONT: go on after a job-control stop."""
        if self.state == STOPPED:
            self.state = RUNNING
            self.kernel.scheduler.enqueue(self)

    # -- signals ---------------------------------------------------------------------------

    @property
    def signal_pending(self) -> bool:
        """Whether a signal waits that is not blocked."""
        return bool((self.pending.mask | self.group.pending.mask) & ~self.blocked)

    @property
    def fatal_signal_pending(self) -> bool:
        """Whether SIGKILL waits."""
        return bool((self.pending.mask | self.group.pending.mask) & _SIGKILL_BIT)

    def set_blocked(self, mask: int) -> None:
        """The mask of blocked signals; SIGKILL and SIGSTOP are never in it (the caller's)."""
        self.blocked = mask

    def drop_restart(self) -> None:
        """The call that waited is over: what it left in queues goes."""
        restart, self.restart = self.restart, None
        if isinstance(restart, WaitEntry):
            restart.cancel()

    def unshare_files(self) -> None:
        """A descriptor table of its own: unshare_files()."""
        if self.files.refs > 1:
            shared, self.files = self.files, self.files.copy()
            shared.put()

    def end_signal_wait(self) -> None:
        """rt_sigtimedwait is over: the awaited signals are blocked again."""
        if self.real_blocked is not None:
            self.blocked, self.real_blocked = self.real_blocked, None

    def saved_mask(self) -> int:
        """The mask that a handler's return brings back: sigmask_to_save()."""
        return self.blocked if self.restore_mask is None else self.restore_mask

    def blocked_after_suspend(self) -> int:
        """The mask while the handler runs starts from the current one; a saved one is used up."""
        self.restore_mask = None
        return self.blocked
