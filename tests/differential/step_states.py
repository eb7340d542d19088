"""Steps of youcpu beside those of a real CPU: registers after each, compared."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from differential.step_undefined import AF, OF, SF, undefined_codes, undefined_flags

IE, ZE, UE, PE = 1, 4, 0x10, 0x20

_REGS = struct.Struct("<27Q")
#: struct user_regs_struct (arch/x86/include/asm/user_64.h); orig_rax is the kernel's.
NAMES = (
    "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi",
    "rdi", "orig_rax", "rip", "cs", "rflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs",
    "gs",
)  # fmt: skip
FXSAVE = 512
RECORD = _REGS.size + FXSAVE
_FP_NAMES = (
    "fcw",
    "fsw",
    "ftw",
    "mxcsr",
    *(f"st{n}" for n in range(8)),
    *(f"xmm{n}" for n in range(16)),
)
#: TF is the stepping's own; RF is the CPU's, for debug exceptions (SDM vol. 3B, 17.3.1.1).
_STEPPING = 0x100 | 0x10000


def native_states(data: bytes) -> Iterator[tuple[dict[str, int], bytes]]:
    """(registers, FXSAVE image) after each step, the state before the first at first."""
    for start in range(0, len(data) - RECORD + 1, RECORD):
        values = _REGS.unpack_from(data, start)
        yield dict(zip(NAMES, values, strict=True)), data[start + _REGS.size : start + RECORD]


def fp_values(image: bytes) -> dict[str, int]:
    """x87 and SSE registers of an FXSAVE image, ST(0) first."""
    control, status, tags = struct.unpack_from("<HHB", image)
    found = {"fcw": control, "fsw": status, "ftw": tags}
    (found["mxcsr"],) = struct.unpack_from("<I", image, 24)
    for number in range(8):
        found[f"st{number}"] = int.from_bytes(image[32 + 16 * number : 42 + 16 * number], "little")
    for number in range(16):
        start = 160 + 16 * number
        found[f"xmm{number}"] = int.from_bytes(image[start : start + 16], "little")
    return found


def extra_stop(step: dict[str, Any]) -> bool:
    """ptrace stops twice where a call makes a signal: behind the call, and in the handler. No
    instruction runs in between (arch_syscall_exit_tracehook, handle_signal of 6.18)."""
    kinds = [event["event"] for event in step["kernel"]]
    doors = [event["how"] for event in step["kernel"] if event["event"] == "door"]
    return "signal" in kinds and doors[-1:] == ["syscall"]


class Ours:
    """Registers of youcpu, kept up by the changes that its steps tell."""

    def __init__(self, start: dict[str, str]) -> None:
        self.registers = {name: int(value, 16) for name, value in start.items()}

    def apply(self, step: dict[str, Any]) -> None:
        """One step of the JSON Lines."""
        for name, (_, new) in step["changed"].items():
            self.registers[name] = int(new, 16)
        if step["next"] is not None:
            self.registers["rip"] = int(step["next"], 16)

    def fp_values(self) -> dict[str, int]:
        """As fp_values of an image: x87 registers from the top of the stack on."""
        found = {name: value for name, value in self.registers.items() if name in _FP_NAMES}
        top = found["fsw"] >> 11 & 7
        for number in range(8):
            found[f"st{number}"] = self.registers[f"x87_r{(top + number) & 7}"]
        return found


#: Differences that are QEMU 5.0's and stay: README, "Limits". Mnemonic prefixes -> register, bits.
KNOWN: dict[str, tuple[tuple[str, int], ...]] = {
    # ZE with IE: 0/0 and infinity/0 are taken for divisions by zero, too.
    "fdiv": (("fsw", ZE),),
    # OF, SF and AF are left alone; the CPU clears them.
    "fcomi": (("rflags", OF | SF | AF),),
    **dict.fromkeys(("fcompi", "fucomi", "fucompi"), (("rflags", OF | SF | AF),)),
    # A value that does not fit into 16 bits or 18 digits raises no IE.
    "fist": (("fsw", IE | PE),),
    "fbstp": (("fsw", IE | PE),),
    # PE stays clear; values differ in the last bits (double precision): see FUNCTIONS.
    **dict.fromkeys(
        ("fsin", "fcos", "fptan", "fpatan", "f2xm1", "fyl2x", "fscale", "fprem", "fxtract"),
        (("fsw", PE | UE | ZE | IE),),
    ),
}
FUNCTIONS = ("fsin", "fcos", "fptan", "fpatan", "f2xm1", "fyl2x")
#: Denormal operand: DE is not computed, for SSE nor x87.
DE = 2


class Comparison:
    """Follows both; `differences` are lines for a human."""

    def __init__(self, start: dict[str, str]) -> None:
        self.ours = Ours(start)
        self.steps = 0
        self.differences: list[str] = []
        #: Flags, condition codes that are undefined since some instruction.
        self._flags = self._codes = 0
        #: Was one of the transcendental instructions executed?
        self._functions = False
        #: In a handler: how large the signal frame is differs from CPU to CPU (XSAVE).
        self._in_handler = 0
        self._loose: set[str] = set()
        #: Bits of registers that differ since an instruction of KNOWN, until they agree again.
        self._known: dict[str, int] = {}
        self._last_fp = b""

    def step(self, step: dict[str, Any], native: dict[str, int], image: bytes) -> None:
        """One step of each."""
        mnemonic, _, operands = step["assembly"].partition(" ")
        if mnemonic in ("lock", "rep", "repe", "repne"):
            mnemonic, _, operands = operands.partition(" ")
        rcx = self.ours.registers["rcx"]
        self.ours.apply(step)
        self.steps += 1
        self._signals(step, mnemonic)
        self._flags |= undefined_flags(mnemonic, operands, rcx)
        if mnemonic == "syscall":
            self._loose.add("r11")  # holds RFLAGS with TF, where it is stepped
        if mnemonic in ("cpuid", "rdtsc"):
            self._loose |= {"rax", "rbx", "rcx", "rdx"}
        for prefix, rows in KNOWN.items():
            if mnemonic.startswith(prefix):
                for name, bits in rows:
                    self._known[name] = self._known.get(name, 0) | bits
        self._compare_general(step, native)
        fp_changed = image != self._last_fp or any(name in _FP for name in step["changed"])
        if fp_changed:
            self._last_fp = image
            self._functions |= mnemonic.startswith(FUNCTIONS)
            if mnemonic.startswith("f"):
                self._codes |= undefined_codes(mnemonic)
            self._compare_fp(step, image)

    def _signals(self, step: dict[str, Any], mnemonic: str) -> None:
        for event in step["kernel"]:
            if event["event"] == "signal":
                self._in_handler += 1
                self._loose |= {"rsp", "rsi", "rdx", "rbp", "rcx"}
            elif event["event"] == "syscall" and event["name"] == "rt_sigreturn":
                self._in_handler -= 1
                if not self._in_handler:
                    self._loose -= {"rsp", "rsi", "rdx", "rbp", "rcx"}

    def _compare_general(self, step: dict[str, Any], native: dict[str, int]) -> None:
        mine = self.ours.registers
        for name in NAMES:
            if name == "orig_rax":
                continue
            difference = mine[name] ^ native[name]
            if name == "rflags":
                difference &= ~_STEPPING
                self._flags &= difference
                difference &= ~self._flags
                difference = self._without_known(name, difference)
            elif name in self._loose:
                if not difference and not self._in_handler:
                    self._loose.discard(name)
                difference &= ~0x100 if name == "r11" else 0
            if difference:
                self._tell(step, name, mine[name], native[name])

    def _compare_fp(self, step: dict[str, Any], image: bytes) -> None:
        mine, native = self.ours.fp_values(), fp_values(image)
        for name in _FP_NAMES:
            difference = mine[name] ^ native[name]
            if name == "fsw":
                self._codes &= difference
                difference &= ~self._codes & ~DE
                # ES and B follow from the others (SDM vol. 1, 8.1.3.3).
                difference = self._without_known(name, difference)
            elif name == "mxcsr":
                difference &= ~DE
            elif name.startswith("st"):
                difference = self._without_mmx(name, difference, mine, native)
            if difference:
                self._tell(step, name, mine[name], native[name])

    def _without_known(self, name: str, difference: int) -> int:
        """A difference without the bits of KNOWN; those are forgotten where they agree again."""
        known = self._known.get(name, 0)
        if known:
            self._known[name] = known & difference
        return difference & ~known

    def _without_mmx(
        self, name: str, difference: int, mine: dict[str, int], native: dict[str, int]
    ) -> int:
        """MMX instructions set the exponent to ones; QEMU 5.0 leaves it. Functions like FSIN are
        computed in double precision there."""
        if native[name] >> 64 == 0xFFFF:
            difference &= (1 << 64) - 1
        if self._functions and difference and close(mine[name], native[name]):
            return 0
        return difference

    def _tell(self, step: dict[str, Any], name: str, mine: int, native: int) -> None:
        if len(self.differences) < 20:
            self.differences.append(
                f"step {step['step']} {step['rip']} {step['assembly']}: {name} {mine:#x}, "
                f"the CPU has {native:#x}"
            )


def close(one: int, other: int) -> bool:
    """Whether two x87 values agree in their first 46 bits: SDM vol. 1, 4.2.2."""
    if one >> 64 != other >> 64:
        return False
    return abs((one & _FRACTION) - (other & _FRACTION)) >> 18 == 0


_FRACTION = (1 << 64) - 1
_FP = {*_FP_NAMES, *(f"x87_r{n}" for n in range(8))}
