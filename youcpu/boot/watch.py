"""Signs that a boot will not get further: endless loops, idling, code that is none, faults that
nobody handles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.boot.firmware import BDA_DISK_STATUS, ROM_SEGMENT
from youcpu.hardware.board import End, Ending
from youcpu.hardware.cpu import CS, DS, EFLAGS, ES, RAX, RBX, RCX, RDX, RIP, RSI
from youcpu.hardware.delivery import FAULTS, IF, Delivery, Kind, Mode
from youcpu.hardware.descriptors import load_segment
from youcpu.hardware.registers import CR0
from youcpu.record import record

if TYPE_CHECKING:
    from youcpu.boot.pc import Pc
    from youcpu.boot.stages import Refused

#: Virtual time of waiting and nothing else until a guest is taken for idle.
IDLE_NS = 60_000_000_000
#: What a call of the firmware takes besides its own blocks.
FIRMWARE_CALL_NS = 5_000
#: A block that begins with so many zeros is no code.
ZEROS = bytes(32)
_MASK16, _MASK64 = (1 << 16) - 1, (1 << 64) - 1
_A20 = 1 << 20
#: Jumps to themselves: EB FE, and E9 with 16 and 32 bits.
_SELF_JUMPS = (b"\xeb\xfe", b"\xe9\xfd\xff", b"\xe9\xfb\xff\xff\xff")
_DISK_CALL, _KEY_CALL = 0x13, 0x16
#: Questions for a key, nothing done between, after which time is skipped.
PATIENT_POLLS = 1000


@record(frozen=True)
class DiskCall:
    """INT 13h as it was called: AX, CX, DX, and where to."""

    ax: int
    cx: int
    dx: int
    segment: int
    offset: int
    #: The packet of the calls from 41h on.
    packet: bytes = b""


@record(frozen=True)
class Sign:
    """Why the watch ended the run. `kind`: loop, key, idle, zeros, fault."""

    kind: str
    #: Linear addresses: of the code, and where it came from.
    address: int = 0
    origin: int = 0


class Watch:
    """The listeners of a Pc."""

    def __init__(self, pc: Pc, key_wait: int) -> None:
        self._pc = pc
        self._board = pc.board
        self._state = pc.board.cpu.state
        self._key_wait = key_wait
        self.boot_failed = False
        self.sign: Sign | None = None
        #: The last INT 13h, and whether it came back.
        self.disk_call: DiskCall | None = None
        #: First code that ran at an odd megabyte while address line 20 was closed.
        self.wrapped: int | None = None
        #: The last new block: linear address, and the end of the one before it.
        self.block = self.origin = 0
        self._quiet_since = 0
        self._activity: tuple[int, int, int] = (0, 0, 0)
        self._blocks = 0
        self._polls = 0
        self._poll_activity: tuple[int, int, int] = (0, 0, 0)
        self._sector_runs = False
        #: A fault in real mode that only the firmware's handler took.
        self.fault: list[Delivery] | None = None
        #: Reasons of exceptions that this machine raised where Unicorn did not.
        self.refused: Refused | None = None

    # -- each new block --

    def boot_sector_runs(self) -> None:
        """POST is over."""
        self._sector_runs = True

    def new_block(self, address: int, previous: int, size: int) -> None:
        """Code that never ran before is about to run."""
        pc = self._pc
        self._blocks += 1
        self.block, self.origin = address, previous + size
        before_loader = self._sector_runs and "bootloader" not in pc.stages.reached
        if before_loader and self._state[CS] != ROM_SEGMENT:
            pc.stages.begin("bootloader")
        pc.stages.look(previous, size)
        if address & _A20 and self._board.cpu.a20_mask != -1 and self.wrapped is None:
            self.wrapped = address
        if self._sector_runs and self.sign is None:
            memory = self._board.silicon.memory
            if memory.peek(address, len(ZEROS)) == ZEROS:
                self._end(Sign("zeros", address, previous + size))

    def _end(self, sign: Sign) -> None:
        self.sign = self.sign or sign
        self._board.end(Ending(End.STOPPED))

    # -- between slices --

    def between_slices(self) -> None:
        """The CPU stopped for a moment."""
        pc, board = self._pc, self._board
        if pc.stages.refused is not None and self.refused is None:
            self._raise_refused(pc.stages.refused)
            return
        pc.stages.look()
        if pc.keys.terminal:
            pc.flush()
            if pc.keys.poll(0):
                board.halted = board.halted
        if self._sector_runs and not board.halted:
            self._look_for_loop()

    def _raise_refused(self, refused: Refused) -> None:
        """Undo what a CPU would have refused, and raise its #GP."""
        self.refused = refused
        before, board = refused.before, self._board
        state = board.cpu.state
        state[CR0] = before.cr0
        load_segment(state, CS, before.cs, before.cs_base, before.cs_limit, before.cs_flags)
        state[RIP] = refused.ip
        board.cpu.flush_code()
        board.silicon.raise_exception(13, refused.error_code)

    def _look_for_loop(self) -> None:
        """`jmp $` does nothing until an interrupt comes: as HLT, but the end without one."""
        state, board = self._state, self._board
        code = board.silicon.memory.peek(state[CS + 1] + state[RIP] & _MASK64, 5)
        if code is None or not code.startswith(_SELF_JUMPS):
            return
        address = state[CS + 1] + state[RIP] & _MASK64
        if not state[EFLAGS] & IF:
            self._end(Sign("loop", address))
            return
        due = board.deadline()
        if due is None or (self._only_firmware_wakes() and self._no_key_comes()):
            self._end(Sign("loop", address))
        elif not board.pic.output and not self.idle(due):
            board.skip(max(due - board.now_ns(), 0))

    def _no_key_comes(self) -> bool:
        return self._pc.keys.exhausted

    def _only_firmware_wakes(self) -> bool:
        """In real mode, with the vectors of all open lines and of the tick the firmware's."""
        if self._state[CR0] & 1:
            return False
        memory = self._board.ram.bytes
        pic = self._board.pic
        vectors = [0x1C]
        for chip in (pic.master, pic.slave):
            vectors += [chip.base + line for line in range(8) if not chip.imr >> line & 1]
        return all(
            int.from_bytes(memory[vector * 4 + 2 : vector * 4 + 4], "little") == ROM_SEGMENT
            for vector in vectors
        )

    # -- waiting --

    def idle(self, due: int | None) -> bool:
        """The CPU waits; True: look again at once."""
        pc, board = self._pc, self._board
        pc.flush()
        address = self._state[CS + 1] + self._state[RIP] & _MASK64
        waits_for_key = address == self._key_wait
        if pc.keys.terminal and not pc.keys.exhausted:
            self._quiet_since = board.now_ns()
            pause = 0.02 if due is None else min(max(due - board.now_ns(), 0) / 1e9, 0.05)
            if pc.keys.poll(pause):
                return True
            return due is None
        if waits_for_key and pc.keys.exhausted and not board.keyboard.queue:
            self._end(Sign("key", address))
            return True
        now = board.now_ns()
        activity = self._activity_now()
        if activity != self._activity:
            self._activity, self._quiet_since = activity, now
        elif now - self._quiet_since > IDLE_NS and pc.keys.exhausted:
            self._end(Sign("key" if self._polls > PATIENT_POLLS else "idle", address))
            return True
        return False

    # -- interrupts --

    def delivered(self, attempts: list[Delivery]) -> None:
        """An interrupt or exception went through the guest's tables."""
        first, last = attempts[0], attempts[-1]
        if first.mode is not Mode.REAL or last.gate is None:
            return
        if last.gate.selector != ROM_SEGMENT:
            return
        if first.cause.kind is Kind.SOFTWARE:
            # A guest that polls the firmware sees time pass, as on a PC.
            self._board.skip(FIRMWARE_CALL_NS)
            if first.cause.vector == _DISK_CALL:
                self.disk_call = self._disk_call()
            elif first.cause.vector == _KEY_CALL and self._state[RAX] >> 8 & 0xEF == 1:
                self._polled()
        elif first.cause.kind is Kind.EXCEPTION and first.cause.vector in FAULTS:
            self.fault = attempts
            self._end(Sign("fault", first.before.rip))

    def _polled(self) -> None:
        """INT 16h was asked whether there is a key. Who does nothing else waits, as by HLT."""
        board, memory = self._board, self._board.ram.bytes
        activity = self._activity_now()
        if activity != self._poll_activity or memory[0x41A:0x41C] != memory[0x41C:0x41E]:
            self._poll_activity, self._polls = activity, 0
        self._polls += 1
        if self._polls <= PATIENT_POLLS:
            return
        if not board.pic.output:
            due = board.deadline()
            if not self.idle(due) and due is not None:
                board.skip(max(due - board.now_ns(), 0))
        # The slice ends some questions later, each time elsewhere: where interrupts are let in.
        board.cpu.limit(40 + self._polls % 23)

    def _activity_now(self) -> tuple[int, int, int]:
        """What only grows while a guest does something."""
        pc = self._pc
        return pc.printed, self._blocks, pc.disk.transferred

    def _disk_call(self) -> DiskCall:
        state = self._state
        ax, cx, dx = (state[register] & _MASK16 for register in (RAX, RCX, RDX))
        packet = b""
        segment, offset = state[ES] & _MASK16, state[RBX] & _MASK16
        if 0x41 <= ax >> 8 <= 0x48:
            start = (state[DS] & _MASK16) * 16 + (state[RSI] & _MASK16)
            packet = bytes(self._board.ram.bytes[start : start + 16])
        return DiskCall(ax, cx, dx, segment, offset, packet)

    @property
    def disk_status(self) -> int:
        """What the firmware keeps of the last INT 13h."""
        return self._board.ram.bytes[BDA_DISK_STATUS]
