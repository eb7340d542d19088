"""Gates, descriptors and the TSS against the pictures of the Intel SDM, vol. 3A."""

from __future__ import annotations

import struct

import pytest

from youcpu.hardware.interrupts import (
    GATE_TRAP,
    TSS_SIZE,
    Gate,
    InterruptTable,
    pack_tss,
    push_frame,
    segment_descriptor,
    tss_descriptor,
)
from youcpu.hardware.memory import PAGE_SIZE, Ram


@pytest.mark.parametrize(
    "gate",
    [
        Gate(0xFFFFFFFF81000100, 0x10),
        Gate(0x1234_5678_9ABC_DEF0, 0xFFFF, ist=7, type=GATE_TRAP, dpl=3),
        Gate(0, 0, present=False),
    ],
)
def test_a_gate_comes_back(gate: Gate) -> None:
    assert Gate.unpack(*gate.pack()) == gate


def test_gate_bits() -> None:
    low, high = Gate(0x1234_5678_9ABC_DEF0, 0x10, ist=3, dpl=3).pack()
    assert low == 0x9ABC_EE03_0010_DEF0
    assert high == 0x1234_5678


def test_segments_are_those_of_linux() -> None:
    # arch/x86/kernel/cpu/common.c gdt_page, accessed bit set.
    assert segment_descriptor(True, 0) == 0x00AF9B000000FFFF
    assert segment_descriptor(False, 0) == 0x00CF93000000FFFF
    assert segment_descriptor(True, 3) == 0x00AFFB000000FFFF
    assert segment_descriptor(False, 3) == 0x00CFF3000000FFFF
    assert segment_descriptor(True, 3, long_mode=False) == 0x00CFFB000000FFFF


def test_tss_descriptor_scatters_its_base() -> None:
    low, high = tss_descriptor(0xFFFFFE00_12345000)
    assert low == 0x12008B34_50000067
    assert high == 0xFFFFFE00


def test_tss_layout() -> None:
    tss = pack_tss(0x1111, (0x2222, 0x3333))
    assert len(tss) == TSS_SIZE
    assert struct.unpack_from("<Q", tss, 4)[0] == 0x1111
    assert struct.unpack_from("<2Q", tss, 36) == (0x2222, 0x3333)
    assert struct.unpack_from("<H", tss, 102)[0] == TSS_SIZE  # no I/O bitmap: beyond the limit


def test_a_software_interrupt_needs_the_gates_permission() -> None:
    table = InterruptTable(Ram(2 * PAGE_SIZE), PAGE_SIZE)
    table.set(3, Gate(0x1000, 0x10, dpl=3))
    table.set(14, Gate(0x2000, 0x10, dpl=0))
    assert table.handler(3, software=True, cpl=3) == 0x1000
    assert table.handler(14, software=True, cpl=3) is None
    assert table.handler(14, software=True, cpl=0) == 0x2000
    assert table.handler(14, software=False, cpl=3) == 0x2000
    assert table.handler(200, software=False, cpl=3) is None
    assert table.gate(3) == Gate(0x1000, 0x10, dpl=3)


def test_the_frame_that_the_cpu_pushes() -> None:
    ram = Ram(PAGE_SIZE)
    push_frame(ram, 0x100, (1, 2, 3, 4, 5), 0x77)
    assert struct.unpack_from("<6Q", ram.bytes, 0x100 - 48) == (0x77, 1, 2, 3, 4, 5)
