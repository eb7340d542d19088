"""Page-table entries that are not present, as Linux lays them out on x86-64.

arch/x86/include/asm/pgtable_64.h, since 4.18 (L1TF: the offset is stored inverted, so that
it names no cacheable memory):

     63...59 58.................9 8 7 6 5 4 3 2 1 0
    +-------+--------------------+-+-+-----+-+-+-+-+
    | type  |  ~ offset          |0|0|     |E|F|S|0|   E exclusive, F uffd-wp, S soft-dirty
    +-------+--------------------+-+-+-----+-+-+-+-+

With bit 8 (_PAGE_PROTNONE) set it is a page that is there, with PROT_NONE: all its frame
bits are inverted (arch/x86/include/asm/pgtable-invert.h).
"""

from __future__ import annotations

from typing import NamedTuple

PAGE_PRESENT = 1 << 0
PAGE_PROTNONE = 1 << 8
SWP_OFFSET_SHIFT = 14
SWP_TYPE_BITS = 5
SWP_EXCLUSIVE = 1 << 3
_WORD = (1 << 64) - 1
_FRAME = 0x000F_FFFF_FFFF_F000


class SwapEntry(NamedTuple):
    """Which swap area, and which page slot in it."""

    type: int
    offset: int


class ProtNone(NamedTuple):
    """A page in memory that no access may reach."""

    physical: int


def encode_swap(type: int, offset: int, exclusive: bool = False) -> int:
    """__swp_entry, as it lies in the page table."""
    inverted = (~offset << SWP_OFFSET_SHIFT & _WORD) >> SWP_TYPE_BITS
    return inverted | type << (64 - SWP_TYPE_BITS) | (SWP_EXCLUSIVE if exclusive else 0)


def decode_swap(entry: int) -> int:
    """Page slot of a swap entry."""
    return (~entry << SWP_TYPE_BITS & _WORD) >> SWP_OFFSET_SHIFT


def decode_not_present(entry: int) -> SwapEntry | ProtNone | None:
    """What Linux keeps in a page table's entry with P = 0; None for an empty one."""
    if not entry or entry & PAGE_PRESENT:
        return None
    if entry & PAGE_PROTNONE:
        return ProtNone(~entry & _FRAME)
    return SwapEntry(entry >> (64 - SWP_TYPE_BITS), decode_swap(entry))
