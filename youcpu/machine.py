"""The machine: the only place that wires RAM, CPU, kernel and tracer together."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import AT_FDCWD
from youcpu.hardware.cpu import Cpu
from youcpu.hardware.memory import Ram
from youcpu.kernel.cred import Credentials
from youcpu.kernel.errors import KernelError
from youcpu.kernel.exec.binfmt_misc import BinfmtMisc
from youcpu.kernel.init import first_task, kernel_execve
from youcpu.kernel.kernel import Kernel
from youcpu.kernel.kthread import kernel_thread
from youcpu.kernel.mm.paging_limits import PagingLimits
from youcpu.kernel.rlimit import Rlimits
from youcpu.kernel.sched import Deadlock, make_policy
from youcpu.kernel.sched.policy import Tunables
from youcpu.kernel.syscalls import load_all
from youcpu.kernel.task import Task, ThreadGroup
from youcpu.kernel.vfs.binfmt_fs import mount_binfmt_misc
from youcpu.kernel.vfs.fdtable import FdTable
from youcpu.kernel.vfs.mount import MountOptions
from youcpu.kernel.vfs.namei import LOOKUP_FOLLOW, path_lookup
from youcpu.record import field, record
from youcpu.trace.events import Event, FramesEvent
from youcpu.trace.tracer import Tracer

#: PID of the first program; its parent is the machine's init, 1.
FIRST_PID = 1000


class TimeLimit(Exception):
    """The run took longer than its user allowed."""


class RuleRefused(Exception):
    """A binfmt_misc rule of the options that the kernel does not take."""

    def __init__(self, rule: bytes, errno: Errno) -> None:
        super().__init__(f"--binfmt {os.fsdecode(rule)}: {errno.name} ({errno.text})")


@record
class MachineOptions:
    """What the user of a machine can choose. Sizes in bytes, times in ns or s as named."""

    memory: int = 2 << 30
    seed: int = 0
    epoch_ns: int | None = None
    aslr: bool = False
    rootfs: bytes = b"/"
    writable: tuple[bytes, ...] = ()
    cwd: bytes | None = None
    timeout_s: float | None = None
    personality: int = 0
    #: Less RAM for programs than there is, and swap; None: no limit.
    paging: PagingLimits | None = None
    #: Scheduling policy (kernel/sched/policies.py) and what may be set of it.
    policy: str = "eevdf"
    tunables: Tunables = field(default_factory=Tunables)
    #: binfmt_misc rules, registered before the first program is executed.
    binfmt: tuple[bytes, ...] = ()
    rlimits: Rlimits = field(default_factory=Rlimits)


class Machine:
    """One emulated computer with youcpu's kernel on it."""

    def __init__(
        self, options: MachineOptions, tracer: Tracer | None = None, cpu: type[Cpu] = Cpu
    ) -> None:
        """`cpu`: another kind of CPU (hardware/recording_cpu.py)."""
        load_all()
        self.options = options
        self.tracer = tracer or Tracer()
        self.ram = Ram(options.memory)
        self.cpu = cpu(self.ram)
        epoch = time.time_ns() if options.epoch_ns is None else options.epoch_ns
        self.kernel = Kernel(self.ram, self.cpu, epoch, options.seed, self.tracer, options.paging)
        self.kernel.scheduler.policy = make_policy(options.policy, options.tunables)
        if options.aslr:
            self.kernel.enable_aslr()
        self.kernel.vfs.mount_all(MountOptions(options.rootfs, options.writable))
        self.kernel.binfmt_misc = BinfmtMisc()
        mount_binfmt_misc(self.kernel, self.kernel.vfs)
        kernel_thread(self.kernel, self.kernel.init, b"init")
        self.first_pid = FIRST_PID
        #: The host's descriptors that the first program gets as 0, 1 and 2.
        self.standard_fds = (0, 1, 2)
        self._deadline: float | None = None
        #: Called whenever the CPU stopped, before another task may get it.
        self.between_slices: Callable[[], None] = lambda: None

    def new_task(self) -> Task:
        """The first task: the invoking user's ids, the host's standard files, no memory yet."""
        kernel = self.kernel
        options = self.options
        cred = Credentials.of(os.getuid(), os.getgid(), tuple(os.getgroups()))
        pid = kernel.alloc_pid(None if kernel.first_pid else FIRST_PID)
        group = ThreadGroup(pid, cred, options.rlimits)
        # As a job of a shell whose session is init's: a group of its own, no session leader.
        group.started_by_user = True
        group.parent, group.sid = kernel.init, kernel.init.sid
        kernel.init.children.append(group)
        if not kernel.first_pid:
            kernel.first_pid = pid
            kernel.host_terminal.session, kernel.host_terminal.pgrp = group.sid, pid
        files = FdTable()
        for fd, host_fd in enumerate(self.standard_fds):
            file = kernel.vfs.standard_file(host_fd)
            if file is not None:
                files.replace(fd, file)
        if kernel.vfs.terminals:
            group.tty = kernel.host_terminal
        task = first_task(kernel, group, files, _umask())
        task.fs.cwd = path_lookup(task, AT_FDCWD, options.cwd or self._default_cwd(), LOOKUP_FOLLOW)
        task.personality = options.personality
        return task

    def _default_cwd(self) -> bytes:
        """Ours; below --rootfs the root, as chroot(8) does."""
        return os.getcwdb() if self.options.rootfs == b"/" else b"/"

    def execute(self, path: bytes, argv: list[bytes], envp: list[bytes]) -> Task:
        """execve the first program. Raises KernelError (ExecError names the file at fault)."""
        task = self.new_task()
        self.kernel.scheduler.start(task)
        self._register_rules(task)
        kernel_execve(task, path, argv, envp)
        return task

    def _register_rules(self, task: Task) -> None:
        assert self.kernel.binfmt_misc is not None
        for rule in self.options.binfmt:
            try:
                self.kernel.binfmt_misc.register(task, rule)
            except KernelError as error:
                raise RuleRefused(rule, error.errno) from None

    def set_nice(self, pid: int, nice: int) -> None:
        """The nice value of a program."""
        self.kernel.scheduler.set_nice(self.kernel.tasks[pid], nice)

    def execute_beside(
        self, path: bytes, argv: list[bytes], envp: list[bytes], nice: int = 0
    ) -> Task:
        """execve one more program, which runs together with the first. Raises KernelError."""
        kernel, cpu = self.kernel, self.cpu
        first = kernel.scheduler.current
        assert first is not None
        registers = cpu.snapshot()
        task = self.new_task()
        try:
            kernel_execve(task, path, argv, envp, told=False)
            task.cpu_state = cpu.snapshot()
            task.nice = nice
        finally:
            cpu.load(registers)
            cpu.flush_tlb()
        kernel.scheduler.wake_up_new(first, task)
        return task

    def snapshot_frames(self, after_ns: int, take: Callable[[Event], None]) -> None:
        """Give `take` a FramesEvent once so much virtual time has passed."""
        from youcpu.kernel.mm.frame_report import frame_users

        kernel = self.kernel

        def fire() -> None:
            task = next(iter(kernel.tasks.values()), None)
            if task is not None:
                take(FramesEvent(task.pid, kernel.clock.realtime_ns(), frame_users(task)))

        kernel.timers.add(kernel.clock.monotonic_ns() + after_ns, fire)

    def run(self) -> int:
        """Run until all programs have ended; wait status of the first. Raises TimeLimit."""
        if self.options.timeout_s is not None:
            self._deadline = time.monotonic() + self.options.timeout_s
        self.kernel.scheduler.on_slice = self._check_time
        try:
            self.kernel.scheduler.run()
        except Deadlock:
            # What a program left behind asleep does not keep its user waiting.
            if self.kernel.init_status is None:
                raise
        status = self.kernel.init_status
        assert status is not None
        return status

    def _check_time(self) -> None:
        self.between_slices()
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise TimeLimit

    def close(self) -> None:
        """The end: shared mappings reach the host, the terminal is as it was, the CPU goes."""
        self.kernel.vfs.write_back()
        self.kernel.vfs.restore_terminals()
        self.cpu.close()


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


__all__ = ["KernelError", "Machine", "MachineOptions", "TimeLimit"]
