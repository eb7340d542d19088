"""Address space of a process: struct mm_struct."""

from __future__ import annotations

from youcpu.hardware.memory import Ram


class MM:
    """vm_areas and page tables of one process."""

    def __init__(self, ram: Ram) -> None:
        self.ram = ram
        #: user address >> 21 -> index in ram.quads of the page table with its entries.
        self.leaf_tables: dict[int, int] = {}

    def fault_in(self, address: int, write: bool) -> int | None:
        """Physical address after the fault is served, None where it cannot be (EFAULT)."""
        return None
