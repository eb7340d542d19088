"""The register file: one saved context of the engine, seen as quadwords (trap 2)."""

from __future__ import annotations

import ctypes
import struct

from youcpu.hardware import fpu
from youcpu.hardware import unicorn_library as uc
from youcpu.hardware.engine import Engine
from youcpu.hardware.memory import Ram

# Indices of `state` (quadwords). The saved context is a copy of QEMU's CPUX86State behind
# a header of 40 bytes (trap 2).
RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI = range(5, 13)
R8, R9, R10, R11, R12, R13, R14, R15 = range(13, 21)
RIP = 21
EFLAGS, CC_DST, CC_SRC, CC_SRC2, CC_OP_DF, HFLAGS = 22, 23, 24, 25, 26, 27
SEGMENTS = 28  # ES CS SS DS FS GS, three quadwords each: selector, base, limit | flags << 32
ES, CS, SS, DS, FS, GS = range(28, 46, 3)
LDT, TR, GDT, IDT = range(46, 58, 3)
CR0, CR2, CR3, CR4 = 58, 60, 61, 62
A20 = 134  # of _state32: the mask of physical addresses
EFER = 79
TOP_OF_STACK = 80  # of the x87, in the upper half
SYSENTER_CS, SYSENTER_ESP, SYSENTER_EIP, STAR = 605, 606, 607, 608
LSTAR, CSTAR, FMASK, KERNEL_GS_BASE = 610, 611, 612, 613
MISC_ENABLE = 620
DR6, DR7 = 686, 687
_HEADER = 40
_ERROR_CODE = (_HEADER + 5384) // 4
_IS_INT = (_HEADER + 5388) // 4
_OLD_EXCEPTION = (_HEADER + 5496) // 4
_CONTEXT_SIZE = 5568
_CC_OP_EFLAGS = 1

GENERAL_REGISTERS = (
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
    "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
)  # fmt: skip


class RegisterFile(Engine):
    """Registers of the CPU: `state` is a copy, saved from it and restored to it."""

    def __init__(self, ram: Ram) -> None:
        super().__init__(ram)
        #: Whether uc_emu_start is under way, so that a door is open.
        self._running = False
        self._flags_cell = ctypes.c_uint64()
        self._flags_pointer = ctypes.byref(self._flags_cell)
        self._map_context()

    def _map_context(self) -> None:
        """A view of one kept context; refuses a library whose layout is another (trap 2)."""
        size = self._library.uc_context_size(self._engine)
        context = ctypes.c_void_p()
        self._check(self._library.uc_context_alloc(self._engine, ctypes.byref(context)))
        if size != _HEADER + _CONTEXT_SIZE or context.value is None:
            raise uc.UnicornError(f"context of {size} bytes: this Unicorn is not a known 2.1.x")
        self._context = context
        buffer = (ctypes.c_ubyte * size).from_address(context.value)
        raw = memoryview(buffer).cast("B")
        #: The register file in quadwords, see the indices above.
        self.state = raw.cast("Q")
        self._state32 = raw.cast("i")
        self._raw = raw
        self._probe_layout()

    def _probe_layout(self) -> None:
        """Write magic values through the public API and find them in the context (trap 2)."""
        self.save()
        clean = self.snapshot()
        quads = {
            uc.REG_RAX: RAX, uc.REG_RSP: RSP, uc.REG_R15: R15, uc.REG_RIP: RIP,
            uc.REG_FS_BASE: FS + 1, uc.REG_GS_BASE: GS + 1, uc.REG_CR2: CR2,
        }  # fmt: skip
        for number, index in quads.items():
            self.write_register(number, 0x1122_3344_5566_0000 + index)
        for number in (0, 7):
            self._write_wide(uc.REG_ST0 + number, bytes([0x70 + number] * 10))
        for number in (0, 15):
            self._write_wide(uc.REG_XMM0 + number, bytes([0x80 + number] * 16))
        self.write_register(uc.REG_FPSW, 0x7A << 8)
        self.write_register(uc.REG_FPTAG, 0xFFFC)
        self.write_register(uc.REG_FPCW, 0x27B)
        self.write_register(uc.REG_MXCSR, 0x9F83)
        self.save()
        found = self.fxsave()
        # The top of the stack is 7 here: ST(0) is register 7, ST(1) register 0.
        good = (
            all(self.state[index] == 0x1122_3344_5566_0000 + index for index in quads.values())
            and found[:5] == struct.pack("<HHB", 0x27B, 0x7A << 8, 1)
            and fpu.control_words(found) == (0x27B, 0x9F83)
            and found[32:58] == bytes([0x77] * 10) + bytes(6) + bytes([0x70] * 10)
            and found[160:176] == bytes([0x80] * 16)
            and found[400:416] == bytes([0x8F] * 16)
        )
        if not good:
            raise uc.UnicornError("registers are not where they should be: unknown Unicorn")
        self.load(clean)
        self.restore()

    def save(self) -> None:
        """CPU to `state`."""
        self._library.uc_context_save(self._engine, self._context)

    def restore(self) -> None:
        """`state` to CPU. Does not flush the TLB (trap 14)."""
        self._library.uc_context_restore(self._engine, self._context)

    def snapshot(self) -> bytes:
        """A copy of `state`, for a task that is switched away from."""
        return self._raw.tobytes()

    def load(self, snapshot: bytes) -> None:
        """Make a copy taken by `snapshot` the `state`."""
        self._raw[_HEADER:] = snapshot[_HEADER:]

    def load_segments(self, snapshot: bytes) -> None:
        """CS, SS and the mode that goes with them from a snapshot, into `state`."""
        image = memoryview(snapshot).cast("Q")
        for index in (*range(CS, CS + 3), *range(SS, SS + 3), HFLAGS):
            self.state[index] = image[index]

    def read_register(self, number: int) -> int:
        """A register by Unicorn's number, from the CPU."""
        value = ctypes.c_uint64()
        self._check(self._library.uc_reg_read(self._engine, number, ctypes.byref(value)))
        return value.value

    def write_register(self, number: int, value: int) -> None:
        """A register by Unicorn's number, to the CPU (not to `state`)."""
        cell = ctypes.c_uint64(value)
        self._check(self._library.uc_reg_write(self._engine, number, ctypes.byref(cell)))

    def write_msr(self, number: int, value: int) -> None:
        msr = uc.ModelSpecificRegister(number, value)
        self._check(self._library.uc_reg_write(self._engine, uc.REG_MSR, ctypes.byref(msr)))

    def load_table_register(self, number: int, base: int, limit: int, selector: int = 0) -> None:
        """GDTR, IDTR or TR (LGDT, LIDT, LTR)."""
        flags = 0x8B00 if number == uc.REG_TR else 0
        register = uc.SystemTableRegister(selector, base, limit, flags)
        self._check(self._library.uc_reg_write(self._engine, number, ctypes.byref(register)))

    def eflags(self) -> int:
        """RFLAGS as the program sees them: QEMU keeps the arithmetic ones lazily while it runs."""
        if not self._running:
            return self.state[EFLAGS] & 0xFFFFFFFF | 2
        if self._state32[CC_OP_DF * 2] == _CC_OP_EFLAGS:
            state = self.state
            fixed = state[EFLAGS] & ~0xCD5 & 0xFFFFFFFF
            direction = 0x400 if self._state32[CC_OP_DF * 2 + 1] < 0 else 0
            return fixed | (state[CC_SRC] & 0x8D5) | direction | 2
        cell = self._flags_cell
        self._library.uc_reg_read(self._engine, uc.REG_EFLAGS, self._flags_pointer)
        return cell.value

    def set_eflags(self, value: int) -> None:
        """RFLAGS in `state`, arithmetic ones evaluated."""
        if not self._running:
            # On its way into its loop QEMU takes them apart itself (x86_cpu_exec_enter).
            self.state[EFLAGS] = value | 2
            return
        self.state[EFLAGS] = value & ~0xCD5 | 2
        self.state[CC_SRC] = value & 0x8D5
        self._state32[CC_OP_DF * 2] = _CC_OP_EFLAGS
        self._state32[CC_OP_DF * 2 + 1] = -1 if value & 0x400 else 1

    @property
    def a20_mask(self) -> int:
        """What physical addresses are ANDed with: all ones, or bit 20 clear."""
        return self._state32[A20]

    def set_a20(self, enabled: bool) -> None:
        """The A20 gate, in `state`; closed, addresses wrap at each odd megabyte."""
        self._state32[A20] = -1 if enabled else ~(1 << 20)
        self.flush_tlb()

    @property
    def in_64_bit_mode(self) -> bool:
        """Whether `state` runs 64-bit code: HF_CS64_MASK."""
        return bool(self.state[HFLAGS] >> 15 & 1)

    @property
    def cpl(self) -> int:
        """Current privilege level of `state`: 0 kernel, 3 user."""
        return self.state[HFLAGS] & 3

    def fxsave(self) -> bytes:
        """The 512 bytes that FXSAVE64 writes (hardware/fpu.py), from `state`."""
        return fpu.read_fxsave(self._raw[_HEADER:])

    def fxrstor(self, image: bytes) -> None:
        """Load what `fxsave` gave to `state`; bits of MXCSR that do not exist are dropped."""
        data = self._raw[_HEADER:]
        control, mxcsr = fpu.control_words(image)
        mxcsr &= fpu.MXCSR_MASK
        if (control, mxcsr) != fpu.current_control_words(data):
            self._set_control_words(control, mxcsr)
        fpu.write_fxsave(data, image)

    def _set_control_words(self, control: int, mxcsr: int) -> None:
        """FCW and MXCSR with what QEMU derives from them: only the CPU itself can."""
        data = self._raw[_HEADER:]
        kept = bytes(data)
        self.restore()
        self.write_register(uc.REG_FPCW, control)
        self.write_register(uc.REG_MXCSR, mxcsr)
        self.save()
        derived = bytes(data[fpu.DERIVED_FROM : fpu.MXCSR + 4])
        data[:] = kept
        data[fpu.DERIVED_FROM : fpu.MXCSR + 4] = derived
        struct.pack_into("<H", data, fpu.CONTROL, control)

    def _write_wide(self, number: int, value: bytes) -> None:
        cell = ctypes.create_string_buffer(value, 16)
        self._check(self._library.uc_reg_write(self._engine, number, cell))
