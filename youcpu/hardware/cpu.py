"""The CPU: Unicorn with its own MMU on our RAM, and the doors out of it.

While the kernel (Python) runs, `Cpu.state` is the truth: the whole register file as
quadwords, saved from the CPU on the way in and restored on the way out. The CPU knocks at

    on_syscall()                              the SYSCALL instruction
    on_exception(vector, error_code)          a fault or trap; error_code None: it has none
    on_software_interrupt(vector)             INT n, INT3, INTO; RIP is behind it
    on_privileged()                           ring 3 tried IN or OUT
    on_sysenter()                             SYSENTER
    on_port_in(port, size), on_port_out(...)  IN and OUT, where a port bus is there

each of which may change `state`, also RIP, and may ask for `stop()`. What silicon does at
these doors when the guest brings its own kernel is hardware/silicon.py.
Traps of Unicorn that shape this file: docs/design/0002-unicorn.md, named (trap N).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from youcpu.hardware import unicorn_library as uc
from youcpu.hardware.block_counter import INSTRUCTIONS_PER_BLOCK, BlockCounter
from youcpu.hardware.memory import Ram
from youcpu.hardware.paging import PTE_ADDRESS
from youcpu.hardware.registers import (
    CC_DST,
    CC_OP_DF,
    CC_SRC,
    CC_SRC2,
    CR0,
    CR2,
    CR3,
    CR4,
    CS,
    DS,
    EFER,
    EFLAGS,
    ES,
    FS,
    GENERAL_REGISTERS,
    GS,
    HFLAGS,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
    RAX,
    RBP,
    RBX,
    RCX,
    RDI,
    RDX,
    RIP,
    RSI,
    RSP,
    SEGMENTS,
    SS,
)
from youcpu.hardware.watch import Watch

_HEADER = 40
_ERROR_CODE = (_HEADER + 5384) // 4
_IS_INT = (_HEADER + 5388) // 4
_OLD_EXCEPTION = (_HEADER + 5496) // 4
_MASK64 = (1 << 64) - 1
_HLT = 0xF4

#: Vectors that push an error code (SDM vol. 3A, table 6-1).
VECTORS_WITH_ERROR_CODE = frozenset({8, 10, 11, 12, 13, 14, 17, 21})
UD_VECTOR = 6


class Cpu(Watch, BlockCounter):
    """One x86-64 processor on a Ram."""

    def __init__(self, ram: Ram) -> None:
        super().__init__(ram)
        self._syscall_lengths: dict[int, int] = {}
        #: Registers before an instruction that must not have happened.
        self._undo: bytes | None = None
        #: Whom to tell when it is undone.
        self._undone_door: Callable[[], None] = _no_kernel
        #: Whether the last run() ended at HLT (RIP is behind it).
        self.halted = False
        self.on_syscall: Callable[[], None] = _no_kernel
        #: Asked before SYSCALL changes registers; True: something else was done instead.
        self.refuse_syscall: Callable[[], bool] | None = None
        self.on_exception: Callable[[int, int | None], None] = _no_kernel
        self.on_software_interrupt: Callable[[int], None] = _no_kernel
        self.on_privileged: Callable[[], None] = _no_kernel
        self.on_sysenter: Callable[[], None] = _no_kernel
        #: May the code at `state` use these ports? Asked where a port bus is there.
        self.may_use_ports: Callable[[int, int], bool] = lambda port, size: True
        self.on_port_in: Callable[[int, int], int] | None = None
        self.on_port_out: Callable[[int, int, int], None] | None = None
        #: Value of the time stamp counter for RDTSC.
        self.on_rdtsc: Callable[[], int] = lambda: 0
        self._install_hooks()
        self._install_block_counter()
        self.save()

    # -- doors -------------------------------------------------------------------------

    def _install_hooks(self) -> None:
        insn = uc.HOOK_INSN
        self._add_hook(insn, uc.SyscallHook(self._guard(self._syscall)), uc.INSN_SYSCALL)
        self._add_hook(insn, uc.SyscallHook(self._guard(self._sysenter)), uc.INSN_SYSENTER)
        self._add_hook(uc.HOOK_INTR, uc.InterruptHook(self._guard(self._interrupt)))
        self._add_hook(uc.HOOK_INSN_INVALID, uc.InvalidHook(self._guard(self._invalid, True)))
        self._add_hook(insn, uc.InHook(self._guard(self._port_in, 0)), uc.INSN_IN)
        self._add_hook(insn, uc.OutHook(self._guard(self._port_out)), uc.INSN_OUT)
        for number in (uc.INSN_RDTSC, uc.INSN_RDTSCP):
            self._add_hook(insn, uc.SkippableHook(self._guard(self._rdtsc, 1)), number)

    def _syscall(self, _data: Any) -> None:
        if self._undo is not None:
            return
        library, engine, context = self._library, self._engine, self._context
        library.uc_context_save(engine, context)
        # What the silicon does; Unicorn only calls the hook (trap 4) and adds the length of
        # the instruction to RIP after it.
        state = self.state
        site = state[RIP]
        refuse = self.refuse_syscall
        if refuse is not None and refuse():
            state[RIP] = (state[RIP] - self._syscall_length(site)) & _MASK64
            library.uc_context_restore(engine, context)
            return
        length = self._syscall_lengths.get(site) or self._syscall_length(site)
        state[RIP] = state[RCX] = site + length
        state[R11] = self.eflags()
        self.on_syscall()
        state[RIP] = (state[RIP] - length) & _MASK64
        library.uc_context_restore(engine, context)

    def _syscall_length(self, site: int) -> int:
        """Bytes of the SYSCALL at RIP: 2, and its prefixes. A program has few such places."""
        code = self.fetch(site, min(15, 0x1000 - (site & 0xFFF)))
        length = code.find(b"\x0f\x05") + 2 if b"\x0f\x05" in code else 2
        if len(self._syscall_lengths) < 4096:
            self._syscall_lengths[site] = length
        return length

    def fetch(self, address: int, size: int) -> bytes:
        """Bytes at a virtual address that the CPU just executed, by the tables of CR3."""
        rest = (address & 0xFFF) + size - 0x1000
        if rest > 0:
            return self.fetch(address, size - rest) + self.fetch((address | 0xFFF) + 1, rest)
        quads = self.ram.quads
        table = self.state[CR3] & PTE_ADDRESS
        for shift in (39, 30, 21):
            entry = quads[(table >> 3) + (address >> shift & 511)]
            table = entry & PTE_ADDRESS
        physical = quads[(table >> 3) + (address >> 12 & 511)] & PTE_ADDRESS
        physical |= address & 0xFFF
        return bytes(self.ram.bytes[physical : physical + size])

    def _sysenter(self, _data: Any) -> None:
        self.postpone(self.on_sysenter)

    def _interrupt(self, vector: int, _data: Any) -> None:
        library, engine, context = self._library, self._engine, self._context
        library.uc_context_save(engine, context)
        state32 = self._state32
        # Never cleared by Unicorn: the next fault would arrive as a double fault (trap 1).
        state32[_OLD_EXCEPTION] = -1
        if self._undo is not None:
            self.stop()
        elif state32[_IS_INT]:
            self.on_software_interrupt(vector)
        elif vector in VECTORS_WITH_ERROR_CODE:
            self.on_exception(vector, state32[_ERROR_CODE] & 0xFFFFFFFF)
        else:
            self.on_exception(vector, None)
        library.uc_context_restore(engine, context)

    def _invalid(self, _data: Any) -> bool:
        self.save()
        self._state32[_OLD_EXCEPTION] = -1
        if self._undo is not None:
            self.stop()
        elif self._state32[_IS_INT]:
            self.state[RIP] += 2  # INT 6, told as an invalid instruction
            self.on_software_interrupt(UD_VECTOR)
        else:
            self.on_exception(UD_VECTOR, None)
        self.restore()
        return True

    def _port_in(self, port: int, size: int, _data: Any) -> int:
        bus = self.on_port_in
        if bus is None:
            self.postpone(self.on_privileged)
            return 0
        if self._undo is not None:
            return 0
        self.save()
        if self.may_use_ports(port, size):
            return bus(port, size)
        self.postpone(self.on_privileged)
        return 0

    def _port_out(self, port: int, size: int, value: int, _data: Any) -> None:
        bus = self.on_port_out
        if bus is None:
            self.postpone(self.on_privileged)
            return
        if self._undo is not None:
            return
        self.save()
        if self.may_use_ports(port, size):
            bus(port, size, value)
        else:
            self.postpone(self.on_privileged)

    def postpone(self, door: Callable[[], None], rip: int | None = None) -> None:
        """Undo the instruction, then knock: Unicorn would finish it after the hook.

        `rip`: of the instruction, where `state` may not have it (Watch).

        Ring-3 IN and OUT are not privilege-checked (trap 9), SYSENTER goes on behind itself.
        The rest of the block runs on after the stop. It must leave no trace: with the empty
        tables of frame 0 it reaches no memory, and the doors stay shut.
        """
        if self._undo is not None:
            return
        self.save()
        state = self.state
        if rip is not None:
            state[RIP] = rip
        flags, root = self.eflags(), state[CR3]
        state[CR3] = 0
        self.restore()
        self.flush_tlb()
        state[CR3], state[EFLAGS] = root, flags
        self._undo = self.snapshot()
        self._undone_door = door
        self.stop()

    def _rdtsc(self, _data: Any) -> int:
        self.save()
        value = self.on_rdtsc()
        self.state[RAX] = value & 0xFFFFFFFF
        self.state[RDX] = value >> 32
        self.restore()
        return 1

    def hook_cpuid(self, answer: Callable[[], bool]) -> None:
        """Ask `answer` at each CPUID; True: it has put the values into `state` itself."""

        def cpuid(_data: Any) -> int:
            self.save()
            answered = answer()
            if answered:
                self.restore()
            return int(answered)

        self._add_hook(uc.HOOK_INSN, uc.SkippableHook(self._guard(cpuid, 0)), uc.INSN_CPUID)

    # -- running -----------------------------------------------------------------------

    def run(self, blocks: int) -> None:
        """Go on from `state` for `blocks` basic blocks at most, or until stop().

        Raises what a door raised. `state` is valid again afterwards.
        """
        if self._stale_code:
            self._stale_code = False
            self._syscall_lengths.clear()
            self._update_watch()
            self._control(uc.CTL_TB_FLUSH)
        self.restore()
        count = 0
        if self._counter is not None:
            self._blocks_before = self.blocks
            self._loaded = self._counter[0] = blocks
        else:
            count = blocks * INSTRUCTIONS_PER_BLOCK
            self._blocks_before += blocks
        self._running, self._stopping = True, False
        error = self._library.uc_emu_start(self._engine, self.state[RIP], 0, 0, count)
        self._running = False
        self.save()
        counter = self._counter
        self.halted = not (error or self._stopping) and (
            counter[0] > 0 if counter is not None else self._behind_hlt()
        )
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        if self._undo is not None:
            undo, self._undo = self._undo, None
            self.load(undo)
            self._undone_door()
        elif error:
            self._check(error)

    def _behind_hlt(self) -> bool:
        """Where instructions are counted, the end of the count looks like HLT."""
        return self.fetch(self.state[RIP] - 1, 1)[0] == _HLT

    def close(self) -> None:
        """Give the engine's memory back."""
        if self._engine:
            self._library.uc_context_free(self._context)
            self._library.uc_close(self._engine)
            self._engine = ctypes.c_void_p()


def _no_kernel(*_arguments: Any) -> None:
    raise RuntimeError("the CPU knocked at a door and no kernel is behind it")


__all__ = [
    "CC_DST",
    "CC_OP_DF",
    "CC_SRC",
    "CC_SRC2",
    "CR0",
    "CR2",
    "CR3",
    "CR4",
    "CS",
    "DS",
    "EFER",
    "EFLAGS",
    "ES",
    "FS",
    "GENERAL_REGISTERS",
    "GS",
    "HFLAGS",
    "INSTRUCTIONS_PER_BLOCK",
    "R8",
    "R9",
    "R10",
    "R11",
    "R12",
    "R13",
    "R14",
    "R15",
    "RAX",
    "RBP",
    "RBX",
    "RCX",
    "RDI",
    "RDX",
    "RIP",
    "RSI",
    "RSP",
    "SEGMENTS",
    "SS",
    "Cpu",
]
