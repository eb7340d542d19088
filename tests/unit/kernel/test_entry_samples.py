"""Registers after SYSCALL and INT 0x80 as fixtures/exec/entry.json has them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from youcpu.hardware.cpu import RAX, RIP, RSP, Cpu
from youcpu.machine import Machine, MachineOptions

LINES = json.loads((Path(__file__).parents[3] / "fixtures/exec/entry.json").read_text())
#: rax rbx rcx rdx rsi rdi rbp (flags) r8-r15 of the samples, as indices of Cpu.state.
ORDER = [5, 8, 6, 7, 11, 12, 10, None, *range(13, 21)]
NUMBERS = {
    "SYSCALL getpid(64 nr 39)": 39,
    "INT80 getpid(32 nr 20)": 20,
    "SYSCALL bad nr": 5000,
    "INT80 bad nr": 5000,
    "SYSCALL rax high bits set, low 39": 0xFFFFFFFF00000027,
    "SYSCALL rax=0x4000000000000027": 0x4000000000000027,
    "SYSCALL x32 bit 0x40000027": 0x40000027,
    "SYSCALL -1": (1 << 64) - 1,
}


def blocks() -> list[tuple[str, list[int]]]:
    """(title, values of the 16 lines after it)."""
    return [
        (LINES[start], [int(line.split()[1], 16) for line in LINES[start + 1 : start + 17]])
        for start in range(0, len(LINES), 17)
    ]


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    machine = Machine(MachineOptions(memory=64 << 20))
    machine.execute(b"/bin/true", [b"true"], [])
    yield machine
    machine.close()


@pytest.mark.parametrize(("name", "wanted"), blocks(), ids=[name for name, _ in blocks()])
def test_registers_after_a_call(machine: Machine, name: str, wanted: list[int]) -> None:
    cpu: Cpu = machine.cpu
    state, task = cpu.state, machine.kernel.tasks[machine.first_pid]
    code = bytes.fromhex("cd800f0b" if name.startswith("INT80") else "0f050f0b")
    place = task.mm.start_stack & -4096  # any page; made executable below
    physical = task.mm.fault_in(place, True)
    assert physical is not None
    machine.ram.bytes[physical : physical + 4] = code
    machine.ram.quads[task.mm.page_table.slot(place)] &= (1 << 63) - 1
    cpu.flush_tlb()
    cpu.flush_code()
    for i in range(16):
        state[5 + i] = int(f"{i:x}" * 16, 16)
    for i, index in enumerate(ORDER):
        if index is not None and index != RSP and i not in (0, 2, 11):
            state[index] = wanted[i]
    state[6], state[16] = 0x2222222222222222, 0xBBBBBBBBBBBBBBBB  # rcx, r11
    state[RAX], state[RIP], state[RSP] = NUMBERS[name], place, place + 2048
    flags = wanted[7]
    cpu.set_eflags(flags)
    seen: list[list[int]] = []

    def invalid(vector: int, _error: int | None) -> None:
        seen.append([state[i] if i is not None else cpu.eflags() for i in ORDER])
        assert vector == 6
        cpu.stop()

    kept, cpu.on_exception = cpu.on_exception, invalid
    while not seen:  # new code was written: the first call ends a run
        cpu.run(100)
    cpu.on_exception = kept
    expected = list(wanted)
    if expected[0] < 1 << 31:
        expected[0] = task.pid
    if not name.startswith("INT80"):
        expected[2] = place + 2
    assert [f"{value:016x}" for value in seen[0]] == [f"{value:016x}" for value in expected]
