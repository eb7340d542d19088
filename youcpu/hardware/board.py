"""The board: RAM, CPU, ports, the devices of a PC, and virtual time that drives them.

Time is blocks executed (hardware/block_counter.py), port accesses, and what was skipped at HLT:
the same program on the same board takes the same time, whatever the host does. The CPU runs in
slices that end at the next event of a device; interrupts are delivered between slices.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol

from youcpu.hardware import unicorn_library as uc
from youcpu.hardware.cpu import EFLAGS, INSTRUCTIONS_PER_BLOCK, Cpu
from youcpu.hardware.delivery import IF, Delivery
from youcpu.hardware.devices import keyboard, pic, pit, rtc, system_control, uart
from youcpu.hardware.memory import Ram
from youcpu.hardware.paging import PagingRegisters
from youcpu.hardware.ports import PortBus
from youcpu.hardware.silicon import Silicon
from youcpu.record import record

#: An instruction takes a nanosecond: the time stamp counter runs at 1 GHz.
NS_PER_BLOCK = INSTRUCTIONS_PER_BLOCK
#: An access to a port takes as long as on the ISA bus.
NS_PER_PORT_ACCESS = 1000
#: Blocks that run before Python looks again at the clock on the wall.
SLICE = 200_000
#: While an interrupt waits for IF.
SHORT_SLICE = 2_000


class TimedDevice(Protocol):
    """A device that does something at a time: `deadline` in virtual ns, None: nothing."""

    def deadline(self) -> int | None: ...

    def advance(self) -> None: ...


class End(Enum):
    """Why a board stopped."""

    HALTED = "halted"  # HLT with IF = 0, or nothing left that could wake it
    RESET = "reset"
    SHUTDOWN = "shutdown"  # a triple fault
    UNSUPPORTED = "unsupported"
    BUS_ERROR = "bus error"  # code fetched from where no memory is
    LIMIT = "limit"  # of instructions
    TIMEOUT = "timeout"
    STOPPED = "stopped"  # a listener asked


@record(frozen=True)
class Ending:
    """How a run ended. `deliveries`: the attempts that led to a shutdown."""

    end: End
    detail: str = ""
    deliveries: tuple[Delivery, ...] = ()


class Board:
    """One PC. `epoch_ns`: Unix time at power-on; `send`: takes what the UART sends.

    `rom`: the firmware, 64 KiB; it ends at 4 GiB and has a copy below 1 MiB.
    """

    def __init__(
        self, memory: int, epoch_ns: int = 0, send: Callable[[int], None] = lambda byte: None,
        rom: bytes = b"", cpu_type: type[Cpu] = Cpu,
    ) -> None:  # fmt: skip
        self.ram = Ram(memory)
        self.cpu = cpu_type(self.ram)
        self.silicon = Silicon(self.cpu)
        self.ports = PortBus()
        self._skipped_ns = 0
        self._due = 0
        self._ending: Ending | None = None
        #: The CPU waits at HLT.
        self.halted = False
        self.interrupts = 0
        #: Called before time is skipped at HLT, with the time it would jump to (None: no
        #: event will come); True: something has arrived, look again.
        self.on_idle: Callable[[int | None], bool] = lambda due: False
        #: Called after every slice.
        self.on_slice: Callable[[], None] = lambda: None
        self._add_devices(epoch_ns, send)
        self._map_open_bus(rom)
        self.silicon.attach()
        self.cpu.on_port_in, self.cpu.on_port_out = self._port_in, self._port_out
        self.cpu.on_rdtsc = self.now_ns

    def _add_devices(self, epoch_ns: int, send: Callable[[int], None]) -> None:
        self.pic = pic.PicPair()
        set_irq = self.pic.set_irq
        self.pit = pit.Pit(self.now_ns, lambda: self.pic.pulse(0))
        self.uart = uart.Uart(self.now_ns, lambda level: set_irq(uart.COM1_IRQ, level), send)
        self.rtc = rtc.Rtc(self.now_ns, lambda level: set_irq(rtc.IRQ, level), epoch_ns)
        self.rtc.set_memory_size(self.ram.size)
        self.keyboard = keyboard.KeyboardController(set_irq, self._set_a20, self._reset_line)
        control = system_control.SystemControlPort(
            lambda: self.keyboard.a20, self._move_a20, self._reset_line
        )
        ports = self.ports
        ports.claim(self.pic, *pic.PORTS)
        ports.claim(self.pit, *pit.PORTS)
        ports.claim(self.uart, *self.uart.ports)
        ports.claim(self.rtc, *rtc.PORTS)
        ports.claim(self.keyboard, *keyboard.PORTS)
        ports.claim(control, system_control.PORT)
        #: What has deadlines.
        self.timed: list[TimedDevice] = [self.pit, self.uart, self.rtc]

    def _map_open_bus(self, rom: bytes) -> None:
        """Above RAM nobody answers: reads are all ones, writes are lost. But for the ROM."""
        cpu, top = self.cpu, self.ram.size
        if rom:
            start = (1 << 32) - len(rom)
            cpu.map_open_bus(top, start - top)
            cpu.map_rom(start, rom)
            self.ram.bytes[(1 << 20) - len(rom) : 1 << 20] = rom
            top = 1 << 32
        cpu.map_open_bus(top, (1 << 40) - top)

    # -- lines -------------------------------------------------------------------------

    def _set_a20(self, enabled: bool) -> None:
        if (self.cpu.a20_mask == -1) != enabled:
            self.cpu.set_a20(enabled)
            self.cpu.restore()

    def _move_a20(self, enabled: bool) -> None:
        self.keyboard.set_a20_line(enabled)
        self._set_a20(enabled)

    def _reset_line(self) -> None:
        self.end(Ending(End.RESET))

    def end(self, ending: Ending) -> None:
        """Let run() return with this, after the current slice."""
        self._ending = self._ending or ending
        self.cpu.stop()

    # -- time --------------------------------------------------------------------------

    def now_ns(self) -> int:
        """Virtual time since power-on."""
        return self.cpu.blocks * NS_PER_BLOCK + self._skipped_ns

    @property
    def instructions(self) -> int:
        """Instructions executed, as blocks count them."""
        return self.cpu.blocks * INSTRUCTIONS_PER_BLOCK

    def skip(self, nanoseconds: int) -> None:
        """Let virtual time pass in which the CPU does nothing."""
        self._skipped_ns += nanoseconds

    def deadline(self) -> int | None:
        """Virtual time of the next event of a device; None: there is none."""
        due = [at for device in self.timed if (at := device.deadline()) is not None]
        return min(due, default=None)

    # -- ports -------------------------------------------------------------------------

    def _port_in(self, port: int, size: int) -> int:
        self._skipped_ns += NS_PER_PORT_ACCESS
        value = self.ports.read(port, size)
        self._after_port()
        return value

    def _port_out(self, port: int, size: int, value: int) -> None:
        self._skipped_ns += NS_PER_PORT_ACCESS
        self.ports.write(port, size, value)
        if port < 0x80:  # a timer or the clock may have been set
            self._schedule()
        self._after_port()

    def _after_port(self) -> None:
        """End the slice where an interrupt waits or a device is due."""
        if self.pic.output or self.now_ns() >= self._due:
            self.cpu.limit(2)

    def _schedule(self) -> None:
        due = self.deadline()
        self._due = self.now_ns() + SLICE * NS_PER_BLOCK if due is None else due
        blocks = (self._due - self.now_ns()) // NS_PER_BLOCK
        self.cpu.limit(max(blocks, 2))

    # -- running -----------------------------------------------------------------------

    def run(self, instructions: int | None = None, timeout_s: float | None = None) -> Ending:
        """Run until something ends it, `instructions` more at most, or so long on the wall."""
        limit = None if instructions is None else self.instructions + instructions
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self._ending = None
        while self._ending is None:
            self._turn()
            self.on_slice()
            if limit is not None and self.instructions >= limit:
                self.end(Ending(End.LIMIT, f"{self.instructions:,} instructions"))
            elif deadline is not None and time.monotonic() >= deadline:
                self.end(Ending(End.TIMEOUT))
        return self._ending

    def _turn(self) -> None:
        """Devices, then an interrupt, then a slice of the CPU, or a jump in time at HLT."""
        for device in self.timed:
            device.advance()
        silicon = self.silicon
        waiting = self.pic.output
        if waiting and silicon.interruptible:
            silicon.interrupt(self.pic.acknowledge())
            self.interrupts += 1
            self.halted = waiting = False
        if not self.halted:
            self._slice(waiting)
        elif not waiting:
            self._idle()
        if silicon.shutdown is not None:
            self._shut_down(silicon.shutdown)
        elif self.halted and not self.cpu.state[EFLAGS] & IF:
            self.end(Ending(End.HALTED))

    def _slice(self, waiting: bool) -> None:
        cpu = self.cpu
        blocks = SHORT_SLICE if waiting else SLICE
        due = self.deadline()
        now = self.now_ns()
        if due is not None:
            blocks = min(blocks, max((due - now) // NS_PER_BLOCK + 1, 2))
        self._due = now + blocks * NS_PER_BLOCK if due is None else due
        try:
            cpu.run(blocks)
        except uc.UnicornError as error:
            self.end(Ending(End.BUS_ERROR, str(error)))
        self.halted = cpu.halted

    def _idle(self) -> None:
        due = self.deadline()
        if self.on_idle(due):
            return
        if due is None:
            self.end(Ending(End.HALTED, "no device will wake it"))
        else:
            self.skip(max(due - self.now_ns(), 0))

    def _shut_down(self, attempts: list[Delivery]) -> None:
        unsupported = attempts[-1].unsupported
        end = End.SHUTDOWN if unsupported is None else End.UNSUPPORTED
        self.end(Ending(end, unsupported or "", tuple(attempts)))

    def paging_registers(self) -> PagingRegisters:
        """What steers translation as the machine stands."""
        return self.silicon.memory.registers()

    def power_on(self) -> None:
        """RESET: real mode at the reset vector."""
        self.silicon.reset()
        self.halted = False

    # -- snapshots ---------------------------------------------------------------------

    def save(self) -> dict[str, Any]:
        """State of devices and time, as JSON takes it; RAM and registers are apart."""
        return {
            "time_ns": self.now_ns(),
            "halted": self.halted,
            **{name: getattr(self, name).save() for name in _SAVED},
        }

    def load(self, state: dict[str, Any]) -> None:
        """What `save` gave."""
        for name in _SAVED:
            getattr(self, name).load(state[name])
        self._skipped_ns = int(state["time_ns"]) - self.cpu.blocks * NS_PER_BLOCK
        self.halted = bool(state["halted"])
        self.cpu.set_a20(self.keyboard.a20)

    def close(self) -> None:
        """Give the engine's memory back."""
        self.cpu.close()


_SAVED = ("pic", "pit", "uart", "rtc", "keyboard")
