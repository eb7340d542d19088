"""Paging as data: entry bits, levels and modes (Intel SDM vol. 3A ch. 4; AMD APM vol. 2 ch. 5).

An entry of the 64-bit formats (4-level, 5-level, PAE):

     63 62..59 58..52 51 ............ 12 11..9 8 7  6 5 4   3   2 1 0
    +--+------+------+------------------+-----+-+--+-+-+---+---+-+-+-+
    |NX| PKEY | free | physical address |free |G|PS|D|A|PCD|PWT|U|W|P|
    +--+------+------+------------------+-----+-+--+-+-+---+---+-+-+-+

Bit 7 is PS in a directory (this entry is a leaf) and PAT in a page table; a large
leaf has its PAT in bit 12. D, G and PKEY count in leaves only. A 32-bit entry is the
low half of that picture; its 4 MiB leaf holds address bits 39..32 in bits 20..13 (PSE-36).
"""

from __future__ import annotations

from enum import IntFlag
from functools import lru_cache
from typing import NamedTuple, Protocol

from youcpu.record import record

# Bits of an entry, of any level.
PTE_P = 1 << 0  # present
PTE_W = 1 << 1  # writable
PTE_U = 1 << 2  # user
PTE_PWT = 1 << 3  # write-through
PTE_PCD = 1 << 4  # cache disable
PTE_A = 1 << 5  # accessed
PTE_D = 1 << 6  # dirty (leaves)
PTE_PS = 1 << 7  # page size: a directory's entry that is a leaf
PTE_PAT = 1 << 7  # in a page table's entry
PTE_G = 1 << 8  # global (leaves)
PTE_PAT_LARGE = 1 << 12  # in a large leaf
PTE_NX = 1 << 63  # no execute
PTE_SOFTWARE = 0x0000_0000_0000_0E00  # bits 9..11, free for the kernel
PTE_ADDRESS = 0x000F_FFFF_FFFF_F000  # bits 12..51
PTE_PKEY_SHIFT = 59
PTE_PKEY = 0xF << PTE_PKEY_SHIFT  # protection key (leaves, CR4.PKE)

PAGE_SHIFT = 12
PAGE_SIZE = 1 << PAGE_SHIFT
PAGE_SIZE_2M = 1 << 21
PAGE_SIZE_4M = 1 << 22
PAGE_SIZE_1G = 1 << 30

# What an entry allows, as one word that AND joins over the levels: NX is turned round.
RIGHT_R = PTE_P
RIGHT_W = PTE_W
RIGHT_U = PTE_U
RIGHT_X = PTE_NX
RIGHTS = RIGHT_R | RIGHT_W | RIGHT_U | RIGHT_X

CR0_PE = 1 << 0
CR0_WP = 1 << 16
CR0_PG = 1 << 31
CR4_PSE = 1 << 4
CR4_PAE = 1 << 5
CR4_PGE = 1 << 7
CR4_LA57 = 1 << 12
CR4_SMEP = 1 << 20
CR4_SMAP = 1 << 21
CR4_PKE = 1 << 22  # protection keys for user pages: PKRU
CR4_PKS = 1 << 24  # protection keys for supervisor pages: IA32_PKRS
EFER_LME = 1 << 8
EFER_LMA = 1 << 10
EFER_NXE = 1 << 11
RFLAGS_AC = 1 << 18


class PageFault(IntFlag):
    """Error code that #PF pushes (SDM vol. 3A, 4.7)."""

    PRESENT = 1 << 0  # 0: an entry was not present; 1: its rights forbid
    WRITE = 1 << 1
    USER = 1 << 2  # the access came from ring 3
    RSVD = 1 << 3  # a reserved bit was set
    INSTR = 1 << 4  # an instruction fetch (told only with NXE or SMEP)
    PK = 1 << 5  # protection key


PF_PRESENT = 1 << 0
PF_WRITE = 1 << 1
PF_USER = 1 << 2
PF_RSVD = 1 << 3
PF_INSTR = 1 << 4
PF_PK = 1 << 5


class Level(NamedTuple):
    """One level of the tree: which bits of the address choose the entry, and may it be a leaf."""

    name: str  # of the table, as Intel says; its entries are name + "E"
    linux: str  # as Linux says
    shift: int  # of the index in the virtual address
    index_bits: int
    may_be_leaf: bool  # with PS set (a page table's entries always are)

    @property
    def size(self) -> int:
        """Bytes of virtual memory that one entry covers."""
        return 1 << self.shift

    def index(self, address: int) -> int:  # type: ignore[override]
        return (address >> self.shift) & ((1 << self.index_bits) - 1)


class Mode(NamedTuple):
    """A paging mode: its levels from the root down, and the sizes of entries and addresses."""

    name: str
    levels: tuple[Level, ...]
    entry_size: int  # bytes
    address_bits: int  # of a virtual address that are translated

    @property
    def sign_extended(self) -> bool:
        """64-bit addresses must be canonical; 32-bit ones cannot but fit."""
        return self.address_bits > 32


PML5 = Level("PML5", "pgd", 48, 9, False)
PML4 = Level("PML4", "p4d", 39, 9, False)
PDPT = Level("PDPT", "pud", 30, 9, True)
PD = Level("PD", "pmd", 21, 9, True)
PT = Level("PT", "pte", 12, 9, True)

# With four levels Linux folds the p4d away and calls the PML4 its pgd.
LEVEL4 = Mode("4-level", (Level("PML4", "pgd", 39, 9, False), PDPT, PD, PT), 8, 48)
LEVEL5 = Mode("5-level", (PML5, PML4, PDPT, PD, PT), 8, 57)
PAE = Mode("PAE", (Level("PDPT", "pgd", 30, 2, False), PD, PT), 8, 32)
LEGACY32 = Mode(
    "32-bit", (Level("PD", "pgd", 22, 10, True), Level("PT", "pte", 12, 10, True)), 4, 32
)
MODES = (LEVEL4, LEVEL5, PAE, LEGACY32)


class PhysicalMemory(Protocol):
    """Bytes by physical address: guest RAM, or the file of a dump."""

    def read(self, address: int, size: int) -> bytes | memoryview | None:
        """`size` bytes from physical `address`, or None if not all of them are there."""


class FlatMemory:
    """Memory that is one buffer, from physical address `base` on: a machine's RAM."""

    __slots__ = ("base", "view")

    def __init__(self, buffer: bytes | bytearray | memoryview, base: int = 0) -> None:
        self.view = memoryview(buffer).cast("B")
        self.base = base

    def read(self, address: int, size: int) -> memoryview | None:
        start = address - self.base
        if start < 0 or start + size > len(self.view):
            return None
        return self.view[start : start + size]


@record(frozen=True)
class PagingRegisters:
    """What of a CPU's state steers translation. The defaults are 64-bit Linux's."""

    cr3: int
    cr0: int = CR0_PE | CR0_WP | CR0_PG
    cr4: int = CR4_PAE | CR4_PGE
    efer: int = EFER_LME | EFER_LMA | EFER_NXE
    pkru: int = 0
    pkrs: int = 0
    physical_bits: int = 52  # MAXPHYADDR: address bits above it are reserved in entries

    @property
    def mode(self) -> Mode | None:
        """The paging mode, None where paging is off (SDM vol. 3A, 4.1.1)."""
        if not self.cr0 & CR0_PG:
            return None
        if not self.cr4 & CR4_PAE:
            return LEGACY32
        if not self.efer & EFER_LMA:
            return PAE
        return LEVEL5 if self.cr4 & CR4_LA57 else LEVEL4

    @property
    def root(self) -> int:
        """Physical address of the first table."""
        mode = self.mode
        if mode is PAE:
            return self.cr3 & 0xFFFF_FFE0  # 4 entries, 32 bytes aligned
        if mode is LEGACY32:
            return self.cr3 & 0xFFFF_F000
        return self.cr3 & PTE_ADDRESS


@record(frozen=True)
class EntryRules:
    """How the entries of one level are read, the registers taken into account."""

    level: Level
    leaf_bit: int  # this bit makes a leaf; 0: never one; PTE_P: always one
    reserved_table: int  # bits that must be 0 in an entry that leads to a table
    reserved_leaf: int  # and in a leaf
    has_rights: bool  # W, U and NX count (not in PAE's first level)


def canonical(address: int, bits: int) -> int:
    """Bit `bits` - 1 copied into all higher ones: a 64-bit address, unsigned."""
    address &= (1 << bits) - 1
    return address | (1 << 64) - (1 << bits) if address >> (bits - 1) else address


def leaf_address(entry: int, size: int) -> int:
    """Physical address of the page that a leaf of `size` bytes maps."""
    if size == PAGE_SIZE_4M:  # PSE-36: bits 39..32 lie in bits 20..13
        return entry & 0xFFC0_0000 | (entry & 0x001F_E000) << 19
    return entry & PTE_ADDRESS & -size


@lru_cache(maxsize=64)
def entry_rules(registers: PagingRegisters) -> tuple[EntryRules, ...]:
    """Rules of each level from the root down; empty where paging is off (SDM vol. 3A, 4.3-4.5)."""
    mode = registers.mode
    if mode is None:
        return ()
    if mode is LEGACY32:
        return _rules_32bit(registers)
    high = PTE_ADDRESS & -(1 << registers.physical_bits)
    if mode is PAE:
        high |= 0x7FF0_0000_0000_0000  # ignored in 64-bit modes, reserved here
    if not registers.efer & EFER_NXE:
        high |= PTE_NX
    rules = []
    for depth, level in enumerate(mode.levels):
        if mode is PAE and depth == 0:
            # Loaded at MOV to CR3, which raises #GP on these bits (SDM vol. 3A, 4.4.1).
            bits = high | PTE_NX | PTE_W | PTE_U | 0x1E0
            rules.append(EntryRules(level, 0, bits, bits, False))
        elif level.shift == PAGE_SHIFT:
            rules.append(EntryRules(level, PTE_P, high, high, True))
        elif level.may_be_leaf:
            inner = (level.size - 1) & PTE_ADDRESS & ~PTE_PAT_LARGE
            rules.append(EntryRules(level, PTE_PS, high, high | inner, True))
        else:
            rules.append(EntryRules(level, 0, high | PTE_PS, high | PTE_PS, True))
    return tuple(rules)


def _rules_32bit(registers: PagingRegisters) -> tuple[EntryRules, ...]:
    directory, table = LEGACY32.levels
    # Bit 21 is always reserved in a 4 MiB leaf; so are address bits beyond MAXPHYADDR.
    address_bits = min(max(registers.physical_bits, 32), 40)
    reserved = 0x0020_0000 | 0x001F_E000 & -(1 << (address_bits - 19))
    leaf_bit = PTE_PS if registers.cr4 & CR4_PSE else 0
    return (
        EntryRules(directory, leaf_bit, 0, reserved, True),
        EntryRules(table, PTE_P, 0, 0, True),
    )


LOW_FLAGS = (
    (PTE_P, "P"),
    (PTE_W, "W"),
    (PTE_U, "U"),
    (PTE_PWT, "PWT"),
    (PTE_PCD, "PCD"),
    (PTE_A, "A"),
)


def flag_names(entry: int, rules: EntryRules, leaf: bool) -> list[str]:
    """Names of the flags set in an entry, lowest bit first; those that count at its place."""
    if not entry & PTE_P:
        return []
    names = [name for bit, name in LOW_FLAGS if entry & bit]
    small = rules.leaf_bit == PTE_P
    if leaf:
        names += ["D"] * bool(entry & PTE_D)
        names += [] if small else ["PS"]
        names += ["G"] * bool(entry & PTE_G)
        names += ["PAT"] * bool(entry & (PTE_PAT if small else PTE_PAT_LARGE))
    return names + ["NX"] * bool(entry & PTE_NX)
