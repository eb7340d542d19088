"""Page tables of four real Linux guests compared with what QEMU 7.2 said of them.

fixtures/paging: `info tlb`, `info mem`, `gva2gpa`, and the guests' own /proc/self/pagemap; from
the ELF core as it is and from a raw image made of it. QEMU tells no effective x: that is
compared with a second, plain reading of the tables in this file.
"""

from __future__ import annotations

import lzma
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from youcpu.abi.pte import ProtNone, SwapEntry, decode_not_present
from youcpu.hardware.paging import RIGHT_U, RIGHT_W, RIGHT_X, PagingRegisters, PhysicalMemory
from youcpu.hardware.paging_tables import AddressSpaceTables
from youcpu.hardware.paging_walk import Reason, walk
from youcpu.render.pagewalk_qemu import gva2gpa_line, info_mem_lines, info_tlb_lines
from youcpu.render.pagewalk_view import RangeRow
from youcpu.stopped_machine import Overrides, StoppedMachine, open_dump

FIXTURES = Path(__file__).parents[2] / "fixtures" / "paging"
GUESTS = ("l4-80m", "l4-80m-pti", "l5-80m", "x86-32")
LEVELS = {"l4-80m": "4", "l4-80m-pti": "4", "l5-80m": "5", "x86-32": "32"}
ROWS = {"l4-80m": 9629, "l4-80m-pti": 1568, "l5-80m": 10131, "x86-32": 4536}


def oracle(guest: str, name: str) -> list[str]:
    return lzma.open(FIXTURES / guest / f"{name}.txt.xz", "rt").read().splitlines()


@contextmanager
def opened(
    guest: str, kind: str, tmp_path: Path
) -> Iterator[tuple[StoppedMachine, PagingRegisters]]:
    """The guest's ELF core, or a raw image with its pages at their physical addresses."""
    with open_dump(str(FIXTURES / guest / "tables.elf.xz")) as machine:
        registers, _ = machine.registers(None, Overrides())
        if kind == "elf":
            yield machine, registers
            return
        raw = tmp_path / "memory.raw"
        with raw.open("wb") as file:
            for start, size, offset in machine.image.segments:
                file.seek(start)
                file.write(machine.image.data[offset : offset + size])
    with open_dump(str(raw)) as machine:
        told = Overrides(cr3=registers.cr3, levels=LEVELS[guest])
        again, _ = machine.registers(None, told)
        yield machine, again


def lenient(machine: StoppedMachine, registers: PagingRegisters) -> AddressSpaceTables:
    return AddressSpaceTables(machine.image, registers, reserved_bits=False)


@pytest.mark.parametrize("kind", ["elf", "raw"])
@pytest.mark.parametrize("guest", GUESTS)
def test_info_tlb(guest: str, kind: str, tmp_path: Path) -> None:
    with opened(guest, kind, tmp_path) as (machine, registers):
        tables = lenient(machine, registers)
        assert tables.mode is not None
        lines = list(info_tlb_lines(tables.leaves(), tables.mode.name))
        assert lines == oracle(guest, "info-tlb")
        assert len(lines) == ROWS[guest]
        assert not tables.missing


@pytest.mark.parametrize("kind", ["elf", "raw"])
@pytest.mark.parametrize("guest", [guest for guest in GUESTS if guest != "l5-80m"])
def test_info_mem(guest: str, kind: str, tmp_path: Path) -> None:
    with opened(guest, kind, tmp_path) as (machine, registers):
        tables = lenient(machine, registers)
        rows = [
            RangeRow(
                found.start,
                found.size,
                ("u" if found.rights & RIGHT_U else "-")
                + "r"
                + ("w" if found.rights & RIGHT_W else "-"),
                "",
            )
            for found in tables.ranges()
        ]
        bits = tables.mode.address_bits if tables.mode else 0
        assert list(info_mem_lines(rows, bits)) == oracle(guest, "info-mem")


@pytest.mark.parametrize("kind", ["elf", "raw"])
@pytest.mark.parametrize("guest", GUESTS)
def test_gva2gpa(guest: str, kind: str, tmp_path: Path) -> None:
    with opened(guest, kind, tmp_path) as (machine, registers):
        for line in oracle(guest, "gva2gpa"):
            address, _, answer = line.partition(" ")
            found = walk(machine.image, registers, int(address, 16))
            assert gva2gpa_line(found.physical) == answer, line


def plain_rights(
    memory: PhysicalMemory, table: int, shifts: list[int], wide: bool, above: tuple[bool, ...]
) -> Iterator[tuple[int, tuple[bool, ...]]]:
    """(offset, (user, write, execute)) of each leaf, read as the manual says, slowly."""
    size = 8 if wide else 4
    data = memory.read(table, 4096)
    assert data is not None
    for index in range(4096 // size):
        (entry,) = struct.unpack_from("<Q" if wide else "<I", data, index * size)
        if entry & 1 == 0:
            continue
        own = (entry >> 2 & 1 == 1, entry >> 1 & 1 == 1, not (wide and entry >> 63))
        joined = tuple(a and b for a, b in zip(above, own, strict=True))
        offset = index << shifts[0]
        if len(shifts) == 1 or (entry >> 7 & 1 and shifts[0] in (21, 22, 30)):
            yield offset, joined
        else:
            address = entry & (0xFFFFFFFFFF000 if wide else 0xFFFFF000)
            for inner, rights in plain_rights(memory, address, shifts[1:], wide, joined):
                yield offset + inner, rights


@pytest.mark.parametrize("kind", ["elf", "raw"])
@pytest.mark.parametrize("guest", GUESTS)
def test_effective_rights_with_x(guest: str, kind: str, tmp_path: Path) -> None:
    shifts = {"4": [39, 30, 21, 12], "5": [48, 39, 30, 21, 12], "32": [22, 12]}[LEVELS[guest]]
    with opened(guest, kind, tmp_path) as (machine, registers):
        root, wide = registers.cr3 & -4096, guest != "x86-32"
        want = list(plain_rights(machine.image, root, shifts, wide, (True, True, True)))
        tables = AddressSpaceTables(machine.image, registers)
        bits = tables.mode.address_bits if tables.mode else 0
        got = [
            (
                leaf.address & (1 << bits) - 1,
                tuple(bool(leaf.rights & bit) for bit in (RIGHT_U, RIGHT_W, RIGHT_X)),
            )
            for leaf in tables.leaves()
        ]
        assert got == want
        assert len(got) == ROWS[guest]
        # The ranges are the same rights, page by page.
        flat = {
            start + offset: rights
            for start, size, rights in tables.ranges()
            for offset in range(0, size, 4096)
        }
        for leaf in tables.leaves():
            assert flat[leaf.address] == leaf.rights
        assert len(flat) * 4096 == sum(leaf.size for leaf in tables.leaves())


@pytest.mark.parametrize("guest", ["l4-80m", "l4-80m-pti", "l5-80m"])
def test_pagemap_of_the_guest(guest: str, tmp_path: Path) -> None:
    """What the dumped process read in its own /proc/self/pagemap: frames and swap entries."""
    kinds = {"present": 0, "swap": 0, "PROT_NONE": 0}
    lines = oracle(guest, "serial")
    first, last = (
        next(number for number, line in enumerate(lines) if line.startswith(mark))
        for mark in ("=== pagemap parent", "=== end parent")
    )
    with opened(guest, "elf", tmp_path) as (machine, registers):
        for line in lines[first:last]:
            if not line.startswith("P "):
                continue
            address, word = (int(text, 16) for text in line.split()[1:])
            found = walk(machine.image, registers, address)
            frame = word & (1 << 55) - 1
            if found.physical is not None:
                kinds["present"] += 1
                assert found.physical == frame << 12, line
                continue
            assert found.reason is Reason.NOT_PRESENT, line
            kept = decode_not_present(found.steps[-1].entry or 0)
            if word >> 62 & 1:
                kinds["swap"] += 1
                assert kept == SwapEntry(frame & 0x1F, frame >> 5), line
            else:
                kinds["PROT_NONE"] += 1
                assert kept == ProtNone(frame << 12), line
    assert kinds["present"] > 500
    assert kinds["PROT_NONE"] == 8
