"""Which pages a program uses, in order: written by machine code at near full speed.

Hooks of memory accesses and of basic blocks are a few instructions each that append to a ring in
host memory (as the block counter of cpu.py; docs/design/0002-unicorn.md, trap 6). Entries:

     63 ............ 2 1 0
    +-----------------+-+-+   C: code, and the page is virtual; else data, a physical page
    | page            |C|X|   X: the access or block crosses into the next page
    +-----------------+-+-+

An entry like the one before is left out.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import struct

from youcpu.hardware import unicorn_library as uc
from youcpu.hardware.cpu import Cpu

CROSSES, CODE, PAGE_SHIFT = 1, 2, 2
ENTRIES = 1 << 20
#: State of the ring: last entry, where the next goes, the end, where the CPU is stopped.
_STATE = 4
#: eax = does it cross; rax += page << 2; like the last: done; full: done; append.
_ON_ACCESS = bytes.fromhex(
    "89d0 89c9 25ff0f0000 8d4408ff c1e80c 48c1ea0c 488d0490 493b01 7418 4d8b5108 4d3b5110 730e"
    "498901 498902 4983c208 4d895108 c3"
)
#: The same for a block; at the mark it jumps to uc_emu_stop (safe in block hooks: trap 5).
_ON_BLOCK = (
    bytes.fromhex(
        "89f0 89d2 25ff0f0000 8d4410ff c1e80c 48c1ee0c 488d44b002 483b01 742a 4c8b5108 4c3b5110"
        "7320 488901 498902 4983c208 4c895108 4c3b5118 720c 48b8"
    ),
    bytes.fromhex("ffe0 c3"),
)


class ReferencesUnavailable(Exception):
    """This host cannot run the hooks: not x86-64, or no executable memory."""


class ReferenceRing:
    """Records every page that the CPU uses from now on. Raises ReferencesUnavailable."""

    def __init__(self, cpu: Cpu) -> None:
        if not hasattr(os, "uname") or os.uname().machine != "x86_64":
            raise ReferencesUnavailable("the host is no x86-64")
        try:
            code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        except (AttributeError, OSError) as error:
            raise ReferencesUnavailable("the host refuses executable memory") from error
        stop = cpu.stop_address
        block = struct.pack("<Q", stop).join(_ON_BLOCK)
        code[: len(_ON_ACCESS)] = _ON_ACCESS
        code[128 : 128 + len(block)] = block
        ring = mmap.mmap(-1, (_STATE + ENTRIES) * 8)
        place = ctypes.addressof(ctypes.c_char.from_buffer(ring))
        first = place + _STATE * 8
        self._ring = memoryview(ring).cast("Q")
        self._first = first
        self._ring[2], self._ring[3] = first + ENTRIES * 8, first + ENTRIES * 4
        #: More was used than the ring holds between two looks: some is lost.
        self.lost = False
        self.take()
        self._code = code
        start = ctypes.addressof(ctypes.c_char.from_buffer(code))
        cpu.hook_native(uc.HOOK_MEM_READ | uc.HOOK_MEM_WRITE, start, place)
        cpu.hook_native(uc.HOOK_BLOCK, start + 128, place)

    def take(self) -> list[int]:
        """The entries since this was asked last."""
        ring = self._ring
        count = (ring[1] - self._first) // 8 if ring[1] else 0
        if count >= ENTRIES:
            self.lost = True
        ring[0], ring[1] = (1 << 64) - 1, self._first
        return ring[_STATE : _STATE + count].tolist()
