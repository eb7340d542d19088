"""Torture: many processes, threads, forks and signals; afterwards every frame is back.

The judge is arithmetic: a frame that is in use at the end belongs to the page cache or was
there before the first program.
"""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from youcpu.kernel.mm.page_cache import AddressSpace
from youcpu.kernel.sched import Deadlock
from youcpu.machine import Machine, MachineOptions

FIXTURES = Path(__file__).parents[3] / "fixtures/torture"


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    directory = tmp_path_factory.mktemp("torture")
    for source in FIXTURES.glob("*.c"):
        target = directory / source.stem
        command = ["gcc", "-O1", "-w", "-pthread", "-static", "-o", str(target), str(source)]
        subprocess.run(command, check=True)
    return directory


def run(path: str, *arguments: str, memory: int = 512 << 20) -> int:
    """Wait status of a program on a machine of its own, whose frames are counted."""
    machine = Machine(MachineOptions(memory=memory, epoch_ns=0, timeout_s=300))
    before = frames_missing(machine, 0)
    argv = [os.fsencode(word) for word in (path, *arguments)]
    machine.execute(argv[0], argv, [b"PATH=/usr/bin:/bin", b"LANG=C"])
    try:
        status = machine.run()
        assert not machine.kernel.tasks
        assert list(machine.kernel.groups) == [1]
        assert not machine.kernel.futexes.queues
        assert frames_missing(machine, before) == 0
    finally:
        machine.close()
    return status


def frames_missing(machine: Machine, before: int) -> int:
    """Frames in use that are not the kernel's from before, the page cache's, or its objects'."""
    gc.collect()
    frames = machine.kernel.frames
    cached = sum(
        len(found.pages)
        for found in gc.get_objects()
        if isinstance(found, AddressSpace) and found.frames is frames
    )
    return frames.used - before - cached - machine.kernel.vfs.kmem.held


def test_500_processes_alive(programs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(str(programs / "many_processes"), "500") == 0
    assert capfd.readouterr().out == f"{sum(i & 127 for i in range(500))}\n"


def test_200_threads_on_one_futex(programs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(str(programs / "one_futex"), "200") == 0
    assert capfd.readouterr().out == "100 200 200\n"


def test_forks_in_sequence(
    programs: Path, capfd: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    count = 10_000 if request.config.getoption("--long") else 1_000
    # So little memory that a single frame lost by each fork would be missed.
    assert run(str(programs / "many_forks"), str(count), memory=8 << 20) == 0
    assert capfd.readouterr().out == f"{count}\n"


def test_signals_in_blocking_calls(programs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(str(programs / "signal_races"), "20") == 0
    assert capfd.readouterr().out == "1 1\n"


def test_a_deadlock_ends(programs: Path) -> None:
    with pytest.raises(Deadlock):
        run(str(programs / "deadlock"))


@pytest.mark.parametrize(
    "command",
    [
        "ls / | sort | head -3",
        "for i in 1 2 3; do (exit $i); done; sleep 9 & kill $!; wait",
        "ulimit -c 0; kill -SEGV $$ & wait; exec /bin/true",
        "exec /nonexistent",
        "cat <(echo a) <(echo b) > /tmp/both; rm /tmp/both",
    ],
)
def test_every_frame_is_back(command: str, capfd: pytest.CaptureFixture[str]) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    run(bash, "-c", command)
    capfd.readouterr()


def test_a_sleeper_left_behind_does_not_hang_the_run(capfd: pytest.CaptureFixture[str]) -> None:
    sh = shutil.which("sh")
    if sh is None:
        pytest.skip("sh is not installed")
    machine = Machine(MachineOptions(memory=256 << 20, epoch_ns=0, timeout_s=60))
    words = [os.fsencode(sh), b"-c", b"sleep infinity & echo done; exit 4"]
    machine.execute(words[0], words, [b"PATH=/usr/bin:/bin"])
    assert machine.run() == 4 << 8
    machine.close()
    assert capfd.readouterr().out == "done\n"
