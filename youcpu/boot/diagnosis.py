"""Why a CPU shut down: the exceptions of a triple fault, each with the rule and the entry at fault.

SDM vol. 3A, 6.15 (what raises which exception), 5.8 (transfers of control), 4.7 (#PF), table
6-5 (double faults).
"""

from __future__ import annotations

import struct

from youcpu.boot.modes import Look, look
from youcpu.hardware import descriptors as d
from youcpu.hardware import interrupts as trap
from youcpu.hardware.board import Board
from youcpu.hardware.cpu import CS
from youcpu.hardware.delivery import Delivery, Kind, Mode
from youcpu.hardware.descriptors import SegmentDescriptor
from youcpu.hardware.paging import canonical
from youcpu.hardware.paging_walk import Reason, Walk
from youcpu.hardware.registers import LDT
from youcpu.trace.boot_events import Detail

NAMES = {
    0: "#DE", 1: "#DB", 2: "NMI", 3: "#BP", 4: "#OF", 5: "#BR", 6: "#UD", 7: "#NM", 8: "#DF",
    10: "#TS", 11: "#NP", 12: "#SS", 13: "#GP", 14: "#PF", 16: "#MF", 17: "#AC", 19: "#XM",
}  # fmt: skip
TITLES = {
    0: "divide error", 1: "debug", 3: "breakpoint", 4: "overflow", 5: "BOUND range",
    6: "invalid opcode", 7: "no coprocessor", 8: "double fault", 10: "invalid TSS",
    11: "segment not present", 12: "stack fault", 13: "general protection", 14: "page fault",
    16: "x87 error", 17: "alignment", 19: "SIMD error",
}  # fmt: skip
_SELECTOR_FAULTS = frozenset({10, 11, 12, 13})
_MASK64 = (1 << 64) - 1
_P, _W, _U, _RESERVED, _FETCH = 1, 2, 4, 8, 16


def exception_name(vector: int, error_code: int | None) -> str:
    """#PF(0x2), IRQ at vector 8, INT 80h."""
    name = NAMES.get(vector, f"vector {vector:#x}")
    return name if error_code is None else f"{name}({error_code:#x})"


class Diagnosis:
    """Sentences about what the board's CPU did last."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.cpu = board.cpu
        self.memory = board.silicon.memory

    # -- instructions --

    def instruction(self, address: int, bits: int) -> tuple[bytes, str]:
        """Bytes and text of the instruction at a linear address; no bytes: none is there."""
        import capstone

        code = self.memory.peek(address, 15) or self.memory.peek(address, 1)
        if code is None:
            return b"", "no memory"
        mode = {16: capstone.CS_MODE_16, 32: capstone.CS_MODE_32, 64: capstone.CS_MODE_64}[bits]
        engine = capstone.Cs(capstone.CS_ARCH_X86, mode)
        for _, size, mnemonic, operands in engine.disasm_lite(code, address, 1):
            return code[:size], f"{mnemonic} {operands}".rstrip()
        return code[:4], "(bad)"

    def place(self, cs: int, ip: int, bits: int, base: int | None = None) -> tuple[str, Detail]:
        """`0008:00007e24 (ljmp ...)` and the same as a line."""
        start = self.cpu.state[CS + 1] if base is None else base
        code, text = self.instruction(start + ip & _MASK64, bits)
        where = address_text(cs, ip, bits)
        return f"{where} ({text})", Detail("instruction", f"{where}  {code.hex(' ')}", text)

    # -- the chain --

    def shutdown(
        self, attempts: tuple[Delivery, ...], reason: str | None
    ) -> tuple[str, tuple[Detail, ...]]:
        """The sentence and the lines of a triple fault. `reason`: of the first, where known."""
        first = attempts[0]
        now = look(self.cpu)
        at = first.cause.instruction
        ip = first.before.rip if at is None else at
        where, instruction = self.place(first.before.cs, ip, now.bits)
        details = [instruction]
        cause = first.cause
        name = exception_name(cause.vector, cause.error_code)
        if cause.kind is Kind.EXCEPTION:
            why, more = self._cause(first, now) if reason is None else (reason, [])
            sentence = f"triple fault: {name} at {where}: {why}"
            details += more
        else:
            kind = "INT" if cause.kind is Kind.SOFTWARE else "interrupt, vector"
            sentence = f"triple fault: {kind} {cause.vector:#x} at {where}"
        for attempt in attempts:
            details.append(self._attempt(attempt))
        details += self._gates(attempts)
        return f"{sentence}; {self._chain(attempts)}", tuple(details)

    def _chain(self, attempts: tuple[Delivery, ...]) -> str:
        """How each attempt to call a handler failed."""
        parts: list[str] = []
        for index, attempt in enumerate(attempts):
            assert attempt.fault is not None
            parts.append(attempt.fault.reason)
            if index and parts[-1] == parts[-2]:
                parts[-1] = "the same"
        if len(set(parts)) == 1 or all(part == "the same" for part in parts[1:]):
            return f"no handler can be called: {parts[0]}"
        names = [
            exception_name(attempt.cause.vector, None)
            if attempt.cause.kind is Kind.EXCEPTION
            else f"vector {attempt.cause.vector:#x}"
            for attempt in attempts
        ]
        told = [f"{name}: {part}" for name, part in zip(names, parts, strict=True)]
        return "no handler can be called: " + "; ".join(told)

    def _attempt(self, attempt: Delivery) -> Detail:
        cause, fault = attempt.cause, attempt.fault
        if cause.kind is Kind.EXCEPTION:
            name = exception_name(cause.vector, cause.error_code)
        else:
            name = f"{cause.kind.value} interrupt {cause.vector:#x}"
        if fault is None:
            return Detail("delivery", name, "delivered")
        then = exception_name(fault.vector, fault.error_code)
        return Detail("delivery", name, f"{fault.reason} → {then}")

    def _gates(self, attempts: tuple[Delivery, ...]) -> list[Detail]:
        """The gates and descriptors that were read, and the table they come from."""
        first = attempts[0]
        kind = "IVT" if first.mode is Mode.REAL else "IDT"
        found = [Detail(kind, f"base {first.table:#x}, limit {first.limit:#x}")]
        for attempt in attempts:
            gate = attempt.gate
            if gate is not None and attempt.gate_address is not None:
                present = "present" if gate.present else "not present"
                value = f"{gate.selector:04x}:{gate.offset:x}  {gate.type_name}, DPL {gate.dpl}"
                name = f"gate {attempt.cause.vector:#x}"
                found.append(Detail(name, f"at {attempt.gate_address:#x}: {value}, {present}"))
            if attempt.descriptor is not None and attempt.descriptor_address is not None:
                found.append(
                    Detail(
                        "descriptor",
                        f"at {attempt.descriptor_address:#x}: {descriptor_text(attempt.descriptor)}",
                    )
                )
            if attempt.stack is not None:
                stack = attempt.stack
                found.append(Detail("stack", f"{stack.ss:04x}:{stack.rsp:x}", stack.source))
        return list(dict.fromkeys(found))

    # -- the first exception --

    def _cause(self, delivery: Delivery, now: Look) -> tuple[str, list[Detail]]:
        vector, error = delivery.cause.vector, delivery.cause.error_code or 0
        address = self.cpu.state[CS + 1] + delivery.before.rip & _MASK64
        code, text = self.instruction(address, now.bits)
        if vector == trap.PAGE_FAULT:
            return self._page_fault(self.board.silicon.fault_address, error, address)
        if vector in _SELECTOR_FAULTS:
            selector = error & 0xFFFC
            if error & 2:
                return f"it names gate {error >> 3:#x} of the IDT", []
            if selector or _loads_null(code, text):
                return self._selector(selector, now, text)
            return self._protection(vector, text, delivery, now)
        if vector == trap.INVALID_OPCODE:
            return f"{code.hex(' ') or 'nothing'} is no instruction of this CPU here", []
        if vector == trap.DIVIDE_ERROR:
            return "the divisor is 0, or the quotient too large", []
        return TITLES.get(vector, "exception"), []

    def _page_fault(
        self, address: int, error: int, ip: int
    ) -> tuple[str, list[Detail]]:
        found = self.memory.walk(address)
        details = [Detail("CR2", f"{address:#x}")]
        details += [_step_detail(step) for step in walk_steps(found)]
        access = "fetch" if error & _FETCH or address == ip else "write" if error & _W else "read"
        user = "ring 3" if error & _U else "ring 0"
        lead = f"{access} of {address:#x} in {user}"
        if error & _RESERVED:
            return f"{lead}: a reserved bit is set in its page table entry", details
        if error & _P:
            right = {"fetch": "executed", "write": "written", "read": "read"}[access]
            why = "its page is the supervisor's" if error & _U else f"its page may not be {right}"
            return f"{lead}: {why}", details
        return f"{lead}: {not_mapped_text(found)}", details

    def _selector(self, selector: int, now: Look, text: str) -> tuple[str, list[Detail]]:
        """What is wrong with the descriptor of a selector that was loaded."""
        if not selector & 0xFFFC:
            return "the null selector cannot be loaded into CS or SS", []
        base, limit = now.gdt
        table = "GDT"
        if selector & 4:
            state = self.cpu.state
            base, limit, table = state[LDT + 1], state[LDT + 2] & 0xFFFFFFFF, "LDT"
        index = selector & 0xFFF8
        if index + 7 > limit:
            return f"selector {selector:#x} lies beyond the {table}'s limit {limit:#x}", [
                Detail(table, f"base {base:#x}, limit {limit:#x}", f"{(limit + 1) // 8} entries")
            ]
        raw = self.memory.peek(base + index & _MASK64, 8)
        if raw is None:
            return f"the {table} at {base:#x} is not mapped", []
        segment = SegmentDescriptor.unpack(raw)
        detail = Detail(
            f"{table}[{selector >> 3}]", f"at {base + index:#x}: {raw[::-1].hex()}",
            descriptor_text(segment),
        )  # fmt: skip
        return f"selector {selector:#x}: {self._segment_fault(segment, text, now)}", [detail]

    def _segment_fault(self, segment: SegmentDescriptor, text: str, now: Look) -> str:
        jump = text.startswith(("ljmp", "lcall", "jmp", "call", "iret", "ret"))
        if not segment.flags & 0xFF00 and not segment.base:
            return "its descriptor is empty"
        if jump and not segment.code:
            return f"its descriptor is {_kind(segment)}, not code"
        if not segment.present:
            return "its descriptor is not present (P is 0)"
        if jump and now.long and segment.long and segment.big:
            return "its descriptor has both L and D: reserved in long mode"
        if not jump and text.startswith("ltr"):
            return f"its descriptor is {_kind(segment)}, not an available TSS"
        if "ss" in text and not segment.writable:
            return f"its descriptor is {_kind(segment)}; SS wants writable data"
        return f"privilege: DPL {segment.dpl}, CPL {now.cpl} ({_kind(segment)})"

    def _protection(
        self, vector: int, text: str, delivery: Delivery, now: Look
    ) -> tuple[str, list[Detail]]:
        """#GP(0) and #SS(0): by the instruction."""
        word = text.split(" ", 1)[0]
        pointer = delivery.before.rsp
        if now.long and canonical(pointer, 48) != pointer:
            return f"the stack pointer {pointer:#x} is not canonical", []
        if now.cpl and word in _PRIVILEGED:
            return f"{word} is ring 0's; this is ring {now.cpl}", []
        if now.cpl and word in ("cli", "sti", "in", "out", "insb", "outsb", "insd", "outsd"):
            return f"{word} needs IOPL {now.cpl} or the TSS's permission", []
        if word in ("wrmsr", "rdmsr"):
            return "no such model-specific register, or no such value of it", []
        if now.long and "[" in text:
            return "an address that is not canonical: bits 63..48 are no copies of bit 47", []
        if word.startswith("iret"):
            return "the frame on the stack cannot be returned to", []
        if "[" in text or word in ("push", "pop", "call", "ret"):
            return "the access lies beyond its segment, or the segment does not allow it", []
        return TITLES[vector], []


_PRIVILEGED = frozenset(
    "hlt lgdt lidt ltr lldt clts invd wbinvd invlpg wrmsr rdmsr lmsw".split()
) | {"mov"}


def _loads_null(code: bytes, text: str) -> bool:
    """Whether the instruction loads CS or SS with the null selector."""
    if text.startswith(("ljmp", "lcall")):
        return True
    return text.startswith("mov ss")


def _kind(segment: SegmentDescriptor) -> str:
    if segment.system:
        return d.SYSTEM_TYPES.get(segment.type, f"reserved type {segment.type}")
    if segment.code:
        return "64-bit code" if segment.long else f"{32 if segment.big else 16}-bit code"
    return "writable data" if segment.writable else "read-only data"


def descriptor_text(segment: SegmentDescriptor) -> str:
    """Its fields in a line."""
    flags = "".join(
        f" {name}"
        for name, bit in (("G", d.G), ("D", d.DB), ("L", d.L), ("P", d.PRESENT))
        if segment.flags & bit
    )
    return (
        f"{_kind(segment)}, base {segment.base:#x}, limit {segment.limit:#x}, "
        f"DPL {segment.dpl}{',' if flags else ''}{flags}"
    )


def address_text(cs: int, ip: int, bits: int) -> str:
    """0000:7c1e, 0008:00007e24, 0018:ffffffff81000000."""
    return f"{cs:04x}:{ip:0{ {16: 4, 32: 8, 64: 16}[bits] }x}"


def walk_steps(found: Walk) -> tuple[tuple[str, int, int, int | None], ...]:
    """(level, table, index, entry) of each entry that a walk read."""
    return tuple((s.rules.level.name, s.table, s.index, s.entry) for s in found.steps)


def _step_detail(step: tuple[str, int, int, int | None]) -> Detail:
    level, table, index, entry = step
    if entry is None:
        return Detail(f"{level}[{index}]", f"table at {table:#x}", "no memory is there")
    note = "" if entry & _P else "not present"
    return Detail(f"{level}[{index}]", f"at {table:#x}: {entry:#x}", note)


def not_mapped_text(found: Walk) -> str:
    """Why a walk leads nowhere."""
    if found.reason is Reason.NON_CANONICAL:
        return "the address is not canonical"
    if not found.steps:
        return "it is not mapped"
    last = found.steps[-1]
    name = f"{last.rules.level.name}[{last.index}]"
    if found.reason is Reason.NOT_IN_MEMORY or last.entry is None:
        return f"no memory lies at {last.table:#x}, where its table should be"
    if found.reason is Reason.NOT_PRESENT:
        return f"{name} at {last.entry_address:#x} is {last.entry:#x}, not present"
    return f"{name} at {last.entry_address:#x} is {last.entry:#x}"


def real_mode_vector(board: Board, vector: int) -> str:
    """What the vector table holds."""
    offset, segment = struct.unpack_from("<HH", board.ram.bytes, vector * 4)
    return f"{segment:04x}:{offset:04x}"


