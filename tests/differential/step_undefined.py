"""What an instruction leaves undefined: Intel SDM vol. 2, "Flags Affected" and "FPU Flags Affected"
of each instruction. A difference there is none.
"""

from __future__ import annotations

CF, PF, AF, ZF, SF, OF = 1, 4, 0x10, 0x40, 0x80, 0x800
ARITHMETIC = CF | PF | AF | ZF | SF | OF

#: Mnemonic -> flags that are undefined whatever the operands are.
FLAGS = {
    **dict.fromkeys(("and", "or", "xor", "test"), AF),
    **dict.fromkeys(("mul", "imul"), SF | ZF | AF | PF),
    **dict.fromkeys(("div", "idiv"), ARITHMETIC),
    **dict.fromkeys(("bsf", "bsr"), CF | OF | SF | AF | PF),
    **dict.fromkeys(("bt", "bts", "btr", "btc"), OF | SF | AF | PF),
}
_SHIFTS = {"shl", "sal", "shr", "sar"}
_ROTATES = {"rol", "ror", "rcl", "rcr"}
_DOUBLE = {"shld", "shrd"}
_SIZES = {"byte": 8, "word": 16, "dword": 32, "qword": 64}

# x87: condition codes C0 to C3 of the status word, bits 8, 9, 10, 14.
C0, C1, C2, C3 = 0x100, 0x200, 0x400, 0x4000
#: Mnemonic prefixes -> condition codes that are defined; all others are "undefined" there, but C1
#: (rounded up, or stack fault), which see below.
_CODES = {
    **dict.fromkeys(("fcom", "ficom", "ftst", "fucom"), C0 | C2 | C3),
    "fxam": C0 | C1 | C2 | C3,
    **dict.fromkeys(("fprem", "fprem1"), C0 | C2 | C3),
    **dict.fromkeys(("fsin", "fcos", "fptan", "fsincos"), C2),
    **dict.fromkeys(("fldenv", "frstor", "fxrstor", "fninit", "fincstp", "fdecstp"), 0),
}


def undefined_flags(mnemonic: str, operands: str, rcx: int) -> int:
    """Flags of RFLAGS that have no defined value after an instruction."""
    mnemonic = mnemonic.removeprefix("lock ")
    found = FLAGS.get(mnemonic, 0)
    if mnemonic in _SHIFTS | _ROTATES | _DOUBLE:
        size = _operand_size(operands)
        last = operands.rpartition(",")[2].strip()
        if not operands.count(","):
            count = 1
        elif last == "cl":
            count = rcx & 255
        else:
            count = int(last, 0)
        count &= 63 if size == 64 else 31
        if not count:
            return 0  # they are not affected at all
        if mnemonic in _ROTATES:
            return 0 if count == 1 else OF
        found = AF if count == 1 else AF | OF
        if count > size or (mnemonic in ("shl", "shr") and count >= size):
            found |= CF if mnemonic in _SHIFTS else ARITHMETIC
    return found


def _operand_size(operands: str) -> int:
    first = operands.split(",")[0].strip()
    if " ptr" in first:
        return _SIZES[first.split()[0]]
    if first.startswith("r"):
        return {"b": 8, "w": 16, "d": 32}.get(first[-1], 64) if first[1:2].isdigit() else 64
    if first.startswith("e"):
        return 32
    return 8 if first.endswith("l") or first in ("ah", "bh", "ch", "dh") else 16


def undefined_codes(mnemonic: str) -> int:
    """Condition codes of the x87 status word that have no defined value after an instruction."""
    for prefix, defined in _CODES.items():
        if mnemonic.startswith(prefix):
            return (C0 | C1 | C2 | C3) & ~defined
    return C0 | C1 | C2 | C3
