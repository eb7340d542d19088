"""The walk: how the CPU translates one address, level by level (Intel SDM vol. 3A, 4.3-4.5)."""

from __future__ import annotations

from enum import Enum

from youcpu.hardware.paging import (
    PAE,
    PAGE_SIZE,
    PTE_ADDRESS,
    PTE_NX,
    PTE_P,
    RIGHTS,
    EntryRules,
    Mode,
    PagingRegisters,
    PhysicalMemory,
    canonical,
    entry_rules,
    leaf_address,
)
from youcpu.record import record


class Reason(Enum):
    """How a walk ended."""

    MAPPED = "mapped"
    NOT_PRESENT = "not present"
    RESERVED = "reserved bit set"
    NON_CANONICAL = "not canonical"
    NOT_IN_MEMORY = "table not in memory"
    PAGING_OFF = "paging is off"


@record(frozen=True)
class Step:
    """One entry that the walk read."""

    rules: EntryRules
    table: int  # physical address of the table
    index: int
    entry: int | None  # None: the table is not in memory
    leaf: bool
    reserved: int  # reserved bits that are set
    entry_size: int  # bytes

    @property
    def entry_address(self) -> int:
        """Physical address of the entry."""
        return self.table + self.index * self.entry_size


@record(frozen=True)
class Walk:
    """Where an address leads, and by which entries."""

    address: int
    mode: Mode | None  # None: paging is off
    steps: tuple[Step, ...]
    reason: Reason
    physical: int | None  # None unless mapped
    size: int  # bytes of the page, 0 unless mapped
    rights: int  # RIGHT_* bits, ANDed over the levels; 0 unless mapped

    @property
    def mapped(self) -> bool:
        return self.physical is not None

    @property
    def leaf(self) -> int | None:
        """The entry that maps the page."""
        return self.steps[-1].entry if self.mapped and self.steps else None


def walk(
    memory: PhysicalMemory,
    registers: PagingRegisters,
    address: int,
    *,
    reserved_bits: bool = True,
) -> Walk:
    """Translate the linear `address`; faults and missing tables are values, nothing is raised.

    `reserved_bits=False` lets reserved bits pass, as debuggers do. In 32-bit modes only the
    low 32 bits of the address count.
    """
    mode = registers.mode
    if mode is None:
        return Walk(address, None, (), Reason.PAGING_OFF, address, PAGE_SIZE, RIGHTS)
    address &= (1 << 64) - 1
    if not mode.sign_extended:
        address &= 0xFFFF_FFFF
    elif canonical(address, mode.address_bits) != address:
        return Walk(address, mode, (), Reason.NON_CANONICAL, None, 0, 0)
    steps: list[Step] = []
    table = registers.root
    rights = RIGHTS
    entry_size = mode.entry_size
    for rules in entry_rules(registers):
        level = rules.level
        index = level.index(address)
        data = memory.read(table + index * entry_size, entry_size)
        if data is None:
            steps.append(Step(rules, table, index, None, False, 0, entry_size))
            return Walk(address, mode, tuple(steps), Reason.NOT_IN_MEMORY, None, 0, 0)
        entry = int.from_bytes(data, "little")
        leaf = bool(entry & rules.leaf_bit)
        reserved = entry & (rules.reserved_leaf if leaf else rules.reserved_table)
        if not entry & PTE_P:
            steps.append(Step(rules, table, index, entry, False, 0, entry_size))
            return Walk(address, mode, tuple(steps), Reason.NOT_PRESENT, None, 0, 0)
        steps.append(Step(rules, table, index, entry, leaf, reserved, entry_size))
        if reserved and reserved_bits:
            return Walk(address, mode, tuple(steps), Reason.RESERVED, None, 0, 0)
        if rules.has_rights:
            rights &= entry ^ PTE_NX
        if leaf:
            physical = leaf_address(entry, level.size) | address & (level.size - 1)
            return Walk(address, mode, tuple(steps), Reason.MAPPED, physical, level.size, rights)
        table = entry & PTE_ADDRESS
    raise AssertionError("the last level's entries are leaves")


def registers_fault_at_load(registers: PagingRegisters, step: Step) -> bool:
    """PAE's first level is read at MOV to CR3: its reserved bits raise #GP there, not #PF."""
    return registers.mode is PAE and step.rules.level is PAE.levels[0]
