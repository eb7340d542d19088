"""Exceptions that a CPU raises where Unicorn (QEMU 5.0) raises another one.

Each row was seen on a real CPU by fixtures/programs/arithmetic_faults.c and its like.
"""

from __future__ import annotations

from youcpu.hardware.cpu import RIP, Cpu
from youcpu.hardware.interrupts import (
    DEBUG,
    GENERAL_PROTECTION,
    INVALID_OPCODE,
    STACK_FAULT,
)
from youcpu.hardware.stack_reference import refers_outside

_ICEBP = b"\xf1"
_RDPMC = b"\x0f\x33"


def architectural(cpu: Cpu, vector: int, error_code: int | None) -> tuple[int, int | None]:
    """(vector, error code) as the SDM has them for the instruction at RIP."""
    if vector == GENERAL_PROTECTION and not error_code:
        address = cpu.state[RIP]
        if refers_outside(cpu.fetch(address, min(15, 0x1000 - address % 0x1000)), cpu.state):
            # SDM vol. 1, 3.3.7.1: references by the stack segment raise #SS.
            return STACK_FAULT, 0
    elif vector == INVALID_OPCODE:
        code = cpu.fetch(cpu.state[RIP], 2)
        if code[:1] == _ICEBP:
            cpu.state[RIP] += 1
            return DEBUG, None
        if code == _RDPMC:
            # CR4.PCE is 0.
            return GENERAL_PROTECTION, 0
    return vector, error_code
