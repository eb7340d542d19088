"""A machine whose kernel was started by a boot: the RAM and the CPU run already.

Firmware and a boot loader have brought the CPU into 64-bit mode with tables of their own. The
kernel takes both over, builds its own tables, finds an init and runs it until the machine is
switched off, restarted or halted, or the kernel panics.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Sequence

from youcpu.abi.e820 import E820_TYPE_RESERVED, E820Entry
from youcpu.hardware.cpu import Cpu
from youcpu.hardware.memory import OutOfFrames, Ram
from youcpu.kernel.init import kernel_init, rest_init, start_kernel, usable_ranges
from youcpu.kernel.kernel import BootMemory, Kernel
from youcpu.kernel.panic import SystemEnd
from youcpu.kernel.params import BootParameters
from youcpu.kernel.sched import Deadlock, make_policy
from youcpu.kernel.syscalls import load_all
from youcpu.kernel.tty.tty import SERIAL, Tty
from youcpu.kernel.vfs.mount import MountOptions
from youcpu.machine import MachineOptions, TimeLimit
from youcpu.record import record
from youcpu.trace.tracer import Tracer

#: What a PC says of its memory below 1 MiB; behind it everything is usable.
LOW_MAP = (
    E820Entry(0, 0x9FC00),
    E820Entry(0x9FC00, 0x400, E820_TYPE_RESERVED),
    E820Entry(0xF0000, 0x10000, E820_TYPE_RESERVED),
)
#: Seconds between looks at the time limit while only input could wake somebody.
_LOOK_S = 0.05


class NotEnoughMemory(Exception):
    """The memory map leaves too little for the kernel's own tables."""


@record
class BootOutcome:
    """How a boot ended. `how`: power off, restart, halt, panic, timeout or idle; `text`: why."""

    how: str
    text: str = ""
    #: What RESTART2 said; panic= asked for a restart.
    command: str = ""
    rebooting: bool = False


class ConsoleLine:
    """The line that the console is on. `send` takes what goes out; `fd` gives what comes in.

    `fd` None: nothing comes in. A terminal is looked at between slices, so that Ctrl-C reaches
    a program that computes; anything else is read when nobody can run, which makes two runs
    alike.
    """

    def __init__(self, send: Callable[[bytes], object], fd: int | None = None) -> None:
        self.send = send
        self.fd = fd
        self.interactive = fd is not None and os.isatty(fd)


class BootedMachine:
    """youcpu's kernel on a computer that a boot loader leaves to it."""

    def __init__(
        self,
        ram: Ram,
        cpu: Cpu,
        memory_map: Sequence[E820Entry],
        command_line: bytes,
        options: MachineOptions,
        tracer: Tracer | None = None,
        console: ConsoleLine | None = None,
        taken: tuple[tuple[int, int], ...] = (),
    ) -> None:
        """`taken`: byte ranges above 1 MiB that the boot loader's tables, code and stack are in;
        they become free with free_initmem(). Of `options` memory, cwd and binfmt do not count.

        Raises NotEnoughMemory; ValueError where the CPU is not in 64-bit mode.
        """
        load_all()
        if not cpu.in_64_bit_mode:
            raise ValueError("the kernel is entered in 64-bit mode")
        self.ram, self.cpu = ram, cpu
        self.options = options
        self.tracer = tracer or Tracer()
        self.memory_map = tuple(memory_map)
        self.parameters = BootParameters.parse(command_line)
        limit = self.parameters.memory_limit
        usable = usable_ranges(memory_map, ram.size, limit, taken)
        if not usable:
            raise NotEnoughMemory("no usable memory above 1 MiB")
        for first, end in usable:
            ram.forget(first, end)
        epoch = time.time_ns() if options.epoch_ns is None else options.epoch_ns
        try:
            self.kernel = kernel = Kernel(
                ram, cpu, epoch, options.seed, self.tracer, memory=BootMemory(usable, taken)
            )
        except OutOfFrames:
            raise NotEnoughMemory("too little memory for the kernel's own tables") from None
        kernel.scheduler.policy = make_policy(options.policy, options.tunables)
        if options.aslr:
            kernel.enable_aslr()
        kernel.vfs.mount_all(MountOptions(options.rootfs, options.writable, booting=True))
        self.console = console or ConsoleLine(lambda data: None)
        self.tty = Tty(kernel, SERIAL, self.console.send)
        kernel.vfs.console_tty = self.tty
        self._input_open = self.console.fd is not None
        #: Called whenever the CPU stopped, before another task may get it.
        self.between_slices: Callable[[], None] = lambda: None
        #: Called when init is there and no instruction of it has run.
        self.before_user: Callable[[], None] = lambda: None
        self._deadline: float | None = None

    @classmethod
    def power_on(
        cls, options: MachineOptions, command_line: bytes = b"", tracer: Tracer | None = None,
        console: ConsoleLine | None = None,
    ) -> BootedMachine:  # fmt: skip
        """A computer whose firmware and boot loader took no step: for a kernel at once."""
        ram = Ram(options.memory)
        memory_map = (*LOW_MAP, E820Entry(1 << 20, options.memory - (1 << 20)))
        return cls(ram, Cpu(ram), memory_map, command_line, options, tracer, console)

    def run(self) -> BootOutcome:
        """start_kernel() to the end of the machine."""
        kernel = self.kernel
        if self.options.timeout_s is not None:
            self._deadline = time.monotonic() + self.options.timeout_s
        kernel.scheduler.on_slice = self._between_slices
        kernel.scheduler.wait_for_input = self._wait_for_input
        try:
            start_kernel(kernel, self.memory_map, self.parameters)
            kernel.printk.register_console(self.tty.discipline.write)
            kernel_init(rest_init(kernel), self.parameters)
            self.before_user()
            kernel.scheduler.run()
        except SystemEnd as end:
            self._end(end.how, end.text)
            return BootOutcome(end.how, end.text, end.command, end.rebooting)
        except TimeLimit:
            return BootOutcome("timeout", f"the time limit of {self.options.timeout_s:g} s")
        except Deadlock:
            return BootOutcome("idle", "every task sleeps and nothing can wake one")
        raise AssertionError("init is gone and the kernel did not panic")

    def _end(self, how: str, text: str) -> None:
        current = self.kernel.scheduler.current
        self.kernel.probes.system_end(current.pid if current is not None else 0, how, text)

    # -- while it runs -------------------------------------------------------------------------

    def _between_slices(self) -> None:
        self.between_slices()
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise TimeLimit
        if self.console.interactive and self._input_open:
            self._read_input(0)

    def _wait_for_input(self, deadline_ns: int | None) -> bool:
        """Nobody can run: whether input came. Without a timer to come it is waited for."""
        while self._input_open:
            if self._read_input(0 if deadline_ns is not None else _LOOK_S):
                return True
            if deadline_ns is not None:
                return False
            self._between_slices()
        return False

    def _read_input(self, timeout_s: float) -> bool:
        fd = self.console.fd
        if fd is None or not select.select([fd], [], [], timeout_s)[0]:
            return False
        data = os.read(fd, 4096)
        if not data:
            self._input_open = False
            return False
        self.tty.receive(data)
        return True

    def close(self) -> None:
        """The end: shared mappings reach the host, the CPU goes."""
        self.kernel.vfs.write_back()
        self.cpu.close()
