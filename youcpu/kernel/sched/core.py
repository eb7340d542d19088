"""Which task runs, for how long, and when nobody can: kernel/sched/core.c.

One runnable task runs tickless, in long slices that only let the host's Python breathe.
Two or more share the CPU as the policy says; the block counter of the CPU is the timer, so
the same run interleaves the same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.signal import Sig
from youcpu.hardware.cpu import CR3
from youcpu.kernel import entry
from youcpu.kernel.clock import NS_PER_BLOCK
from youcpu.kernel.sched.loadavg import LoadAverage
from youcpu.kernel.sched.policies import make_policy
from youcpu.kernel.sched.policy import weight_of
from youcpu.kernel.signal import SigInfo, send_signal
from youcpu.kernel.task import RUNNING, STOPPED

if TYPE_CHECKING:
    from collections.abc import Callable

    from youcpu.kernel.kernel import Kernel
    from youcpu.kernel.sched.policy import Policy
    from youcpu.kernel.task import Task, ThreadGroup

#: Blocks a lone task runs before the host's Python gets a turn (Ctrl-C, --timeout): some 5 ms.
SLICE_BLOCKS = 1_000_000
NS_PER_SECOND = 1_000_000_000


class Deadlock(Exception):
    """Every task sleeps and nothing can wake one."""


class Scheduler:
    """Runs tasks on the one CPU until none is left."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.current: Task | None = None
        self.policy: Policy = make_policy("eevdf")
        #: Called between slices: the machine checks its time limit here.
        self.on_slice: Callable[[], None] = lambda: None
        #: Nobody can run until the given time (None: no timer is set): whether something came
        #: from outside that lets somebody run.
        self.wait_for_input: Callable[[int | None], bool] = lambda deadline: False
        #: Whose registers and address space the CPU has.
        self._loaded: Task | None = None
        self.load = LoadAverage(kernel.clock.monotonic_ns())
        #: Context switches since power-on.
        self.switches = 0
        #: Why the current task is to give the CPU up at once: yield, wakeup, or "".
        self._resched = ""
        self._slice_end_ns: int | None = None
        self._since_ns = 0

    def start(self, task: Task) -> None:
        """The first task: the CPU has its registers already."""
        self.current = self._loaded = task
        self.policy.started(task)
        self._since_ns = task.sched.start_ns = self.kernel.clock.monotonic_ns()
        task.sched.first_run_ns = self._since_ns
        task.sched.slices = 1

    # -- what becomes runnable ---------------------------------------------------------------

    def enqueue(self, task: Task, fresh: Task | None = None) -> None:
        """A task became runnable. `fresh`: it is new, made by this one."""
        entity = task.sched
        if entity.queued or task is self.current:
            return
        now = self.kernel.clock.monotonic_ns()
        entity.queued = True
        entity.enqueued_ns = now
        policy = self.policy
        if fresh is not None:
            entity.start_ns = now
            policy.forked(fresh, task)
        policy.enqueue(task, wakeup=True)
        if self.kernel.tracer.switches:
            self.kernel.probes.wake(task)
        current = self.current
        if current is None or current.state != RUNNING:
            return
        if self._slice_end_ns is None:
            self._start_slice(current, now)
        if fresh is None and not self._resched:
            self._charge(current, now)
            if policy.preempts(current, task):
                self._resched = "wakeup"
                self.kernel.cpu.stop()

    def wake_up_new(self, parent: Task, child: Task) -> None:
        """A forked task waits for its first turn."""
        self.enqueue(child, fresh=parent)

    def dequeue(self, task: Task) -> None:
        """A task ended or stopped: it is not runnable any more."""
        if task.sched.queued:
            task.sched.queued = False
            self.policy.dequeue(task)

    def yield_(self, task: Task) -> None:
        """sched_yield(2): behind the others, if there are any."""
        if len(self.policy):
            self._resched = "yield"
            self.kernel.cpu.stop()

    def set_nice(self, task: Task, nice: int) -> None:
        """set_user_nice(): counts from now on."""
        task.nice = nice
        task.sched.weight = weight_of(nice)

    def cpu_time(self, task: Task) -> int:
        """CPU time of a task so far, ns."""
        if task is self.current:
            self._charge(task, self.kernel.clock.monotonic_ns())
        return task.sched.cpu_ns

    def _charge(self, task: Task, now: int) -> None:
        ran = now - self._since_ns
        if ran > 0:
            self._since_ns = now
            task.sched.cpu_ns += ran
            self.policy.charge(task, ran)

    # -- the loop ------------------------------------------------------------------------------

    def run(self) -> None:
        """Until all tasks have ended. Raises Deadlock, and what `on_slice` raises."""
        kernel = self.kernel
        while kernel.tasks:
            self.on_slice()
            kernel.timers.run_expired()
            if not self._choose():
                self._idle()
                continue
            task = self.current
            assert task is not None
            if self._loaded is not task:
                self._switch_to(task)
            if entry.prepare_to_run(task):
                self._run_slice(task)

    def _choose(self) -> bool:
        """__schedule(): keep the current task or pick another. False: nobody is runnable."""
        previous = self.current
        policy = self.policy
        if previous is not None and previous.state == RUNNING:
            if not self._resched and self._slice_end_ns is None:
                return True
            now = self.kernel.clock.monotonic_ns()
            if not self._resched and now < (self._slice_end_ns or 0):
                return True
            self._charge(previous, now)
            self.load.advance(now, len(policy) + 1)
            if not len(policy):
                self._resched, self._slice_end_ns = "", None
                return True
            reason = self._resched or "slice"
            previous.sched.queued = True
            previous.sched.enqueued_ns = now
            policy.enqueue(previous, wakeup=False)
            previous.sched.switches[1] += 1
        else:
            now = self.kernel.clock.monotonic_ns()
            reason = "blocked"
            self.load.advance(now, len(policy) + (previous is not None))
            if previous is not None:
                self._charge(previous, now)
                previous.sched.switches[0] += 1
                if previous.exited:
                    reason = "exit"
                elif previous.state == STOPPED:
                    reason = "stop"
        self._resched = ""
        task = policy.pick()
        if task is not previous:
            self.switches += 1
            self._note_switch(previous, task, reason)
        self.current = task
        if task is None:
            return False
        self._begin(task, now)
        return True

    def _note_switch(self, previous: Task | None, task: Task | None, reason: str) -> None:
        if self.kernel.tracer.switches:
            old, new = previous.pid if previous else 0, task.pid if task else 0
            self.kernel.probes.switch(old, new, reason)

    def _begin(self, task: Task, now: int) -> None:
        """The picked task's turn starts."""
        entity = task.sched
        entity.queued = False
        entity.wait_ns += now - entity.enqueued_ns
        entity.slices += 1
        if entity.first_run_ns is None:
            entity.first_run_ns = now
        self._since_ns = now
        self._slice_end_ns = None
        if len(self.policy):
            self._start_slice(task, now)

    def _start_slice(self, task: Task, now: int) -> None:
        length = self.policy.slice_ns(task)
        if length is not None:
            self._slice_end_ns = now + length
            self.kernel.cpu.limit(max(1, length // NS_PER_BLOCK))

    def _idle(self) -> None:
        """HLT: the next thing to happen is a timer."""
        deadline = self.kernel.timers.next_deadline()
        if self.wait_for_input(deadline):
            return
        if deadline is None:
            raise Deadlock
        clock = self.kernel.clock
        start = clock.monotonic_ns()
        clock.jump_to(deadline)
        now = clock.monotonic_ns()
        self.load.idle_ns += now - start
        self.load.advance(now, 0)

    def _switch_to(self, task: Task) -> None:
        """context_switch(): registers and address space."""
        previous = self._loaded
        cpu = self.kernel.cpu
        if previous is not None and not previous.exited:
            previous.cpu_state = cpu.snapshot()
        cpu.load(task.cpu_state)
        cpu.state[CR3] = task.mm.cr3
        # Threads share what the TLB holds.
        if previous is None or previous.mm is not task.mm or previous.exited:
            cpu.flush_tlb()
        self._loaded = task

    def _run_slice(self, task: Task) -> None:
        kernel = self.kernel
        blocks = SLICE_BLOCKS
        deadline = kernel.timers.next_deadline()
        if deadline is not None:
            blocks = min(blocks, kernel.clock.blocks_until(deadline))
        if self._slice_end_ns is not None:
            now = kernel.clock.monotonic_ns()
            blocks = min(blocks, max(1, (self._slice_end_ns - now) // NS_PER_BLOCK))
        kernel.cpu.run(blocks)
        if task.group.cpu_limit is not None:
            self._check_cpu_limit(task.group, *task.group.cpu_limit)

    def _check_cpu_limit(self, group: ThreadGroup, soft: int, hard: int) -> None:
        """RLIMIT_CPU: SIGXCPU at the soft limit and each second after, then SIGKILL."""
        used = group.cpu_ns + sum(self.cpu_time(thread) for thread in group.threads)
        if used < soft or not group.threads:
            return
        group.cpu_limit = (used + NS_PER_SECOND, hard)
        signo = Sig.SIGKILL if used >= hard else Sig.SIGXCPU
        send_signal(group.threads[0], SigInfo(signo))
