"""Ring 3's part of the lab against the host's own CPU: which exception, which error code.

What the host's kernel tells a signal handler (trap number, error code, RIP, RFLAGS) is what the
CPU pushed. Here the cases are judged for which QEMU is no judge, too: the error code of INT n,
#SS of addresses that are not canonical, #AC, RF in the frame.
"""

from __future__ import annotations

import platform
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from youcpu.interrupt_lab.image import LabImage
from youcpu.interrupt_lab.lab import Delivered, Executed, Lab
from youcpu.interrupt_lab.rings import run_probes

HERE = Path(__file__).parent
pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64" or shutil.which("gcc") is None,
    reason="wants an x86-64 host and gcc",
)
RF = 1 << 16
#: What hangs on the host kernel's CR4, or on the lab's own tables and addresses.
NOT_THERE = {
    "smsw", "smsw_umip", "sgdt", "sgdt_umip", "sidt", "sidt_umip", "sldt", "sldt_umip", "str",
    "str_umip", "rdtsc_tsd", "wrfsbase", "wrfsbase_fsgsbase", "read_kernel", "write_kernel",
    "execute_kernel", "read_user", "read_user_smap", "read_user_smap_ac", "write_read_only",
    "write_read_only_wp0", "execute_user", "execute_user_smep", "execute_data", "read_absent",
    "iretq_ring0", "iretq_ring3", "cpuid",
}  # fmt: skip
#: INT 81h, by which a probe ends, is no vector of programs there: #GP(0x81 * 8 + 2).
RAN = (13, 0x81 * 8 + 2)


@pytest.fixture(scope="module")
def image() -> LabImage:
    return LabImage()


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("ring3") / "ring3"
    command = ["gcc", "-O1", "-Wall", "-o", str(target), str(HERE / "ring3_host.c")]
    subprocess.run(command, check=True)
    return target


Row = tuple[int, int, int, int]


def ask(driver: Path, lines: list[str]) -> dict[str, Row]:
    """Trap number, error code, RIP - start, RFLAGS by name."""
    done = subprocess.run(
        [driver], input="\n".join(lines) + "\n", capture_output=True, text=True, check=True
    )
    rows = [line.split() for line in done.stdout.splitlines()]
    return {row[0]: (int(row[1]), int(row[2], 16), int(row[3]), int(row[4], 16)) for row in rows}


def bytes_at(image: LabImage, address: int, size: int) -> bytes:
    """Of the program's text: 401000 lies at 11e000."""
    start = address - 0x401000 + 0x11E000 - 0x100000
    return image.bytes[start : start + size]


def test_probes_in_ring_3(image: LabImage, driver: Path) -> None:
    cells = run_probes(image, "intel")
    starts = sorted(image.symbols[f"user_code.{row}"] for row in cells)
    lines = []
    for row in cells:
        if row in NOT_THERE:
            continue
        start = image.symbols[f"user_code.{row}"]
        following = [other for other in starts if other > start]
        code = bytes_at(image, start, (following or [start + 16])[0] - start)
        place = image.symbols[f"probe.{row}"] - 0xFFFFFFFF80000000 - 0x100000
        rax, rcx, rdx = struct.unpack_from("<3Q", image.bytes, place + 16)
        lines.append(f"{row} {rax:x} {rcx:x} {rdx:x} {code.hex()}")
    host = ask(driver, lines)
    assert len(host) == len(lines) >= 35
    bad = {}
    for row, (trap, error, distance, _) in host.items():
        cell = cells[row][1]
        expected = RAN if cell.ran else (cell.vector, cell.error_code)
        if (trap, error) != expected:
            bad[row] = (trap, error, expected)
        elif not cell.ran:
            assert distance == cell.rip - image.symbols[f"user_code.{row}"], row
    assert bad == {}


#: Programs of 64-bit code whose exception the host's kernel passes on as it came.
PROGRAMS = [
    "into", "ud2", "divide", "general_protection", "general_protection.address",
    "general_protection.gate", "general_protection.selector", "general_protection.ring0_data",
    "stack_fault.address", "alignment", "page_fault.null",
]  # fmt: skip


def test_programs(image: LabImage, driver: Path) -> None:
    lines = [f"{name} 0 0 0 {program_code(image, name).hex()}" for name in PROGRAMS]
    host = ask(driver, lines)
    assert set(host) == set(PROGRAMS)
    assert {name: row[:3] for name, row in host.items()} == {
        name: our_frame(image, name)[:3] for name in PROGRAMS
    }
    for name in PROGRAMS:
        # A fault's RFLAGS have RF set (SDM vol. 3A, 17.3.1.1); TF, AC and the like as they were.
        assert host[name][3] & RF, name
        assert our_frame(image, name)[3] & RF, name


def program_code(image: LabImage, name: str) -> bytes:
    return bytes_at(image, image.symbols[f"program.{name}"], 24)


def our_frame(image: LabImage, name: str) -> Row:
    lab = Lab(image, name)
    try:
        lab.boot()
        lab.run()
    finally:
        lab.close()
    delivered = next(step for step in lab.steps if isinstance(step, Delivered))
    last = delivered.attempts[-1]
    pushed = {push.name: push.value for push in last.pushed}
    start = image.symbols[f"program.{name}"]
    # What the kernel tells for an exception without an error code is 0.
    return last.cause.vector, pushed.get("error code", 0), pushed["RIP"] - start, pushed["RFLAGS"]


def test_syscall_clobbers_as_here(image: LabImage, tmp_path: Path) -> None:
    """RCX gets RIP, R11 gets RFLAGS: seen by a program of the host's before its libc does."""
    source = tmp_path / "clobber.c"
    source.write_text(
        "#include <stdio.h>\n"
        "int main(void) {\n"
        "  unsigned long rcx, r11, flags, back;\n"
        '  __asm__ volatile("mov $39, %%eax; pushf; pop %2; lea 1f(%%rip), %3; syscall; 1:"\n'
        '    "mov %%rcx, %0; mov %%r11, %1" : "=&r"(rcx), "=&r"(r11), "=&r"(flags), "=&r"(back)\n'
        '    :: "rax", "rcx", "r11", "memory");\n'
        '  printf("%d %d\\n", rcx == back, r11 == flags);\n'
        "}\n"
    )
    program = tmp_path / "clobber"
    subprocess.run(["gcc", "-O1", "-mno-red-zone", "-o", program, source], check=True)
    assert subprocess.run([program], capture_output=True, check=True).stdout == b"1 1\n"
    lab = Lab(image, "syscall")
    try:
        lab.boot()
        lab.run()
    finally:
        lab.close()
    steps = [step.before for step in lab.steps if isinstance(step, Executed)]
    before = max(place for place, step in enumerate(steps) if step.cpl == 3 and step.rip < 0x401027)
    entered = steps[before + 1]
    assert entered.get("rcx") == steps[before].rip + 2
    assert entered.get("r11") == steps[before].rflags


def test_amd_host_refuses_sysenter(image: LabImage, driver: Path) -> None:
    """The host's CPU, where it is AMD's, as `--vendor amd`: #UD at SYSENTER itself."""
    if "AuthenticAMD" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("the host's CPU is not AMD's")
    name = "sysenter.64"
    host = ask(driver, [f"{name} 0 0 0 {program_code(image, name).hex()}"])[name]
    assert host[:2] == (6, 0)
