"""The demonstration: from the reset vector through firmware and loader to youcpu's kernel.

The firmware (firmware.rom), the boot sector and its loader (demonstration.img) are code that a
real PC runs as well (fixtures/boot). The kernel's text on the disk knocks at a door, port 5C0h:
behind it stands youcpu's kernel, which takes the RAM and the CPU over as they are.
"""

from __future__ import annotations

import os

from youcpu.abi.e820 import E820Entry
from youcpu.boot.firmware import DIRECTORY
from youcpu.boot.image import DiskImage, FileSource
from youcpu.boot.pc import Pc, PcOptions
from youcpu.booted_machine import BootedMachine, BootOutcome, ConsoleLine, NotEnoughMemory
from youcpu.hardware.board import End, Ending
from youcpu.machine import MachineOptions
from youcpu.record import record
from youcpu.trace.boot_events import BootEndEvent, OutputEvent
from youcpu.trace.tracer import Tracer

IMAGE = os.path.join(DIRECTORY, "demonstration.img")
ROOT = os.path.join(DIRECTORY, "root")
#: Where the loader put the kernel's image (fixtures/boot/demonstration/layout.inc).
_KERNEL = (0x100000, 0x200000)


@record
class DemonstrationOptions:
    """Memory in bytes, times in ns or s as named. `rootfs` None: the demonstration's own."""

    memory: int = 64 << 20
    epoch_ns: int = 0
    command_line: bytes = b""
    rootfs: bytes | None = None
    stop_at: str = ""
    instructions: int | None = None
    timeout_s: float | None = None
    #: The host's descriptor for the console's input; None: nothing comes in.
    console_fd: int | None = None


class _Stopped(Exception):
    """--stop-at in the kernel's hands."""


class Demonstration:
    """One boot. `run` once; then the machine stands still and may be asked."""

    def __init__(self, options: DemonstrationOptions, tracer: Tracer) -> None:
        self.options, self.tracer = options, tracer
        pc_options = PcOptions(
            options.memory, options.epoch_ns, door=True, stop_at=options.stop_at,
            instructions=options.instructions, timeout_s=options.timeout_s,
        )  # fmt: skip
        self.pc = Pc(pc_options, DiskImage(FileSource(IMAGE)), tracer)
        self.machine: BootedMachine | None = None

    def run(self) -> BootEndEvent:
        """From reset to the machine's end, which is told to the tracer as well."""
        ending = self.pc.power_on()
        if self.pc.parameters is not None:
            outcome = self._kernel()
        else:
            outcome = self._not_there(ending)
        event = BootEndEvent(
            0, self.pc.board.now_ns(), outcome.how, outcome.text,
            instructions=self.pc.board.instructions,
        )  # fmt: skip
        self.tracer.emit(event)
        return event

    def _not_there(self, ending: Ending) -> BootOutcome:
        """The machine ended before its kernel was entered."""
        reached = self.pc.stages.reached[-1]
        if ending.end is End.STOPPED and reached == self.options.stop_at:
            return BootOutcome("stopped", f"at the beginning of the stage {reached}")
        if ending.end is End.TIMEOUT:
            return BootOutcome("timeout", f"the time limit of {self.options.timeout_s:g} s")
        how = "limit" if ending.end is End.LIMIT else "fault"
        what = ending.detail or ending.end.name.lower().replace("_", " ")
        return BootOutcome(how, f"the boot ended in the stage {reached}: {what}")

    def _kernel(self) -> BootOutcome:
        pc = self.pc
        pc.board.cpu.watch_new_blocks(None)
        pc.stages.begin("kernel")
        memory_map = [E820Entry(*entry) for entry in pc.memory_map()]
        if self.options.stop_at == "kernel":
            return BootOutcome("stopped", "at the beginning of the stage kernel")
        options = MachineOptions(
            rootfs=ROOT.encode() if self.options.rootfs is None else self.options.rootfs,
            epoch_ns=self.options.epoch_ns, timeout_s=self.options.timeout_s,
        )  # fmt: skip
        console = ConsoleLine(self._console, self.options.console_fd)
        try:
            self.machine = machine = BootedMachine(
                pc.board.ram, pc.board.cpu, memory_map, self.options.command_line, options,
                self.tracer, console, taken=(_KERNEL,),
            )  # fmt: skip
        except NotEnoughMemory as error:
            return BootOutcome("panic", str(error))
        machine.before_user = self._user
        try:
            return machine.run()
        except _Stopped:
            return BootOutcome("stopped", "at the beginning of the stage user")

    def _user(self) -> None:
        self.pc.stages.begin("user")
        if self.options.stop_at == "user":
            raise _Stopped

    def _console(self, data: bytes) -> None:
        self.tracer.emit(OutputEvent(0, self.pc.board.now_ns(), "console", data))

    def close(self) -> None:
        """Give all of it back."""
        if self.machine is not None:
            self.machine.kernel.vfs.write_back()
        self.pc.close()
