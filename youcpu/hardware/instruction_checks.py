"""Checks that the engine never makes: UMIP (SDM vol. 3A, 2.5) and alignment (6.15, #AC).

They cost a look at each instruction and at each access, so a machine has them only where its
user asks: `youcpu interrupts` and `youcpu rings`.
"""

from __future__ import annotations

from youcpu.hardware import interrupts as trap
from youcpu.hardware.delivery import AC
from youcpu.hardware.registers import CR0, CR4, CS, HFLAGS
from youcpu.hardware.silicon import Silicon

CR0_AM = 1 << 18
CR4_UMIP = 1 << 11
_PREFIXES = frozenset(b"\x66\x67\xf2\xf3\x2e\x36\x3e\x26\x64\x65")
#: reg fields of ModRM that UMIP refuses: SLDT STR of 0F 00; SGDT SIDT SMSW of 0F 01.
_GROUP6, _GROUP7 = (0, 1), (0, 1, 4)


class InstructionChecks:
    """Attached to one CPU for good."""

    def __init__(self, silicon: Silicon) -> None:
        self.silicon = silicon
        self.cpu = silicon.cpu
        self.state = silicon.state
        self._rip = 0
        self.cpu.hook_accesses(self._access)

    def instruction(self, address: int, _size: int = 0) -> None:
        """To be told of each instruction before it runs, `state` saved."""
        state = self.state
        self._rip = address - state[CS + 1]
        if not state[CR4] & CR4_UMIP or not state[HFLAGS] & 3:
            return
        if not _reads_system_register(self.silicon.memory.peek(address, 8) or b""):
            return
        self._refuse(trap.GENERAL_PROTECTION)

    def _refuse(self, vector: int) -> None:
        self.cpu.postpone(lambda: self.silicon.raise_exception(vector, 0), self._rip)

    def _access(self, address: int, size: int) -> None:
        if not address % size:
            return
        self.cpu.save()
        state = self.state
        if state[CR0] & CR0_AM and state[HFLAGS] & 3 == 3 and self.cpu.eflags() & AC:
            self._refuse(trap.ALIGNMENT_CHECK)


def _reads_system_register(code: bytes) -> bool:
    position = 0
    while position < len(code) and (code[position] in _PREFIXES or code[position] & 0xF0 == 0x40):
        position += 1
    opcode = code[position : position + 3]
    if len(opcode) < 3 or opcode[0] != 0x0F:
        return False
    register, memory = opcode[2] >> 3 & 7, opcode[2] < 0xC0
    if opcode[1] == 0x00:
        return register in _GROUP6
    # With a register operand 0F 01 /0 and /1 are other instructions (VMCALL, MONITOR, ...).
    return opcode[1] == 0x01 and register in _GROUP7 and (memory or register == 4)
