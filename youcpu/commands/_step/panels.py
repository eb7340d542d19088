"""What the panels of `step --tui` say, as lines of (text, style): nothing here draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.hardware.cpu import CR0, CR3, CR4, EFER, RSP
from youcpu.hardware.paging import FlatMemory, PagingRegisters, flag_names
from youcpu.hardware.paging_walk import walk
from youcpu.render.step_text import EXCEPTIONS, FLAG_NAMES, StepText
from youcpu.trace.steps import DoorEvent, StepEvent

if TYPE_CHECKING:
    from youcpu.formats.disassembler import Instruction
    from youcpu.stepping.stepper import Stepper

Line = list[tuple[str, str]]
#: Styles: "" plain, and these.
PC, CHANGED, CURSOR, DIM, NAME, KERNEL = "pc", "changed", "cursor", "dim", "name", "kernel"
_LONGEST = 15
#: How far before RIP code is looked at, where a symbol says that it is code.
_BEFORE = 1024
GENERAL = (
    "rax", "r8", "rbx", "r9", "rcx", "r10", "rdx", "r11", "rsi", "r12", "rdi", "r13", "rbp", "r14",
    "rsp", "r15",
)  # fmt: skip
WALKED = ("RIP", "RSP", "data")


class Panels:
    """The state of a stepper, panel by panel."""

    def __init__(self, stepper: Stepper) -> None:
        self.stepper = stepper
        self._text = StepText()
        #: Which address the page walk is of: index in WALKED.
        self.walked = 0

    def decode(self, data: bytes, address: int) -> Instruction:
        """The first instruction in some bytes."""
        return self._text.decode_first(data, address)

    @property
    def last(self) -> StepEvent | None:
        """The step before, if it was looked at."""
        history = self.stepper.history
        return history[-1] if history else None

    # -- code ----------------------------------------------------------------------------------

    def code(self, height: int, width: int, cursor: int | None) -> tuple[list[Line], list[int]]:
        """Lines around RIP (or the cursor), and the address of each (0: a name)."""
        rows = self._rows(height)
        focus = cursor if cursor is not None else self.stepper.address
        place = next((n for n, row in enumerate(rows) if row[0] == focus), 0)
        start = max(0, min(place - height // 3, len(rows) - height))
        lines: list[Line] = []
        for address, text in rows[start : start + height]:
            if not text.startswith(" "):
                lines.append([(text[:width], NAME)])
                continue
            mark = "►" if address == self.stepper.address else " "
            here = ">" if address == cursor else " "
            style = PC if mark == "►" else CURSOR if here == ">" else ""
            lines.append([(f"{here}{mark}{text[1:]}"[:width].ljust(width), style)])
        return lines, [address for address, _ in rows[start : start + height]]

    def _rows(self, height: int) -> list[tuple[int, str]]:
        """(address, text) of instructions; names of functions stand before their first."""
        stepper = self.stepper
        rip = stepper.address
        start = self._start(rip)
        data = stepper.memory(start, rip - start + _LONGEST * (height + 8))
        rows: list[tuple[int, str]] = []
        position = 0
        name = ""
        while position < len(data) and len(rows) < 4096:
            address = start + position
            if address > rip and len([1 for a, _ in rows if a > rip]) > height:
                break
            found = self._text.decode_first(data[position : position + _LONGEST], address)
            symbol = stepper.name(address)
            base = symbol.partition("+")[0]
            if base and base != name:
                name = base
                rows.append((0, f"<{symbol}>"))
            rows.append((address, f" {address:x} {found.mnemonic} {found.operands}".rstrip()))
            position += len(found.data)
        return rows

    def _start(self, rip: int) -> int:
        """Where the function of RIP begins, if that is near; else a step that was done before."""
        _, plus, offset = self.stepper.name(rip).rpartition("+")
        if plus and ".so" not in self.stepper.name(rip) and int(offset, 16) <= _BEFORE:
            return rip - int(offset, 16)
        before = [s.address for s in self.stepper.history if 0 < rip - s.address < 64]
        return min(before, default=rip)

    # -- registers -----------------------------------------------------------------------------

    def registers(self, width: int) -> list[Line]:
        """General registers in two columns, RIP, RFLAGS; `*`: the last step changed it."""
        values = self.stepper.registers()
        last = self.last
        changed = {change.name for change in last.changes} if last else set()
        lines: list[Line] = []
        for left, right in zip(GENERAL[::2], GENERAL[1::2], strict=True):
            line: Line = []
            for name in (left, right):
                mark, style = ("*", CHANGED) if name in changed else (" ", "")
                line.append((f"{mark}{name:<3} {values[name]:016x}", style))
            lines.append(line)
        lines.append([(f" rip {values['rip']:016x}", ""), (f"  {self.place()}", NAME)])
        flags = values["rflags"]
        mark, style = ("*", CHANGED) if "rflags" in changed else (" ", "")
        shown = [
            name if flags >> bit & 1 else name.lower()
            for bit, name in FLAG_NAMES.items()
            if bit in (0, 2, 4, 6, 7, 9, 10, 11)
        ]
        lines.append([(f"{mark}rflags {flags:x}  {' '.join(shown)}", style)])
        wide = [c for c in last.changes if c.bits > 64 or c.name == "mxcsr"] if last else []
        lines += [[(f"*{c.name} {c.new:0{c.bits // 4}x}"[:width], CHANGED)] for c in wide[:2]]
        return lines

    def place(self) -> str:
        """Symbol of RIP."""
        return self.stepper.name(self.stepper.address)

    # -- stack ---------------------------------------------------------------------------------

    def stack(self, height: int) -> list[Line]:
        """Quadwords from RSP on, with names where they are addresses of code."""
        stepper = self.stepper
        pointer = stepper.run.cpu.state[RSP]
        data = stepper.memory(pointer, 8 * height)
        last = self.last
        written = {
            byte
            for access in (last.accesses if last else ())
            if access.write and access.address is not None
            for byte in range(access.address, access.address + access.size)
        }
        lines: list[Line] = []
        for offset in range(0, len(data) - 7, 8):
            value = int.from_bytes(data[offset : offset + 8], "little")
            address = pointer + offset
            changed = not written.isdisjoint(range(address, address + 8))
            mark, style = ("*", CHANGED) if changed else (" ", "")
            name = stepper.name(value) if value > 0xFFFF else ""
            lines.append([(f"{mark}{address:x} {value:016x}", style), (f" {name}", NAME)])
        return lines or [[("nothing is mapped at RSP", DIM)]]

    # -- page walk -----------------------------------------------------------------------------

    def walk_title(self) -> str:
        """What the walk is of."""
        return f"page walk of {WALKED[self.walked]}"

    def walked_address(self) -> int | None:
        """RIP, RSP, or where the last step read or wrote."""
        state = self.stepper.run.cpu.state
        if WALKED[self.walked] == "RIP":
            return self.stepper.address
        if WALKED[self.walked] == "RSP":
            return state[RSP]
        accesses = self.last.accesses if self.last else ()
        return accesses[-1].address if accesses else None

    def page_walk(self) -> list[Line]:
        """Entry by entry through the tables that CR3 leads to."""
        address = self.walked_address()
        if address is None:
            return [[("the last step touched no memory", DIM)]]
        state = self.stepper.run.cpu.state
        registers = PagingRegisters(state[CR3], state[CR0], state[CR4], state[EFER])
        found = walk(FlatMemory(self.stepper.run.machine.ram.bytes), registers, address)
        lines: list[Line] = [[(f"{address:#x}", "")]]
        for step in found.steps:
            entry = step.entry or 0
            flags = "".join(
                flag[0] if len(flag) < 3 else flag
                for flag in flag_names(entry, step.rules, step.leaf)
            )
            frame = entry & 0x000F_FFFF_FFFF_F000
            lines.append(
                [(f"{step.rules.level.name:<4} [{step.index:3}] → {frame:#x} {flags}", "")]
            )
        if found.physical is None:
            lines.append([(f"{found.reason.value}: #PF", CHANGED)])
        else:
            lines.append([(f"physical {found.physical:#x}", NAME)])
        return lines

    # -- kernel and output ---------------------------------------------------------------------

    def kernel(self) -> list[Line]:
        """The ring, and the last way through the kernel that was looked at."""
        lines: list[Line] = [[(f"ring {self.stepper.ring} (CPL, the low bits of CS)", "")]]
        step = next((s for s in reversed(self.stepper.history) if s.kernel), None)
        if step is None:
            lines.append([("the kernel was not entered yet", DIM)])
            return lines
        for event in step.kernel:
            text = self._text.event_text(event, step)
            if isinstance(event, DoorEvent):
                text = f"step {step.number}: {_door(event)}"
            lines.append([(text.removeprefix("kernel: "), KERNEL)])
        return lines

    def output(self, height: int) -> list[Line]:
        """The end of what the program wrote."""
        data = self.stepper.run.output.tail(4096)
        text = data.decode("utf-8", "replace")
        shown = "".join(c if c.isprintable() or c == "\n" else "·" for c in text)
        lines = shown.splitlines()[-height:]
        return [[(line, "")] for line in lines] or [[("nothing yet", DIM)]]


def _door(event: DoorEvent) -> str:
    """How the kernel was entered, in few words."""
    if event.vector is None:
        return event.how.upper()
    name = EXCEPTIONS.get(event.vector, f"INT {event.vector:#x}").split()[0]
    if event.how == "interrupt":
        name = f"INT {event.vector:#x}"
    code = "" if event.error_code is None else f" error {event.error_code:#x}"
    return name + code + ("" if event.address is None else f" at {event.address:#x}")
