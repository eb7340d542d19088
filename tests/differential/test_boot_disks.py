"""`youcpu boot --disk`: our firmware and devices against QEMU's, and what is said of broken disks.

fixtures/boot/disks/qemu.json holds what QEMU showed (qemu_disks.py records it); --long asks
QEMU again.
"""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from differential import qemu_disks
from differential.qemu_disks import DISKS, KEYS, RECORDED, ROOT

from youcpu.trace.boot_events import OUTCOMES

BROKEN = ROOT / "fixtures/boot/images/broken"
PACKAGE = ROOT / "youcpu/boot"
NAMES = sorted(path.stem for path in DISKS.glob("*.img"))
needs_qemu = pytest.mark.skipif(
    qemu_disks.QEMU is None, reason="qemu-system-x86_64 is not installed"
)


def run(image: Path, *options: str, keys: bytes = b"") -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "youcpu", "boot", "--json", "--epoch", "1700000000"]
    done = subprocess.run(
        [*command, "--disk", str(image), *options],
        input=keys, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert b"Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("name", NAMES)
def test_disk_as_under_qemu(name: str) -> None:
    expected = json.loads(RECORDED.read_text())[name]
    _, document = run(DISKS / f"{name}.img", keys=KEYS.get(name, ([], b""))[1])
    assert document["screen"] == expected["screen"]
    assert document["output"].get("serial", "").replace("\r", "") == expected["serial"]
    assert document["end"]["outcome"] == "halt"


def test_there_are_enough_disks() -> None:
    assert len(NAMES) >= 15
    assert set(NAMES) == set(json.loads(RECORDED.read_text()))


@needs_qemu
@pytest.mark.parametrize("name", NAMES)
def test_recorded_answer_is_qemus(name: str, request: pytest.FixtureRequest) -> None:
    if name not in ("hello", "ring3-64") and not request.config.getoption("--long"):
        pytest.skip("the others of QEMU's answers: --long")
    answer = qemu_disks.boot(DISKS / f"{name}.img", KEYS.get(name, ([], b""))[0])
    expected = json.loads(RECORDED.read_text())[name]
    assert (answer["screen"], answer["serial"]) == (expected["screen"], expected["serial"])


@needs_qemu
def test_demonstration_under_qemu() -> None:
    """The same loader goes as far on QEMU's firmware, and says that no kernel is there."""
    answer = qemu_disks.boot(PACKAGE / "demonstration.img", [])
    lines = answer["serial"].splitlines()
    assert lines[0] == "loader: at 0000:8000"
    assert lines[-2:] == [
        "kernel: entry in the upper half", "kernel: no youcpu behind port 5C0h; halted",
    ]  # fmt: skip
    assert answer["screen"][-1] == lines[-1]


@needs_qemu
def test_firmware_under_qemu() -> None:
    """Our ROM is a real PC's firmware: on QEMU's ISA machine it boots the same disk as far."""
    rom = str(PACKAGE / "firmware.rom")
    image = PACKAGE / "demonstration.img"
    answer = qemu_disks.boot(image, [], "-M", "isapc", "-cpu", "qemu64", "-bios", rom)
    assert answer["log"].startswith("youcpu firmware\r\n64 MiB of memory\r\n")
    assert answer["serial"].endswith("kernel: no youcpu behind port 5C0h; halted\n")


#: Outcome, and words of the sentence that name the cause.
CAUSES = {
    "a20-closed": ("lost", "address line 20 is closed"),
    "bad-far-jump": ("triple fault", "selector 0x88 lies beyond the GDT's limit 0x47"),
    "busy-loop": ("limit", "limit of"),
    "code-not-present": ("triple fault", "descriptor has P = 0"),
    "cr3-garbage": ("triple fault", "a page table lies at 0xdeadb000, where no memory is"),
    "data-as-code": ("triple fault", "a data segment: code is wanted"),
    "divide-error": ("fault", "#DE"),
    "empty-idt": ("triple fault", "the IDT is empty (limit 0)"),
    "endless-loop": ("loop", "a jump to itself at 0000:7C05"),
    "endless-loop-off": ("loop", "interrupts off"),
    "gate-not-present": ("triple fault", "the gate is not present"),
    "gdt-limit": ("triple fault", "beyond the GDT's limit 0x7"),
    "halted": ("halt", "interrupts off"),
    "invalid-opcode": ("fault", "#UD"),
    "jump-to-nowhere": ("lost", "where no memory is"),
    "jump-to-zeros": ("lost", "zeros are executed at 0x300000"),
    "l-and-d": ("triple fault", "both L and D"),
    "no-pae": ("triple fault", "CR4.PAE is not"),
    "no-signature": ("not bootable", "55 AA"),
    "no-tss": ("triple fault", "no TSS was loaded"),
    "null-code-segment": ("triple fault", "null selector"),
    "page-fault-no-handler": ("triple fault", "0xffff800000001000"),
    "pg-without-pe": ("triple fault", "CR0.PG was set while CR0.PE is 0"),
    "read-past-end": ("lost", "the last INT 13h had failed"),
    "ring3-selector": ("triple fault", "it is code of ring 0"),
    "short": ("not bootable", "100 bytes"),
    "stack-nowhere": ("triple fault", "the stack at 0x4ffffff8 is not mapped"),
    "unmapped-code": ("triple fault", "the code at 0x7e83 itself is not mapped"),
    "zero-gates": ("triple fault", "#UD"),
    "zeros": ("not bootable", "zeros"),
}


@pytest.mark.parametrize("name", sorted(path.stem for path in BROKEN.glob("*.img")))
def test_broken_disk_names_its_cause(name: str) -> None:
    code, document = run(BROKEN / f"{name}.img", "--max-insns", "20000000")
    outcome, words = CAUSES[name]
    assert document["end"]["outcome"] == outcome
    assert words in document["end"]["message"]
    assert "\n" not in document["end"]["message"]
    healthy = outcome in ("halt", "loop")
    assert code == (0 if healthy else 125 if outcome == "limit" else 1)


def test_random_boot_sectors(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Whatever 512 bytes do, it ends with a sentence."""
    rng = random.Random(7)
    for number in range(200 if request.config.getoption("--long") else 15):
        image = tmp_path / f"{number}.img"
        code = rng.randbytes(510) if number % 2 else bytes(rng.choices(range(256), k=32)) * 16
        image.write_bytes(code[:510] + b"\x55\xaa")
        _, document = run(image, "--max-insns", "3000000", "--timeout", "20")
        assert document["end"]["message"]
        assert document["end"]["outcome"] in OUTCOMES
        assert document["end"]["instructions"] < 5_000_000


def test_binaries_are_those_of_the_sources() -> None:
    for place in (PACKAGE, BROKEN.parent):
        for line in (place / "SHA256SUMS").read_text().splitlines():
            digest, name = line.split()
            assert hashlib.sha256((place / name).read_bytes()).hexdigest() == digest, name
