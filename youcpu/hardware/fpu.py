"""x87 and SSE state as FXSAVE64 lays it out: Intel SDM vol. 1, 10.5.1, table 10-2.

      0 FCW  2 FSW  4 abridged tags  6 FOP  8 FIP  16 FDP  24 MXCSR  28 MXCSR_MASK
     32 ST0-ST7, 16 bytes each (10 used), ST0 first
    160 XMM0-XMM15
    416 reserved, 464 free for software

The other side is the saved context of the CPU (QEMU's CPUX86State), which keeps the x87
registers by number, the top of the stack apart, and one byte a tag (1: empty).
"""

from __future__ import annotations

import struct

FXSAVE_SIZE = 512
#: Bits of MXCSR that exist (DAZ included); the others may not be set (#GP).
MXCSR_MASK = 0xFFFF

# Offsets in the context's data; Cpu probes them at start-up (trap 2).
TOP, STATUS, CONTROL, TAGS, REGISTERS = 604, 608, 610, 612, 624
#: What QEMU derives from FCW (x87) and from MXCSR (SSE): rounding, precision, flushing.
DERIVED_FROM, DERIVED_TO = 776, 816
MXCSR = 816
XMM = 824  # 64 bytes each

_HEAD = struct.Struct("<HHBxHQQII")
_XMM_OUT, _XMM_IN = struct.Struct("<" + "16s48x" * 16), struct.Struct("<" + "16s" * 16)
_WORD = struct.Struct("<H")
_TOP_MASK = 0x3800
#: Bits of a byte as eight tag bytes, where a set bit is "not empty", and back.
_TAG_BYTES = [bytes(0 if bits >> i & 1 else 1 for i in range(8)) for bits in range(256)]
_TAG_BITS = {tags: bits for bits, tags in enumerate(_TAG_BYTES)}

#: What FNINIT and the kernel leave: FCW 0x37f, MXCSR 0x1f80, all empty.
INITIAL_FXSAVE = _HEAD.pack(0x37F, 0, 0, 0, 0, 0, 0x1F80, MXCSR_MASK).ljust(FXSAVE_SIZE, b"\0")


def read_fxsave(data: memoryview) -> bytes:
    """The FXSAVE image of a context; `data` is the context behind its header."""
    top = data[TOP] & 7
    status, control = struct.unpack_from("<HH", data, STATUS)
    (mxcsr,) = struct.unpack_from("<I", data, MXCSR)
    status = status & ~_TOP_MASK | top << 11
    tags = _TAG_BITS.get(bytes(data[TAGS : TAGS + 8]), 0)
    head = _HEAD.pack(control, status, tags, 0, 0, 0, mxcsr & MXCSR_MASK, MXCSR_MASK)
    start, end = REGISTERS + 16 * top, REGISTERS + 128
    return b"".join(
        (head, data[start:end], data[REGISTERS:start], *_XMM_OUT.unpack_from(data, XMM), bytes(96))
    )


def write_fxsave(data: memoryview, image: bytes) -> None:
    """Registers, tags and status of an image into a context; FCW and MXCSR are the CPU's part."""
    _, status, tags = struct.unpack_from("<HHB", image)
    top = status >> 11 & 7
    struct.pack_into("<I", data, TOP, top)
    struct.pack_into("<H", data, STATUS, status & ~_TOP_MASK)
    data[TAGS : TAGS + 8] = _TAG_BYTES[tags]
    split = 128 - 16 * top
    data[REGISTERS + 16 * top : REGISTERS + 128] = image[32 : 32 + split]
    data[REGISTERS : REGISTERS + 16 * top] = image[32 + split : 160]
    # The CPU has no AVX: what lies between the XMM registers stays zero.
    _XMM_OUT.pack_into(data, XMM, *_XMM_IN.unpack_from(image, 160))


def current_control_words(data: memoryview) -> tuple[int, int]:
    """(FCW, MXCSR) of a context."""
    return _WORD.unpack_from(data, CONTROL)[0], _WORD.unpack_from(data, MXCSR)[0]


def control_words(image: bytes | memoryview) -> tuple[int, int]:
    """(FCW, MXCSR) of an image."""
    (control,) = struct.unpack_from("<H", image)
    (mxcsr,) = struct.unpack_from("<I", image, 24)
    return control, mxcsr
