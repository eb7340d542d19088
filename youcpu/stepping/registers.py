"""A saved context as named registers, and what differs between two: SDM vol. 1, 3.4, 8.1, 10.2.

The context is Cpu.snapshot's: QEMU's CPUX86State behind a header of 40 bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from youcpu.hardware import fpu
from youcpu.hardware.cpu import GENERAL_REGISTERS
from youcpu.trace.steps import RegisterChange

_HEADER = 40
_GENERAL = _HEADER  # 16 quadwords
_RIP = _GENERAL + 16 * 8
_HFLAGS = _RIP + 6 * 8
_SEGMENTS = _HFLAGS + 8  # 6 of 3 quadwords: selector, base, limit
_SEGMENT_NAMES = ("es", "cs", "ss", "ds", "fs", "gs")
_X87, _X87_END = _HEADER + fpu.TOP, _HEADER + fpu.REGISTERS + 128
_SSE, _SSE_END = _HEADER + fpu.MXCSR, _HEADER + fpu.XMM + 16 * 64
_QUADS = struct.Struct("<16Q")
_SEGMENT = struct.Struct("<QQQ")

#: Flags of RFLAGS by bit: SDM vol. 1, figure 3-8.
FLAGS = {
    0: "CF", 2: "PF", 4: "AF", 6: "ZF", 7: "SF", 8: "TF", 9: "IF", 10: "DF", 11: "OF",
    14: "NT", 16: "RF", 18: "AC", 21: "ID",
}  # fmt: skip


def ring_of(context: memoryview) -> int:
    """The current privilege level."""
    return context[_HFLAGS] & 3


def changes(
    before: memoryview, old_flags: int, after: memoryview, new_flags: int
) -> Iterator[RegisterChange]:
    """What differs, RIP apart, in the order of `registers`."""
    old, new = before[_GENERAL:_RIP], after[_GENERAL:_RIP]
    if old != new:
        pairs = zip(GENERAL_REGISTERS, _QUADS.unpack(old), _QUADS.unpack(new), strict=True)
        for name, left, right in pairs:
            if left != right:
                yield RegisterChange(name, 64, left, right)
    if old_flags != new_flags:
        yield RegisterChange("rflags", 64, old_flags, new_flags)
    for start, end, read in (
        (_SEGMENTS, _SEGMENTS + 6 * 24, _segments),
        (_X87, _X87_END, _x87),
        (_SSE, _SSE_END, _sse),
    ):
        if before[start:end] != after[start:end]:
            for (name, bits, left), (_, _, right) in zip(read(before), read(after), strict=True):
                if left != right:
                    yield RegisterChange(name, bits, left, right)


def registers(context: memoryview, flags: int) -> dict[str, int]:
    """All registers of a program by name."""
    found = dict(zip(GENERAL_REGISTERS, _QUADS.unpack_from(context, _GENERAL), strict=True))
    (found["rip"],) = struct.unpack_from("<Q", context, _RIP)
    found["rflags"] = flags
    for read in (_segments, _x87, _sse):
        for name, _, value in read(context):
            found[name] = value
    return found


Cells = Iterator[tuple[str, int, int]]


def _segments(context: memoryview) -> Cells:
    for number, name in enumerate(_SEGMENT_NAMES):
        selector, base, _ = _SEGMENT.unpack_from(context, _SEGMENTS + number * 24)
        yield name, 16, selector & 0xFFFF
        if name in ("fs", "gs"):
            yield f"{name}_base", 64, base


def _x87(context: memoryview) -> Cells:
    """By number, not from the top: a push changes one of them. FTW as FXSAVE abridges it."""
    data = context[_HEADER:]
    image = fpu.read_fxsave(data)
    control, status, tags = struct.unpack_from("<HHB", image)
    yield "fcw", 16, control
    yield "fsw", 16, status
    yield "ftw", 8, tags
    for number in range(8):
        start = fpu.REGISTERS + 16 * number
        yield f"x87_r{number}", 80, int.from_bytes(data[start : start + 10], "little")


def _sse(context: memoryview) -> Cells:
    data = context[_HEADER:]
    (mxcsr,) = struct.unpack_from("<I", data, fpu.MXCSR)
    yield "mxcsr", 32, mxcsr & fpu.MXCSR_MASK
    for number in range(16):
        start = fpu.XMM + 64 * number
        yield f"xmm{number}", 128, int.from_bytes(data[start : start + 16], "little")


#: Names that --watch knows, RIP apart; each with its width in bits.
WIDTHS = {
    **dict.fromkeys(GENERAL_REGISTERS, 64), "rflags": 64,
    **dict.fromkeys(_SEGMENT_NAMES, 16), "fs_base": 64, "gs_base": 64,
    "fcw": 16, "fsw": 16, "ftw": 8, **{f"x87_r{n}": 80 for n in range(8)},
    "mxcsr": 32, **{f"xmm{n}": 128 for n in range(16)},
}  # fmt: skip
