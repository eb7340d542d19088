"""The interrupt lab here and under qemu-system-x86_64: the same bytes, instruction by instruction.

QEMU 7.2 (TCG) is the judge of every RIP, register, flag and frame of every program, of every
probe of `rings`, and of the tables in a dump. Where it departs from the SDM, the row is in
QEMU_DIFFERS with the place; for those the host's CPU is the judge (test_interrupts_host.py).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import pytest
from qemu_lab import QEMU, Gone, QemuLab

from youcpu.cli import main
from youcpu.descriptor_tables import tables_of_dump
from youcpu.hardware.cpu import GENERAL_REGISTERS
from youcpu.interrupt_lab.image import RESULT_SIZE, RESULTS, VARIANTS, LabImage
from youcpu.interrupt_lab.lab import EVENTS, SELF_JUMP, Delivered, Executed, Lab
from youcpu.interrupt_lab.rings import PROBES, Cell, cells_of, run_probes
from youcpu.stopped_machine import open_dump

pytestmark = pytest.mark.skipif(QEMU is None, reason="qemu-system-x86_64 is not installed")

#: All features that the lab wants, and Intel's name: TCG's own model calls itself AMD.
INTEL, AMD = "max,vendor=GenuineIntel", "max,vendor=AuthenticAMD"
RF = 1 << 16
STEPS = 60
#: Programs whose exception or error code TCG gets wrong, and what it gives.
QEMU_DIFFERS = {
    # helper do_interrupt64: intno * 16 + 2 in place of SDM vol. 3A, 6.13's index * 8 + 2.
    "general_protection.gate": "error code e2 for 72",
    # x86_cpu_tlb_fill: always #GP for an address that is not canonical (SDM vol. 1, 3.3.7.1).
    "stack_fault.address": "#GP for #SS",
    # TCG 7.2 makes no alignment checks (SDM vol. 3A, 6.15, #AC).
    "alignment": "no #AC",
    # do_fault_rsvd: P is not set with RSVD (SDM vol. 3A, 4.7: bit 3 only if bit 0 is set).
    "page_fault.reserved": "error code c for d",
}


@pytest.fixture(scope="module")
def image() -> LabImage:
    return LabImage()


@pytest.fixture(scope="module")
def qemu(image: LabImage) -> Iterator[QemuLab]:
    lab = QemuLab(image.bytes, INTEL)
    yield lab
    lab.close()


State = dict[str, int]
NAMES = (*GENERAL_REGISTERS, "rip", "rflags", "cs", "ss", "cr2")


def qemu_run(qemu: QemuLab, image: LabImage, program: str) -> tuple[list[State], list[bytes]]:
    """Registers before each instruction from the program's first one on; frames at handlers."""
    qemu.start(image.symbols, image.rows("row.").index(program))
    states: list[State] = []
    frames: list[bytes] = []
    if program in EVENTS:
        while not qemu.registers()["cs"] & 3:
            qemu.step()
        states.append(qemu.registers())
        if program == "nmi":
            qemu.monitor("nmi")
            qemu.run_to(image.symbols["nmi"])
        else:
            command = "sendkey a" if program == "keyboard" else ""
            qemu.run_to(image.symbols[f"{program}_interrupt"], command)
        states.append(qemu.registers())
        frames.append(frame_at(qemu, states[-1]["rsp"]))
    while len(states) < STEPS:
        try:
            qemu.step()
            now = qemu.registers()
        except Gone:
            break
        if not states and now["cs"] & 3 == 0:
            continue  # a step that only noticed the breakpoint
        if states and now["rip"] == states[-1]["rip"] and qemu.read(now["rip"], 2) != SELF_JUMP:
            continue  # or one that QEMU's timers ended: no instruction of the lab repeats itself
        if states and states[-1]["cs"] & 3 and not now["cs"] & 3:
            frames.append(frame_at(qemu, now["rsp"]))
        states.append(now)
        if len(frames) and now["cs"] & 3 and qemu.read(now["rip"], 2) == SELF_JUMP:
            break
        if not now["cs"] & 3 and qemu.read(now["rip"], 1) == b"\xf4":
            break
    # The stub also stops where the fetch itself is about to fail: nothing runs there.
    return [state for state in states if state["rip"] != image.symbols["data_code"]], frames


def frame_at(qemu: QemuLab, pointer: int) -> bytes:
    """Six words of a stack, five at its top, none where it is the program's (SYSCALL)."""
    for size in (48, 40):
        try:
            return qemu.read(pointer, size)
        except LookupError:
            pass
    return b""


def our_run(image: LabImage, program: str, vendor: str) -> tuple[list[State], list[bytes]]:
    lab = Lab(image, program, vendor)
    try:
        lab.boot()
        lab.run(program)
    finally:
        lab.close()
    states = [
        {name: step.before.get(name) for name in NAMES}
        for step in lab.steps
        if isinstance(step, Executed)
    ]
    frames = []
    for before, step in zip(lab.steps, lab.steps[1:], strict=False):
        entered = isinstance(before, Delivered) or before.before.cpl == 3
        if isinstance(step, Executed) and step.before.cpl == 0 and entered:
            frames.append(struct.pack(f"<{len(step.stack)}Q", *step.stack))
    return states, frames


def without_rf(frame: bytes) -> list[int]:
    """The words of a frame; TCG never pushes RF (SDM vol. 3A, 17.3.1.1: faults do)."""
    words = [word for (word,) in struct.iter_unpack("<Q", frame)]
    # RFLAGS are the third word of a frame, the fourth behind an error code.
    return [word & ~RF if word >> 16 == 1 else word for word in words]


def differences(mine: list[State], theirs: list[State]) -> list[str]:
    if len(mine) != len(theirs):
        return [f"{len(mine)} instructions, {len(theirs)} under QEMU"]
    return [
        f"instruction {place} at {a['rip']:x}: {name} {a[name]:x}, {b[name]:x} under QEMU"
        for place, (a, b) in enumerate(zip(mine, theirs, strict=True))
        for name in NAMES
        if a[name] != b[name] & (0xFFFFFFFFFFFFFFFF if name != "rflags" else ~RF)
    ]


def compare(qemu: QemuLab, image: LabImage, program: str, vendor: str) -> list[str]:
    mine, my_frames = our_run(image, program, vendor)
    theirs, their_frames = qemu_run(qemu, image, program)
    found = differences(mine, theirs)
    if [without_rf(frame) for frame in my_frames] != [without_rf(frame) for frame in their_frames]:
        found.append(f"frames {my_frames}, {their_frames} under QEMU")
    return found


def test_programs(qemu: QemuLab, image: LabImage) -> None:
    programs = [name for name in image.rows("row.") if name not in ("rings", "triple_fault")]
    bad = {
        name: compare(qemu, image, name, "intel") for name in programs if name not in QEMU_DIFFERS
    }
    assert {name: found[:4] for name, found in bad.items() if found} == {}
    assert len(programs) - len(QEMU_DIFFERS) >= 27


def test_differences_are_still_there(qemu: QemuLab, image: LabImage) -> None:
    """A QEMU that has mended one of them takes its row away."""
    assert [name for name in QEMU_DIFFERS if not compare(qemu, image, name, "intel")] == []


def test_amd_refuses_sysenter(image: LabImage) -> None:
    """From 64-bit code as TCG does. From compatibility mode TCG lets an AMD CPU enter; AMD's
    manual does not (APM vol. 3, SYSENTER: "not recognized in long mode")."""
    qemu = QemuLab(image.bytes, AMD)
    try:
        assert compare(qemu, image, "sysenter.64", "amd") == []
        assert compare(qemu, image, "sysenter", "amd") != []
    finally:
        qemu.close()
    entered = [state["rip"] for state in our_run(image, "sysenter", "amd")[0]]
    assert image.symbols["invalid_op"] in entered
    assert image.symbols["entry_sysenter"] not in entered


def test_triple_fault_resets(qemu: QemuLab, image: LabImage) -> None:
    """TCG answers a shutdown with a reset: it comes to the entry point again."""
    qemu.start(image.symbols, image.rows("row.").index("triple_fault"))
    qemu.run_to(image.symbols["boot32"])
    assert not qemu.registers()["cr0"] & 1 << 31
    assert our_run(image, "triple_fault", "intel")[0][-1]["cs"] == 0x33


def qemu_cells(qemu: QemuLab, image: LabImage) -> dict[str, list[Cell]]:
    qemu.start(image.symbols, image.rows("row.").index("rings"), "rings_finished")
    size = len(PROBES) * VARIANTS * RESULT_SIZE
    return cells_of(image, qemu.read(0xFFFFFFFF80000000 + RESULTS, size))


def test_rings(qemu: QemuLab, image: LabImage) -> None:
    mine, theirs = run_probes(image, "intel"), qemu_cells(qemu, image)
    assert set(mine) == set(theirs) == set(PROBES)
    bad = []
    for row in PROBES:
        for place, (a, b) in enumerate(zip(mine[row], theirs[row], strict=True)):
            if row == "rdpmc" and place == 0:
                # TCG has no counters: #UD in ring 0, where a CPU reads one.
                assert a.ran
                assert b.vector == 6
            elif row == "int_ring0" and place:
                assert (a.vector, a.error_code) == (13, 0x82 * 8 + 2)
                assert (b.vector, b.error_code) == (13, 0x82 * 16 + 2)
            elif cell_value(row, a) != cell_value(row, b):
                bad.append((row, place, a, b))
    assert bad == []


def cell_value(row: str, cell: Cell) -> tuple[Any, ...]:
    # RDTSC and CPUID answer with numbers of the machine.
    rax = 0 if row in ("rdtsc", "rdtsc_tsd", "cpuid") else cell.rax
    return (
        cell.vector,
        cell.error_code,
        cell.rip,
        cell.cs,
        cell.rflags & ~RF,
        cell.rsp,
        cell.cr2,
        rax,
    )


def test_tables_of_a_dump(
    qemu: QemuLab, image: LabImage, capsys: pytest.CaptureFixture[str]
) -> None:
    """IDTR, GDTR and TR of QEMU's CPU note lead to the tables as the image has them."""
    qemu.start(image.symbols, 0)
    path = qemu.place / "dump.elf"
    qemu.monitor(f"dump-guest-memory {path}")
    registers = qemu.monitor("info registers")
    with open_dump(str(path)) as machine:
        tables = tables_of_dump(machine, 0)
        assert f"IDT=     {tables.idtr.base:016x} {tables.idtr.limit:08x}" in registers
        assert f"GDT=     {tables.gdtr.base:016x} {tables.gdtr.limit:08x}" in registers
        assert (
            f"TR ={tables.tr.selector:04x} {tables.tr.base:016x} {tables.tr.limit:08x}" in registers
        )
        gates = {
            entry.vector: entry.gate for entry in tables.idt() if entry.gate and entry.gate.present
        }
        assert gates[14].offset == image.symbols["page_fault"]
        assert gates[8].ist == 1
        assert gates[0x80].dpl == 3
        fields = {field.name: field.value for field in tables.tss()}
        assert fields["RSP0"] == image.symbols["kernel_stack_top"]
        assert fields["IST3"] == image.symbols["debug_stack_top"]
        assert tables.io_map() is None
    # With the symbols of a kernel that was linked 32 MiB lower, its #PF named as Linux's.
    lines = [
        f"{address - (32 << 20):016x} T {'asm_exc_' * (name == 'page_fault')}{name}"
        for name, address in sorted(image.symbols.items(), key=lambda row: row[1])
        if address > 0xFFFFFFFF80000000
    ]
    table = qemu.place / "System.map"
    table.write_text("\n".join(lines) + "\n")
    assert main(["interrupts", "--dump", str(path), "--symbols", str(table)]) == 0
    printed = capsys.readouterr().out
    assert (
        f" 14  #PF   int      0   -  10  {image.symbols['page_fault']:x} asm_exc_page_fault"
        in printed
    )
    assert f"{image.symbols['entry_int80']:x} entry_int80" in printed
