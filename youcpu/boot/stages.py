"""The stages of a boot as they begin, out of what the CPU's registers say at each new block."""

from __future__ import annotations

from collections.abc import Callable

from youcpu.boot.modes import Look, changes, look, registers
from youcpu.hardware import descriptors as d
from youcpu.hardware.board import Board
from youcpu.hardware.control_registers import (
    EFER_LMA,
    code_refusal,
    control_register_move,
    refusal,
)
from youcpu.hardware.cpu import CS, RAX, RIP
from youcpu.record import record, replace
from youcpu.trace.boot_events import ModeEvent, RegisterChange, StageEvent
from youcpu.trace.tracer import Tracer

#: Changes of mode that are told one by one; a guest that goes to and fro makes thousands.
MOST_MODES = 40
_NAMES = ("ax", "cx", "dx", "bx", "sp", "bp", "si", "di")
_INSTRUCTIONS = {
    "CR0": "mov cr0", "CR3": "mov cr3", "CR4": "mov cr4", "EFER": "wrmsr", "GDTR": "lgdt",
    "IDTR": "lidt", "TR": "ltr",
}  # fmt: skip
#: Last bytes of a block that load CS.
_ENDS = ((b"\xcf", "iret"), (b"\xcb", "retf"), (b"\x0f\x07", "sysret"), (b"\x0f\x05", "syscall"))


@record(frozen=True)
class Refused:
    """An instruction that a CPU refuses and this one let pass: to be undone."""

    ip: int
    error_code: int
    reason: str
    before: Look


class StageWatch:
    """Looks at the registers whenever code runs that never ran before, and between slices."""

    def __init__(self, board: Board, tracer: Tracer) -> None:
        self.board, self.tracer = board, tracer
        self.reached: list[str] = []
        self._pending: list[RegisterChange] = []
        self.last: Look = look(board.cpu)
        self._modes = 0
        #: Mode changes that were not told any more.
        self.untold = 0
        #: Told the name of each stage that begins.
        self.on_stage: Callable[[str], None] = lambda stage: None
        self.refused: Refused | None = None

    def begin(self, stage: str) -> None:
        """A stage that something else than the mode shows: firmware, bootloader, kernel."""
        now = look(self.board.cpu)
        # RESET is where the story begins: nothing was before it.
        found = self._attributed(changes(self.last, now), 0, b"") if self.reached else []
        self.last = now
        self._tell(stage, [*self._pending, *found])

    def look(self, previous: int | None = None, size: int = 0) -> None:
        """`previous`: linear address of the block that just ended, if it is known."""
        cpu = self.board.cpu
        now = look(cpu)
        code = b""
        if previous is not None and 0 < size <= 4096:
            # Bytes at the addresses of the block that ended: paging may have begun since.
            code = bytes(self.board.silicon.memory.peek(previous, size) or b"")
            if self._check(now, previous, code):
                return
        if now == self.last:
            return
        before, self.last = self.last, now
        found = self._attributed(changes(before, now), (previous or 0) - before.cs_base, code)
        self._judge(before, now, found)

    def _check(self, now: Look, previous: int, code: bytes) -> bool:
        """Whether the CPU would have refused the last instruction."""
        before = self.last
        move = control_register_move(code)
        if move is not None:
            number, register = move
            value = self.board.cpu.state[RAX + register]
            if before.bits != 64:
                value &= (1 << 32) - 1
            # WRMSR ends no block: EFER is as it is now, but for what the MOV itself set in it.
            efer = now.efer & ~EFER_LMA | before.efer & EFER_LMA
            reason = refusal(number, value, before.cr0, now.cr4, efer, before.cs_flags)
            if reason is not None:
                ip = previous + len(code) - 3 - before.cs_base
                return self._refuse(Refused(ip, 0, reason, before))
        if now.cs_flags != before.cs_flags:
            reason = code_refusal(now.cs_flags, now.efer)
            if reason is not None:
                ip, _ = _last_instruction(code, previous - before.cs_base)
                return self._refuse(Refused(ip, now.cs & 0xFFFC, reason, before))
        return False

    def _refuse(self, refused: Refused) -> bool:
        if self.refused is None:
            self.refused = refused
            self.board.cpu.stop()
        return True

    def _attributed(
        self, found: list[RegisterChange], start: int, code: bytes
    ) -> list[RegisterChange]:
        """The changes with the instructions that made them, where the block's end shows it."""
        if not code:
            return found
        ip, text = _last_instruction(code, start)
        told = []
        for change in found:
            name = _INSTRUCTIONS.get(change.register, text)
            if name == "mov cr0" and text.startswith("mov cr0"):
                name = text
            told.append(replace(change, cs=self.last.cs, ip=ip, instruction=name))
        return told

    def _judge(self, before: Look, now: Look, found: list[RegisterChange]) -> None:
        """Which stage the changes begin; until one does they are kept for it."""
        pending = [*self._pending, *found]
        if now.cpl == 3 and "user" not in self.reached and now.protected:
            self._tell("user", pending)
        elif now.long and now.bits == 64 and "long" not in self.reached:
            self._tell("long", pending)
        elif (
            now.protected
            and "protected" not in self.reached
            and (before.protected or now.cs_flags & d.DB)
            and any(change.register == "CS" for change in found)
        ):
            self._tell("protected", pending)
        elif now.mode == before.mode or now.mode.endswith("16-bit") or self._entering(now):
            self._pending = pending[-50:]
        else:
            self._tell_mode(now, pending)

    def _entering(self, now: Look) -> bool:
        """On the way into a mode whose stage will be told."""
        return (now.protected and "protected" not in self.reached) or (
            now.long and "long" not in self.reached
        )

    def _tell(self, stage: str, found: list[RegisterChange]) -> None:
        self._pending = []
        if stage in self.reached:
            return
        self.reached.append(stage)
        board, now = self.board, self.last
        state = board.cpu.state
        self.tracer.emit(
            StageEvent(
                0, board.now_ns(), stage, now.mode, now.cs, state[RIP],
                state[CS + 1] + state[RIP] & (1 << 64) - 1, now.cpl, board.instructions,
                tuple(found), registers(board.cpu),
            )
        )  # fmt: skip
        self.on_stage(stage)

    def _tell_mode(self, now: Look, found: list[RegisterChange]) -> None:
        self._pending = []
        self._modes += 1
        if self._modes > MOST_MODES:
            self.untold += 1
            return
        ip = self.board.cpu.state[RIP]
        event = ModeEvent(0, self.board.now_ns(), now.mode, now.cs, ip, tuple(found))
        self.tracer.emit(event)


def _last_instruction(code: bytes, start: int) -> tuple[int, str]:
    """Where the last instruction of a block begins, and its name, as far as its end shows it."""
    end = start + len(code)
    move = control_register_move(code)
    if move is not None:
        number, register = move
        name = f"e{_NAMES[register]}" if register < 8 else f"r{register}"
        return end - 3, f"mov cr{number}, {name}"
    for size in (7, 8, 5, 6):
        at = len(code) - size
        if at >= 0 and (code[at] == 0xEA or (code[at] == 0x66 and code[at + 1] == 0xEA)):
            return start + at, "far jump"
    for suffix, name in _ENDS:
        if code.endswith(suffix):
            wide = len(code) > len(suffix) and code[-len(suffix) - 1] in (0x48, 0x66)
            return end - len(suffix) - int(wide), name
    return start, "far jump"
