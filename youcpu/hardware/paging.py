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

from dataclasses import dataclass
from enum import IntFlag

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

CR0_PE = 1 << 0
CR0_WP = 1 << 16
CR0_PG = 1 << 31
CR4_PSE = 1 << 4
CR4_PAE = 1 << 5
CR4_PGE = 1 << 7
CR4_LA57 = 1 << 12
CR4_SMEP = 1 << 20
CR4_SMAP = 1 << 21
CR4_PKE = 1 << 22
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


@dataclass(frozen=True, slots=True)
class Level:
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

    def index(self, address: int) -> int:
        return (address >> self.shift) & ((1 << self.index_bits) - 1)


@dataclass(frozen=True, slots=True)
class Mode:
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
