"""Vectors of x86: what each exception is called and is (Intel SDM vol. 3A, 6.15, table 6-1).

A fault leaves RIP at the instruction, which may be tried again; a trap leaves it behind; an
abort does not say. Linux's names: arch/x86/include/asm/idtentry.h.
"""

from __future__ import annotations

from typing import NamedTuple


class Vector(NamedTuple):
    """One exception. `entry`: Linux's name for the code behind its gate."""

    mnemonic: str
    name: str
    kind: str  # fault, trap, fault or trap, abort, interrupt
    error_code: bool
    entry: str


VECTORS: dict[int, Vector] = {
    0: Vector("#DE", "divide error", "fault", False, "asm_exc_divide_error"),
    1: Vector("#DB", "debug", "fault or trap", False, "asm_exc_debug"),
    2: Vector("NMI", "non-maskable interrupt", "interrupt", False, "asm_exc_nmi"),
    3: Vector("#BP", "breakpoint", "trap", False, "asm_exc_int3"),
    4: Vector("#OF", "overflow", "trap", False, "asm_exc_overflow"),
    5: Vector("#BR", "BOUND range exceeded", "fault", False, "asm_exc_bounds"),
    6: Vector("#UD", "invalid opcode", "fault", False, "asm_exc_invalid_op"),
    7: Vector("#NM", "device not available", "fault", False, "asm_exc_device_not_available"),
    8: Vector("#DF", "double fault", "abort", True, "asm_exc_double_fault"),
    9: Vector("", "coprocessor overrun", "fault", False, "asm_exc_coproc_segment_overrun"),
    10: Vector("#TS", "invalid TSS", "fault", True, "asm_exc_invalid_tss"),
    11: Vector("#NP", "segment not present", "fault", True, "asm_exc_segment_not_present"),
    12: Vector("#SS", "stack-segment fault", "fault", True, "asm_exc_stack_segment"),
    13: Vector("#GP", "general protection", "fault", True, "asm_exc_general_protection"),
    14: Vector("#PF", "page fault", "fault", True, "asm_exc_page_fault"),
    15: Vector("", "reserved", "fault", False, "asm_exc_spurious_interrupt_bug"),
    16: Vector("#MF", "x87 floating-point error", "fault", False, "asm_exc_coprocessor_error"),
    17: Vector("#AC", "alignment check", "fault", True, "asm_exc_alignment_check"),
    18: Vector("#MC", "machine check", "abort", False, "asm_exc_machine_check"),
    19: Vector("#XM", "SIMD floating-point", "fault", False, "asm_exc_simd_coprocessor_error"),
    20: Vector("#VE", "virtualization", "fault", False, "asm_exc_virtualization_exception"),
    21: Vector("#CP", "control protection", "fault", True, "asm_exc_control_protection"),
    29: Vector("#VC", "VMM communication", "fault", True, "asm_exc_vmm_communication"),
}
INT80_VECTOR = 0x80

#: RFLAGS by bit (SDM vol. 1, 3.4.3).
RFLAGS_NAMES = {
    0: "CF", 2: "PF", 4: "AF", 6: "ZF", 7: "SF", 8: "TF", 9: "IF", 10: "DF", 11: "OF",
    14: "NT", 16: "RF", 17: "VM", 18: "AC", 19: "VIF", 20: "VIP", 21: "ID",
}  # fmt: skip
EFER_NAMES = {0: "SCE", 8: "LME", 10: "LMA", 11: "NXE"}

#: The MSRs behind SYSCALL and SYSENTER (SDM vol. 4, table 2-2), by number.
MSR_NAMES = {
    0xC0000080: "IA32_EFER", 0xC0000081: "IA32_STAR", 0xC0000082: "IA32_LSTAR",
    0xC0000083: "IA32_CSTAR", 0xC0000084: "IA32_FMASK", 0x174: "IA32_SYSENTER_CS",
    0x175: "IA32_SYSENTER_ESP", 0x176: "IA32_SYSENTER_EIP", 0xC0000100: "IA32_FS_BASE",
    0xC0000101: "IA32_GS_BASE", 0xC0000102: "IA32_KERNEL_GS_BASE",
}  # fmt: skip


def mnemonic(vector: int) -> str:
    """`#PF`, or `INT 80h` where the vector is no exception."""
    known = VECTORS.get(vector)
    return known.mnemonic if known and known.mnemonic else f"INT {vector:02X}h"


def flag_names(value: int, names: dict[int, str]) -> list[str]:
    """Names of the bits that are set, lowest first; IOPL of RFLAGS is no bit."""
    return [name for bit, name in names.items() if value >> bit & 1]


def rflags_text(value: int) -> str:
    """`IF ZF`, `IF IOPL=3`; `-` where none is set."""
    words = flag_names(value, RFLAGS_NAMES)[::-1]
    if value >> 12 & 3:
        words.append(f"IOPL={value >> 12 & 3}")
    return " ".join(words) or "-"
