"""A CPU that stops after any instruction and records it: SDM vol. 3B, 17.3.1.4 (single-step).

The trap flag would show in what PUSHF and SYSCALL save, and a Python callback an instruction is
300 times slower than running (trap 7). So two hooks of machine code (recording_cpu.s) write a
ring: before each instruction the whole register file, at each access its place and what was there.

    ring, SLOTS of them:  +0 ticks +8 address +16 size +24 RFLAGS +32 accesses before +64 context
    log, LOG_ENTRIES:     +0 physical address  +8 size  +12 kind  +16 value stored  +24 bytes there

Ticks are calls of the hook, of all tasks: the machine's clock here, so that where a run stops makes
no difference to what the program sees. Steps are instructions of the task that is followed, as a
CPU's single-step counts them: each iteration of a REP is one, one that faults and is tried again
is one.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
from collections.abc import Callable, Iterator
from enum import IntEnum

from youcpu.hardware import unicorn_library as uc
from youcpu.hardware.cpu import INSTRUCTIONS_PER_BLOCK, RIP, Cpu
from youcpu.hardware.memory import Ram

#: instruction() and, at _ACCESS, access() of recording_cpu.s.
_CODE = bytes.fromhex(
    "8b411885c0743f83f802744a4883793000750c483b7120742e483b71287428b801000000488339007e22ffc0"
    "48837908007e1948c741300000000048ff0948ff490848ff4110c3b80300000048894168ffa1900000005341"
    "544155415641574889cb4989f44189d54989fe4c8b7b38498d7740ff9380000000410fb68772030000410fb6"
    "9792030000418b8f98030000c1e90f41328f9403000009c109d10f8509010000498b47704c3b6370754e4885"
    "c0751048837b7800740948894378e9c40000004c89fa483b53407504488b53484881ea401600004c8b43584c"
    "3b4220741b488d7268498d7f68b910000000f348a775094c894220e98b00000048837b300075144c3b63200f"
    "848c0000004c3b63280f8482000000b90100000048833b007e7cffc148837b08007e734c8963704889437848"
    "c74330000000004c89f7be19000000498d571848c70200000000ff9388000000488b43104989074d8967084d"
    "896f10488b4358498947204981c7401600004c3b7b4872044c8b7b404c897b3848ff0b48ff435048ff4b0848"
    "ff4310415f415e415d415c5bc3b90300000048894b684c89f7ff9390000000ebe289d181e180000000c1e902"
    "09cad1e909ca83e23d4109979803000083e03d66410987c802000066418b8fca020000f7d121c1740a664181"
    "8fc8020000808041c687720300000041c6879203000000418b8f98030000c1e90f41888f9403000041c68774"
    "030000004c89f7498d7740ff93b0000000e97efeffff662e0f1f8400000000004183791802754d4d8b51584c"
    "89d04923416048c1e006490381a800000049ffc24d89515848891089480889700c4c89401048c74018000000"
    "004c8d52084d3b91a0000000770e490391980000004c8b124c895018c3"
)
_ACCESS = 0x230
SLOT, SLOTS, LOG_ENTRIES = 5696, 4096, 1 << 16
CONTEXT = 64
_HEADER = 40
_CONTEXT_END = CONTEXT + _HEADER + 5568
_NOWHERE = (1 << 64) - 1
ENDLESS = 1 << 62
#: Ticks until the host's Python gets a turn (Ctrl-C): less than a tenth of a second.
_BREATH = 200_000
_HEAD = struct.Struct("<5Q")
_ENTRY = struct.Struct("<QIIQ8s32x")
WRITE = 17


class Cell(IntEnum):
    """Quadwords that the machine code and Python share."""

    BUDGET = 0
    SLICE = 1
    TICKS = 2
    MODE = 3
    TARGET_A = 4
    TARGET_B = 5
    SKIP = 6
    NEXT = 7
    FIRST = 8
    END = 9
    STEPS = 10
    ACCESSES = 11
    MASK = 12
    REASON = 13
    LAST_ADDRESS = 14
    LAST_RCX = 15
    SAVE = 16
    READ = 17
    STOP = 18
    RAM_BASE = 19
    RAM_SIZE = 20
    LOG = 21
    RESTORE = 22


class Mode(IntEnum):
    """What the hooks do."""

    MUTED = 0
    COUNT = 1
    RECORD = 2


class Reason(IntEnum):
    """Why the machine code stopped the CPU."""

    NONE = 0
    BUDGET = 1
    SLICE = 2
    TARGET = 3


class RecordingUnavailable(Exception):
    """This host cannot run the hooks: not x86-64, or no executable memory."""


class Paused(BaseException):
    """The budget is used up or a target reached: unwinds the run. Nobody on the way handles it."""


class Access(tuple[int, int, bool, bytes, bytes]):
    """(physical address, size, is a store, bytes stored, bytes there before)."""


class Slot:
    """The registers before one recorded step; a view of the ring, gone when that goes round."""

    __slots__ = ("access_index", "address", "context", "eflags", "size", "ticks")

    def __init__(self, view: memoryview) -> None:
        head = _HEAD.unpack_from(view)
        self.ticks, self.address, self.size, self.eflags, self.access_index = head
        #: As Cpu.snapshot gives it.
        self.context = view[CONTEXT:_CONTEXT_END]


class RecordingCpu(Cpu):
    """A Cpu with the two hooks. Raises RecordingUnavailable."""

    def __init__(self, ram: Ram) -> None:
        self.cells = memoryview(mmap.mmap(-1, 4096)).cast("Q")
        #: Number of the oldest step that was recorded.
        self.first_step = 0
        #: Is the task that is about to run the one to follow?
        self.follows: Callable[[], bool] = lambda: True
        #: Called before each time that the CPU goes on.
        self.before_run: Callable[[], None] = lambda: None
        #: Called when it stopped.
        self.after_run: Callable[[], None] = lambda: None
        #: Ticks at which a run in COUNT mode pauses, of all tasks together; None: by the budget.
        self.goal: int | None = None
        super().__init__(ram)
        if not hasattr(os, "uname") or os.uname().machine != "x86_64":
            raise RecordingUnavailable("the host is no x86-64")
        try:
            code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        except (AttributeError, OSError) as error:
            raise RecordingUnavailable("the host refuses executable memory") from error
        code[: len(_CODE)] = _CODE
        self._slots = mmap.mmap(-1, SLOT * SLOTS)
        self._log = mmap.mmap(-1, _ENTRY.size * LOG_ENTRIES)
        self._slot_view, self._log_view = memoryview(self._slots), memoryview(self._log)
        header = bytes(self._raw[:_HEADER])
        for start in range(CONTEXT, SLOT * SLOTS, SLOT):
            self._slot_view[start : start + _HEADER] = header
        self._fill_cells(ram)
        start, data = _address(code), _address(self.cells.obj)
        self.hook_native(uc.HOOK_CODE, start, data)
        self.hook_native(uc.HOOK_MEM_READ | uc.HOOK_MEM_WRITE, start + _ACCESS, data)
        self._keep += [code, self.cells.obj]

    def _fill_cells(self, ram: Ram) -> None:
        cells, library = self.cells, self._library
        first = _address(self._slots)
        cells[Cell.NEXT] = cells[Cell.FIRST] = first
        cells[Cell.END] = first + SLOT * SLOTS
        cells[Cell.MASK] = LOG_ENTRIES - 1
        cells[Cell.TARGET_A] = cells[Cell.TARGET_B] = cells[Cell.LAST_ADDRESS] = _NOWHERE
        cells[Cell.SAVE] = _function(library.uc_context_save)
        cells[Cell.RESTORE] = _function(library.uc_context_restore)
        cells[Cell.READ] = _function(library.uc_reg_read)
        cells[Cell.STOP] = _function(library.uc_emu_stop)
        cells[Cell.RAM_BASE], cells[Cell.RAM_SIZE] = _address(ram.buffer), ram.size
        cells[Cell.LOG] = _address(self._log)
        cells[Cell.BUDGET] = ENDLESS

    # -- running -----------------------------------------------------------------------------

    @property
    def blocks(self) -> int:
        """The machine's clock, from ticks: it must not depend on where a run was stopped."""
        return self.cells[Cell.TICKS] // INSTRUCTIONS_PER_BLOCK

    def _ticks_of(self, blocks: int) -> int:
        return blocks * INSTRUCTIONS_PER_BLOCK - self.cells[Cell.TICKS] % INSTRUCTIONS_PER_BLOCK

    def limit(self, blocks: int) -> None:
        """From within a door: let the current run() go on for `blocks` blocks at most."""
        self.cells[Cell.SLICE] = min(self.cells[Cell.SLICE], self._ticks_of(blocks))

    def run(self, blocks: int) -> None:
        """As Cpu.run. Raises Paused where `prepare` said; `state` is valid then, too."""
        self.before_run()
        cells = self.cells
        cells[Cell.SLICE] = min(self._ticks_of(blocks), _BREATH)
        cells[Cell.REASON] = Reason.NONE
        if self.goal is not None:
            cells[Cell.BUDGET] = self.goal - cells[Cell.TICKS]
        if self.follows():
            super().run(ENDLESS)
        else:
            self._run_other()
        self.halted = False
        self.after_run()
        if cells[Cell.REASON] in (Reason.BUDGET, Reason.TARGET):
            raise Paused

    def _run_other(self) -> None:
        """A task that is not followed: it takes time, nothing else of it counts."""
        cells = self.cells
        kept = {
            cell: cells[cell] for cell in (Cell.MODE, Cell.BUDGET, Cell.TARGET_A, Cell.TARGET_B)
        }
        cells[Cell.MODE] = Mode.COUNT
        cells[Cell.BUDGET] = ENDLESS
        cells[Cell.TARGET_A] = cells[Cell.TARGET_B] = _NOWHERE
        try:
            super().run(ENDLESS)
        finally:
            for cell, value in kept.items():
                cells[cell] = value
            cells[Cell.LAST_ADDRESS] = _NOWHERE

    def interrupt(self, error: BaseException) -> bool:
        """While the CPU runs: stop it and let run() raise this. False: it does not run."""
        if self._running:
            self._failure = self._failure or error
            self.stop()
        return self._running

    def postpone(self, door: Callable[[], None], rip: int | None = None) -> None:
        """The rest of the block runs on without effect: it is not counted either."""
        mode = self.cells[Cell.MODE]
        self.cells[Cell.MODE] = Mode.MUTED

        def knock() -> None:
            self.cells[Cell.MODE] = mode
            door()

        super().postpone(knock, rip)

    def prepare(
        self, mode: Mode, budget: int = ENDLESS, targets: tuple[int, ...] = (), leave: bool = True
    ) -> None:
        """Pause after `budget` steps (ticks in COUNT mode) or before a target's instruction.

        `leave`: the instruction that comes next is no hit.
        """
        cells = self.cells
        cells[Cell.MODE], cells[Cell.BUDGET], cells[Cell.SKIP] = mode, budget, leave
        first, second = (*targets, _NOWHERE, _NOWHERE)[:2]
        cells[Cell.TARGET_A], cells[Cell.TARGET_B] = first, second

    @property
    def mode(self) -> int:
        """A Mode."""
        return self.cells[Cell.MODE]

    def leave_target(self) -> None:
        """The instruction that comes next is no hit, though it is a target."""
        self.cells[Cell.SKIP] = 1

    def spend_budget(self) -> None:
        """From within a door: pause before the next instruction."""
        self.cells[Cell.BUDGET] = 0

    def holds(self, step: int) -> bool:
        """Whether the ring still has the registers before that step."""
        return max(self.first_step, self.steps - SLOTS) <= step < self.steps

    def number_from(self, step: int) -> None:
        """The next recorded step is number `step`; what was recorded before is gone."""
        self.cells[Cell.STEPS], self.cells[Cell.ACCESSES] = step, 0
        self.cells[Cell.NEXT] = self.cells[Cell.FIRST]
        self.first_step = step

    @property
    def reason(self) -> Reason:
        """Why the last run ended."""
        return Reason(self.cells[Cell.REASON])

    # -- what was recorded -------------------------------------------------------------------

    @property
    def steps(self) -> int:
        """Steps recorded so far."""
        return self.cells[Cell.STEPS]

    @property
    def ticks(self) -> int:
        """Instructions of all tasks so far, as QEMU counts them."""
        return self.cells[Cell.TICKS]

    def slot(self, step: int) -> Slot:
        """The registers before step number `step` (from 0), one of the last SLOTS."""
        start = self._slot_place(step)
        return Slot(self._slot_view[start : start + SLOT])

    def _slot_place(self, step: int) -> int:
        behind = self.cells[Cell.STEPS] - step
        place = self.cells[Cell.NEXT] - self.cells[Cell.FIRST] - behind * SLOT
        return place % (SLOT * SLOTS)

    @property
    def access_count(self) -> int:
        """Accesses logged so far."""
        return self.cells[Cell.ACCESSES]

    def accesses(self, first: int, end: int) -> Iterator[Access]:
        """Entries of the log in order, of the last LOG_ENTRIES."""
        view, size = self._log_view, _ENTRY.size
        for index in range(max(first, self.access_count - LOG_ENTRIES), end):
            where, width, kind, value, there = _ENTRY.unpack_from(view, index % LOG_ENTRIES * size)
            stored = value.to_bytes(8, "little")[:width]
            yield Access((where, width, kind == WRITE, stored, there[:width]))

    def forget_last(self) -> None:
        """The last step did not come about: it faulted and will be tried again."""
        cells = self.cells
        cells[Cell.NEXT] = cells[Cell.FIRST] + self._slot_place(cells[Cell.STEPS] - 1)
        cells[Cell.STEPS] -= 1
        cells[Cell.BUDGET] += 1
        cells[Cell.SKIP] = 1
        cells[Cell.LAST_ADDRESS] = _NOWHERE

    def return_to(self, step: int) -> None:
        """Registers and RAM as they were before a recorded step. The caller knows that no kernel
        code ran since, and that no store crossed a page (undoable)."""
        slot = self.slot(step)
        memory = self.ram.bytes
        for where, width, store, _, there in reversed(
            list(self.accesses(slot.access_index, self.access_count))
        ):
            if store:
                memory[where : where + width] = there
        cells = self.cells
        cells[Cell.NEXT] = cells[Cell.FIRST] + self._slot_place(step)
        cells[Cell.STEPS] = step
        cells[Cell.TICKS], cells[Cell.ACCESSES] = slot.ticks, slot.access_index
        cells[Cell.LAST_ADDRESS] = _NOWHERE
        self.load(bytes(slot.context))
        self.state[RIP] = slot.address
        self.set_eflags(slot.eflags)
        self.flush_code()

    def undoable(self, step: int) -> bool:
        """Whether the ring and the log reach back to before that step, whole."""
        if not self.holds(step):
            return False
        first = self.slot(step).access_index
        return self.access_count - first <= LOG_ENTRIES and not any(
            store and (where & 0xFFF) + width > 0x1000
            for where, width, store, _, _ in self.accesses(first, self.access_count)
        )


def _address(buffer: object) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))  # type: ignore[arg-type]


def _function(function: object) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0  # type: ignore[arg-type]
