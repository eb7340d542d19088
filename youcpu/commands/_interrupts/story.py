"""A recorded run of the lab as a document (docs/schema/interrupts.json): its steps in order."""

from __future__ import annotations

import re
from typing import Any

from youcpu.abi.x86_vectors import VECTORS, mnemonic
from youcpu.hardware.cpu import GENERAL_REGISTERS
from youcpu.hardware.delivery import Delivery, Kind, Push, Stack
from youcpu.hardware.paging import PageFault
from youcpu.interrupt_lab.image import LabImage
from youcpu.interrupt_lab.lab import (
    SELF_JUMP,
    Delivered,
    Executed,
    Lab,
    Registers,
    Step,
)
from youcpu.interrupt_lab.programs import Program
from youcpu.render.interrupts.sources import ENTRY_REASONS, RETURN_REASONS

Document = dict[str, Any]
_SYSCALL, _SYSENTER = b"\x0f\x05", b"\x0f\x34"
_RETURNS = {b"\x48\xcf": "iretq", b"\x48\x0f\x07": "sysretq", b"\x0f\x35": "sysexit",
            b"\x48\x0f\x35": "sysexitq"}  # fmt: skip
_OUT_EOI = b"\xe6\x20"
_SEGMENTS = ("cs", "ss", "ds", "rflags", "cr0", "cr2")


def document(name: str, program: Program, lab: Lab, vendor: str) -> Document:
    """All of one run."""
    steps = _Steps(lab)
    return {
        "schema": "youcpu.interrupts",
        "version": 1,
        "kind": "run",
        "name": name,
        "title": program.title,
        "vendor": vendor,
        "story": program.story,
        "sources": list(program.sources),
        "waited_ns": lab.waited_ns,
        "steps": steps.values(),
        "end": _end(lab),
        "cost": steps.cost,
        "clobbered": _clobbered(lab.steps),
    }


def _clobbered(steps: list[Step]) -> list[str]:
    """Registers that the program finds changed when it goes on, RIP apart."""
    entered = next((place for place, step in enumerate(steps) if _enters(step)), None)
    if not entered:
        return []
    before = steps[entered - 1]
    after = next(
        (step for step in steps[entered:] if isinstance(step, Executed) and step.before.cpl == 3),
        None,
    )
    if not isinstance(before, Executed) or after is None:
        return []
    names = (*GENERAL_REGISTERS, *_SEGMENTS)
    return [name for name in names if before.before.get(name) != after.before.get(name)]


def _end(lab: Lab) -> str:
    """returned: to where it was; signalled: to its handler; halted; shutdown; ran: no fault."""
    assert lab.ending is not None
    if lab.ending.end.value in ("halted", "shutdown"):
        return lab.ending.end.value
    last = lab.steps[-1]
    if isinstance(last, Executed) and last.before.rip == lab.image.symbols["signalled"]:
        return "signalled"
    return "returned" if any(_enters(step) for step in lab.steps) else "ran"


def _enters(step: Step) -> bool:
    return isinstance(step, Delivered) or step.before.cpl == 0


class _Steps:
    """Turns records into steps; `cost` counts the instructions of ring 0."""

    def __init__(self, lab: Lab) -> None:
        from youcpu.abi.elf import EM_X86_64
        from youcpu.formats.disassembler import Disassembler

        self.lab = lab
        self.image: LabImage = lab.image
        self.cost = 0
        self._disassemblers = {
            bits: Disassembler(EM_X86_64, True, True, bits=bits) for bits in (32, 64)
        }

    def values(self) -> list[Document]:
        """Every step."""
        result = []
        steps = self.lab.steps
        for index, step in enumerate(steps):
            following = steps[index + 1] if index + 1 < len(steps) else None
            if isinstance(step, Delivered):
                result.append(self._delivery(step, following))
            else:
                result.append(self._executed(step, following))
        return result

    # -- instructions ------------------------------------------------------------------

    def _executed(self, step: Executed, following: Step | None) -> Document:
        before = step.before
        self.cost += before.cpl == 0
        code, text = self._decode(step)
        after = _registers_after(following)
        value: Document = {
            "kind": "instruction",
            "ring": before.cpl,
            "bits": self._bits(before),
            "address": hex(before.rip),
            "symbol": self.image.name(before.rip),
            "bytes": code.hex(),
            "text": text,
            "changes": [] if after is None else _changes(before, after),
        }
        returned = next((name for at, name in _RETURNS.items() if code == at), None)
        if code in (_SYSCALL, _SYSENTER) and after is not None and after.cpl == 0:
            name = "syscall" if code == _SYSCALL else "sysenter"
            value |= {"kind": "entry", "instruction": name}
            value["changes"] = _reasons(value["changes"], before, after, ENTRY_REASONS[name])
        elif returned is not None and after is not None:
            value |= {"kind": "return", "instruction": returned, "ring_after": after.cpl}
            reasons = RETURN_REASONS[returned]
            value["changes"] = _reasons(value["changes"], before, after, reasons)
            value["popped"] = _popped(step) if returned == "iretq" else []
            for change in value["changes"]:
                if returned == "iretq" and change["register"] == "rflags":
                    change["after"] = hex(step.stack[2])  # with RF, for one instruction
        elif code == _OUT_EOI:
            value |= {"kind": "eoi"}
        elif code == SELF_JUMP and before.cpl == 3:
            value |= {"kind": "wait"}
        return value

    def _bits(self, registers: Registers) -> int:
        return 32 if registers.cs == 0x23 else 64

    def _decode(self, step: Executed) -> tuple[bytes, str]:
        disassembler = self._disassemblers[self._bits(step.before)]
        found = next(disassembler.instructions(step.code, step.before.rip, detail=False), None)
        if found is None:
            return b"", "(bad)"
        if found.mnemonic == "(bad)":
            return found.data, f".byte 0x{found.data.hex()}  (no instruction here)"
        text = f"{found.mnemonic} {found.operands}".rstrip().replace(" ptr ", " ")
        return found.data, self._named(text, found.address + len(found.data), found.target)

    def _named(self, text: str, following: int, target: int | None) -> str:
        """Addresses of the kernel's by their symbols, as the source has them."""
        if target is not None and (name := self.image.name(target)):
            return text.replace(hex(target), name)

        def variable(match: re.Match[str]) -> str:
            distance = int(match[2], 16) * (1 if match[1] == "+" else -1)
            name = self.image.name(following + distance)
            return f"rip + {name}" if name else match[0]

        return re.sub(r"rip ([+-]) (0x[0-9a-f]+|\d+)", variable, text)

    # -- deliveries --------------------------------------------------------------------

    def _delivery(self, step: Delivered, following: Step | None) -> Document:
        first, last = step.attempts[0], step.attempts[-1]
        cause = first.cause
        return {
            "kind": "delivery",
            **_vector_value(cause.vector),
            "cause": cause.kind.value,
            "error_code": _hex(cause.error_code),
            "error_text": error_text(cause.vector, cause.error_code),
            "ring": first.before.cpl,
            "rip": hex(first.before.rip),
            "pic": _pic(step) if cause.kind is Kind.EXTERNAL and cause.vector >= 32 else None,
            "attempts": [
                self._attempt(attempt, cr2)
                for attempt, cr2 in zip(step.attempts, step.cr2, strict=True)
            ],
            "delivered": last.delivered,
        }

    def _attempt(self, attempt: Delivery, cr2: int) -> Document:
        gate, stack, after = attempt.gate, attempt.stack, attempt.after
        value: Document = {
            **_vector_value(attempt.cause.vector),
            "cause": attempt.cause.kind.value,
            "error_code": _hex(attempt.cause.error_code),
            "cr2": hex(cr2)
            if attempt.cause.vector == 14 and attempt.cause.error_code is not None
            else None,
            "cpl": attempt.before.cpl,
            "table": hex(attempt.table),
            "gate": None,
            "dpl_checked": attempt.dpl_checked,
            "code_segment": None,
            "stack": None if stack is None else _stack(stack, attempt),
            "pushed": [_push(push) for push in attempt.pushed],
            "after": None,
            "fault": None,
        }
        if gate is not None and attempt.gate_address is not None:
            value["gate"] = {
                "address": hex(attempt.gate_address),
                "type": gate.type_name,
                "present": gate.present,
                "dpl": gate.dpl,
                "ist": gate.ist,
                "selector": hex(gate.selector),
                "offset": hex(gate.offset),
                "handler": self.image.name(gate.offset),
            }
        if attempt.descriptor is not None and attempt.descriptor_address is not None:
            value["code_segment"] = {
                "address": hex(attempt.descriptor_address),
                "dpl": attempt.descriptor.dpl,
                "long": attempt.descriptor.long,
            }
        if after is not None:
            value["after"] = {
                "ring": [attempt.before.cpl, after.cpl],
                "cs": [hex(attempt.before.cs), hex(after.cs)],
                "ss": [hex(attempt.before.ss), hex(after.ss)],
                "rip": [hex(attempt.before.rip), hex(after.rip)],
                "rsp": [hex(attempt.before.rsp), hex(after.rsp)],
                "rflags": [hex(attempt.before.flags), hex(after.flags)],
            }
        if attempt.fault is not None:
            fault = attempt.fault
            value["fault"] = {
                **_vector_value(fault.vector),
                "error_code": hex(fault.error_code),
                "reason": fault.reason,
                "address": _hex(fault.address),
            }
        return value


def _hex(value: int | None) -> str | None:
    return None if value is None else hex(value)


def _vector_value(vector: int) -> Document:
    known = VECTORS.get(vector)
    name = known.name if known else f"interrupt {vector:#x}"
    return {"vector": vector, "mnemonic": mnemonic(vector), "name": name}


def _stack(stack: Stack, attempt: Delivery) -> Document:
    return {
        "source": stack.source,
        "address": _hex(stack.address),
        "found": hex(stack.found),
        "rsp": hex(stack.rsp),
        "switched": stack.source != "current",
        "from": hex(attempt.before.rsp),
    }


def _push(push: Push) -> Document:
    return {
        "name": push.name,
        "address": hex(push.address),
        "size": push.size,
        "value": hex(push.value),
    }


def _pic(step: Delivered) -> Document:
    irr, isr, imr = step.pic
    return {"irr": irr, "isr": isr, "imr": imr, "line": step.attempts[0].cause.vector - 32}


def error_text(vector: int, code: int | None) -> str:
    """What an error code says."""
    if code is None:
        return ""
    if vector == 14:
        found = PageFault(code)
        words = ["protection" if found & PageFault.PRESENT else "not present"]
        words.append("reserved bit") if found & PageFault.RSVD else None
        kind = (
            "fetch" if found & PageFault.INSTR else "write" if found & PageFault.WRITE else "read"
        )
        words += [kind, "ring 3" if found & PageFault.USER else "ring 0"]
        return ", ".join(words)
    if not code:
        return ""
    table = "IDT" if code & 2 else "LDT" if code & 4 else "GDT"
    place = f"{code >> 3:#x}" if code & 2 else f"selector {code & 0xFFF8:#x}"
    return f"{table} {'vector ' + place if code & 2 else place}" + (", EXT" if code & 1 else "")


def _registers_after(following: Step | None) -> Registers | None:
    if following is None:
        return None
    if isinstance(following, Executed):
        return following.before
    return None  # a delivery came: what it changed is its own story


def _changes(before: Registers, after: Registers) -> list[Document]:
    """Registers that differ, RIP left out."""
    return [
        {"register": name, "before": hex(before.get(name)), "after": hex(after.get(name))}
        for name in (*GENERAL_REGISTERS, *_SEGMENTS)
        if before.get(name) != after.get(name)
    ]


def _reasons(
    changes: list[Document], before: Registers, after: Registers, reasons: dict[str, str]
) -> list[Document]:
    """Changes of an entry or return with why; RIP is one of them."""
    rip = {"register": "rip", "before": hex(before.rip), "after": hex(after.rip)}
    return [{**change, "why": reasons.get(change["register"], "")} for change in [rip, *changes]]


def _popped(step: Executed) -> list[Document]:
    pointer = step.before.get("rsp")
    names = ("RIP", "CS", "RFLAGS", "RSP", "SS")
    return [
        {"name": name, "address": hex(pointer + 8 * place), "value": hex(value)}
        for place, (name, value) in enumerate(zip(names, step.stack, strict=False))
    ]
