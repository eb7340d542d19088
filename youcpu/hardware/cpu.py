"""The CPU: Unicorn with its own MMU on our RAM, and the doors out of it.

While the kernel (Python) runs, `Cpu.state` is the truth: the whole register file as
quadwords, saved from the CPU on the way in and restored on the way out. The CPU knocks at

    on_syscall()                              the SYSCALL instruction
    on_exception(vector, error_code)          a fault or trap; error_code None: it has none
    on_software_interrupt(vector)             INT n, INT3, INTO; RIP is behind it
    on_privileged()                           ring 3 tried IN or OUT
    on_sysenter()                             SYSENTER

each of which may change `state`, also RIP, and may ask for `stop()`.
Traps of Unicorn that shape this file: docs/design/0002-unicorn.md, named (trap N).
"""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
from collections.abc import Callable
from typing import Any

from youcpu.hardware import fpu
from youcpu.hardware import unicorn_library as uc
from youcpu.hardware.memory import Ram
from youcpu.hardware.paging import PTE_ADDRESS

# Indices of Cpu.state (quadwords). The saved context is a copy of QEMU's CPUX86State behind
# a header of 40 bytes (trap 2).
RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI = range(5, 13)
R8, R9, R10, R11, R12, R13, R14, R15 = range(13, 21)
RIP = 21
EFLAGS, CC_DST, CC_SRC, CC_SRC2, CC_OP_DF, HFLAGS = 22, 23, 24, 25, 26, 27
SEGMENTS = 28  # ES CS SS DS FS GS, three quadwords each: selector, base, limit | flags << 32
ES, CS, SS, DS, FS, GS = range(28, 46, 3)
CR0, CR2, CR3, CR4 = 58, 60, 61, 62
EFER = 79
_HEADER = 40
_ERROR_CODE = (_HEADER + 5384) // 4
_IS_INT = (_HEADER + 5388) // 4
_OLD_EXCEPTION = (_HEADER + 5496) // 4
_CONTEXT_SIZE = 5568
_CC_OP_EFLAGS = 1
_MASK64 = (1 << 64) - 1

GENERAL_REGISTERS = (
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
    "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
)  # fmt: skip

#: Vectors that push an error code (SDM vol. 3A, table 6-1).
VECTORS_WITH_ERROR_CODE = frozenset({8, 10, 11, 12, 13, 14, 17, 21})
UD_VECTOR = 6

#: Intel Nehalem: x86-64-v2, all of it in Unicorn's reach, and without RDRAND, whose
#: numbers would be the host's (trap 11).
_CPU_MODEL_NEHALEM = 15
#: dec qword [user_data]; jz stop; ret; stop: mov rax, imm64; jmp rax (trap 6).
_COUNTER_CODE = bytes.fromhex("48ff09 7401 c3 48b8") + b"%s" + bytes.fromhex("ffe0")
#: One basic block is taken as five instructions where only instructions can be counted.
INSTRUCTIONS_PER_BLOCK = 5


class Cpu:
    """One x86-64 processor on a Ram."""

    def __init__(self, ram: Ram) -> None:
        self._library = library = uc.load()
        self._failure: BaseException | None = None
        self._keep: list[Any] = []
        self._syscall_lengths: dict[int, int] = {}
        self._stale_code = False
        #: Whether uc_emu_start is under way, so that a door is open.
        self._running = False
        self._watcher: Callable[[int, int], None] | None = None
        self._watch_handle: Any = None
        self._pending_hooks: list[tuple[Any, int]] = []
        #: Registers before an instruction that must not have happened.
        self._undo: bytes | None = None
        #: Whom to tell when it is undone.
        self._undone_door: Callable[[], None] = _no_kernel
        engine = ctypes.c_void_p()
        self._check(library.uc_open(uc.ARCH_X86, uc.MODE_64, ctypes.byref(engine)))
        self._engine = engine
        self._control(uc.CTL_CPU_MODEL, ctypes.c_int(_CPU_MODEL_NEHALEM))
        # With exits enabled and none set no address is special, 0 neither (trap 12, 15).
        self._control(uc.CTL_USE_EXITS, ctypes.c_int(1))
        self.ram = ram
        address = ctypes.addressof(ctypes.c_char.from_buffer(ram.buffer))
        self._check(library.uc_mem_map_ptr(engine, 0, ram.size, uc.PROT_ALL, address))
        self._map_context()
        self.on_syscall: Callable[[], None] = _no_kernel
        self.on_exception: Callable[[int, int | None], None] = _no_kernel
        self.on_software_interrupt: Callable[[int], None] = _no_kernel
        self.on_privileged: Callable[[], None] = _no_kernel
        self.on_sysenter: Callable[[], None] = _no_kernel
        #: Value of the time stamp counter for RDTSC.
        self.on_rdtsc: Callable[[], int] = lambda: 0
        self._install_hooks()
        self._install_block_counter()
        self.save()

    # -- the library ---------------------------------------------------------------------

    def _check(self, error: int) -> None:
        if error:
            raise uc.UnicornError(self._library.uc_strerror(error).decode())

    def _control(self, kind: int, *arguments: Any) -> None:
        control = ctypes.c_int(kind | len(arguments) << 26 | uc.CTL_WRITE)
        self._check(self._library.uc_ctl(self._engine, control, *arguments))

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

    # -- doors -------------------------------------------------------------------------

    def _add_hook(
        self, kind: int, callback: Any, *instruction: int, data: int = 0, at: int | None = None
    ) -> Any:
        handle = ctypes.c_size_t()
        self._keep.append(callback)
        self._check(
            self._library.uc_hook_add(
                self._engine,
                ctypes.byref(handle),
                ctypes.c_int(kind),
                ctypes.cast(callback, ctypes.c_void_p),
                ctypes.c_void_p(data),
                # First and last address; a range turned round is all of them.
                ctypes.c_uint64(1 if at is None else at),
                ctypes.c_uint64(0 if at is None else at),
                *(ctypes.c_int(number) for number in instruction),
            )
        )
        return handle

    def _install_hooks(self) -> None:
        self._flags_cell = ctypes.c_uint64()
        self._flags_pointer = ctypes.byref(self._flags_cell)
        insn = uc.HOOK_INSN
        self._add_hook(insn, uc.SyscallHook(self._guard(self._syscall)), uc.INSN_SYSCALL)
        self._add_hook(insn, uc.SyscallHook(self._guard(self._sysenter)), uc.INSN_SYSENTER)
        self._add_hook(uc.HOOK_INTR, uc.InterruptHook(self._guard(self._interrupt)))
        self._add_hook(uc.HOOK_INSN_INVALID, uc.InvalidHook(self._guard(self._invalid, True)))
        self._add_hook(insn, uc.InHook(self._guard(self._port_in, 0)), uc.INSN_IN)
        self._add_hook(insn, uc.OutHook(self._guard(self._port_out)), uc.INSN_OUT)
        for number in (uc.INSN_RDTSC, uc.INSN_RDTSCP):
            self._add_hook(insn, uc.SkippableHook(self._guard(self._rdtsc, 1)), number)

    def _guard(self, door: Callable[..., Any], answer: Any = None) -> Callable[..., Any]:
        """A callback for C: an exception (Ctrl-C too) stops the CPU and is raised by run()."""

        def callback(_engine: Any, *arguments: Any) -> Any:
            try:
                result = door(*arguments)
                return answer if result is None else result
            except BaseException as error:
                self._failure = self._failure or error
                self.stop()
                return answer

        return callback

    def _syscall(self, _data: Any) -> None:
        if self._undo is not None:
            return
        library, engine, context = self._library, self._engine, self._context
        library.uc_context_save(engine, context)
        # What the silicon does; Unicorn only calls the hook (trap 4) and adds the length of
        # the instruction to RIP after it.
        state = self.state
        site = state[RIP]
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
        self._postpone(self.on_sysenter)

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

    def _port_in(self, _port: int, _size: int, _data: Any) -> int:
        self._postpone(self.on_privileged)
        return 0

    def _port_out(self, _port: int, _size: int, _value: int, _data: Any) -> None:
        self._postpone(self.on_privileged)

    def _postpone(self, door: Callable[[], None]) -> None:
        """Undo the instruction, then knock: Unicorn would finish it after the hook.

        Ring-3 IN and OUT are not privilege-checked (trap 9), SYSENTER goes on behind itself.
        The rest of the block runs on after the stop. It must leave no trace: with the empty
        tables of frame 0 it reaches no memory, and the doors stay shut.
        """
        if self._undo is not None:
            return
        self.save()
        state = self.state
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

    # -- running -----------------------------------------------------------------------

    def _install_block_counter(self) -> None:
        """Counts blocks and stops at zero in machine code, at full speed (trap 6)."""
        self._counter: memoryview | None = None
        self._loaded = 0
        self._blocks_before = 0
        if (
            not hasattr(os, "uname")
            or os.uname().machine != "x86_64"
            or not hasattr(mmap, "PROT_EXEC")
        ):
            return
        try:
            code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        except (OSError, PermissionError):
            return  # refused by the host's policy: run() counts instructions instead
        code[:18] = _COUNTER_CODE.replace(b"%s", struct.pack("<Q", self.stop_address))
        # Not beside the code: a CPU takes stores near the code it runs for changes of it.
        counter = mmap.mmap(-1, 4096)
        self._counter = memoryview(counter)[:8].cast("q")
        self._keep += [code, counter]
        where, data = (ctypes.addressof(ctypes.c_char.from_buffer(m)) for m in (code, counter))
        self._add_hook(uc.HOOK_BLOCK, ctypes.c_void_p(where), data=data)

    @property
    def stop_address(self) -> int:
        """uc_emu_stop, for machine code that is hooked in."""
        return ctypes.cast(self._library.uc_emu_stop, ctypes.c_void_p).value or 0

    def hook_native(self, kind: int, function: int, data: int) -> None:
        """Hook machine code in, for good: the address of a function and of its data."""
        self._add_hook(kind, ctypes.c_void_p(function), data=data)
        self.flush_code()  # hooks are compiled into the translations

    @property
    def blocks(self) -> int:
        """Basic blocks executed since power-on: the machine's deterministic clock."""
        counter = self._counter
        if counter is None:
            return self._blocks_before
        return self._blocks_before + self._loaded - counter[0]

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
        self._running = True
        error = self._library.uc_emu_start(self._engine, self.state[RIP], 0, 0, count)
        self._running = False
        self.save()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        if self._undo is not None:
            undo, self._undo = self._undo, None
            self.load(undo)
            self._undone_door()
        elif error:
            self._check(error)

    def limit(self, blocks: int) -> None:
        """From within a door: let the current run() go on for `blocks` blocks at most.

        Where only instructions are counted (no native counter) it stops at once instead.
        """
        counter = self._counter
        if counter is None:
            self.stop()
        elif counter[0] > blocks:
            self._loaded -= counter[0] - blocks
            counter[0] = blocks

    def stop(self) -> None:
        """Return from run() after the current instruction. Only from within a door (trap 5)."""
        if self._engine:
            self._library.uc_emu_stop(self._engine)

    def watch_instructions(self, listener: Callable[[int, int], None] | None) -> None:
        """Call `listener(address, size)` before each instruction; None: not any more.

        Hundreds of times slower than running (trap 7). RIP in `state` is not up to date.
        """
        self._watcher = listener
        self.flush_code()  # hooks are compiled into the translations

    def watch_address(self, address: int, listener: Callable[[], None]) -> None:
        """Call `listener` before each time that the instruction at `address` runs.

        Only blocks that hold it pay. RIP in `state` is that of the instruction.
        """

        def callback(_address: int, _size: int, _data: Any) -> None:
            self.save()
            self.state[RIP] = address
            listener()

        self._pending_hooks.append((uc.CodeHook(self._guard(callback)), address))
        self.flush_code()

    def _update_watch(self) -> None:
        while self._pending_hooks:
            hook, address = self._pending_hooks.pop()
            self._add_hook(uc.HOOK_CODE, hook, at=address)
        if self._watcher is not None and self._watch_handle is None:

            def callback(address: int, size: int, _data: Any) -> None:
                if self._watcher is not None:
                    self.save()
                    self._watcher(address, size)

            hook = uc.CodeHook(self._guard(callback))
            self._watch_handle = self._add_hook(uc.HOOK_CODE, hook)
        elif self._watcher is None and self._watch_handle is not None:
            self._check(self._library.uc_hook_del(self._engine, self._watch_handle))
            self._watch_handle = None

    # -- memory management -------------------------------------------------------------

    def flush_tlb(self) -> None:
        """After rights in a page table were lowered or an entry was cleared (trap 10)."""
        self._control(uc.CTL_TLB_FLUSH)

    def flush_code(self) -> None:
        """After the kernel changed bytes that may have been executed (trap 10).

        Done before the next run(): the block that knocked is itself a translation.
        """
        self._stale_code = True
        self.stop()

    def close(self) -> None:
        """Give the engine's memory back."""
        if self._engine:
            self._library.uc_context_free(self._context)
            self._library.uc_close(self._engine)
            self._engine = ctypes.c_void_p()


def _no_kernel(*_arguments: Any) -> None:
    raise RuntimeError("the CPU knocked at a door and no kernel is behind it")
