"""What an address space is made of, and who maps a frame: walks over the tables that are
worked out once for each (table, level)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from youcpu.hardware.paging import PAGE_SIZE, PTE_ADDRESS, PTE_NX, PTE_P, RIGHTS, leaf_address
from youcpu.hardware.paging_tables import AddressSpaceTables, MissingTable
from youcpu.record import field, record


class Mapping(NamedTuple):
    """One way to a frame: the address, and the table level whose entry leads there."""

    address: int
    entry: int
    level: str
    leaf: bool  # False: the frame is itself a table, named by this entry
    size: int  # bytes of address space that the entry covers
    upper: int  # what the levels above allow, RIGHT_* bits


@record
class LevelStats:
    """Tables of one level: `reached` counts every way to them, `tables` each once."""

    reached: int = 0
    tables: int = 0


@record
class Stats:
    """What an address space is made of."""

    levels: dict[str, LevelStats] = field(default_factory=dict)
    leaves: dict[int, int] = field(default_factory=dict)  # by page size
    table_bytes: int = 0  # memory that distinct tables take
    reserved: int = 0  # present entries with a reserved bit
    # Entries with P = 0 that hold something, by what the caller calls them.
    not_present: dict[str, int] = field(default_factory=dict)
    twice: list[int] = field(default_factory=list)  # tables that serve at two levels
    missing: list[MissingTable] = field(default_factory=list)

    @property
    def leaf_count(self) -> int:
        return sum(self.leaves.values())

    @property
    def mapped_bytes(self) -> int:
        return sum(size * count for size, count in self.leaves.items())


def address_space_stats(
    space: AddressSpaceTables, classify: Callable[[int], str] = lambda entry: "not present"
) -> Stats:
    """Tables, leaves by size, memory spent on tables.

    `classify` names an entry that has P = 0 and is not zero: what it keeps is the kernel's
    affair.
    """
    maker = _StatsMaker(space, classify)
    if space.rules:
        maker.count(space.registers.root, 0)
    return maker.finish()


def frame_mappings(space: AddressSpaceTables, frame: int) -> Iterator[Mapping]:
    """Every entry that leads to the 4 KiB frame at `frame`: leaves, and tables if it is one.

    The root table is named by CR3, not by an entry; it is not listed.
    """
    if not space.rules:
        return iter(())
    return _FrameFinder(space, frame & -PAGE_SIZE).found(space.registers.root, 0, 0, RIGHTS)


class _StatsMaker:
    """Counts each (table, level) once and adds the sums up."""

    def __init__(self, space: AddressSpaceTables, classify: Callable[[int], str]) -> None:
        self.space = space
        self.classify = classify
        self.stats = Stats()
        # (table, level) -> (ways to tables by level, leaves by level) below and with it
        self.memo: dict[tuple[int, int], tuple[list[int], list[int]]] = {}

    def count(self, table: int, depth: int) -> tuple[list[int], list[int]]:
        key = (table, depth)
        if key not in self.memo:
            self.memo[key] = self._count(table, depth)
        return self.memo[key]

    def _count(self, table: int, depth: int) -> tuple[list[int], list[int]]:
        space, rules, stats = self.space, self.space.rules[depth], self.stats
        leaf_mask, table_mask = space.leaf_masks[depth], space.table_masks[depth]
        tables, leaves = [0] * len(space.rules), [0] * len(space.rules)
        entries = space.entries(table, depth)
        tables[depth] = 1 if entries else 0
        if rules.leaf_bit == PTE_P:
            present = [entry for entry in entries if entry & PTE_P]
            leaves[depth] = sum(1 for entry in present if entry & leaf_mask == PTE_P)
            stats.reserved += len(present) - leaves[depth]
            if len(present) + entries.count(0) < len(entries):
                self._note_not_present(entries)
            return tables, leaves
        self._note_not_present(entries)
        for entry in entries:
            if not entry & PTE_P:
                continue
            if entry & rules.leaf_bit:
                good = entry & leaf_mask == PTE_P
                leaves[depth] += good
                stats.reserved += not good
            elif entry & table_mask == PTE_P:
                below = self.count(entry & PTE_ADDRESS, depth + 1)
                tables = [a + b for a, b in zip(tables, below[0], strict=True)]
                leaves = [a + b for a, b in zip(leaves, below[1], strict=True)]
            else:
                stats.reserved += 1
        return tables, leaves

    def _note_not_present(self, entries: tuple[int, ...]) -> None:
        counts = self.stats.not_present
        for entry in entries:
            if entry and not entry & PTE_P:
                name = self.classify(entry)
                counts[name] = counts.get(name, 0) + 1

    def finish(self) -> Stats:
        stats, rules = self.stats, self.space.rules
        stats.missing = list(self.space.missing)
        missing = {(table, level) for table, level in stats.missing}
        depths: dict[int, int] = {}
        for depth, rule in enumerate(rules):
            name = rule.level.name
            distinct = [
                table for table, at in self.memo if at == depth and (table, name) not in missing
            ]
            for table in distinct:
                depths[table] = depths.get(table, 0) + 1
            root = self.memo[(self.space.registers.root, 0)]
            stats.levels[name] = LevelStats(root[0][depth], len(distinct))
            if root[1][depth]:
                stats.leaves[rule.level.size] = root[1][depth]
        stats.twice = sorted(table for table, count in depths.items() if count > 1)
        entry_size = self.space.mode.entry_size if self.space.mode else 0
        root_bytes = entry_size << rules[0].level.index_bits if rules else 0
        stats.table_bytes = max(len(depths) - 1, 0) * 4096 + (root_bytes if depths else 0)
        return stats


class _FrameFinder:
    """Ways to one frame; branches without any are known after the first visit."""

    def __init__(self, space: AddressSpaceTables, frame: int) -> None:
        self.space = space
        self.frame = frame
        self.barren: set[tuple[int, int]] = set()

    def found(self, table: int, depth: int, base: int, upper: int) -> Iterator[Mapping]:
        if (table, depth) in self.barren:
            return
        space, rules, frame = self.space, self.space.rules[depth], self.frame
        size, name, any_found = rules.level.size, rules.level.name, False
        entries = space.entries(table, depth)
        for address, entry in zip(space.addresses(depth, base), entries, strict=False):
            if not entry & PTE_P:
                continue
            if entry & rules.leaf_bit:
                start = leaf_address(entry, size)
                if start <= frame < start + size and entry & space.leaf_masks[depth] == PTE_P:
                    any_found = True
                    yield Mapping(address + frame - start, entry, name, True, size, upper)
            elif entry & space.table_masks[depth] == PTE_P:
                below = entry & PTE_ADDRESS
                if below == frame:
                    any_found = True
                    yield Mapping(address, entry, name, False, size, upper)
                rights = upper & (entry ^ PTE_NX) if rules.has_rights else upper
                for mapping in self.found(below, depth + 1, address, rights):
                    any_found = True
                    yield mapping
        if not any_found:
            self.barren.add((table, depth))
