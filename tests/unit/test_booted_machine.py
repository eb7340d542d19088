"""The kernel's start: memory from the map, the search for an init, how the machine ends."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from youcpu.abi.e820 import E820_TYPE_RESERVED, E820Entry
from youcpu.booted_machine import LOW_MAP, BootedMachine, BootOutcome, ConsoleLine, NotEnoughMemory
from youcpu.hardware import unicorn_library as uc
from youcpu.hardware.cpu import RIP, Cpu
from youcpu.hardware.memory import FrameAllocator, OutOfFrames, Ram
from youcpu.kernel.init import usable_ranges
from youcpu.machine import MachineOptions
from youcpu.trace.events import BootStepEvent, Event, PrintkEvent, SystemEndEvent
from youcpu.trace.tracer import Tracer

HELLO = Path(__file__).parents[2] / "fixtures/hello/hello"
INIT = Path(__file__).parents[2] / "fixtures/init/init"
MIB = 1 << 20


class Events:
    kinds: tuple[type[Event], ...] = (BootStepEvent, PrintkEvent, SystemEndEvent)

    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def close(self) -> None: ...


def boot(
    root: Path, command_line: bytes = b"", events: Events | None = None
) -> tuple[BootOutcome, str]:
    out = bytearray()
    tracer = Tracer()
    if events is not None:
        tracer.add(events)
    options = MachineOptions(rootfs=os.fsencode(root), memory=32 * MIB, epoch_ns=0, timeout_s=30)
    machine = BootedMachine.power_on(options, command_line, tracer, ConsoleLine(out.extend))
    outcome = machine.run()
    machine.close()
    return outcome, out.decode().replace("\r\n", "\n")


def program(root: Path, *places: str, source: Path = INIT) -> None:
    for place in places:
        target = root / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
        target.chmod(0o755)


ORDER = ["init", "sbin/init", "etc/init", "bin/init", "bin/sh"]


@pytest.mark.parametrize("first", range(len(ORDER)))
def test_the_first_init_of_the_search_runs(first: int, tmp_path: Path) -> None:
    program(tmp_path, *ORDER[first:])
    outcome, console = boot(tmp_path)
    assert outcome.how == "power off"
    tried = [line.split("Run /")[1].split()[0] for line in console.splitlines() if "Run /" in line]
    assert tried == ORDER[1 if first else 0 : first + 1]
    assert f"init: PID 1 of parent 0 is /{ORDER[first]}" in console


def test_what_cannot_be_executed_is_said_and_the_search_goes_on(tmp_path: Path) -> None:
    program(tmp_path, "bin/sh")
    (tmp_path / "init").write_text("no program")
    (tmp_path / "init").chmod(0o755)
    (tmp_path / "sbin").mkdir()
    (tmp_path / "sbin/init").write_text("#!/no/such/interpreter\n")
    (tmp_path / "sbin/init").chmod(0o755)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/init").write_text("not executable")
    (tmp_path / "bin/init").mkdir()
    outcome, console = boot(tmp_path)
    assert outcome.how == "power off"
    assert "Failed to execute /init (error -8)" in console
    assert "Starting init: /sbin/init exists" not in console  # ENOENT, of the interpreter
    assert "Starting init: /etc/init exists but couldn't execute it (error -13)" in console
    assert "Starting init: /bin/init exists but couldn't execute it (error -13)" in console
    assert "is /bin/sh" in console


@pytest.mark.parametrize(
    ("command_line", "text"),
    [
        (b"", "No working init found.  Try passing init= option to kernel. "
         "See Linux Documentation/admin-guide/init.rst for guidance."),
        (b"init=/no", "Requested init /no failed (error -2)."),
        (b"init=/file", "Requested init /file failed (error -13)."),
        (b" ".join(b"w%d" % i for i in range(40)), "Too many boot init vars at `w32'"),
    ],
)  # fmt: skip
def test_panics_without_an_init(command_line: bytes, text: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    events = Events()
    outcome, console = boot(tmp_path, command_line, events)
    assert (outcome.how, outcome.text) == ("panic", text)
    if not text.startswith("Too many"):
        assert f"Kernel panic - not syncing: {text}" in console
        assert f"---[ end Kernel panic - not syncing: {text} ]---" in console
    assert events.events[-1] == SystemEndEvent(events.events[-1].pid, 0, "panic", text)


def test_rdinit_that_is_not_there_is_said(tmp_path: Path) -> None:
    program(tmp_path, "init", "bin/sh")
    outcome, console = boot(tmp_path, b"rdinit=/no")
    assert outcome.how == "power off"
    assert "check access for rdinit=/no failed: -2, ignoring" in console
    assert "is /bin/sh" in console


def test_an_init_that_ends_takes_the_kernel_along(tmp_path: Path) -> None:
    program(tmp_path, "init", source=HELLO)
    assert boot(tmp_path)[0].text == "Attempted to kill init! exitcode=0x00000300"


@pytest.mark.parametrize(("code", "status"), [("ud2", 4), ("mov 0, %eax", 11), ("hlt", 11)])
def test_an_init_that_faults_takes_the_kernel_along(code: str, status: int, tmp_path: Path) -> None:
    source = tmp_path / "init.S"
    source.write_text(f".globl _start\n_start: {code}\n")
    flags = ["-nostdlib", "-static", "-Wl,--build-id=none"]
    subprocess.run(["gcc", *flags, "-o", tmp_path / "init", source], check=True)
    outcome, _ = boot(tmp_path, b"panic=5")
    assert outcome.text == f"Attempted to kill init! exitcode={status:#010x}"
    assert outcome.rebooting


def test_steps_say_where_things_are(tmp_path: Path) -> None:
    program(tmp_path, "init")
    events = Events()
    boot(tmp_path, b"quiet", events)
    steps = {
        event.step: event.values for event in events.events if isinstance(event, BootStepEvent)
    }
    assert list(steps) == [
        "start_kernel", "setup_arch", "trap_init", "cpu_init", "mm_init", "time_init", "rest_init",
        "kernel_init", "console_on_rootfs", "free_initmem", "run_init_process",
    ]  # fmt: skip
    assert steps["setup_arch"]["first_frame"] == MIB
    assert steps["rest_init"] == {"kernel_init": 1, "kthreadd": 2}
    assert steps["run_init_process"] == {"path": b"/init"}


def test_usable_memory_is_what_the_map_leaves() -> None:
    memory_map = [
        *LOW_MAP,
        E820Entry(MIB, 15 * MIB),
        E820Entry(16 * MIB + 0x800, 8 * MIB),
        E820Entry(20 * MIB, MIB, E820_TYPE_RESERVED),
    ]
    taken = ((MIB, MIB + 0x1234),)
    assert usable_ranges(memory_map, 64 * MIB, None, taken) == (
        (0x102, 0x1000), (0x1001, 0x1400), (0x1500, 0x1800),
    )  # fmt: skip
    assert usable_ranges(memory_map, 64 * MIB, 2 * MIB) == ((0x100, 0x200),)
    assert usable_ranges(LOW_MAP, 64 * MIB, None) == ()


def test_frames_of_several_ranges() -> None:
    frames = FrameAllocator(Ram(64 * 4096), ranges=((4, 6), (10, 12)))
    assert (frames.total, frames.available, frames.used) == (4, 4, 0)
    assert [frames.alloc() for _ in range(4)] == [4, 5, 10, 11]
    with pytest.raises(OutOfFrames):
        frames.alloc()
    frames.put(5)
    frames.add(20, 22)
    assert (frames.total, frames.available, frames.used) == (6, 3, 3)
    assert sorted(frames.alloc() for _ in range(3)) == [5, 20, 21]


def running_cpu(ram: Ram) -> Cpu:
    """As a boot loader leaves it: long mode on tables of its own at 448 KiB, registers dirty."""
    for table, entry in ((0x70000, 0x71000), (0x71000, 0x72000)):
        ram.quads[table >> 3] = entry | 3
    ram.quads[0x72000 >> 3] = 0x83
    code = bytes.fromhex("48c7c0ffffffff 66480f6ec0 4889c3 4989c7 f4")
    ram.bytes[0x8000 : 0x8000 + len(code)] = code
    cpu = Cpu(ram)
    for register, value in ((uc.REG_CR3, 0x70000), (uc.REG_CR4, 0x620)):
        cpu.write_register(register, value)
    cpu.write_msr(0xC0000080, 0x500)
    cpu.write_register(uc.REG_CR0, 0x80000011)
    cpu.save()
    cpu.state[RIP] = 0x8000
    cpu.run(10)
    return cpu


def test_a_running_machine_is_taken_over(tmp_path: Path) -> None:
    program(tmp_path, "init")
    ram = Ram(32 * MIB)
    cpu = running_cpu(ram)
    image = bytes(range(256)) * 64
    ram.bytes[MIB : MIB + len(image)] = image
    ram.bytes[8 * MIB : 8 * MIB + 4] = b"dirt"
    out = bytearray()
    options = MachineOptions(rootfs=os.fsencode(tmp_path), epoch_ns=0, timeout_s=30)
    memory_map = (*LOW_MAP, E820Entry(MIB, 31 * MIB))
    taken = ((MIB, MIB + len(image)),)
    machine = BootedMachine(
        ram, cpu, memory_map, b"", options, None, ConsoleLine(out.extend), taken
    )
    # What the loader still needs is untouched until free_initmem(), the rest is clean.
    assert ram.bytes[MIB : MIB + len(image)] == image
    assert ram.bytes[8 * MIB : 8 * MIB + 4] == bytes(4)
    total = machine.kernel.frames.total
    assert machine.run().how == "power off"
    assert machine.kernel.frames.total == total + len(image) // 4096
    assert b"Freeing boot loader memory: 16K" in out
    assert b"[    0.000000] Linux version" in out
    # Two machines say the same, whatever ran before the kernel.
    machine.close()
    lines = out.decode().replace("\r\n", "\n").splitlines()
    assert boot(tmp_path)[1].splitlines()[-15:] == lines[-15:]


def test_too_little_memory_is_said() -> None:
    ram = Ram(2 * MIB)
    cpu = Cpu(ram)
    options = MachineOptions(epoch_ns=0)
    with pytest.raises(NotEnoughMemory):
        BootedMachine(ram, cpu, (*LOW_MAP, E820Entry(MIB, 0x3000)), b"", options)
    with pytest.raises(NotEnoughMemory):
        BootedMachine(ram, cpu, LOW_MAP, b"", options)
