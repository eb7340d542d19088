"""All tables of an address space at once: leaves, ranges, statistics, who maps a frame.

A table is read as one piece and unpacked as one tuple. Trees may share tables (KASAN maps
terabytes to one page table) and, where they are damaged, lead back into themselves; the
depth is bounded by the levels, and all but the list of leaves is worked out once for each
(table, level), so the time goes with the number of tables, not of leaves.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import chain, compress
from typing import NamedTuple

from youcpu.hardware.paging import (
    LEGACY32,
    PTE_ADDRESS,
    PTE_NX,
    PTE_P,
    RIGHTS,
    PagingRegisters,
    PhysicalMemory,
    entry_rules,
    leaf_address,
)

RANGES_LIMIT = 2_000_000
VISITS_LIMIT = 400_000
KEPT_SMALL, KEPT_LARGE, KEPT_RUNS = 64, 512, 300_000
_new = tuple.__new__


class Leaf(NamedTuple):
    """One page: where, its entry, its size, and what the levels above allow (RIGHT_*)."""

    address: int
    entry: int
    size: int
    upper: int

    @property
    def physical(self) -> int:
        return leaf_address(self.entry, self.size)

    @property
    def rights(self) -> int:
        """Effective rights, RIGHT_* bits ANDed over all levels."""
        return (self.entry ^ PTE_NX) & self.upper


class Range(NamedTuple):
    """Adjacent pages with the same effective rights. `start` is canonical."""

    start: int
    size: int
    rights: int


class MissingTable(NamedTuple):
    """A table that an entry names and the memory does not hold."""

    table: int  # physical address
    level: str


class TooManyRanges(Exception):
    """More ranges than could be of use: tables that lead back into themselves."""


class AddressSpaceTables:
    """The tables under one CR3. `reserved_bits=False` lets reserved bits pass, as debuggers do."""

    def __init__(
        self, memory: PhysicalMemory, registers: PagingRegisters, *, reserved_bits: bool = True
    ) -> None:
        self.memory = memory
        self.registers = registers
        self.mode = registers.mode
        self.rules = entry_rules(registers)
        self.missing: dict[MissingTable, None] = {}
        self._unpackers = [
            struct.Struct(f"<{1 << rules.level.index_bits}{'I' if self.mode is LEGACY32 else 'Q'}")
            for rules in self.rules
        ]
        # What a present entry must be, by level: entry & mask == PTE_P.
        self.leaf_masks = [PTE_P | rules.reserved_leaf * reserved_bits for rules in self.rules]
        self.table_masks = [PTE_P | rules.reserved_table * reserved_bits for rules in self.rules]

    def entries(self, table: int, depth: int) -> tuple[int, ...]:
        """All entries of a table; none, and noted in `missing`, if it is not in memory."""
        unpacker = self._unpackers[depth]
        data = self.memory.read(table, unpacker.size)
        if data is None:
            self.missing[MissingTable(table, self.rules[depth].level.name)] = None
            return ()
        return unpacker.unpack(data)

    def leaves(self) -> Iterator[Leaf]:
        """Every leaf in the order of addresses, made as it is asked for."""
        if not self.rules:
            return iter(())
        return chain.from_iterable(self._batches(self.registers.root, 0, 0, RIGHTS))

    def addresses(self, depth: int, base: int) -> Iterable[int]:
        """Virtual addresses of a table's entries; of the root's the canonical ones."""
        level = self.rules[depth].level
        span = level.size << level.index_bits
        if depth == 0 and self.mode is not None and self.mode.sign_extended:
            half = span >> 1
            return chain(range(0, half, level.size), range((1 << 64) - half, 1 << 64, level.size))
        return range(base, base + span, level.size)

    def _batches(self, table: int, depth: int, base: int, upper: int) -> Iterator[list[Leaf]]:
        rules = self.rules[depth]
        size = rules.level.size
        entries = self.entries(table, depth)
        # Most entries of most tables are zero: those are dropped without a look.
        filled = compress(zip(self.addresses(depth, base), entries, strict=False), entries)
        leaf_mask, leaf_bit = self.leaf_masks[depth], rules.leaf_bit
        if leaf_bit == PTE_P:
            yield [
                _new(Leaf, (address, entry, size, upper))
                for address, entry in filled
                if entry & leaf_mask == PTE_P
            ]
            return
        table_mask = self.table_masks[depth]
        batch: list[Leaf] = []
        for address, entry in filled:
            if not entry & PTE_P:
                continue
            if entry & leaf_bit:
                if entry & leaf_mask == PTE_P:
                    batch.append(_new(Leaf, (address, entry, size, upper)))
            elif entry & table_mask == PTE_P:
                if batch:
                    yield batch
                    batch = []
                rights = upper & (entry ^ PTE_NX) if rules.has_rights else upper
                yield from self._batches(entry & PTE_ADDRESS, depth + 1, address, rights)
        if batch:
            yield batch

    def ranges(self) -> list[Range]:
        """Adjacent pages of equal effective rights, merged. Raises TooManyRanges."""
        if self.mode is None:
            return []
        runs = _RunMaker(self).runs(self.registers.root, 0)
        bits = self.mode.address_bits
        half = 1 << (bits - 1)
        if not self.mode.sign_extended or not runs or runs[-1][0] + runs[-1][1] <= half:
            return [_new(Range, run) for run in runs]
        # The upper half is moved to where its addresses are canonical.
        first_upper = bisect_left(runs, (half,))
        lower, upper = runs[:first_upper], runs[first_upper:]
        if lower and lower[-1][0] + lower[-1][1] > half:  # across the hole between the halves
            start, size, rights = lower.pop()
            lower.append((start, half - start, rights))
            upper.insert(0, (half, start + size - half, rights))
        moved = (1 << 64) - (1 << bits)
        return [_new(Range, run) for run in lower] + [
            _new(Range, (start + moved, size, rights)) for start, size, rights in upper
        ]


Run = tuple[int, int, int]  # (offset from the table's first address, size, rights)


class _RunMaker:
    """Merged runs of a (table, level), relative to the table, rights ANDed within.

    Short lists are always kept: where many entries lead to one table it is mostly a
    uniform one. Long ones are while there is room.
    """

    def __init__(self, space: AddressSpaceTables) -> None:
        self.space = space
        self.memo: dict[tuple[int, int], list[Run]] = {}
        self.visits = 0
        self.room = KEPT_RUNS

    def runs(self, table: int, depth: int) -> list[Run]:
        key = (table, depth)
        known = self.memo.get(key)
        if known is None:
            self.visits += 1
            if self.visits > VISITS_LIMIT:
                raise TooManyRanges(f"more than {VISITS_LIMIT:,} ways to tables")
            small = self.space.rules[depth].leaf_bit == PTE_P
            known = self._small(*key) if small else self._large(*key)
            if len(known) <= (KEPT_SMALL if small else KEPT_LARGE) or len(known) <= self.room:
                self.memo[key] = known
                self.room -= len(known)
        return known

    def _small(self, table: int, depth: int) -> list[Run]:
        mask = self.space.leaf_masks[depth]
        shift = self.space.rules[depth].level.shift
        found: list[Run] = []
        start = last = 0
        index = -1
        for index, rights in enumerate(
            [
                (entry ^ PTE_NX) & RIGHTS if entry & mask == PTE_P else 0
                for entry in self.space.entries(table, depth)
            ]
        ):
            if rights != last:
                if last:
                    found.append((start << shift, index - start << shift, last))
                start, last = index, rights
        if last:
            found.append((start << shift, index + 1 - start << shift, last))
        return found

    def _large(self, table: int, depth: int) -> list[Run]:
        space, rules = self.space, self.space.rules[depth]
        size = rules.level.size
        leaf_mask, table_mask = space.leaf_masks[depth], space.table_masks[depth]
        found: list[Run] = []
        end = last = 0
        entries = space.entries(table, depth)
        for index, entry in compress(enumerate(entries), entries):
            if not entry & PTE_P:
                continue
            base = index * size
            allowed = (entry ^ PTE_NX) & RIGHTS if rules.has_rights else RIGHTS
            if entry & rules.leaf_bit:
                inner = [(0, size, RIGHTS)] if entry & leaf_mask == PTE_P else []
            elif entry & table_mask == PTE_P:
                inner = self.runs(entry & PTE_ADDRESS, depth + 1)
            else:
                inner = []
            if allowed == RIGHTS and inner:
                end = _append(found, base, inner, end)
                last = found[-1][2]
                inner = []
            for offset, length, rights in inner:
                rights &= allowed
                start = base + offset
                if start == end and rights == last:
                    first = found[-1][0]
                    found[-1] = (first, start + length - first, rights)
                else:
                    found.append((start, length, rights))
                    last = rights
                end = start + length
            if len(found) > RANGES_LIMIT:
                raise TooManyRanges(f"more than {RANGES_LIMIT:,} ranges")
        return found


def _append(found: list[Run], base: int, inner: list[Run], end: int) -> int:
    """Append a table's runs as they are, the first joined to its neighbour; the new end."""
    (offset, length, rights), rest = inner[0], inner
    if found and base + offset == end and found[-1][2] == rights:
        first = found[-1][0]
        found[-1] = (first, base + offset + length - first, rights)
        rest = inner[1:]
    found.extend([(base + offset, length, rights) for offset, length, rights in rest])
    return base + inner[-1][0] + inner[-1][1]


def iter_leaves(memory: PhysicalMemory, registers: PagingRegisters) -> Iterator[Leaf]:
    """Every leaf under the registers' CR3, in the order of addresses."""
    return AddressSpaceTables(memory, registers).leaves()


def merged_ranges(memory: PhysicalMemory, registers: PagingRegisters) -> list[Range]:
    """Adjacent pages with equal effective rights under the registers' CR3."""
    return AddressSpaceTables(memory, registers).ranges()
