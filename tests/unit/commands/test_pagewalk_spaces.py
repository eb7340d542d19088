"""commands/_pagewalk: dumps of several CPUs, vm_areas, differences; on dumps built by hand."""

from __future__ import annotations

import struct

import pytest

from youcpu.commands._pagewalk.answers import TableAnswers
from youcpu.commands._pagewalk.compare import diff_rows
from youcpu.commands._pagewalk.dumps import all_spaces
from youcpu.commands._pagewalk.space import Area, Space
from youcpu.commands._pagewalk.walks import walk_view
from youcpu.formats.core_dump import EM_386, EM_X86_64
from youcpu.formats.memory_image import CpuState, MemoryImage, Segment
from youcpu.hardware import paging as p
from youcpu.hardware.paging_access import Access
from youcpu.render.pagewalk_view import SourceView
from youcpu.stopped_machine import NoTables, Overrides, StoppedMachine

ON = 0x80050033
FLAGS = p.PTE_P | p.PTE_W | p.PTE_U
SWAPPED = 0x07FFFFFFFFFBFE02  # swap area 0, slot 512


def space(pages: dict[int, int], areas: list[Area] | None = None) -> Space:
    """Tables at 0x1000 that map the pages below 2 MiB to entries."""
    ram = bytearray(0x10000)
    for table in (0x1000, 0x2000, 0x3000):
        struct.pack_into("<Q", ram, table, table + 0x1000 | FLAGS)
    for address, entry in pages.items():
        struct.pack_into("<Q", ram, 0x4000 + (address >> 12) * 8, entry)
    view = SourceView("test", "raw", "told", "4-level")
    return Space("test", p.FlatMemory(ram), p.PagingRegisters(0x1000), view, areas or [])


def machine(machine_type: int, *controls: tuple[int, int, int]) -> StoppedMachine:
    """A dump of CPUs with these (CR0, CR3, CR4)."""
    cpus = [
        CpuState(index, 0, 0, 2, 0x33, cr0, 0, cr3, cr4)
        for index, (cr0, cr3, cr4) in enumerate(controls)
    ]
    image = MemoryImage("ELF core", bytes(4096), [Segment(0, 4096, 0)], cpus, machine_type)
    return StoppedMachine("dump", image)


def test_one_space_for_each_cr3() -> None:
    found = machine(EM_X86_64, (ON, 0x1000, 0x6B0), (ON, 0x2005, 0x6B0), (ON, 0x1001, 0x6B0))
    spaces = all_spaces(found, None, Overrides())
    assert [one.label for one in spaces] == ["CPU 0", "CPU 1"]
    assert [one.registers.root for one in spaces] == [0x1000, 0x2000]
    assert [one.label for one in all_spaces(found, 2, Overrides())] == ["CPU 2"]
    with pytest.raises(NoTables, match="no CPU 3"):
        all_spaces(found, 3, Overrides())


def test_a_cpu_that_was_never_started_is_passed_over() -> None:
    found = machine(EM_X86_64, (0x60000010, 0, 0), (ON, 0x2000, 0x16B0))
    (only,) = all_spaces(found, None, Overrides())
    assert (only.label, only.view.mode) == ("CPU 1", "5-level")
    (asked,) = all_spaces(found, 0, Overrides())
    assert asked.view.mode == "no"
    assert list(TableAnswers([asked]).range_rows()) == []


def test_modes_by_the_machine_and_by_hand() -> None:
    for kind, cr4, mode in ((EM_386, 0x690, "32-bit"), (EM_386, 0x6B0, "PAE")):
        (only,) = all_spaces(machine(kind, (ON, 0x1000, cr4)), None, Overrides())
        assert only.view.mode == mode
    for levels, mode in (("4", "4-level"), ("5", "5-level"), ("pae", "PAE"), ("32", "32-bit")):
        told = Overrides(cr3=0x5000, levels=levels, pkru=3)
        (only,) = all_spaces(machine(EM_X86_64, (ON, 0x1000, 0x6B0)), None, told)
        assert (only.view.mode, only.registers.cr3, only.registers.pkru) == (mode, 0x5000, 3)


def test_vmcoreinfo_is_the_table_where_no_cpu_is() -> None:
    image = MemoryImage(
        "ELF core", bytes(4096), [Segment(0, 4096, 0)],
        vmcoreinfo={
            "SYMBOL(init_top_pgt)": "ffffffff82a10000",
            "NUMBER(phys_base)": "0",
            "NUMBER(pgtable_l5_enabled)": "1",
        },
    )  # fmt: skip
    registers, origin = StoppedMachine("vmcore", image).registers(None, Overrides())
    assert (registers.cr3, registers.mode) == (0x2A10000, p.LEVEL5)
    assert "VMCOREINFO" in origin


def test_ranges_are_cut_at_vm_areas() -> None:
    areas = [Area(0x2000, 0x4000, "/bin/a"), Area(0x4000, 0x5000, "[heap]")]
    pages = dict.fromkeys(range(4096, 28672, 4096), 32768 | FLAGS)
    rows = list(space(pages, areas).range_rows())
    assert [(row.start, row.size, row.owner) for row in rows] == [
        (0x1000, 0x1000, ""),
        (0x2000, 0x2000, "/bin/a"),
        (0x4000, 0x1000, "[heap]"),
        (0x5000, 0x2000, ""),
    ]
    assert [row.owner for row in space(pages, areas).page_rows()] == [
        "", "/bin/a", "/bin/a", "[heap]", "", "",
    ]  # fmt: skip


def test_differences() -> None:
    before = space(
        {
            0x1000: 0x8000 | FLAGS,
            0x2000: 0x9000 | FLAGS,
            0x3000: 0xA000 | FLAGS,
            0x5000: 0xB000 | FLAGS,
            0x6000: 0xC000 | FLAGS,
        }
    )
    after = space(
        {
            0x1000: 0x8000 | p.PTE_P | p.PTE_U,
            0x2000: 0x9000 | p.PTE_P | p.PTE_U,
            0x3000: SWAPPED,
            0x4000: 0xD000 | FLAGS,
            0x5000: 0xE000 | FLAGS | p.PTE_A | p.PTE_D,
            0x6000: 0xC000 | FLAGS,
        }
    )
    assert [tuple(row) for row in diff_rows(before, after)] == [
        (0x1000, 0x2000, "~", "urwx -> ur-x"),
        (0x3000, 0x1000, "-", "urwx, in swap"),
        (0x4000, 0x1000, "+", "urwx, frame 0xd000"),
        (0x5000, 0x1000, "~", "other frame, A set, D set: 0xb000 -> 0xe000"),
    ]


def test_swap_entries_are_shown_as_such() -> None:
    view = walk_view(space({0x3000: SWAPPED}), 0x3000, Access("r", True))
    assert "swap area 0, slot 512" in view.steps[-1].note
    assert view.verdict is not None
    assert (view.verdict.fault, view.verdict.error_code) == ("#PF", 4)
    stats = TableAnswers([space({0x3000: SWAPPED, 0x4000: 0x000FFFFFFC9E2960})]).stats_view()
    assert (stats.swapped, stats.prot_none, stats.not_present) == (1, 1, 0)


def test_protection_keys_are_shown() -> None:
    view = walk_view(space({0x1000: 0x8000 | FLAGS | 5 << p.PTE_PKEY_SHIFT}), 0x1000)
    assert view.steps[-1].flags == ["P", "W", "U", "key=5"]


def test_bytes_at_the_end_of_a_page_stay_in_it() -> None:
    view = walk_view(space({0x1000: 0x8000 | FLAGS}), 0x1FFC)
    assert view.data == bytes(4)


def test_frame_of_several_cpus() -> None:
    first, second = space({0x1000: 0x8000 | FLAGS}), space({0x2000: 0x8000 | p.PTE_P | p.PTE_U})
    rows = list(TableAnswers([first, second]).mapping_rows(0x8000))
    assert [(row.address, row.rights) for row in rows] == [(0x1000, "urwx"), (0x2000, "ur-x")]
