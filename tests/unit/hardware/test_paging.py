"""hardware/paging*: levels, rules and walks on small tables built by hand, against the manual."""

from __future__ import annotations

import struct
import time

import pytest

from youcpu.hardware import paging as p
from youcpu.hardware import paging_tables
from youcpu.hardware.paging_access import VECTOR_GP, VECTOR_PF, Access, Rule, check_access
from youcpu.hardware.paging_stats import address_space_stats, frame_mappings
from youcpu.hardware.paging_tables import (
    AddressSpaceTables,
    TooManyRanges,
    iter_leaves,
    merged_ranges,
)
from youcpu.hardware.paging_walk import Reason, walk

FLAGS = p.PTE_P | p.PTE_W | p.PTE_U
READ, WRITE, FETCH = (Access(kind, True) for kind in "rwx")


class Tables:
    """Physical memory in which entries are set one by one."""

    def __init__(self, pages: int = 64) -> None:
        self.ram = bytearray(pages * p.PAGE_SIZE)
        self.memory = p.FlatMemory(self.ram)

    def set(self, table: int, index: int, entry: int, size: int = 8) -> None:
        struct.pack_into("<Q" if size == 8 else "<I", self.ram, table + index * size, entry)

    def chain(self, registers: p.PagingRegisters, address: int, leaf: int, depth: int = 9) -> None:
        """Tables from the root down to a `leaf` entry at level `depth` (default the last)."""
        mode = registers.mode
        assert mode is not None
        table = registers.root
        for number, level in enumerate(mode.levels):
            last = number == min(depth, len(mode.levels) - 1)
            below = registers.root + (number + 1) * p.PAGE_SIZE
            flags = p.PTE_P if mode is p.PAE and number == 0 else FLAGS
            self.set(table, level.index(address), leaf if last else below | flags, mode.entry_size)
            if last:
                return
            table = below


def long_mode(**changes: int) -> p.PagingRegisters:
    return p.PagingRegisters(**{"cr3": 0x1000, **changes})


FIVE = long_mode(cr4=p.CR4_PAE | p.CR4_LA57)
PAE = long_mode(efer=p.EFER_NXE)
LEGACY = long_mode(cr4=p.CR4_PSE, efer=0)


def test_modes() -> None:
    assert long_mode().mode is p.LEVEL4
    assert FIVE.mode is p.LEVEL5
    assert PAE.mode is p.PAE
    assert LEGACY.mode is p.LEGACY32
    assert long_mode(cr0=p.CR0_PE).mode is None
    for mode in p.MODES:
        bits = sum(level.index_bits for level in mode.levels) + 12
        assert bits == mode.address_bits


def test_paging_off_is_identity() -> None:
    found = walk(p.FlatMemory(b""), long_mode(cr0=p.CR0_PE), 0x1234)
    assert (found.physical, found.reason) == (0x1234, Reason.PAGING_OFF)
    off = long_mode(cr0=p.CR0_PE)
    assert check_access(found, off, WRITE).rule is Rule.PAGING_OFF
    assert list(iter_leaves(p.FlatMemory(b""), off)) == []
    assert merged_ranges(p.FlatMemory(b""), off) == []
    assert address_space_stats(AddressSpaceTables(p.FlatMemory(b""), off)).leaf_count == 0


@pytest.mark.parametrize(
    ("registers", "address", "leaf", "depth", "physical", "size"),
    [
        (long_mode(), 0x7FFF_1234_5678, 0x2_3456_7000, 3, 0x2_3456_7678, 4 << 10),
        (long_mode(), 0xFFFF_8000_0123_4567, 0x4020_0080, 2, 0x4023_4567, 2 << 20),
        (long_mode(), 0x40_7654_3210, 0x8000_0080, 1, 0xB654_3210, 1 << 30),
        (FIVE, 0x00FF_8000_0000_0ABC, 0x3000, 4, 0x3ABC, 4 << 10),
        (FIVE, 0xFF00_0000_0000_0ABC, 0x3000, 4, 0x3ABC, 4 << 10),
        (PAE, 0xC012_3456, 0xF_0000_5000, 2, 0xF_0000_5456, 4 << 10),
        (PAE, 0xC01A_BCDE, 0x3_0020_0080, 1, 0x3_003A_BCDE, 2 << 20),
        (LEGACY, 0x0804_8123, 0x0009_A000, 1, 0x0009_A123, 4 << 10),
        (LEGACY, 0xC012_3456, 0x0080_0080, 0, 0x0092_3456, 4 << 20),
        (LEGACY, 0xC012_3456, 0x0080_0080 | 0xAB << 13, 0, 0xAB_0092_3456, 4 << 20),  # PSE-36
    ],
)
def test_leaves_of_each_mode(
    registers: p.PagingRegisters, address: int, leaf: int, depth: int, physical: int, size: int
) -> None:
    tables = Tables()
    tables.chain(registers, address, leaf | FLAGS, depth)
    found = walk(tables.memory, registers, address)
    assert (found.physical, found.size) == (physical, size)
    assert len(found.steps) == depth + 1
    (only,) = iter_leaves(tables.memory, registers)
    assert only.address == address & -size
    assert (only.physical, only.size, only.rights) == (physical & -size, size, found.rights)
    assert merged_ranges(tables.memory, registers) == [(address & -size, size, found.rights)]


def test_pse_bit_needs_cr4_pse() -> None:
    tables = Tables()
    registers = long_mode(cr4=0, efer=0)
    tables.chain(registers, 0xC000_0000, 0x3000 | FLAGS | p.PTE_PS, 0)
    tables.set(0x3000, 0, 0x9000 | FLAGS, 4)
    assert walk(tables.memory, registers, 0xC000_0000).physical == 0x9000


@pytest.mark.parametrize("address", [0x8000_0000_0000, 0xFFFF_7FFF_FFFF_FFFF, 1 << 63])
def test_not_canonical(address: int) -> None:
    found = walk(Tables().memory, long_mode(), address)
    assert found.reason is Reason.NON_CANONICAL
    verdict = check_access(found, long_mode(), READ)
    assert (verdict.vector, verdict.error_code) == (VECTOR_GP, 0)


def test_canonical_in_five_levels_only() -> None:
    address = 0x00FF_FFFF_FFFF_F000
    assert walk(Tables().memory, FIVE, address).reason is Reason.NOT_PRESENT
    assert walk(Tables().memory, long_mode(), address).reason is Reason.NON_CANONICAL


@pytest.mark.parametrize(
    ("registers", "depth", "entry"),
    [
        (long_mode(), 0, p.PTE_PS | 0x2000),  # a PML4E is never a leaf
        (long_mode(), 1, p.PTE_PS | 0x2000),  # 1 GiB: bits 13..29
        (long_mode(), 2, p.PTE_PS | 0x2000),  # 2 MiB: bits 13..20
        (long_mode(physical_bits=40), 3, 1 << 40),
        (long_mode(efer=p.EFER_LME | p.EFER_LMA), 3, p.PTE_NX),
        (PAE, 2, 1 << 59),
        (LEGACY, 0, p.PTE_PS | 1 << 21),
        (long_mode(cr4=p.CR4_PSE, efer=0, physical_bits=36), 0, p.PTE_PS | 1 << 17),
    ],
)
def test_reserved_bits(registers: p.PagingRegisters, depth: int, entry: int) -> None:
    tables = Tables()
    tables.chain(registers, 0x1234_5678, entry | FLAGS, depth)
    found = walk(tables.memory, registers, 0x1234_5678)
    assert found.reason is Reason.RESERVED
    verdict = check_access(found, registers, WRITE)
    assert verdict.vector == VECTOR_PF
    assert verdict.error_code == p.PF_PRESENT | p.PF_WRITE | p.PF_USER | p.PF_RSVD
    assert list(iter_leaves(tables.memory, registers)) == []
    assert merged_ranges(tables.memory, registers) == []
    assert address_space_stats(AddressSpaceTables(tables.memory, registers)).reserved == 1


def test_pat_bit_is_not_reserved() -> None:
    tables = Tables()
    tables.chain(long_mode(), 0, p.PTE_PS | p.PTE_PAT_LARGE | 0x20_0000 | FLAGS, 2)
    assert walk(tables.memory, long_mode(), 0x123).physical == 0x20_0123


def test_pae_pdpte_faults_at_load() -> None:
    tables = Tables()
    tables.chain(PAE, 0, 0x2000 | p.PTE_P | p.PTE_W, 0)
    verdict = check_access(walk(tables.memory, PAE, 0), PAE, READ)
    assert (verdict.rule, verdict.vector, verdict.error_code) == (Rule.PDPTE, VECTOR_GP, 0)


CODES = [
    # entry's lack, registers, access, error code, rule
    (p.PTE_W, {}, Access("w", True), 7, Rule.READ_ONLY),
    (p.PTE_W, {}, Access("w", False), 3, Rule.WRITE_PROTECT),
    (p.PTE_W, {"cr0": p.CR0_PE | p.CR0_PG}, Access("w", False), None, Rule.ALLOWED),
    (p.PTE_U, {}, Access("r", True), 5, Rule.SUPERVISOR_PAGE),
    (p.PTE_U, {}, Access("r", False), None, Rule.ALLOWED),
    (p.PTE_U, {}, Access("x", True), 0x15, Rule.SUPERVISOR_PAGE),
    (0, {"cr4": p.CR4_PAE | p.CR4_SMEP}, Access("x", False), 0x11, Rule.SMEP),
    (0, {"cr4": p.CR4_PAE | p.CR4_SMAP}, Access("r", False), 1, Rule.SMAP),
    (0, {"cr4": p.CR4_PAE | p.CR4_SMAP}, Access("r", False, ac=True), None, Rule.ALLOWED),
    (0, {"cr4": p.CR4_PAE | p.CR4_SMAP}, Access("x", False), None, Rule.ALLOWED),
    (p.PTE_P, {}, Access("w", True), 6, Rule.NOT_PRESENT),
    (p.PTE_P, {"efer": p.EFER_LME | p.EFER_LMA}, Access("x", True), 4, Rule.NOT_PRESENT),
    (p.PTE_P, {}, Access("x", True), 0x14, Rule.NOT_PRESENT),
]


@pytest.mark.parametrize(("lack", "changes", "access", "code", "rule"), CODES)
@pytest.mark.parametrize("depth", [0, 3])
def test_error_codes(
    lack: int, changes: dict[str, int], access: Access, code: int | None, rule: Rule, depth: int
) -> None:
    registers = long_mode(**changes)
    tables = Tables()
    tables.chain(registers, 0, 0x9000 | FLAGS)
    (entry,) = struct.unpack_from("<Q", tables.ram, 0x1000 + depth * 0x1000)
    tables.set(0x1000 + depth * 0x1000, 0, entry & ~lack)
    verdict = check_access(walk(tables.memory, registers, 0), registers, access)
    assert verdict.rule is rule
    assert verdict.error_code == (code or 0)
    assert verdict.allowed == (code is None)


def test_no_execute_and_protection_keys() -> None:
    tables = Tables()
    tables.chain(long_mode(), 0, 0x9000 | FLAGS | p.PTE_NX | 5 << p.PTE_PKEY_SHIFT)
    keyed = long_mode(cr4=p.CR4_PAE | p.CR4_PKE, pkru=2 << 10)
    found = walk(tables.memory, keyed, 0)
    assert check_access(found, keyed, FETCH).rule is Rule.NO_EXECUTE
    assert check_access(found, keyed, READ).allowed
    verdict = check_access(found, keyed, WRITE)
    assert (verdict.rule, verdict.error_code) == (Rule.PROTECTION_KEY, 0x27)
    assert check_access(found, long_mode(pkru=2 << 10), WRITE).allowed  # CR4.PKE is off
    kernel_keys = long_mode(cr4=p.CR4_PAE | p.CR4_PKS, pkrs=1 << 10)
    tables.chain(long_mode(), 0, 0x9000 | p.PTE_P | 5 << p.PTE_PKEY_SHIFT)
    found = walk(tables.memory, kernel_keys, 0)
    verdict = check_access(found, kernel_keys, Access("r", False))
    assert (verdict.rule, verdict.error_code) == (Rule.PROTECTION_KEY, 0x21)


def test_accessed_and_dirty() -> None:
    tables = Tables()
    tables.chain(long_mode(), 0, 0x9000 | FLAGS | p.PTE_A)
    found = walk(tables.memory, long_mode(), 0)
    assert [place for place, _ in check_access(found, long_mode(), READ).updates] == [
        0x1000,
        0x2000,
        0x3000,
    ]
    place, entry = check_access(found, long_mode(), WRITE).updates[-1]
    assert (place, entry) == (0x4000, 0x9000 | FLAGS | p.PTE_A | p.PTE_D)


def test_rights_are_anded_over_the_levels() -> None:
    tables = Tables()
    tables.chain(long_mode(), 0, 0x9000 | FLAGS)
    tables.set(0x2000, 0, 0x3000 | p.PTE_P | p.PTE_U)  # the PDPTE denies writing
    tables.set(0x3000, 0, 0x4000 | p.PTE_P | p.PTE_W | p.PTE_U | p.PTE_NX)
    (leaf,) = iter_leaves(tables.memory, long_mode())
    assert leaf.rights == p.RIGHT_R | p.RIGHT_U
    assert merged_ranges(tables.memory, long_mode()) == [(0, 4096, p.RIGHT_R | p.RIGHT_U)]


def test_ranges_end_at_the_hole() -> None:
    tables = Tables()
    tables.set(0x1000, 255, 0x2000 | FLAGS)
    tables.set(0x1000, 256, 0x2000 | FLAGS)
    for index in range(512):
        tables.set(0x2000, index, FLAGS | p.PTE_PS)
    size = 512 << 30
    assert [(start, length) for start, length, _ in merged_ranges(tables.memory, long_mode())] == [
        (0x7F80_0000_0000, size),
        (0xFFFF_8000_0000_0000, size),
    ]


def test_missing_tables_are_told() -> None:
    tables = Tables()
    tables.set(0x1000, 0, 0x40_0000 | FLAGS)
    found = walk(tables.memory, long_mode(), 0)
    assert found.reason is Reason.NOT_IN_MEMORY
    assert check_access(found, long_mode(), READ).rule is Rule.NOT_IN_MEMORY
    space = AddressSpaceTables(tables.memory, long_mode())
    assert list(space.leaves()) == []
    assert list(space.missing) == [(0x40_0000, "PDPT")]
    assert address_space_stats(space).missing == [(0x40_0000, "PDPT")]


def test_a_table_of_itself_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """512 to the power of 4 leaves: counted and merged at once, told as a loop."""
    tables = Tables()
    for index in range(512):
        tables.set(0x1000, index, 0x1000 | FLAGS)
    space = AddressSpaceTables(tables.memory, long_mode())
    start = time.perf_counter()
    stats = address_space_stats(space)
    assert stats.leaf_count == 512**4
    assert stats.twice == [0x1000]
    assert len(space.ranges()) == 2
    assert time.perf_counter() - start < 2
    assert next(iter(frame_mappings(space, 0x1000))).level == "PML4"
    for index in range(0, 512, 2):
        tables.set(0x1000, index, 0x1000 | p.PTE_P)
    monkeypatch.setattr(paging_tables, "RANGES_LIMIT", 200_000)  # less memory for the test
    with pytest.raises(TooManyRanges):
        space.ranges()


def test_frame_mappings() -> None:
    tables = Tables()
    tables.chain(long_mode(), 0x5000, 0x9000 | FLAGS)
    tables.set(0x3000, 7, FLAGS | p.PTE_PS)  # 2 MiB over the same frame
    found = list(frame_mappings(AddressSpaceTables(tables.memory, long_mode()), 0x9123))
    assert [(one.address, one.leaf, one.size) for one in found] == [
        (0x5000, True, 4096),
        (7 << 21 | 0x9000, True, 2 << 20),
    ]
    (by_pdpt, *_rest) = frame_mappings(AddressSpaceTables(tables.memory, long_mode()), 0x3000)
    assert (by_pdpt.level, by_pdpt.leaf) == ("PDPT", False)


def test_stats() -> None:
    tables = Tables()
    tables.chain(long_mode(), 0x5000, 0x9000 | FLAGS)
    tables.set(0x2000, 1, 0x3000 | FLAGS)  # the PD is shared
    tables.set(0x4000, 9, 0x1234_0000)  # not present, not empty
    stats = address_space_stats(
        AddressSpaceTables(tables.memory, long_mode()), lambda entry: f"{entry:#x}"
    )
    assert stats.leaves == {4096: 2}
    assert (stats.levels["PD"].reached, stats.levels["PD"].tables) == (2, 1)
    assert stats.table_bytes == 4 * 4096
    assert stats.not_present == {"0x12340000": 1}
    assert stats.mapped_bytes == 8192


def test_flag_names() -> None:
    rules = p.entry_rules(long_mode())
    entry = FLAGS | p.PTE_A | p.PTE_D | p.PTE_PS | p.PTE_G | p.PTE_PAT_LARGE | p.PTE_NX
    assert p.flag_names(entry, rules[2], True) == ["P", "W", "U", "A", "D", "PS", "G", "PAT", "NX"]
    assert p.flag_names(entry, rules[3], True) == ["P", "W", "U", "A", "D", "G", "PAT", "NX"]
    assert p.flag_names(p.PTE_P | p.PTE_D, rules[0], False) == ["P"]
    assert p.flag_names(p.PTE_W, rules[3], False) == []
