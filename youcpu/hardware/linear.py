"""Linear addresses: memory as the CPU itself reaches it, through the tables of CR3.

Descriptor tables, the TSS and the pushes of an interrupt are accesses of the CPU's own
(SDM vol. 3A, 4.6.1: implicit supervisor-mode accesses); A and D are set as by any other.
"""

from __future__ import annotations

from youcpu.hardware.cpu import CR0, CR2, CR3, CR4, EFER, Cpu
from youcpu.hardware.paging import (
    CR0_PG,
    EFER_LMA,
    PTE_A,
    PTE_ADDRESS,
    PTE_D,
    PTE_P,
    PTE_PS,
    PTE_U,
    PTE_W,
    FlatMemory,
    PagingRegisters,
)
from youcpu.hardware.paging_access import Access, check_access
from youcpu.hardware.paging_walk import Walk, walk

#: MAXPHYADDR of the CPU model that Unicorn plays.
PHYSICAL_BITS = 40
_PAGE = 0x1000
_IN_PAGE = _PAGE - 1
_MASK32, _MASK64 = (1 << 32) - 1, (1 << 64) - 1

#: Bits that all levels must have, by (write, user).
_NEEDED = {
    (write, user): PTE_P | PTE_A | (PTE_W if write else 0) | (PTE_U if user else 0)
    for write in (False, True)
    for user in (False, True)
}


class LinearFault(Exception):
    """An access that the tables refuse: the exception that it raises."""

    def __init__(self, vector: int, error_code: int, address: int, reason: str) -> None:
        super().__init__(f"{address:#x}: {reason}")
        self.vector = vector
        self.error_code = error_code
        self.address = address
        self.reason = reason


class LinearMemory:
    """Guest memory by linear address, under the registers in `Cpu.state`."""

    def __init__(self, cpu: Cpu) -> None:
        self.cpu = cpu
        self.state = cpu.state
        self.ram = cpu.ram
        self._quads = cpu.ram.quads
        self._flat = FlatMemory(cpu.ram.bytes)

    def registers(self) -> PagingRegisters:
        """What steers translation now."""
        state = self.state
        return PagingRegisters(
            state[CR3], state[CR0], state[CR4], state[EFER], physical_bits=PHYSICAL_BITS
        )

    def walk(self, address: int) -> Walk:
        """The walk of an address through the tables, nothing changed by it."""
        return walk(self._flat, self.registers(), address)

    def translate(self, address: int, kind: str = "r", user: bool = False) -> int:
        """Physical address for an access "r", "w" or "x". Raises LinearFault; sets A and D."""
        if not self.state[CR0] & CR0_PG:
            return address & _MASK32 & self.cpu.a20_mask
        physical = self._translate_fast(address, kind == "w", user)
        if physical is not None:
            return physical
        registers = self.registers()
        walked = walk(self._flat, registers, address)
        verdict = check_access(walked, registers, Access(kind, user))
        if verdict.vector is not None:
            reason = verdict.rule.text
            raise LinearFault(verdict.vector, verdict.error_code, address & _MASK64, reason)
        for entry, value in verdict.updates:
            if entry + 8 <= self.ram.size:
                size = 4 if walked.mode is not None and walked.mode.entry_size == 4 else 8
                self.ram.bytes[entry : entry + size] = value.to_bytes(size, "little")
        physical = walked.physical
        if physical is None:  # a table lies where no memory is: all ones were read there
            raise LinearFault(14, 9 | (kind == "w") << 1, address, "a table outside of memory")
        return (physical & _MASK32 if walked.mode is None else physical) & self.cpu.a20_mask

    def _translate_fast(self, address: int, write: bool, user: bool) -> int | None:
        """Four levels whose bits are all set already: nothing to check, nothing to update."""
        state, quads = self.state, self._quads
        # Bits 63..47 are copies of one another in a canonical address.
        if not state[EFER] & EFER_LMA or (address >> 47) + 1 & 0x1FFFE:
            return None
        need = _NEEDED[write, user]
        try:
            entry = quads[((state[CR3] & PTE_ADDRESS) >> 3) + (address >> 39 & 511)]
            rights = entry
            entry = quads[((entry & PTE_ADDRESS) >> 3) + (address >> 30 & 511)]
            rights &= entry
            size = 1 << 30
            if not entry & PTE_PS:
                entry = quads[((entry & PTE_ADDRESS) >> 3) + (address >> 21 & 511)]
                rights &= entry
                size = 1 << 21
                if not entry & PTE_PS:
                    entry = quads[((entry & PTE_ADDRESS) >> 3) + (address >> 12 & 511)]
                    rights &= entry
                    size = 1 << 12
        except IndexError:
            return None
        if rights & need != need or (write and not entry & PTE_D):
            return None
        return (entry & PTE_ADDRESS & -size | address & (size - 1)) & self.cpu.a20_mask

    def read(self, address: int, size: int, user: bool = False) -> bytes:
        """Bytes at a linear address. Raises LinearFault. Where no memory is: all ones."""
        rest = (address & _IN_PAGE) + size - _PAGE
        if rest > 0:
            head = self.read(address, size - rest, user)
            return head + self.read((address | _IN_PAGE) + 1, rest, user)
        physical = self.translate(address, "r", user)
        return bytes(self.ram.bytes[physical : physical + size]).ljust(size, b"\xff")

    def write(self, address: int, data: bytes, user: bool = False) -> None:
        """Store bytes. Raises LinearFault before anything is written."""
        size = len(data)
        rest = (address & _IN_PAGE) + size - _PAGE
        if rest > 0:
            split = size - rest
            second = self.translate((address | _IN_PAGE) + 1, "w", user)
            first = self.translate(address, "w", user)
            self._store(first, data[:split])
            self._store(second, data[split:])
            return
        self._store(self.translate(address, "w", user), data)

    def _store(self, physical: int, data: bytes) -> None:
        end = physical + len(data)
        if end <= self.ram.size:
            self.ram.bytes[physical:end] = data

    def peek(self, address: int, size: int) -> bytes | None:
        """Bytes for a display: no A bit is set; None where nothing is mapped."""
        data = b""
        while len(data) < size:
            at = address + len(data)
            physical = self.walk(at).physical
            if physical is None or physical >= self.ram.size:
                return None
            data += self.ram.bytes[
                physical : physical + min(size - len(data), -at % _PAGE or _PAGE)
            ]
        return data

    def note_page_fault(self, address: int) -> None:
        """CR2 of a #PF."""
        self.state[CR2] = address
