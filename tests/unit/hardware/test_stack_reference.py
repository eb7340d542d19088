"""Which operands are the stack's: against capstone's decoding of seeded random code."""

from __future__ import annotations

import random
from array import array

import capstone
from capstone import x86_const as x

from youcpu.hardware.stack_reference import stack_operand

#: RAX to R15 in the CPU's order, each with a value of its own.
VALUES = [0x1000 * number + 0x100 for number in range(16)]
NAMES = (
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
    "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
)  # fmt: skip
#: No operand of theirs reaches memory.
ADDRESSES_ONLY = {"lea", "nop", "bndmk", "prefetchw", "prefetch"}


def expected(found: capstone.CsInsn) -> int | None:
    """The address of an operand of 64-bit code with RSP or RBP as its base."""
    for operand in found.operands:
        if operand.type != x.X86_OP_MEM:
            continue
        base = found.reg_name(operand.mem.base) or ""
        index = (found.reg_name(operand.mem.index) or "").replace("riz", "")
        if base not in ("rsp", "rbp") or operand.mem.segment in (x.X86_REG_FS, x.X86_REG_GS):
            return None
        if index and index not in NAMES:
            return None
        scaled = VALUES[NAMES.index(index)] * operand.mem.scale if index else 0
        return (VALUES[NAMES.index(base)] + scaled + operand.mem.disp) & ((1 << 64) - 1)
    return None


def test_random_code() -> None:
    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    decoder.detail = True
    state = memoryview(array("Q", VALUES))
    chance = random.Random(8)
    seen = 0
    bad = []
    for _ in range(40_000):
        # One in two with a ModRM that says RSP or RBP, so that there is something to find.
        code = bytearray(chance.randbytes(15))
        if chance.random() < 0.5:
            place = chance.choice((1, 2, 3))
            code[place] = chance.choice((0x44, 0x84, 0x04, 0x45, 0x85)) | chance.randrange(8) << 3
        found = next(decoder.disasm(bytes(code), 0, 1), None)
        if found is None or code[0] in (0xC4, 0xC5, 0x62) or found.mnemonic in ADDRESSES_ONLY:
            continue
        # Implied operands of string instructions, pushes and pops are told apart by RSP itself.
        if found.modrm == 0 and found.encoding.modrm_offset == 0:
            continue
        wanted = expected(found)
        if found.addr_size != 8:
            continue
        got = stack_operand(bytes(code[: found.size]), state)
        if wanted is not None:
            seen += 1
        if got != wanted:
            bad.append((found.bytes.hex(), found.mnemonic, found.op_str, got, wanted))
    assert bad == []
    assert seen > 1500


def test_what_is_not_the_stack() -> None:
    state = memoryview(array("Q", VALUES))
    for code in (
        "8b18",  # mov ebx, [rax]
        "648b5d00",  # mov ebx, fs:[rbp]
        "418b5d00",  # mov ebx, [r13]
        "8b1d00000000",  # mov ebx, [rip]
        "8b1c2500000000",  # mov ebx, [0]
        "89e5",  # mov ebp, esp
        "90",
        "0f05",
        "",
        "8b",
    ):
        assert stack_operand(bytes.fromhex(code), state) is None, code
