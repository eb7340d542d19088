"""What the engine leaves out and hardware/ puts right: UMIP, #AC, RDPMC, SYSENTER of AMD, CR2."""

from __future__ import annotations

import pytest

from youcpu.hardware.instruction_checks import _reads_system_register
from youcpu.interrupt_lab.image import LabImage
from youcpu.interrupt_lab.lab import Delivered, Executed, Lab
from youcpu.interrupt_lab.rings import run_probes


@pytest.fixture(scope="module")
def image() -> LabImage:
    return LabImage()


@pytest.mark.parametrize(
    ("code", "refused"),
    [
        ("0f01e0", True),  # smsw eax
        ("0f0107", True),  # sgdt [rdi]
        ("480f010f", True),  # sidt [rdi] with REX
        ("660f00c0", True),  # sldt ax
        ("0f00c8", True),  # str eax
        ("0f01c8", False),  # monitor: 0F 01 /1 with a register
        ("0f01d0", False),  # xgetbv
        ("0f01f8", False),  # swapgs
        ("0f00d8", False),  # ltr: refused by CPL anyway
        ("0f05", False),
        ("90", False),
    ],
)
def test_umip_knows_its_instructions(code: str, refused: bool) -> None:
    assert _reads_system_register(bytes.fromhex(code)) is refused


@pytest.mark.parametrize("vendor", ["intel", "amd"])
def test_every_probe_can_be_prepared(image: LabImage, vendor: str) -> None:
    cells = run_probes(image, vendor)
    assert [row for row, found in cells.items() if not all(cell.supported for cell in found)] == []


def test_a_counter_is_read_in_ring_0_only(image: LabImage) -> None:
    found = run_probes(image, "intel")["rdpmc"]
    assert [cell.ran for cell in found] == [True, False, False, False]
    assert found[1].vector == 13


def deliveries(image: LabImage, program: str, vendor: str = "intel") -> list[Delivered]:
    lab = Lab(image, program, vendor)
    try:
        lab.boot()
        lab.run(program)
        return [step for step in lab.steps if isinstance(step, Delivered)]
    finally:
        lab.close()


def test_alignment_is_checked_in_ring_3_only(image: LabImage) -> None:
    found = deliveries(image, "alignment")
    assert [step.attempts[0].cause.vector for step in found] == [17]
    assert found[0].attempts[0].before.rip == image.symbols["program.alignment"] + 9


def test_a_frame_is_pushed_from_the_top(image: LabImage) -> None:
    """CR2 of a push that fails: the first word's, SS (as QEMU has it)."""
    (step,) = deliveries(image, "double_fault")
    assert step.attempts[0].fault is not None
    assert step.attempts[0].fault.address == image.symbols["kernel_stack_top"] - 0x1000 - 8
    assert step.cr2[0] == 0


@pytest.mark.parametrize("program", ["sysenter", "sysenter.64"])
def test_sysenter_by_vendor(image: LabImage, program: str) -> None:
    assert deliveries(image, program) == []
    (step,) = deliveries(image, program, "amd")
    assert step.attempts[0].cause.vector == 6


def test_the_timer_comes_when_it_is_due(image: LabImage) -> None:
    lab = Lab(image, "timer")
    try:
        lab.boot()
        lab.run("timer")
        # 1,193 ticks of 1.193182 MHz, less what ran before the program waited.
        assert 900_000 < lab.waited_ns < 1_000_000
        first = next(step for step in lab.steps if isinstance(step, Executed))
        assert first.before.rip == image.symbols["program.timer"]
    finally:
        lab.close()
