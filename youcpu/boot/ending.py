"""How a boot of a disk ended, as one sentence that names the cause, and the lines behind it."""

from __future__ import annotations

from youcpu.boot.diagnosis import Diagnosis, address_text, exception_name
from youcpu.boot.firmware import DISK_STATUS
from youcpu.boot.modes import look
from youcpu.boot.pc import Pc
from youcpu.hardware.board import End, Ending
from youcpu.hardware.cpu import CS, EFLAGS, RIP
from youcpu.trace.boot_events import BootEndEvent, Detail

_IF = 1 << 9
_MASK64 = (1 << 64) - 1


def explain(pc: Pc, ending: Ending) -> BootEndEvent:
    """The last event of a boot."""
    outcome, message, details = _Verdict(pc, ending).judge()
    notes = _notes(pc) if outcome in _BAD else []
    message = "; ".join([message, *notes])
    board = pc.board
    return BootEndEvent(0, board.now_ns(), outcome, message, details, board.instructions)


_BAD = frozenset({"triple fault", "fault", "lost", "halt", "loop", "limit", "timeout"})
Answer = tuple[str, str, tuple[Detail, ...]]


def _notes(pc: Pc) -> list[str]:
    """What happened before and may be the cause."""
    notes = []
    watch = pc.watch
    if watch.wrapped is not None:
        low = watch.wrapped & ~(1 << 20)
        notes.append(
            f"address line 20 is closed: code at {watch.wrapped:#x} was that at {low:#x}"
        )
    cr0 = look(pc.board.cpu).cr0
    if cr0 >> 31 and not cr0 & 1:
        notes.append("CR0.PG was set without CR0.PE: paging exists in protected mode only")
    call = watch.disk_call
    if call is not None and watch.disk_status:
        status = watch.disk_status
        words = DISK_STATUS.get(status, "an error")
        what = f"AH={call.ax >> 8:02x}h, AL={call.ax & 0xFF:02x}h, CX={call.cx:04x}h"
        if call.packet:
            sector = int.from_bytes(call.packet[8:16], "little")
            count = int.from_bytes(call.packet[2:4], "little")
            what = f"AH={call.ax >> 8:02x}h, {count} sectors from {sector}"
        notes.append(
            f"the last INT 13h ({what}, DX={call.dx:04x}h) failed with status {status:02x}h, "
            f"{words}; the disk has {pc.image.sectors} sectors"
        )
    return notes


class _Verdict:
    """One judgement."""

    def __init__(self, pc: Pc, ending: Ending) -> None:
        self.pc, self.ending = pc, ending
        self.diagnosis = Diagnosis(pc.board)
        self.now = look(pc.board.cpu)

    def judge(self) -> Answer:
        """Outcome, sentence, lines."""
        pc, end = self.pc, self.ending.end
        if pc.powered_off:
            return "power off", "powered off by the guest", ()
        if pc.watch.boot_failed:
            return self._not_bootable()
        if end is End.SHUTDOWN:
            refused = pc.watch.refused
            reason = refused.reason if refused is not None else None
            message, lines = self.diagnosis.shutdown(self.ending.deliveries, reason)
            return "triple fault", message, lines
        if pc.watch.sign is not None:
            return self._sign()
        if end is End.RESET:
            return "restart", f"reset by the guest at {self._here()}", ()
        if end is End.HALTED:
            return self._halted()
        if end is End.BUS_ERROR:
            return self._lost()
        if end is End.UNSUPPORTED:
            return "unsupported", f"not done by this machine: {self.ending.detail}", ()
        if end is End.STOPPED:
            return "stopped", f"stopped at {self._here()}", ()
        return self._limit()

    def _here(self, behind: int = 0) -> str:
        state = self.pc.board.cpu.state
        cs, ip = self.now.cs, state[RIP] - behind & _MASK64
        return self.diagnosis.place(cs, ip, self.now.bits)[0]

    def _not_bootable(self) -> Answer:
        pc = self.pc
        size = pc.image.source.size
        if not size:
            return "not bootable", "not bootable: the image is empty", ()
        if size < 512:
            why = f"the image has {size} bytes, and a boot sector has 512, the last two 55 AA"
            return "not bootable", f"not bootable: {why}", ()
        sector = pc.image.read(0)
        if not any(sector):
            return "not bootable", "not bootable: the first sector holds only zeros", ()
        found = sector[510:].hex(" ")
        why = f"the first sector ends in {found}, not in 55 aa (bytes 510 and 511)"
        return "not bootable", f"not bootable: {why}", ()

    def _halted(self) -> Answer:
        state = self.pc.board.cpu.state
        where = self._here(1)
        if not state[EFLAGS] & _IF:
            return "halt", f"halted at {where} with IF = 0: no interrupt can wake the CPU", ()
        return "halt", f"halted at {where}: IF = 1, but no device will interrupt", ()

    def _sign(self) -> Answer:
        watch, sign = self.pc.watch, self.pc.watch.sign
        assert sign is not None
        if sign.kind == "fault":
            return self._fault()
        if sign.kind == "zeros":
            bits, base = self.now.bits, self.pc.board.cpu.state[CS + 1]
            target = address_text(self.now.cs, sign.address - base & _MASK64, bits)
            why = f"jumped to {target}, where memory holds only zeros (00 00 is an add)"
            return "lost", f"{why}; it came from the code before {watch.origin:#x}", ()
        if sign.kind == "key":
            return "idle", "waits for a key (INT 16h), and the input is at its end", ()
        where = self._here()
        if sign.kind == "loop":
            off = not self.pc.board.cpu.state[EFLAGS] & _IF
            why = "with IF = 0" if off else "and only the firmware's interrupts come"
            return "loop", f"endless loop at {where}: a jump to itself, {why}", ()
        return "idle", f"idle for a minute of virtual time at {where}", ()

    def _fault(self) -> Answer:
        attempts = self.pc.watch.fault
        assert attempts is not None
        first = attempts[0]
        base = first.before.cs << 4
        where, detail = self.diagnosis.place(first.before.cs, first.before.rip, 16, base)
        vector = first.cause.vector
        name = exception_name(vector, first.cause.error_code)
        refused = self.pc.watch.refused
        why = f"{refused.reason}; " if refused is not None else ""
        message = f"{name} at {where}: {why}nobody handles it, vector {vector} is the firmware's"
        return "fault", message, (detail,)

    def _lost(self) -> Answer:
        pc = self.pc
        state = pc.board.cpu.state
        target = address_text(self.now.cs, state[RIP], self.now.bits)
        why = f"jumped to {target}, where no memory is: RAM ends at {pc.board.ram.size:#x}"
        return "lost", f"{why}; it came from the code at {pc.watch.block:#x}", ()

    def _limit(self) -> Answer:
        pc, where = self.pc, self._here()
        if self.ending.end is End.TIMEOUT:
            return "timeout", f"--timeout: still running at {where}", ()
        detail = self.ending.detail or f"{pc.board.instructions:,} instructions"
        return "limit", f"limit of {detail}: still running at {where}", ()
