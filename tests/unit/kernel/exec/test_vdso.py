"""The vDSO: its image against what glibc looks up, its clocks against the kernel's own."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from youcpu.hardware.cpu import CR3, RAX, RDI, RIP, RSI, RSP
from youcpu.kernel.errors import KernelError
from youcpu.kernel.exec import vdso
from youcpu.kernel.exec.vdso import IMAGE_PAGES
from youcpu.kernel.mm.fault import BadAccess, handle_mm_fault
from youcpu.kernel.mm.uaccess import copy_from_user, copy_to_user
from youcpu.kernel.syscalls.table import SYSCALLS
from youcpu.machine import Machine, MachineOptions

IMAGE = Path(vdso.IMAGE)
NAMES = ("clock_gettime", "gettimeofday", "time", "clock_getres", "getcpu")
NS = 10**9
EPOCH = 1_700_000_000 * NS + 123_456_789
MMAP, MPROTECT, MUNMAP, MREMAP = 9, 10, 11, 25


def symbols() -> dict[str, int]:
    with IMAGE.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".dynsym")
        return {symbol.name: symbol["st_value"] for symbol in table.iter_symbols()}


class Caller:
    """Calls functions of the vDSO as a program does."""

    def __init__(self) -> None:
        self.machine = Machine(MachineOptions(memory=32 << 20, epoch_ns=EPOCH))
        self.task = self.machine.execute(b"/bin/true", [b"true"], [])
        self.areas = {area.name: area for area in self.task.mm.areas}
        self.buffer = self.task.mm.start_stack & -4096
        self.symbols = symbols()
        self.calls: list[int] = []

    def call(self, name: str, first: int = 0, second: int = 0) -> int:
        cpu, state = self.machine.cpu, self.machine.cpu.state
        state[CR3] = self.task.mm.cr3
        state[RDI], state[RSI] = first, second
        state[RIP] = self.task.mm.vdso + self.symbols[f"__vdso_{name}"]
        stack = self.buffer + 2048
        copy_to_user(self.task, stack, struct.pack("<Q", 0x10))  # returns to nowhere
        state[RSP] = stack
        ended: list[int] = []
        real_exception, real_syscall = cpu.on_exception, cpu.on_syscall

        def exception(vector: int, error: int | None) -> None:
            if state[RIP] != 0x10:
                real_exception(vector, error)
                return
            ended.append(state[RAX])
            cpu.stop()

        def syscall() -> None:
            self.calls.append(state[RAX])
            real_syscall()

        cpu.on_exception, cpu.on_syscall = exception, syscall
        while not ended:
            cpu.run(1000)
        cpu.on_exception, cpu.on_syscall = real_exception, real_syscall
        return (ended[0] & 0xFFFFFFFF) - (ended[0] & 0x80000000) * 2

    def system_call(self, number: int, *arguments: int) -> int:
        registers = [*arguments, 0, 0, 0, 0, 0, 0]
        return SYSCALLS[number].dispatch(self.task, *registers[:6]) or 0

    def pair(self) -> tuple[int, int]:
        first, second = struct.unpack("<qq", copy_from_user(self.task, self.buffer, 16))
        return first, second


@pytest.fixture
def caller() -> Iterator[Caller]:
    caller = Caller()
    yield caller
    caller.machine.close()


def test_the_binary_is_the_one_of_the_checksum() -> None:
    wanted, name = (Path(__file__).parents[4] / "fixtures/vdso/SHA256SUMS").read_text().split()
    assert Path(name).name == IMAGE.name
    assert hashlib.sha256(IMAGE.read_bytes()).hexdigest() == wanted


def test_what_the_c_library_looks_for() -> None:
    content = IMAGE.read_bytes()
    assert len(content) <= IMAGE_PAGES * 4096
    assert {f"__vdso_{name}" for name in NAMES} | set(NAMES) <= set(symbols())
    with IMAGE.open("rb") as file:
        elf = ELFFile(file)
        loads = [segment for segment in elf.iter_segments() if segment["p_type"] == "PT_LOAD"]
        assert [(load["p_offset"], load["p_vaddr"]) for load in loads] == [(0, 0)]
        assert not elf.get_section_by_name(".rela.dyn")
        versions = elf.get_section_by_name(".gnu.version_d")
        names = [aux.name for _, auxes in versions.iter_versions() for aux in auxes]
        assert names == ["linux-vdso.so.1", "LINUX_2.6"]


@pytest.mark.parametrize("clock", [0, 1, 4, 5, 6, 7, 11])
def test_clocks_are_the_kernels(caller: Caller, clock: int) -> None:
    before = caller.system_call(228, clock, caller.buffer) or caller.pair()
    assert caller.call("clock_gettime", clock, caller.buffer) == 0
    now = caller.pair()
    after = caller.system_call(228, clock, caller.buffer) or caller.pair()
    assert before <= now <= after
    assert caller.calls == []
    assert caller.call("clock_getres", clock, caller.buffer) == 0
    grain = caller.pair()
    caller.system_call(229, clock, caller.buffer)
    assert grain == caller.pair()
    assert caller.calls == []


@pytest.mark.parametrize("clock", [2, 3, 8, 9, 10, 12, -6, 1 << 30])
def test_the_kernel_answers_the_others(caller: Caller, clock: int) -> None:
    try:
        wanted = caller.system_call(228, clock & 0xFFFFFFFF, caller.buffer)
    except KernelError as error:
        wanted = -error.errno
    assert caller.call("clock_gettime", clock & (1 << 64) - 1, caller.buffer) == wanted
    assert caller.calls == [228]


def test_wall_clock_calls(caller: Caller) -> None:
    assert caller.call("gettimeofday", caller.buffer, caller.buffer + 16) == 0
    seconds, microseconds = caller.pair()
    assert (seconds, microseconds) >= (1_700_000_000, 123_456)
    assert copy_from_user(caller.task, caller.buffer + 16, 8) == bytes(8)
    assert caller.call("time", caller.buffer) == 1_700_000_000
    assert caller.pair()[0] == 1_700_000_000
    copy_to_user(caller.task, caller.buffer, b"\xff" * 8)
    assert caller.call("getcpu", caller.buffer, caller.buffer + 4) == 0
    assert copy_from_user(caller.task, caller.buffer, 8) == bytes(8)
    assert caller.calls == []


def test_a_new_wall_clock_is_seen(caller: Caller) -> None:
    caller.machine.kernel.set_realtime(5 * NS)
    assert caller.call("time") == 5
    caller.machine.kernel.set_realtime(86_400 * NS)
    assert caller.call("time") == 86_400


def test_the_data_cannot_be_written(caller: Caller) -> None:
    vvar = caller.areas["[vvar]"]
    with pytest.raises(BadAccess):
        handle_mm_fault(caller.task.mm, vvar.start, True)
    with pytest.raises(KernelError, match="EACCES"):
        caller.system_call(MPROTECT, vvar.start, vvar.size, 3)
    # Only the first page has anything in it.
    with pytest.raises(BadAccess) as bad:
        handle_mm_fault(caller.task.mm, vvar.start + 4096, False)
    assert bad.value.signal == 7


def test_a_written_image_is_the_writers_alone(caller: Caller) -> None:
    vdso = caller.areas["[vdso]"]
    caller.system_call(MPROTECT, vdso.start, vdso.size, 7)
    copy_to_user(caller.task, vdso.start, b"mine")
    assert copy_from_user(caller.task, vdso.start, 4) == b"mine"
    other = caller.machine.kernel.new_mm()
    place = caller.machine.kernel.map_vdso(other)
    assert handle_mm_fault(other, place, False) == "file"
    frame = other.mapped_frame(place) << 12
    assert bytes(caller.machine.ram.bytes[frame : frame + 4]) == b"\x7fELF"
    other.release()


def test_it_moves_and_goes_as_a_whole(caller: Caller) -> None:
    vdso = caller.areas["[vdso]"]
    with pytest.raises(KernelError, match="EINVAL"):
        caller.system_call(MUNMAP, vdso.start, 4096)
    with pytest.raises(KernelError, match="EINVAL"):
        caller.system_call(MPROTECT, vdso.start + 4096, 4096, 1)
    with pytest.raises(KernelError, match="EFAULT"):
        caller.system_call(MREMAP, vdso.start, vdso.size, 4 * vdso.size, 1)
    target = 0x10000000
    assert caller.system_call(MREMAP, vdso.start, vdso.size, vdso.size, 3, target) == target
    assert caller.task.mm.vdso == target
    assert copy_from_user(caller.task, target, 4) == b"\x7fELF"
    caller.system_call(MUNMAP, target, vdso.size)
    assert "[vdso]" not in {area.name for area in caller.task.mm.areas}
