"""What the kernel tells the tracer: kernel/trace/, events made only while someone listens."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from youcpu.abi.args import Capture
from youcpu.abi.args_signal import siginfo_value
from youcpu.abi.fcntl import AT_FDCWD
from youcpu.hardware.cpu import RSP
from youcpu.hardware.memory import PAGE_SHIFT
from youcpu.hardware.paging import PF_INSTR, PF_USER, PF_WRITE
from youcpu.kernel.mm.uaccess import copy_from_user_partial
from youcpu.kernel.sigframe import pack_siginfo
from youcpu.kernel.vfs.dcache import d_path
from youcpu.kernel.vfs.procfs_maps import map_rights
from youcpu.trace.capture import enter, first_exec, leave
from youcpu.trace.events import (
    BlockedEvent,
    BootStepEvent,
    ExitEvent,
    FaultEvent,
    ForkEvent,
    FramesEvent,
    MapLine,
    MapsEvent,
    MemoryEvent,
    SignalEvent,
    SwitchEvent,
    SyscallEvent,
    SystemEndEvent,
    WakeEvent,
)
from youcpu.trace.tracer import Tracer

if TYPE_CHECKING:
    from youcpu.hardware.cpu import Cpu
    from youcpu.kernel.clock import Clock
    from youcpu.kernel.signal import SigInfo
    from youcpu.kernel.syscalls.table import Syscall
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.file import File


def describe_path(file: File, task: Task) -> bytes:
    """What /proc/PID/fd shows for an open file."""
    return file.path(task.fs.root)


class Probes:
    """Makes events of one machine. Callers ask `tracer.<kind>` first."""

    def __init__(self, tracer: Tracer, clock: Clock, cpu: Cpu) -> None:
        self.tracer = tracer
        self.cpu = cpu
        self.clock = clock
        self._captures: dict[int, Capture] = {}
        #: Calls that have not returned, by pid: the exit of a task ends its call too.
        self._open: dict[int, SyscallEvent] = {}

    def _capture(self, task: Task) -> Capture:
        capture = self._captures.get(task.pid)
        if capture is None:

            def read(address: int, size: int) -> bytes:
                return copy_from_user_partial(task, address, size)

            def fd_path(fd: int) -> bytes | None:
                if fd == AT_FDCWD:
                    return d_path(task.fs.cwd, task.fs.root)[0]
                file = task.files.files.get(fd)
                return None if file is None else describe_path(file, task)

            tracer = self.tracer
            capture = self._captures[task.pid] = Capture(
                read,
                fd_path if tracer.fd_paths else None,
                tracer.string_limit,
                tracer.verbose,
                lambda: self.cpu.state[RSP],
            )
        return capture

    def enter(
        self, task: Task, row: Syscall, arguments: tuple[int, ...], i386: bool
    ) -> SyscallEvent | None:
        """A system call begins; None: this one is not wanted."""
        if not self.tracer.wants_syscall(row.name):
            return None
        now = self.clock.realtime_ns()
        event = enter(row, arguments, self._capture(task), task.pid, now, i386)
        self._open[task.pid] = event
        return event

    def first_exec(
        self, task: Task, path: bytes, argv: list[bytes], envp: list[bytes], pointer: int,
        result: int,
    ) -> None:  # fmt: skip
        """The first program was executed (its stack is at `pointer`), or not."""
        tracer = self.tracer
        if not (tracer.syscalls and tracer.wants_syscall("execve")):
            return
        # Behind argc and argv on the new stack.
        address = pointer + 8 * (len(argv) + 2)
        event = first_exec(
            task.pid, self.clock.realtime_ns(), (path, argv, envp), address, result,
            tracer.string_limit, tracer.verbose,
        )  # fmt: skip
        tracer.emit(event)

    def leave(self, task: Task, row: Syscall, event: SyscallEvent, result: int) -> None:
        """It returned."""
        self._open.pop(task.pid, None)
        leave(event, row, result, self._capture(task), self.clock.realtime_ns())
        self.tracer.emit(event)

    def blocked(self, task: Task, event: SyscallEvent) -> None:
        """It sleeps."""
        self.tracer.emit(BlockedEvent(task.pid, self.clock.realtime_ns(), event))

    def fault(
        self,
        task: Task,
        address: int,
        error_code: int,
        ip: int,
        outcome: str,
        signal: int = 0,
        source: int = 0,
        major: bool = False,
    ) -> None:
        """A page fault was served, or was not. `source`: frame that was mapped before."""
        if error_code & PF_INSTR:
            access = "execute"
        else:
            access = "write" if error_code & PF_WRITE else "read"
        frame = task.mm.mapped_frame(address) << PAGE_SHIFT if not signal else 0
        area = task.mm.areas.at(address)
        name, offset = b"", None
        if area is not None:
            name = task.mm.area_name(area).encode()
            if area.file is not None:
                name = describe_path(area.file, task)
                offset = area.page_index(address) << PAGE_SHIFT
        self.tracer.emit(
            FaultEvent(
                task.pid, self.clock.realtime_ns(), address, access, bool(error_code & PF_USER),
                ip, outcome, frame or None, name, offset, signal,
                (source << PAGE_SHIFT) or None, self._sharers(task, address, source), major,
            )
        )  # fmt: skip

    def _sharers(self, task: Task, address: int, frame: int) -> tuple[int, ...]:
        """Other processes that map a frame where a fork left it: at the same address."""
        if not frame or frame == task.mm.zero_frame:
            return ()
        return tuple(
            group.pid
            for group in task.kernel.groups.values()
            if group.threads
            and group.threads[0].mm not in (None, task.mm)
            and group.threads[0].mm.mapped_frame(address) == frame
        )

    def memory(self, task: Task) -> None:
        """An address space is about to go."""
        from youcpu.kernel.mm.frame_report import count_pages

        counts = count_pages(task.mm)
        event = MemoryEvent(
            task.tgid, self.clock.realtime_ns(), counts.private, counts.shared, counts.files,
            counts.zero, task.mm.page_table.table_frames,
        )  # fmt: skip
        self.tracer.emit(event)

    def frames(self, task: Task) -> None:
        """Who maps what now."""
        from youcpu.kernel.mm.frame_report import frame_users

        uses = frame_users(task)
        self.tracer.emit(FramesEvent(task.pid, self.clock.realtime_ns(), uses))

    def wake(self, task: Task) -> None:
        """A task became runnable."""
        self.tracer.emit(WakeEvent(task.pid, self.clock.realtime_ns()))

    def signal(self, task: Task, info: SigInfo) -> None:
        """A signal is delivered."""
        self.tracer.emit(
            SignalEvent(
                task.pid,
                self.clock.realtime_ns(),
                info.signo,
                siginfo_value(pack_siginfo(info), self._capture(task)),
            )
        )

    def fork(self, task: Task, child: Task, how: str) -> None:
        """A task was made."""
        if self.tracer.forks:
            thread = child.group is task.group
            event = ForkEvent(task.pid, self.clock.realtime_ns(), child.pid, how, thread)
            self.tracer.emit(event)

    def switch(self, previous: int, following: int, reason: str) -> None:
        """The CPU goes from one task to another; 0: nobody."""
        self.tracer.emit(
            SwitchEvent(previous, self.clock.realtime_ns(), following, reason, self.clock.blocks())
        )

    def boot_step(self, step: str, **values: int | str | bytes) -> None:
        """The kernel's start came one step further."""
        if self.tracer.wants(BootStepEvent):
            self.tracer.emit(BootStepEvent(0, self.clock.realtime_ns(), step, values))

    def system_end(self, pid: int, how: str, text: str) -> None:
        """The machine stops: calls that will not return are shown as they are."""
        for call in list(self._open.values()):
            self.tracer.emit(call)
        self._open.clear()
        self.tracer.emit(SystemEndEvent(pid, self.clock.realtime_ns(), how, text))

    def superseded(self, task: Task, pid: int) -> None:
        """A thread takes over its process's PID by execve(2)."""
        for table in (self._captures, self._open):
            table.pop(pid, None)
        call = self._open.pop(task.pid, None)
        self._captures.pop(task.pid, None)
        if call is not None:
            call.pid = pid
            self._open[pid] = call

    def _maps(self, task: Task) -> None:
        """The address space of a process that ends."""
        lines = []
        for area in task.mm.vm_areas():
            name = task.mm.area_name(area).encode()
            device, inode, offset = (0, 0), 0, 0
            if area.file is not None:
                number = area.file.inode.dev()
                device = (os.major(number), os.minor(number))
                inode, offset = area.file.inode.ino, area.pgoff << PAGE_SHIFT
                name = describe_path(area.file, task)
            resident = sum(1 for _ in task.mm.page_table.entries(area.start, area.end))
            rights = map_rights(area)
            lines.append(
                MapLine(area.start, area.end, rights, offset, device, inode, name, resident)
            )
        self.tracer.emit(MapsEvent(task.pid, self.clock.realtime_ns(), tuple(lines)))

    def exit(self, task: Task, status: int, thread: bool) -> None:
        """A task is gone; `status` as wait4(2) gives it."""
        self._captures.pop(task.pid, None)
        call = self._open.pop(task.pid, None)
        if call is not None:
            self.tracer.emit(call)
        if self.tracer.maps and not thread:
            self._maps(task)
        signal = status & 0x7F
        event = ExitEvent(
            task.pid, self.clock.realtime_ns(), status >> 8 if not signal else 0, signal,
            bool(status & 0x80), thread,
        )  # fmt: skip
        self.tracer.emit(event)
