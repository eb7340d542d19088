"""Steps as text: one block each, fetch, execute, what changed (SDM vol. 1 and 2 name the parts)."""

from __future__ import annotations

from collections.abc import Iterator

from youcpu.abi.signal import signal_name
from youcpu.formats.disassembler import Disassembler, Instruction
from youcpu.render.color import BOLD, CYAN, DIM, GREEN, RED, YELLOW, paint
from youcpu.render.disasm import fields_of
from youcpu.render.step_explain import explain
from youcpu.render.strace.lines import call_text, result_text
from youcpu.render.strace.values import Style, show
from youcpu.trace.events import (
    Event,
    ExitEvent,
    FaultEvent,
    ForkEvent,
    SignalEvent,
    SyscallEvent,
)
from youcpu.trace.steps import DoorEvent, MemoryAccess, RegisterChange, StepEvent

#: Flags of RFLAGS by bit: SDM vol. 1, figure 3-8.
FLAG_NAMES = {
    0: "CF", 2: "PF", 4: "AF", 6: "ZF", 7: "SF", 8: "TF", 9: "IF", 10: "DF", 11: "OF",
    14: "NT", 16: "RF", 18: "AC", 21: "ID",
}  # fmt: skip
#: Exceptions by vector: SDM vol. 3A, table 6-1.
EXCEPTIONS = {
    0: "#DE divide error", 1: "#DB debug", 3: "#BP breakpoint", 4: "#OF overflow",
    5: "#BR bound", 6: "#UD invalid opcode", 7: "#NM no FPU", 8: "#DF double fault",
    10: "#TS invalid TSS", 11: "#NP not present", 12: "#SS stack fault",
    13: "#GP general protection", 14: "#PF page fault", 16: "#MF x87 error",
    17: "#AC alignment", 19: "#XM SIMD error",
}  # fmt: skip
#: The CPU does not say how long an instruction is that it refuses: so many bytes are kept.
UNKNOWN_SIZE = 15
_LABEL = 9
_MANY_BYTES = 16


def decoder() -> Disassembler:
    """For 64-bit code, what programs of the machine are."""
    from youcpu.abi import elf as abi

    return Disassembler(abi.EM_X86_64, True, True)


class StepText:
    """Blocks of text for steps; `short`: a line a step."""

    def __init__(self, color: bool = False, short: bool = False, explained: bool = False) -> None:
        self.color = color
        self.short = short
        self.explained = explained
        #: capstone is imported when the first step is shown.
        self._made: Disassembler | None = None
        self._decoded: dict[bytes, Instruction] = {}
        self._style = Style()

    @property
    def _decoder(self) -> Disassembler:
        if self._made is None:
            self._made = decoder()
        return self._made

    def decode(self, step: StepEvent) -> Instruction:
        """The instruction by capstone; "(bad)" where it is none."""
        return self.decode_at(step.code, step.address)

    def decode_at(self, code: bytes, address: int) -> Instruction:
        """Bytes at an address as an instruction."""
        key = code + address.to_bytes(8, "little")
        found = self._decoded.get(key)
        if found is None:
            if len(self._decoded) > 1 << 16:
                self._decoded.clear()
            found = next(self._decoder.instructions(code, address))
            if len(found.data) != len(code) != UNKNOWN_SIZE:
                found = Instruction(address, code, "(bad)", "", None, None)
            self._decoded[key] = found
        return found

    def decode_first(self, data: bytes, address: int) -> Instruction:
        """The first instruction in some bytes."""
        return next(self._decoder.instructions(data, address, detail=False))

    def step(self, step: StepEvent) -> str:
        """One step, newline at its end."""
        if self.short:
            return self._line(step)
        lines = [self._head(step), *self._body(step)]
        return "\n".join(line.rstrip() for line in lines) + "\n"

    def undone(self, step: StepEvent) -> str:
        """One step taken back."""
        line = f"{step.number:>5}  {self._place(step.address, step.symbol)}  {self._assembly(step)}"
        return f"{paint('undo', RED, self.color)} {line}\n"

    # -- a block -------------------------------------------------------------------------------

    def _head(self, step: StepEvent) -> str:
        number = paint(f"{step.number:>5}", BOLD, self.color)
        source = f"  {step.source[0]}:{step.source[1]}" if step.source else ""
        place = self._place(step.address, step.symbol)
        return f"{number}  {place}{paint(source, CYAN, self.color)}  ring {step.ring}"

    def _place(self, address: int, symbol: str) -> str:
        name = f" <{symbol}>" if symbol else ""
        return paint(f"{address:#x}", YELLOW, self.color) + name

    def _assembly(self, step: StepEvent) -> str:
        found = self.decode(step)
        return f"{found.mnemonic} {found.operands}".strip()

    def _body(self, step: StepEvent) -> Iterator[str]:
        found = self.decode(step)
        fields = fields_of(found, 64)
        parts = " ".join(field.data.hex() for field in fields)
        names = ", ".join(field.name for field in fields)
        yield self._row("fetch", f"{parts}  {paint(names, DIM, self.color)}")
        yield self._row("execute", paint(self._assembly(step), BOLD, self.color))
        for access in step.accesses:
            if not access.write:
                yield self._row("read", self._access(access))
        for change in step.changes:
            yield self._row(change.name, self.change(change))
        for access in step.accesses:
            if access.write:
                yield self._row("write", self._access(access))
        yield from self._kernel(step)
        if not step.completed:
            yield self._row("end", "the program ended in it")
        elif not step.sequential:
            place = self._place(step.next_address, step.next_symbol)
            yield self._row("rip", f"{place}, not the next in memory")
        if self.explained:
            for line in explain(step, found, fields):
                yield self._row("", paint(line, CYAN, self.color))

    def _row(self, label: str, text: str) -> str:
        return f"       {label:<{_LABEL}} {text}"

    def change(self, change: RegisterChange) -> str:
        """`0x0 → 0x12 (18)`."""
        if change.name == "rflags":
            return f"{change.old:#x} → {change.new:#x}  {self._flags(change)}"
        old, new = (value_text(value, change.bits) for value in (change.old, change.new))
        text = f"{old} → {paint(new, GREEN, self.color)}"
        note = note_of(change.new, change.bits)
        return f"{text}  ({note})" if note else text

    def _flags(self, change: RegisterChange) -> str:
        return " ".join(
            f"{name}={change.new >> bit & 1}"
            for bit, name in FLAG_NAMES.items()
            if (change.old ^ change.new) >> bit & 1
        )

    def _access(self, access: MemoryAccess) -> str:
        if access.address is None:
            where = f"physical {access.physical:#x}"
        else:
            where = f"{access.address:#x}"
        old = _bytes_text(access.old) if access.old_known else "(crosses pages)"
        text = f"{where}  {access.size} bytes  {old}"
        if access.write:
            text += f" → {paint(_bytes_text(access.new), GREEN, self.color)}"
        return text

    # -- the kernel's part ---------------------------------------------------------------------

    def _kernel(self, step: StepEvent) -> Iterator[str]:
        if not step.kernel:
            return
        doors = [event for event in step.kernel if isinstance(event, DoorEvent)]
        rings = f"{step.ring} → 0" + (f" → {step.next_ring}" if step.completed else "")
        if doors:
            yield self._row("ring", rings)
        for event in step.kernel:
            text = self.event_text(event, step)
            if text:
                yield self._row("", paint(text, CYAN, self.color))

    def event_text(self, event: Event, step: StepEvent) -> str:
        """One thing that the kernel did."""
        if isinstance(event, DoorEvent):
            return door_text(event, step)
        if isinstance(event, SyscallEvent):
            call = call_text(event, self._style)
            return f"kernel: {call} = {result_text(event, self._style)}"
        if isinstance(event, FaultEvent):
            return fault_text(event)
        if isinstance(event, SignalEvent):
            info = show(event.info, self._style)
            return f"kernel: delivers {signal_name(event.signal)} {info}"
        if isinstance(event, ForkEvent):
            return f"kernel: {event.how} made process {event.child}, which is not followed"
        if isinstance(event, ExitEvent):
            how = f"exits with {event.status}"
            if event.signal:
                how = f"is killed by {signal_name(event.signal)}"
            return f"kernel: the program {how}"
        return ""

    # -- a line --------------------------------------------------------------------------------

    def _line(self, step: StepEvent) -> str:
        changed = [
            f"{change.name}={self._flags(change)}"
            if change.name == "rflags"
            else f"{change.name}={change.new:#x}"
            for change in step.changes
        ]
        for access in step.accesses:
            if access.write:
                where = access.physical if access.address is None else access.address
                changed.append(f"[{where:#x}]={_bytes_text(access.new)}")
        changed += [
            text.removeprefix("kernel: ")
            for event in step.kernel
            if not isinstance(event, DoorEvent | FaultEvent)
            and (text := self.event_text(event, step))
        ]
        head = f"{step.number:>5}  {self._place(step.address, step.symbol)}"
        line = f"{head}  {paint(self._assembly(step), BOLD, self.color)}"
        return (f"{line}  ; {', '.join(changed)}" if changed else line) + "\n"


def door_text(event: DoorEvent, step: StepEvent) -> str:
    """How the CPU came into ring 0."""
    if event.how == "syscall":
        return "SYSCALL: RIP goes to RCX, RFLAGS to R11, then the kernel's entry (LSTAR), ring 0"
    if event.how == "sysenter":
        return "SYSENTER: #UD on AMD, and there is no entry for it here"
    vector = event.vector or 0
    if event.how == "interrupt":
        return f"INT {vector:#x}: through the gate of vector {vector} in the IDT"
    name = EXCEPTIONS.get(vector, f"vector {vector}")
    code = "" if event.error_code is None else f", error code {event.error_code:#x}"
    address = "" if event.address is None else f", CR2 {event.address:#x}"
    return f"{name} (vector {vector}{code}{address}): through its gate in the IDT"


def fault_text(event: FaultEvent) -> str:
    """What satisfied a page fault."""
    from youcpu.render.faults import MEANINGS

    if event.outcome == "signal":
        return f"kernel: nothing may be there: {signal_name(event.signal)}"
    what = MEANINGS.get(event.outcome, event.outcome)
    frame = "" if event.frame is None else f", frame {event.frame:#x}"
    area = ""
    if event.area:
        area = "  " + event.area.decode("utf-8", "backslashreplace").rpartition("/")[2]
    return f"kernel: maps the page: {what}{frame}{area}; the instruction is tried again"


def value_text(value: int, bits: int) -> str:
    """Hexadecimal; wide registers with all their digits."""
    return f"{value:#0{bits // 4 + 2}x}" if bits >= 80 else f"{value:#x}"


def note_of(value: int, bits: int) -> str:
    """What a register holds, for a human: a small number in decimal, an x87 value."""
    if bits == 80:
        return float80_text(value)
    signed = value - (1 << bits) if value >> (bits - 1) else value
    return str(signed) if bits == 64 and 9 < abs(signed) < 1 << 31 else ""


def float80_text(value: int) -> str:
    """An x87 extended value as decimal: SDM vol. 1, 4.2.2."""
    sign = -1.0 if value >> 79 else 1.0
    exponent, fraction = value >> 64 & 0x7FFF, value & (1 << 64) - 1
    if exponent == 0x7FFF:
        return "NaN" if fraction << 1 & (1 << 64) - 1 else ("-inf" if sign < 0 else "inf")
    try:
        return repr(sign * (fraction * 2.0 ** (exponent - 16383 - 63)))
    except OverflowError:
        return f"about 2^{exponent - 16383}"


def _bytes_text(data: bytes) -> str:
    """A number as the CPU reads it (little-endian); longer ones as bytes."""
    if len(data) <= _MANY_BYTES:
        return f"{int.from_bytes(data, 'little'):#0{2 * len(data) + 2}x}"
    return data[:_MANY_BYTES].hex(" ") + " ..."


def registers_text(registers: dict[str, int], columns: int = 3) -> Iterator[str]:
    """All registers as a table: general ones and RFLAGS, segments, then x87 and SSE."""
    plain = [(name, value) for name, value in registers.items() if not _wide(name)]
    for start in range(0, len(plain), columns):
        row = plain[start : start + columns]
        yield "  ".join(f"{name:>7} {value:#018x}" for name, value in row)
    for name, value in registers.items():
        if name.startswith("xmm"):
            yield f"{name:>7} {value:#034x}"
        elif _wide(name):
            yield f"{name:>7} {value:#022x}  {float80_text(value)}"


def _wide(name: str) -> bool:
    return name.startswith(("x87", "xmm"))
