"""The block counter: clock and timer of the machine, in machine code (trap 6)."""

from __future__ import annotations

import ctypes
import mmap
import os
import struct

from youcpu.hardware import unicorn_library as uc
from youcpu.hardware.engine import Engine
from youcpu.hardware.memory import Ram

#: dec qword [user_data]; jz stop; ret; stop: mov rax, imm64; jmp rax (trap 6).
_COUNTER_CODE = bytes.fromhex("48ff09 7401 c3 48b8") + b"%s" + bytes.fromhex("ffe0")
#: One basic block is taken as five instructions where only instructions can be counted.
INSTRUCTIONS_PER_BLOCK = 5


class BlockCounter(Engine):
    """Counts basic blocks, and stops the CPU after so many."""

    def __init__(self, ram: Ram) -> None:
        super().__init__(ram)
        self._counter: memoryview | None = None
        self._loaded = 0
        self._blocks_before = 0

    def _install_block_counter(self) -> None:
        """Counts blocks and stops at zero in machine code, at full speed (trap 6)."""
        if (
            not hasattr(os, "uname")
            or os.uname().machine != "x86_64"
            or not hasattr(mmap, "PROT_EXEC")
        ):
            return
        try:
            code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        except (OSError, PermissionError):
            return  # refused by the host's policy: run() counts instructions instead
        code[:18] = _COUNTER_CODE.replace(b"%s", struct.pack("<Q", self.stop_address))
        # Not beside the code: a CPU takes stores near the code it runs for changes of it.
        counter = mmap.mmap(-1, 4096)
        self._counter = memoryview(counter)[:8].cast("q")
        self._keep += [code, counter]
        where, data = (ctypes.addressof(ctypes.c_char.from_buffer(m)) for m in (code, counter))
        self._add_hook(uc.HOOK_BLOCK, ctypes.c_void_p(where), data=data)

    @property
    def blocks(self) -> int:
        """Basic blocks executed since power-on: the machine's deterministic clock."""
        counter = self._counter
        if counter is None:
            return self._blocks_before
        return self._blocks_before + self._loaded - counter[0]

    def limit(self, blocks: int) -> None:
        """From within a door: let the current run() go on for `blocks` blocks at most.

        Where only instructions are counted (no native counter) it stops at once instead.
        """
        counter = self._counter
        if counter is None:
            self.stop()
        elif counter[0] > blocks:
            self._loaded -= counter[0] - blocks
            counter[0] = blocks
