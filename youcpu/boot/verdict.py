"""How the boot of a disk ended, in one sentence that names the cause, and the facts behind it."""

from __future__ import annotations

from collections.abc import Iterator

from youcpu.boot.firmware import DISK_STATUS
from youcpu.boot.pc import Pc
from youcpu.boot.watch import DiskCall, Sign
from youcpu.formats.disassembler import one_instruction
from youcpu.hardware import descriptors as d
from youcpu.hardware.board import End, Ending
from youcpu.hardware.cpu import CS, EFLAGS, RIP, RSP
from youcpu.hardware.delivery import IDT_BIT, IF, Delivery, Kind, Mode, Point
from youcpu.hardware.descriptors import SegmentDescriptor
from youcpu.hardware.linear import LinearMemory
from youcpu.hardware.paging_walk import Walk
from youcpu.hardware.registers import CR0, CR2, GDT, HFLAGS, LDT, TR
from youcpu.trace.boot_events import BootEndEvent, Detail

NAMES = {
    0: "#DE divide error", 1: "#DB debug", 3: "#BP breakpoint", 4: "#OF overflow",
    5: "#BR bound range", 6: "#UD invalid opcode", 7: "#NM no FPU", 8: "#DF double fault",
    10: "#TS invalid TSS", 11: "#NP segment not present", 12: "#SS stack fault",
    13: "#GP general protection", 14: "#PF page fault", 16: "#MF x87", 17: "#AC alignment",
    19: "#XM SIMD",
}  # fmt: skip
_MASK32, _MASK64 = (1 << 32) - 1, (1 << 64) - 1
_SECTOR = 512


def exception(vector: int, error_code: int | None) -> str:
    """`#GP general protection (8)`, `interrupt 32`."""
    name = NAMES.get(vector, f"interrupt {vector}")
    return name if error_code is None else f"{name} ({error_code:#x})"


class Verdict:
    """What a Pc's end means."""

    def __init__(self, pc: Pc, ending: Ending) -> None:
        self._pc, self._ending = pc, ending
        self._state = pc.board.cpu.state
        self._memory: LinearMemory = pc.board.silicon.memory
        self._details: list[Detail] = []

    def event(self) -> BootEndEvent:
        """One sentence and details."""
        outcome, message = self._judge()
        board = self._pc.board
        return BootEndEvent(
            0, board.now_ns(), outcome, message, tuple(self._details), board.instructions
        )

    def _tell(self, name: str, value: str, note: str = "") -> None:
        self._details.append(Detail(name, value, note))

    def _judge(self) -> tuple[str, str]:
        pc, end = self._pc, self._ending.end
        if pc.powered_off:
            return "power off", "the guest switched the machine off"
        if pc.watch.boot_failed:
            return "not bootable", self._why_not_bootable()
        if pc.watch.sign is not None:
            return self._sign(pc.watch.sign)
        if end is End.SHUTDOWN:
            return "triple fault", self._triple_fault(self._ending.deliveries)
        if end is End.BUS_ERROR:
            text = f"code is fetched from {self._where()}, where no memory is"
            return "lost", self._lost(text, pc.watch.block, "the block of code that jumped there")
        if end is End.HALTED:
            return "halt", f"HLT with interrupts off at {self._where(-1)}: nothing can wake the CPU"
        if end is End.RESET:
            return "restart", "the guest restarted the machine"
        if end is End.STOPPED:
            return "stopped", f"at the beginning of the stage {pc.stages.reached[-1]}"
        if end is End.UNSUPPORTED:
            return "unsupported", f"this machine does not do that: {self._ending.detail}"
        self._here()
        what = self._ending.detail or f"{pc.options.timeout_s:g} s"
        how = "timeout" if end is End.TIMEOUT else "limit"
        return how, f"it still ran at {self._where()} when the limit of {what} was reached"

    # -- places --------------------------------------------------------------------------

    def _where(self, before: int = 0) -> str:
        s = self._state
        return self._place(s[CS] & 0xFFFF, s[RIP] + before, s[CS + 1])

    def _place(self, cs: int, rip: int, base: int) -> str:
        if self._state[HFLAGS] & d.HF_CS64:
            return f"{rip:#x}"
        text = f"{cs:04X}:{rip & _MASK32:04X}"
        return (
            text if base in (0, cs << 4) and base + rip < 1 << 20 else f"{text} ({base + rip:#x})"
        )

    def _bits(self) -> int:
        flags = self._state[HFLAGS]
        return 64 if flags & d.HF_CS64 else 32 if flags & d.HF_CS32 else 16

    def _instruction(self, address: int) -> str:
        code = self._memory.peek(address, 15) or self._memory.peek(address, 1) or b""
        return one_instruction(bytes(code), address, self._bits())

    def _here(self) -> None:
        address = self._state[CS + 1] + self._state[RIP] & _MASK64
        text = self._instruction(address)
        if text:
            self._tell("instruction", text, f"at {self._where()}")

    # -- signs ---------------------------------------------------------------------------

    def _sign(self, sign: Sign) -> tuple[str, str]:
        where = self._where()
        if sign.kind == "loop":
            on = "on" if self._state[EFLAGS] & IF else "off"
            return "loop", f"an endless loop: a jump to itself at {where}, interrupts {on}"
        if sign.kind == "key":
            return "idle", "INT 16h waits for a key, and standard input has ended"
        if sign.kind == "idle":
            return (
                "idle",
                f"for a minute of its time nothing but the timer happened, at {where}",
            )
        if sign.kind == "zeros":
            text = f"zeros are executed at {sign.address:#x}: nothing was loaded there"
            return "lost", self._lost(text, sign.origin)
        return "fault", self._real_mode_fault()

    def _lost(
        self, text: str, origin: int = 0, note: str = "the end of the code that ran before"
    ) -> str:
        pc = self._pc
        if origin:
            self._tell("came from", f"{origin:#x}", note)
        if pc.watch.wrapped is not None:
            return (
                f"{text}; address line 20 is closed, so that {pc.watch.wrapped:#x} is"
                f" {pc.watch.wrapped & ~(1 << 20):#x}: open it (INT 15h AX=2401h, port 92h)"
            )
        call, status = pc.watch.disk_call, pc.watch.disk_status
        if call is not None and status:
            why = DISK_STATUS.get(status, f"status {status:#x}")
            self._tell("disk", self._disk_call(call), f"CF = 1, AH = {status:02X}h: {why}")
            return f"{text}; the last INT 13h had failed ({why}) and went unnoticed"
        return text

    def _disk_call(self, call: DiskCall) -> str:
        function = call.ax >> 8
        if function in (0x42, 0x43) and len(call.packet) == 16:
            count, sector = int.from_bytes(call.packet[2:4], "little"), call.packet[8:16]
            first = int.from_bytes(sector, "little")
            return f"INT 13h AH={function:02X}h: {count} sectors from {first}"
        cylinder = call.cx >> 8 | (call.cx & 0xC0) << 2
        there = self._pc.image.sectors
        return (
            f"INT 13h AH={function:02X}h: {call.ax & 0xFF} sectors from cylinder {cylinder}, head"
            f" {call.dx >> 8}, sector {call.cx & 0x3F}; the disk has {there} in all"
        )

    def _real_mode_fault(self) -> str:
        attempts = self._pc.watch.fault
        assert attempts is not None
        first = attempts[0]
        before = first.before
        where = f"{before.cs:04X}:{before.rip & 0xFFFF:04X}"
        address = (before.cs << 4) + (before.rip & 0xFFFF)
        text = one_instruction(bytes(self._memory.peek(address, 15) or b""), address, 16)
        if text:
            self._tell("instruction", text, f"at {where}")
        vector = first.cause.vector
        return (
            f"{NAMES.get(vector, f'interrupt {vector}')} at {where}, and vector {vector} is still"
            " the firmware's, which knows no help"
        )

    # -- nothing to boot -----------------------------------------------------------------

    def _why_not_bootable(self) -> str:
        image = self._pc.image
        size = image.source.size
        if not size:
            return "the image is empty"
        sector = image.read(0)
        if not any(sector):
            return "sector 0 holds nothing but zeros: no boot sector"
        self._tell("signature", sector[510:512].hex(" "), "55 aa is wanted at offset 510")
        if size < _SECTOR:
            return f"the image has {size} bytes, a boot sector has 512 and ends in 55 AA"
        return "sector 0 does not end in the boot signature 55 AA"

    # -- triple faults -------------------------------------------------------------------

    def _triple_fault(self, attempts: tuple[Delivery, ...]) -> str:
        first = attempts[0]
        before = first.before
        base = self._state[CS + 1]
        rip = before.rip if first.cause.instruction is None else first.cause.instruction
        text = self._instruction(base + rip & _MASK64)
        if text:
            where = self._place(before.cs, rip, base)
            self._tell("instruction", text, f"at {where}")
        for attempt in attempts:
            fault = attempt.fault
            what = exception(attempt.cause.vector, attempt.cause.error_code)
            if fault is None:
                continue
            self._tell(
                "delivery", what, f"{fault.reason} → {exception(fault.vector, fault.error_code)}"
            )
        self._tell("IDT", f"base {first.table:#x}", f"limit {first.limit:#x}")
        cause = self._original(first, before)
        return f"{cause}; {self._no_handler(attempts)}"

    def _no_handler(self, attempts: tuple[Delivery, ...]) -> str:
        fault = attempts[0].fault
        assert fault is not None
        if attempts[0].limit == 0:
            return "nobody handles it: the IDT is empty (limit 0)"
        if attempts[0].mode is not Mode.REAL and attempts[0].table == 0:
            return "nobody handles it: IDTR still is real mode's (base 0), no LIDT was executed"
        if fault.vector == 10 and not self._state[TR] & 0xFFFC:
            return "TR is 0: no TSS was loaded (LTR) that names a stack for ring 0"
        return f"its handler is not reached: {fault.reason}"

    def _original(self, first: Delivery, before: Point) -> str:
        """What the first exception was about."""
        cause, base = first.cause, self._state[CS + 1]
        where = self._place(before.cs, before.rip, base)
        what = f"{exception(cause.vector, cause.error_code)} at {where}"
        if cause.kind is Kind.EXTERNAL:
            return f"interrupt {cause.vector} of a device came at {where}"
        if cause.kind is Kind.SOFTWARE:
            if cause.instruction is not None:
                where = self._place(before.cs, cause.instruction, base)
            return f"INT {cause.vector:02X}h at {where}"
        refused = self._pc.watch.refused
        if refused is not None and refused.ip == before.rip:
            return f"{what}: {refused.reason}"
        if cause.vector == 14:
            return f"{what}: {self._page_fault(cause.error_code or 0)}"
        if cause.vector in (10, 11, 12, 13) and cause.error_code:
            return f"{what}: {self._selector(cause.error_code)}"
        if cause.vector == 13 and cause.error_code == 0:
            text = self._instruction(base + before.rip & _MASK64)
            if "jmp" in text or "ret" in text:
                return f"{what}: the null selector is loaded into CS"
        return what

    def _page_fault(self, error_code: int) -> str:
        address = self._faulting_address()
        kind = "fetched" if error_code & 16 or address == self._state[RIP] else (
            "written" if error_code & 2 else "read"
        )  # fmt: skip
        if not self._state[CR0] & 1:
            return "CR0.PG was set while CR0.PE is 0: paging exists in protected mode only"
        walked: Walk = self._memory.walk(address)
        for line in self._walk(walked):
            self._tell("page walk", line)
        last = walked.steps[-1] if walked.steps else None
        if last is not None and last.entry is None:
            return f"a page table lies at {last.table:#x}, where no memory is"
        if address == self._state[CS + 1] + self._state[RIP] & _MASK64:
            return f"the code at {address:#x} itself is not mapped"
        if address + 8 & _MASK64 == self._state[RSP] or address + 4 == self._state[RSP]:
            return f"the stack at {address:#x} is not mapped"
        return (
            f"{address:#x} is {kind} and not mapped"
            if not error_code & 1
            else (f"{address:#x} may not be {kind}")
        )

    def _faulting_address(self) -> int:
        """CR2 of the first fault; where later ones wrote over it, the code if that is not there."""
        later = any(
            attempt.fault is not None and attempt.fault.vector == 14
            for attempt in self._ending.deliveries
        )
        code = self._state[CS + 1] + self._state[RIP] & _MASK64
        if later and self._state[CR0] & 1 and self._memory.walk(code).physical is None:
            return code
        return self._state[CR2]

    def _walk(self, walked: Walk) -> Iterator[str]:
        for step in walked.steps:
            value = "outside of memory" if step.entry is None else f"{step.entry:016x}"
            state = "" if step.entry is None or step.entry & 1 else ", P = 0"
            place = f"{step.rules.level.name}[{step.index}] at {step.entry_address:#x}"
            yield f"{place}: {value}{state}"

    def _selector(self, error_code: int) -> str:
        if error_code & IDT_BIT:
            return f"gate {error_code >> 3} of the IDT"
        selector = error_code & 0xFFFC
        table, name = (LDT, "LDT") if selector & 4 else (GDT, "GDT")
        base, limit = self._state[table + 1], self._state[table + 2] & _MASK32
        at = selector & ~7
        self._tell(name, f"base {base:#x}", f"limit {limit:#x}: {(limit + 1) // 8} entries")
        if at + 7 > limit:
            return f"selector {selector:#x} lies beyond the {name}'s limit {limit:#x}"
        raw = self._memory.peek(base + at & _MASK64, 8)
        if raw is None:
            return f"the {name} at {base:#x} cannot be read"
        found = SegmentDescriptor.unpack(bytes(raw))
        self._tell("descriptor", bytes(raw).hex(" "), _describe(found))
        return f"selector {selector:#x}: {_refused(found)}"


def _describe(found: SegmentDescriptor) -> str:
    kind = "system" if found.system else "code" if found.code else "data"
    flags = [name for name, on in (("P", found.present), ("L", found.long), ("D", found.big)) if on]
    return (
        f"{kind}, base {found.base:#x}, limit {found.limit:#x}, DPL {found.dpl}, {' '.join(flags)}"
    )


def _refused(found: SegmentDescriptor) -> str:
    if not found.present:
        return "its descriptor has P = 0"
    if found.system:
        kind = d.SYSTEM_TYPES.get(found.type, f"reserved type {found.type}")
        return f"its descriptor is no code segment but {kind}"
    if not found.code:
        return "its descriptor is a data segment: code is wanted"
    if found.long and found.big:
        return "its descriptor has both L and D: reserved in long mode"
    return f"it is code of ring {found.dpl} (DPL), and the selector's RPL or CPL is another ring"


def verdict(pc: Pc, ending: Ending) -> BootEndEvent:
    """How it ended."""
    return Verdict(pc, ending).event()
