"""A task: include/linux/sched.h struct task_struct, and struct signal_struct of its process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from youcpu.abi.signal import SS_DISABLE, Sig
from youcpu.kernel.errors import Blocked
from youcpu.kernel.signal import Pending, SignalHandlers
from youcpu.kernel.wait import WaitQueue

if TYPE_CHECKING:
    from youcpu.kernel.cred import Credentials
    from youcpu.kernel.kernel import Kernel
    from youcpu.kernel.mm.mm import MM
    from youcpu.kernel.rlimit import Rlimits
    from youcpu.kernel.timer import Timer
    from youcpu.kernel.vfs.fdtable import FdTable
    from youcpu.kernel.vfs.namei import FsStruct
    from youcpu.trace.events import SyscallEvent

RUNNING, SLEEPING, STOPPED, ZOMBIE = "R", "S", "T", "Z"


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
        self.child_queue = WaitQueue()
        self.rlimits = rlimits
        #: Wait status as wait4(2) gives it; None while the process lives.
        self.exit_status: int | None = None
        self.exit_signal = int(Sig.SIGCHLD)
        self.start_ns = 0
        #: ITIMER_REAL, VIRTUAL, PROF: (timer, interval in ns).
        self.itimers: dict[int, tuple[Timer, int]] = {}
        self.posix_timers: dict[int, Any] = {}
        self.minor_faults = self.major_faults = 0
        #: Ids that decide who may signal the process.
        self.leader_cred: Credentials = cred
        self.did_exec = False
        #: Signal of a job-control stop.
        self.stop_signal = 0


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
        self.sighand = SignalHandlers()
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
        if blocked.deadline_ns is not None:
            self._wait_timer = self.kernel.timers.add(blocked.deadline_ns, self.wake)

    def wake(self) -> None:
        """Runnable again; its system call runs once more."""
        if self.state != SLEEPING:
            return
        if self._wait_timer is not None:
            self._wait_timer.cancel()
            self._wait_timer = None
        self.state = RUNNING
        self.kernel.scheduler.enqueue(self)

    def signal_wake_up(self, fatal: bool) -> None:
        """A signal is there: a sleeper wakes, SIGKILL ends a stop too."""
        if fatal and self.state == STOPPED:
            self.unstop()
        self.wake()

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

    def set_blocked(self, mask: int) -> None:
        """The mask of blocked signals; SIGKILL and SIGSTOP are never in it (the caller's)."""
        self.blocked = mask

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
