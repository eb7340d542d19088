"""One run of the lab on the machine, written down instruction by instruction.

The CPU starts as Multiboot leaves it (specification 0.6.96, 3.2): protected mode, flat
segments, paging off; boot.S does the rest. From the first instruction of the program on, every
instruction and every delivery becomes a record.
"""

from __future__ import annotations

from youcpu.hardware import descriptors as d
from youcpu.hardware.board import Board, End, Ending
from youcpu.hardware.cpu import (
    CR0,
    CR2,
    CS,
    DS,
    ES,
    FS,
    GENERAL_REGISTERS,
    GS,
    HFLAGS,
    RAX,
    RIP,
    SS,
)
from youcpu.hardware.delivery import RF, Delivery
from youcpu.hardware.instruction_checks import InstructionChecks
from youcpu.hardware.models import VENDORS
from youcpu.interrupt_lab.image import START, LabImage
from youcpu.record import record

MEMORY = 4 << 20
NMI_VECTOR = 2
#: Set 1: the A key goes down.
KEY_A = b"\x1e"
#: `jmp .`: the program has nothing more to do.
SELF_JUMP = b"\xeb\xfe"
_FLAT = d.G | d.DB | d.PRESENT | d.SYSTEM_S | d.WRITABLE_OR_READABLE | d.ACCESSED
_MOST_STEPS = 1000
_BOOT_LIMIT, _PROGRAM_LIMIT = 1_000_000, 20_000_000


@record(frozen=True)
class Registers:
    """The CPU before an instruction: general registers in the CPU's order, the rest by name."""

    general: tuple[int, ...]
    rip: int
    rflags: int
    cs: int
    ss: int
    ds: int
    cpl: int
    cr0: int
    cr2: int

    def get(self, name: str) -> int:
        """By name, `rax` to `r15`, or a field."""
        if name in GENERAL_REGISTERS:
            return self.general[GENERAL_REGISTERS.index(name)]
        return int(getattr(self, name))


@record(frozen=True)
class Executed:
    """An instruction that is about to run; `stack`: quadwords at RSP, where they can be read."""

    before: Registers
    code: bytes
    stack: tuple[int, ...]


@record(frozen=True)
class Delivered:
    """A delivery with its attempts, and CR2 at each of them.

    `pic`: IRR, ISR, IMR of the first 8259 after INTA.
    """

    attempts: list[Delivery]
    cr2: list[int]
    after: Registers
    pic: tuple[int, int, int]
    now_ns: int


Step = Executed | Delivered


class LabFailure(Exception):
    """The lab did not do what it is there for: a bug of ours."""


class Lab:
    """The machine with the image in its memory, and the record of a program's run."""

    def __init__(self, image: LabImage, program: str, vendor: str = "intel") -> None:
        self.image = image
        self.board = Board(MEMORY, cpu_type=VENDORS[vendor])
        self.checks = InstructionChecks(self.board.silicon)
        self.cpu = self.board.cpu
        self.memory = self.board.silicon.memory
        self.steps: list[Step] = []
        #: Blocks that passed while the program waited.
        self.waited_ns = 0
        self.ending: Ending | None = None
        self._booted = self._entered = False
        self._idle = False
        self._older_cr2: list[int] = []
        self._note_page_fault = self.memory.note_page_fault
        self.memory.note_page_fault = self._keep_cr2  # type: ignore[method-assign]
        ram = self.board.ram
        ram.bytes[START : START + len(image.bytes)] = image.bytes
        number = image.rows("row.").index(program)
        self.write("lab_program", number.to_bytes(4, "little"))
        self.board.power_on()
        self._start()

    def physical(self, symbol: str) -> int:
        """Physical address of a variable of the kernel's."""
        return self.image.symbols[symbol] & 0x7FFF_FFFF

    def write(self, symbol: str, data: bytes) -> None:
        """Bytes into a variable of the kernel's."""
        start = self.physical(symbol)
        self.board.ram.bytes[start : start + len(data)] = data

    def _start(self) -> None:
        """Protected mode, flat: what Multiboot promises."""
        state = self.cpu.state
        state[CR0] |= 1
        state[HFLAGS] |= d.HF_PE
        d.load_segment(state, CS, 8, 0, 0xFFFFFFFF, _FLAT | d.CODE)
        for register in (SS, DS, ES, FS, GS):
            d.load_segment(state, register, 16, 0, 0xFFFFFFFF, _FLAT)
        state[RIP] = self.image.symbols["boot32"]
        self.cpu.restore()
        self.cpu.flush_tlb()

    def boot(self) -> None:
        """Up to the IRETQ that enters the program."""
        self.cpu.watch_address(self.image.symbols["enter_program"], self._reached_program)
        ending = self.board.run(_BOOT_LIMIT)
        if not self._booted:
            raise LabFailure(f"the lab did not boot: {ending}")

    def _reached_program(self) -> None:
        if not self._booted:
            self._booted = True
            self.board.end(Ending(End.STOPPED))

    def run(self, event: str = "") -> None:
        """The program to its end. `event`: "keyboard" or "nmi" comes when the program waits."""
        self.board.silicon.on_delivery = self._delivered
        self.cpu.watch_instructions(self._instruction)
        self.ending = self.board.run(_PROGRAM_LIMIT)
        if self._idle and not self._entered:
            self.cpu.watch_instructions(None)
            began = self.board.now_ns()
            if event == "keyboard":
                self.board.keyboard.press(KEY_A)
            elif event == "nmi":
                self.board.silicon.interrupt(NMI_VECTOR)
            self.ending = self.board.run(_PROGRAM_LIMIT)
            delivered = [step.now_ns for step in self.steps if isinstance(step, Delivered)]
            self.waited_ns = delivered[0] - began if delivered else 0

    def run_rings(self) -> None:
        """All probes of rings.S; the results are in memory then."""
        self.cpu.watch_instructions(self.checks.instruction)
        self.ending = self.board.run(_PROGRAM_LIMIT)
        if self.ending.end is not End.HALTED:
            raise LabFailure(f"the probes did not come to their end: {self.ending}")

    # -- listening ---------------------------------------------------------------------

    def _instruction(self, address: int, _size: int) -> None:
        registers = self.registers(address)
        code = self.memory.peek(address, min(15, 0x1000 - address % 0x1000)) or b""
        if registers.cpl == 0 and not self.steps:
            return  # the IRETQ of boot.S
        if len(self.steps) > _MOST_STEPS:
            raise LabFailure(f"{_MOST_STEPS} instructions and no end")
        self._entered = self._entered or registers.cpl == 0
        self.steps.append(Executed(registers, code, self._stack(registers)))
        self.checks.instruction(address)
        if registers.cpl == 3 and code[:2] == SELF_JUMP:
            self._idle = True
            self.board.end(Ending(End.STOPPED))

    def _delivered(self, attempts: list[Delivery]) -> None:
        chip = self.board.pic.master
        state = (chip.irr, chip.isr, chip.imr)
        after = self.registers(self.cpu.state[RIP])
        # A fault of an attempt has overwritten CR2: what it was stands in the record.
        cr2, self._older_cr2 = [*self._older_cr2, after.cr2], []
        cr2 = (cr2 + [after.cr2] * len(attempts))[: len(attempts)]
        self.steps.append(Delivered(attempts, cr2, after, state, self.board.now_ns()))
        self._entered = True
        self.cpu.watch_instructions(self._instruction)

    def _keep_cr2(self, address: int) -> None:
        self._older_cr2.append(self.cpu.state[CR2])
        self._note_page_fault(address)

    def _stack(self, registers: Registers) -> tuple[int, ...]:
        pointer = registers.get("rsp")
        data = self.memory.peek(pointer, 48) or self.memory.peek(pointer, 40) or b""
        return tuple(int.from_bytes(data[i : i + 8], "little") for i in range(0, len(data), 8))

    def registers(self, rip: int) -> Registers:
        """The CPU now, from `state`.

        Without RF: the next instruction clears it (SDM vol. 3A, 17.3.1.1), the engine later.
        """
        state = self.cpu.state
        return Registers(
            tuple(state[RAX : RAX + 16]),
            rip,
            self.cpu.eflags() & ~RF,
            state[CS] & 0xFFFF,
            state[SS] & 0xFFFF,
            state[DS] & 0xFFFF,
            state[HFLAGS] & 3,
            state[CR0] & 0xFFFFFFFF,
            state[CR2],
        )

    def close(self) -> None:
        """Give the machine's memory back."""
        self.board.close()


EVENTS = ("timer", "keyboard", "nmi")
