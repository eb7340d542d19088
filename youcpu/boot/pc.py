"""A PC as its user switches it on: board, firmware, disk, text screen, keyboard, and who watches.

What runs on it is the firmware's and the disk's own code. Here stand the listeners: stages
(stages.py), output, and the signs of a boot that will not get further (`Watch`).
"""

from __future__ import annotations

import struct

from youcpu.boot.firmware import (
    LOG_PORT,
    POST_PORT,
    POST_TEXT,
    SETUP,
    SETUP_A20_CLOSED,
    SETUP_FLOPPY_SHIFT,
    Post,
    WritePort,
    firmware_rom,
    key_wait,
)
from youcpu.boot.image import DiskImage
from youcpu.boot.keys import KeySource
from youcpu.boot.stages import StageWatch
from youcpu.boot.watch import Watch
from youcpu.hardware.board import Board, End, Ending
from youcpu.hardware.cpu import RSI
from youcpu.hardware.devices import disk, display
from youcpu.record import record
from youcpu.trace.boot_events import MemoryMapEvent, OutputEvent, PostEvent
from youcpu.trace.tracer import Tracer

#: Bytes to show are told at once up to so many; a guest that prints for ever is no flood of
#: events then.
OUTPUT_CHUNK = 4096
#: What a guest may print in all before it is cut off.
MOST_OUTPUT = 16 << 20

#: The door to youcpu's kernel (docs/design/0017-boot-firmware.md).
DOOR_PORT, DOOR_SIGNATURE, HAND_OVER = 0x5C0, 0x43554F59, 1
PARAMETERS_MAGIC = 0x31504259
_MOST_MAP_ENTRIES = 64
#: Ways in which guests switch QEMU and Bochs off: (port, word).
POWER_PORTS = {(0x604, 0x2000), (0xB004, 0x2000)}


@record
class PcOptions:
    """What the user of a PC can choose. Sizes in bytes, times in ns or s as named."""

    memory: int = 64 << 20
    epoch_ns: int = 0
    #: Address line 20 is closed when the boot sector runs, as on an AT.
    a20_closed: bool = False
    #: CMOS's name of the floppy that the image is; 0: a hard disk.
    floppy_type: int = 0
    #: The host's descriptor that keys come from; None: no keyboard is used.
    keyboard_fd: int | None = None
    #: The door to youcpu's kernel is there.
    door: bool = False
    stop_at: str = ""
    instructions: int | None = None
    timeout_s: float | None = None


class PowerOff(Exception):
    """The guest switched the machine off."""


class Pc:
    """The machine, off. `power_on` runs it."""

    def __init__(self, options: PcOptions, image: DiskImage, tracer: Tracer) -> None:
        self.options, self.image, self.tracer = options, image, tracer
        rom = firmware_rom()
        self._output: dict[str, bytearray] = {"screen": bytearray(), "serial": bytearray()}
        self.printed = 0
        self.board = board = Board(options.memory, options.epoch_ns, self._serial, rom)
        self.display = display.TextDisplay(board.ram, board.now_ns)
        board.ports.claim(self.display, *display.PORTS)
        self.disk = disk.AtaDisk(image, lambda level: board.pic.set_irq(disk.IRQ, level))
        self._claim_ports()
        setup = options.floppy_type << SETUP_FLOPPY_SHIFT
        board.rtc.cmos[SETUP] = setup | (SETUP_A20_CLOSED if options.a20_closed else 0)
        self.keys = KeySource(board, options.keyboard_fd)
        board.timed.append(self.keys)
        self.stages = StageWatch(board, tracer)
        self.stages.on_stage = self._stage
        self.watch = Watch(self, key_wait(rom))
        #: The kernel was entered: physical address of its boot parameters.
        self.parameters: int | None = None
        self.powered_off = False
        #: Codes on port 80h before the boot sector ran.
        self.posted: list[int] = []

    def _claim_ports(self) -> None:
        ports, disk_ = self.board.ports, self.disk
        ports.claim(disk_, *disk.PORTS)
        for size in (2, 4):
            self._claim_data_port(size)
        ports.claim(WritePort(self._post), POST_PORT)
        ports.claim(WritePort(lambda byte: self._print("screen", byte)), LOG_PORT)
        for port, _ in POWER_PORTS:
            ports.claim_wide(port, 2, None, self._power)
        if self.options.door:
            ports.claim_wide(DOOR_PORT, 4, lambda port: DOOR_SIGNATURE, self._door)

    def _claim_data_port(self, size: int) -> None:
        drive = self.disk
        self.board.ports.claim_wide(
            disk.DATA, size, lambda port: drive.read_data(size),
            lambda port, value: drive.write_data(size, value),
        )  # fmt: skip

    # -- what leaves the machine -----------------------------------------------------------

    def _serial(self, byte: int) -> None:
        self._print("serial", byte)

    def _print(self, channel: str, byte: int) -> None:
        buffer = self._output[channel]
        self.printed += 1
        if self.printed > MOST_OUTPUT:
            self.board.end(Ending(End.LIMIT, f"{MOST_OUTPUT >> 20} MiB of output"))
            return
        buffer.append(byte)
        if byte == 10 or len(buffer) >= OUTPUT_CHUNK:
            self.flush(channel)

    def flush(self, *channels: str) -> None:
        """Tell what was printed and no line's end came after."""
        for channel in channels or ("screen", "serial"):
            buffer = self._output[channel]
            if buffer:
                data = bytes(buffer)
                buffer.clear()
                self.tracer.emit(OutputEvent(0, self.board.now_ns(), channel, data))

    def _post(self, code: int) -> None:
        if self.keys.open:
            # The boot sector runs: a guest's own use of the port.
            if code == Post.FAILED:
                self.watch.boot_failed = True
            return
        self.posted.append(code)
        if code in Post._value2member_map_:
            text = POST_TEXT[Post(code)]
            self.tracer.emit(PostEvent(0, self.board.now_ns(), code, text))
        if code == Post.BOOT_SECTOR:
            self.flush()
            self.keys.start()
            self.watch.boot_sector_runs()
        elif code == Post.FAILED:
            self.watch.boot_failed = True

    def _power(self, port: int, value: int) -> None:
        if (port, value & 0x3C00 | value & 0x2000) in POWER_PORTS:
            self.powered_off = True
            self.board.end(Ending(End.STOPPED))

    def _door(self, port: int, value: int) -> None:
        if value == HAND_OVER:
            self.parameters = self.board.cpu.state[RSI]
            self.board.end(Ending(End.STOPPED))

    def _stage(self, stage: str) -> None:
        if stage == self.options.stop_at:
            self.board.end(Ending(End.STOPPED))

    # -- running ---------------------------------------------------------------------------

    def power_on(self) -> Ending:
        """From the reset vector to whatever ends it."""
        board, options = self.board, self.options
        board.power_on()
        board.cpu.watch_new_blocks(self.watch.new_block)
        board.on_slice = self.watch.between_slices
        board.on_idle = self.watch.idle
        board.silicon.on_delivery = self.watch.delivered
        self.stages.begin("firmware")
        if options.stop_at == "firmware":
            return Ending(End.STOPPED)
        ending = board.run(options.instructions, options.timeout_s)
        self.flush()
        return ending

    def memory_map(self) -> tuple[tuple[int, int, int], ...]:
        """What the loader hands over: (base, length, type). Raises ValueError for nonsense."""
        at, memory = self.parameters or 0, self.board.ram.bytes
        if at + 8 > len(memory):
            raise ValueError(f"boot parameters at {at:#x}: no memory is there")
        magic, count = struct.unpack_from("<II", memory, at)
        if magic != PARAMETERS_MAGIC or count > _MOST_MAP_ENTRIES:
            raise ValueError(f"boot parameters at {at:#x} do not begin with YBP1")
        entries = tuple(
            struct.unpack_from("<QQI", memory, at + 8 + 24 * index) for index in range(count)
        )
        self.tracer.emit(MemoryMapEvent(0, self.board.now_ns(), entries))
        return entries

    def screen_rows(self) -> tuple[str, ...]:
        """The text screen, blanks at the right and rows below the last text left out."""
        rows = [row.decode("cp437").replace("\0", " ").rstrip() for row in self.display.rows()]
        while rows and not rows[-1]:
            rows.pop()
        return tuple("".join(c if c.isprintable() else " " for c in row) for row in rows)

    def close(self) -> None:
        """Give the engine's memory back."""
        self.board.close()
