"""What a CPU refuses when a control register or CS is loaded and Unicorn lets pass.

SDM vol. 2B, MOV to control registers; vol. 3A, 4.1.2, 5.2.1 (L and D), 10.8.5. The checks are
made behind the instruction, where its block has ended: `refusal` says why it is a #GP.
"""

from __future__ import annotations

from youcpu.hardware import descriptors as d
from youcpu.hardware.paging import CR0_PE, CR0_PG, CR4_PAE

CR0_NW, CR0_CD, CR0_WP = 1 << 29, 1 << 30, 1 << 16
EFER_LME, EFER_LMA = 1 << 8, 1 << 10
#: Bits of CR4 that no CPU of this kind has.
_CR4_RESERVED = ~0x7FFFFF & (1 << 64) - 1 | 1 << 15 | 1 << 19
#: MAXPHYADDR of the CPU model.
_PHYSICAL_BITS = 40


def control_register_move(code: bytes) -> tuple[int, int] | None:
    """(control register, general register) of a MOV to CRn that ends `code`; None: none does."""
    if len(code) < 3 or code[-3:-1] != b"\x0f\x22" or code[-1] < 0xC0:
        return None
    extension = code[-4] if len(code) > 3 and code[-4] & 0xF0 == 0x40 else 0
    return code[-1] >> 3 & 7 | (extension & 4) << 1, code[-1] & 7 | (extension & 1) << 3


def refusal(number: int, value: int, cr0: int, cr4: int, efer: int, code_flags: int) -> str | None:
    """Why MOV of `value` to CR`number` is #GP(0), with the registers as they were before it."""
    if number == 0:
        return _refuse_cr0(value, cr0, cr4, efer, code_flags)
    if number == 4:
        if value & _CR4_RESERVED:
            return f"CR4 has no bits {value & _CR4_RESERVED:#x}"
        if efer & EFER_LMA and not value & CR4_PAE:
            return "CR4.PAE cannot be cleared in long mode"
    if number == 3 and efer & EFER_LMA and value >> _PHYSICAL_BITS:
        return f"CR3 {value:#x} has bits above the {_PHYSICAL_BITS} of a physical address"
    return None


def _refuse_cr0(value: int, cr0: int, cr4: int, efer: int, code_flags: int) -> str | None:
    if value >> 32:
        return "CR0 has no bits above 31"
    if value & CR0_PG and not value & CR0_PE:
        return "CR0.PG needs CR0.PE: paging exists in protected mode only"
    if value & CR0_NW and not value & CR0_CD:
        return "CR0.NW without CR0.CD"
    if value & CR0_PG and not cr0 & CR0_PG and efer & EFER_LME:
        if not cr4 & CR4_PAE:
            return "EFER.LME is set and CR4.PAE is not: long mode's page tables need PAE"
        if code_flags & d.L:
            return "CS.L is set while long mode is turned on"
    if efer & EFER_LMA and code_flags & d.L and not value & CR0_PG:
        return "paging cannot be turned off in 64-bit mode"
    return None


def code_refusal(flags: int, efer: int) -> str | None:
    """Why a code segment that was loaded is #GP(selector)."""
    if efer & EFER_LMA and flags & d.L and flags & d.DB:
        return "its descriptor has both L and D: reserved in long mode"
    return None
