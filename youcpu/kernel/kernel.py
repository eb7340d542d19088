"""Machine-wide kernel state: what Linux keeps in globals."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from youcpu.hardware.cpu import CR3, Cpu
from youcpu.hardware.memory import FrameAllocator, Ram
from youcpu.kernel.clock import UPTIME_NS, Clock
from youcpu.kernel.cred import Credentials
from youcpu.kernel.entry import Entry
from youcpu.kernel.exec.vdso import Vdso
from youcpu.kernel.exit import notify_job_control
from youcpu.kernel.futex import Futexes
from youcpu.kernel.ipc.namespace import IpcNamespace
from youcpu.kernel.kernel_half import KernelHalf
from youcpu.kernel.mm.mm import MM
from youcpu.kernel.printk import Printk
from youcpu.kernel.probes import Probes
from youcpu.kernel.rlimit import Rlimits
from youcpu.kernel.sched import Scheduler
from youcpu.kernel.signal import SigInfo, send_signal
from youcpu.kernel.task import ThreadGroup
from youcpu.kernel.timer import TimerQueue
from youcpu.kernel.tty.job_control import Terminal
from youcpu.kernel.vfs.mount import Vfs
from youcpu.record import record
from youcpu.trace.tracer import Tracer

if TYPE_CHECKING:
    from youcpu.kernel.exec.binfmt_misc import BinfmtMisc
    from youcpu.kernel.mm.paging_limits import PagingLimits
    from youcpu.kernel.mm.reclaim import Reclaim
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.file import File


@record
class BootMemory:
    """What a boot loader left: (first frame, frame behind) to use, byte ranges still in use."""

    usable: tuple[tuple[int, int], ...]
    taken: tuple[tuple[int, int], ...] = ()


#: What uname(2) says: the Linux whose answers the kernel gives.
RELEASE = b"6.18.0-youcpu"
PID_MAX = 4194304


class Kernel:
    """RAM and its frames, tasks, clock and timers, seeded randomness, the mount tree."""

    def __init__(
        self, ram: Ram, cpu: Cpu, epoch_ns: int, seed: int, tracer: Tracer,
        paging: PagingLimits | None = None, memory: BootMemory | None = None,
    ) -> None:  # fmt: skip
        """`memory`: what a boot loader left of RAM; None: the machine is ours from power-on."""
        self.ram = ram
        self.cpu = cpu
        self.frames = FrameAllocator(ram, ranges=memory.usable if memory is not None else ())
        #: Byte ranges that free_initmem() gives back.
        self.boot_memory = memory.taken if memory is not None else ()
        #: Keeps programs within less RAM than there is; None: they may have all.
        self.reclaim: Reclaim | None = None
        if paging is not None:
            self.frames, self.reclaim = paging.make(ram, cpu.flush_code, seed)
        self.kernel_half = KernelHalf(self.frames, cpu)
        #: The page of zeros that reads of untouched memory share.
        self.zero_frame = self.frames.alloc()
        self.clock = Clock(lambda: cpu.blocks, epoch_ns, 0 if memory is not None else UPTIME_NS)
        if memory is not None:
            # Time begins here, not with the firmware's first block.
            self.clock.advance(-self.clock.monotonic_ns())
        self.vdso = Vdso(self.frames, self.clock)
        self.timers = TimerQueue(self.clock)
        self.random = random.Random(seed)
        self.aslr: random.Random | None = None
        self.tracer = tracer
        self.probes = Probes(tracer, self.clock, cpu)
        self.printk = Printk(self.clock, tracer)
        self.command_line = b"BOOT_IMAGE=youcpu"
        #: LINUX_REBOOT_CMD_CAD_ON: C_A_D.
        self.ctrl_alt_del_restarts = True
        #: panic=: seconds until a restart, 0: none.
        self.panic_timeout = 0
        self.oom_kills = 0
        self.scheduler = Scheduler(self)
        self.entry = Entry(self)
        self.tasks: dict[int, Task] = {}
        self.groups: dict[int, ThreadGroup] = {}
        #: The PID given out last, and how many tasks were made.
        self.last_pid = self.total_forks = 0
        #: Tasks without a program, in `groups` too: kthread.c.
        self.kernel_threads: dict[int, Task] = {}
        #: PID 1: the program that a boot ends in, or a task of the kernel that adopts orphans.
        self.init = ThreadGroup(1, Credentials.of(0, 0), Rlimits())
        self.groups[1] = self.init
        self.futexes = Futexes()
        self.ipc = IpcNamespace()
        #: The user's terminal, where programs are run without a boot.
        self.host_terminal = Terminal()
        self.hostname = b"youcpu"
        self.domainname = b"(none)"
        self.release = RELEASE
        self.vfs = Vfs(self)
        #: Formats that the user registered; None: not mounted.
        self.binfmt_misc: BinfmtMisc | None = None
        self.first_pid = 0
        #: What the first program ended with; set once by its exit.
        self.init_status: int | None = None
        #: Whether the host's kernel would have written core files ("core dumped").
        self.core_dumps = False

    def new_mm(self) -> MM:
        """An empty address space with the kernel half in it."""
        mm = MM(self.frames, self.zero_frame, self.kernel_half.entries)
        if self.reclaim is not None:
            self.reclaim.add_mm(mm)
        return mm

    def alloc_pid(self, first: int | None = None) -> int:
        """The next free PID, cyclic; wraps to 300 (RESERVED_PIDS)."""
        pid = self.last_pid + 1 if first is None else first
        while pid in self.tasks or pid in self.groups or pid >= PID_MAX:
            pid = 300 if pid + 1 >= PID_MAX else pid + 1
        self.last_pid = pid
        self.total_forks += 1
        return pid

    def pid_allocated(self, pid: int) -> None:
        """The next PID is the one behind it."""
        self.last_pid = pid

    def find_task(self, pid: int) -> Task | None:
        """The thread of that id, of a program or of the kernel."""
        return self.tasks.get(pid) or self.kernel_threads.get(pid)

    def user_tasks(self, uid: int) -> int:
        """Tasks of a real user id: what RLIMIT_NPROC counts."""
        return sum(1 for task in self.tasks.values() if task.cred.uid == uid)

    def banner(self) -> bytes:
        """linux_banner."""
        return b"Linux version " + self.release + b" (youcpu) #1 SMP PREEMPT_DYNAMIC\n"

    def send_signal(self, task: Task, signo: int) -> None:
        """A signal of the kernel itself to a thread (SIGPIPE, SIGXFSZ)."""
        send_signal(task, SigInfo(signo, 0, pid=task.tgid, uid=task.cred.uid), to_thread=True)

    def enable_aslr(self) -> None:
        """Random placement of stack, libraries, program and heap, from the machine's seed."""
        self.aslr = random.Random(self.random.getrandbits(64))

    def reschedule_timer(self) -> None:
        """A timer was set: the running slice may be longer than it."""
        self.cpu.stop()

    def shmem_file(self, task: Task, size: int) -> File:
        """An unnamed tmpfs file for a shared anonymous mapping: shmem_zero_setup()."""
        return self.vfs.shmem_file(task, size)

    def activate_mm(self, mm: MM) -> None:
        """The current task has another address space: the CPU walks its tables from now on."""
        if self.reclaim is not None:
            self.reclaim.before_change()
        self.cpu.state[CR3] = mm.cr3
        self.cpu.flush_tlb()

    def leave_mm(self, mm: MM) -> None:
        """An address space goes away: the CPU must not walk its tables any more."""
        if self.reclaim is not None:
            self.reclaim.before_change()
        if self.cpu.state[CR3] == mm.cr3:
            self.cpu.state[CR3] = self.kernel_half.root << 12
            self.cpu.flush_tlb()
        if mm.stale_code or mm.code_frames:
            self.cpu.flush_code()

    def map_vdso(self, mm: MM) -> int:
        """Address of the vDSO in a new address space."""
        return self.vdso.map(mm)

    def set_realtime(self, now_ns: int) -> None:
        """The wall clock is set: do_settimeofday64()."""
        self.clock.boot_realtime_ns += now_ns - self.clock.realtime_ns()
        self.vdso.update()

    def on_exec(self, task: Task) -> None:
        """The task has a new address space."""

    def process_continued(self, group: ThreadGroup) -> None:
        """SIGCONT ended a job-control stop."""
        notify_job_control(group, "continued")

    def process_ended(self, group: ThreadGroup) -> None:
        """The last thread of a process is gone."""
        if group.pid == self.first_pid and self.init_status is None:
            self.init_status = group.exit_status
