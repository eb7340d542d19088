"""Does an instruction's memory operand belong to the stack segment? Intel SDM vol. 2A, 2.1.5.

An address formed with RSP or RBP as its base is one of SS, unless a prefix says FS or GS: not
canonical, it is #SS(0) and not #GP(0) (SDM vol. 1, 3.3.7.1). Unicorn always raises #GP.
"""

from __future__ import annotations

from youcpu.hardware.paging import canonical
from youcpu.hardware.registers import R15, RAX, RSP

_VIRTUAL_BITS = 48
_PREFIXES = frozenset(b"\x66\x67\xf2\xf3\xf0\x2e\x36\x3e\x26")
_FS_GS = frozenset(b"\x64\x65")
_RSP, _RBP = 4, 5
_MASK64 = (1 << 64) - 1
#: One-byte opcodes with a ModRM byte (SDM vol. 2D, table A-2).
_MODRM = frozenset(
    opcode
    for first, last in (
        *((row, row + 3) for row in range(0, 0x40, 8)),
        *((0x63, 0x63), (0x69, 0x69), (0x6B, 0x6B), (0x80, 0x8F), (0xC0, 0xC1), (0xC6, 0xC7)),
        *((0xD0, 0xD3), (0xD8, 0xDF), (0xF6, 0xF7), (0xFE, 0xFF)),
    )
    for opcode in range(first, last + 1)
)
#: Two-byte opcodes without one (table A-3).
_NO_MODRM_0F = frozenset(
    (0x05, 0x06, 0x07, 0x08, 0x09, 0x0B, 0x0E, *range(0x30, 0x38), 0x77, *range(0x80, 0x90),
     0xA0, 0xA1, 0xA2, 0xA8, 0xA9, 0xAA, *range(0xC8, 0xD0))
)  # fmt: skip


def refers_outside(code: bytes, state: memoryview) -> bool:
    """Whether the 64-bit instruction refers to the stack at an address that is not canonical."""
    operand = stack_operand(code, state[RAX : R15 + 1])
    pointers = (state[RSP],) if operand is None else (state[RSP], operand)
    return any(canonical(pointer, _VIRTUAL_BITS) != pointer for pointer in pointers)


def stack_operand(code: bytes, general: memoryview) -> int | None:
    """Address of the memory operand of 64-bit `code` if it is SS's; `general`: RAX to R15.

    None: no such operand, or an encoding that is not taken apart here (VEX, EVEX).
    """
    position, override, rex, narrow = 0, False, 0, False
    while position < len(code):
        byte = code[position]
        if byte & 0xF0 == 0x40:
            rex = byte  # counts only right before the opcode
        elif byte in _PREFIXES or byte in _FS_GS:
            rex, override = 0, override or byte in _FS_GS
            narrow = narrow or byte == 0x67
        else:
            break
        position += 1
    position = _modrm_at(code, position)
    if override or position < 0 or position >= len(code):
        return None
    address = _effective(code, position, rex, general)
    return None if address is None else address & (0xFFFFFFFF if narrow else _MASK64)


def _modrm_at(code: bytes, position: int) -> int:
    """Index of the ModRM byte, -1 where there is none."""
    opcode = code[position : position + 3]
    if not opcode:
        return -1
    if opcode[0] != 0x0F:
        return position + 1 if opcode[0] in _MODRM else -1
    if len(opcode) < 2:
        return -1
    if opcode[1] in (0x38, 0x3A):
        return position + 3
    return -1 if opcode[1] in _NO_MODRM_0F else position + 2


def _effective(code: bytes, position: int, rex: int, general: memoryview) -> int | None:
    mode, rm = code[position] >> 6, code[position] & 7
    position += 1
    index = 0
    if mode == 3:
        return None
    if rm == 4:
        if position >= len(code):
            return None
        sib = code[position]
        position += 1
        number = sib >> 3 & 7 | (rex & 2) << 2
        if number != 4:
            index = general[number] << (sib >> 6)
        rm = sib & 7
    # RBP needs a displacement: mode 0 with its number means RIP or none at all.
    if rex & 1 or rm not in (_RSP, _RBP) or (rm == _RBP and mode == 0):
        return None
    size = {0: 0, 1: 1, 2: 4}[mode]
    displacement = int.from_bytes(code[position : position + size], "little", signed=True)
    return general[rm] + index + displacement
