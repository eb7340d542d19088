"""A kernel without a CPU: real RAM, real address space, system calls by number from Python."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from youcpu.abi.syscalls import NUMBERS_X86_64
from youcpu.hardware.memory import FrameAllocator, Ram
from youcpu.kernel.cred import Credentials
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.mm import MM
from youcpu.kernel.mm.mmap import mmap_region
from youcpu.kernel.mm.uaccess import copy_from_user, copy_to_user
from youcpu.kernel.mm.vm_area import VM_MAYREAD, VM_MAYWRITE, VM_READ, VM_WRITE
from youcpu.kernel.rlimit import Rlimits
from youcpu.kernel.sched.loadavg import LoadAverage
from youcpu.kernel.signal import Pending, SignalHandlers
from youcpu.kernel.syscalls.table import SYSCALLS
from youcpu.kernel.task import SchedEntity
from youcpu.kernel.timer import TimerQueue
from youcpu.kernel.tty.job_control import Terminal
from youcpu.kernel.vfs.fdtable import FdTable
from youcpu.kernel.vfs.mount import MountOptions, Vfs
from youcpu.kernel.vfs.namei import FsStruct

USER = 0x10000000
USER_SIZE = 8 << 20
AT_FDCWD = -100


class FakeKernel:
    """What the VFS asks of the kernel."""

    def __init__(self, size: int) -> None:
        self.ram = Ram(size)
        self.frames = FrameAllocator(self.ram)
        self.tasks: dict[int, Any] = {}
        self.random = random.Random(1)
        self.now = 0
        self.clock = SimpleNamespace(
            realtime_ns=lambda: 1_700_000_000_000_000_000 + self.now,
            monotonic_ns=lambda: self.now,
        )
        self.tracer = SimpleNamespace(faults=False)
        self.signals: list[tuple[int, int]] = []
        self.release, self.aslr = b"6.18.0-test", None
        self.timers = TimerQueue(self.clock)  # type: ignore[arg-type]
        self.hostname, self.domainname = b"youcpu", b"(none)"
        self.groups: dict[int, Any] = {}
        self.host_terminal = Terminal()
        self.kernel_threads: dict[int, Any] = {}
        self.last_pid, self.total_forks, self.command_line = 1, 1, b"BOOT_IMAGE=youcpu"
        self.scheduler = SimpleNamespace(
            load=LoadAverage(0), switches=0, cpu_time=lambda task: self.now
        )

    def find_task(self, pid: int) -> Any:
        return self.tasks.get(pid)

    def banner(self) -> bytes:
        return b"Linux version 6.18.0-test\n"

    def send_signal(self, task: Any, signo: int) -> None:
        self.signals.append((task.pid, signo))


class Machine:
    """One task. `call("openat", ...)`: bytes and str arguments become pointers."""

    def __init__(self, options: MountOptions, size: int = 64 << 20, uid: int | None = None) -> None:
        import youcpu.kernel.syscalls.files  # noqa: F401

        self.kernel = kernel = FakeKernel(size)
        kernel.vfs = vfs = Vfs(kernel)  # type: ignore[attr-defined, arg-type]
        vfs.mount_all(options)
        mm = MM(kernel.frames, kernel.frames.alloc(), [0] * 256)
        flags = VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE
        mmap_region(mm, USER, USER_SIZE, flags, None, 0)
        uid = os.getuid() if uid is None else uid
        group = SimpleNamespace(
            pid=1,
            threads=[],
            rlimits=Rlimits(),
            pgid=1,
            sid=1,
            parent=None,
            kernel_thread=False,
            did_exec=True,
            dead_leader=None,
            leader_cred=Credentials.of(uid, uid),
            exit_signal=17,
            cpu_time=lambda: 0,
            children_cpu_ns=0,
            major_faults=0,
            children_minor_faults=0,
            children_major_faults=0,
            pending=Pending(),
            start_ns=0,
            minor_faults=0,
            tty=None,
        )
        self.task: Any = SimpleNamespace(
            kernel=kernel,
            pid=1,
            tgid=1,
            ppid=0,
            group=group,
            comm=b"test",
            cred=Credentials.of(uid, os.getgid() if uid == os.getuid() else uid),
            mm=mm,
            files=FdTable(),
            fs=FsStruct(vfs.root, vfs.root, 0o022),
            restart=None,
            state="R",
            nice=0,
            blocked=0,
            exited=False,
            no_new_privs=False,
            pending=Pending(),
            sighand=SignalHandlers(),
            sched=SchedEntity(),
            restore_mask=None,
            set_blocked=lambda mask: setattr(self.task, "blocked", mask),
        )
        group.threads.append(self.task)
        kernel.tasks[1] = self.task
        kernel.groups[1] = group
        self._next = USER

    def put(self, data: bytes) -> int:
        """Store bytes in user memory; the address."""
        if self._next + len(data) + 16 > USER + (USER_SIZE >> 1):
            self._next = USER
        address = self._next
        self._next += (len(data) + 15) & ~15
        copy_to_user(self.task, address, data)
        return address

    @property
    def buffer(self) -> int:
        """Room for answers: the upper half of user memory."""
        return USER + (USER_SIZE >> 1)

    def get(self, size: int, address: int | None = None) -> bytes:
        return copy_from_user(self.task, self.buffer if address is None else address, size)

    def row(self, name: str) -> Any:
        """A system call's row of the table."""
        return SYSCALLS[NUMBERS_X86_64[name]]

    def call(self, name: str, *arguments: int | bytes | str) -> int:
        """The result, -errno for an error. Blocked comes through."""
        raw = []
        for argument in arguments:
            if isinstance(argument, str):
                argument = os.fsencode(argument) + b"\0"
            if isinstance(argument, bytes):
                argument = self.put(argument)
            raw.append(argument & ((1 << 64) - 1))
        raw += [0] * (6 - len(raw))
        row = self.row(name)
        try:
            result = row.dispatch(self.task, *raw) or 0
        except KernelError as error:
            result = -int(error.errno)
        self.task.restart = None
        return result

    # Shorthands.

    def open(self, path: str | bytes, flags: int = 0, mode: int = 0o666) -> int:
        return self.call("openat", AT_FDCWD, os.fsdecode(path), flags, mode)

    def write_file(self, path: str, data: bytes) -> None:
        fd = self.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        assert fd >= 0, fd
        assert self.call("write", fd, data, len(data)) == len(data)
        self.call("close", fd)

    def read(self, fd: int, count: int = 65536) -> bytes:
        size = self.call("read", fd, self.buffer, count)
        assert size >= 0, size
        return self.get(size)

    def read_file(self, path: str) -> bytes:
        fd = self.open(path)
        assert fd >= 0, fd
        parts = []
        while data := self.read(fd):
            parts.append(data)
        self.call("close", fd)
        return b"".join(parts)

    def stat(self, path: str, follow: bool = True) -> tuple[int, ...]:
        """dev ino nlink mode uid gid rdev size blksize blocks and three times in ns."""
        result = self.call("stat" if follow else "lstat", path, self.buffer)
        if result < 0:
            raise OSError(-result, os.strerror(-result))
        f = struct.unpack("<QQQIII4xQqqqqQqQqQ24x", self.get(144))
        times = tuple(f[i] * 10**9 + f[i + 1] for i in (10, 12, 14))
        return (*f[:10], *times)

    def listdir(self, path: str) -> list[bytes]:
        """Names in order, with "." and ".."."""
        fd = self.open(path, os.O_RDONLY | os.O_DIRECTORY)
        assert fd >= 0, fd
        names = []
        while (size := self.call("getdents64", fd, self.buffer, 4096)) > 0:
            data = self.get(size)
            at = 0
            while at < size:
                (length,) = struct.unpack_from("<H", data, at + 16)
                names.append(data[at + 19 : at + length].split(b"\0")[0])
                at += length
        assert size == 0, size
        self.call("close", fd)
        return names


@pytest.fixture
def machine() -> Machine:
    """The host's tree under an overlay."""
    return Machine(MountOptions())


@pytest.fixture
def make_machine() -> Callable[..., Machine]:
    """Machines with options of the test's own."""
    return Machine
