"""Speed of processes: fork, pipes, context switches, preemption, a shell loop beside its peers.

`main()` prints a line a figure with the bound of issue 4. Times are the fastest of some runs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from youcpu.machine import Machine, MachineOptions

SOURCE = Path(__file__).parents[1] / "fixtures/bench/processes.c"
RUNS = 3
LOOP = "for i in $(seq 100); do /bin/true; done"


def machine_seconds(argv: Sequence[str], policy: str = "eevdf") -> float:
    """CPU time of the fastest run of a program, without the start of Python and the machine.

    One thread that never sleeps: on an idle host the same as wall time, on a busy one steadier.
    """
    found = []
    for _ in range(RUNS):
        machine = Machine(MachineOptions(epoch_ns=0, policy=policy))
        words = [os.fsencode(word) for word in argv]
        machine.execute(words[0], words, [b"PATH=/usr/bin:/bin"])
        start = time.process_time()
        machine.run()
        found.append(time.process_time() - start)
        machine.close()
    return min(found)


def command_seconds(command: Sequence[str]) -> float | None:
    """Fastest run of a command of the host; None: it fails here."""
    found = []
    for _ in range(RUNS):
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, check=False)
        found.append(time.perf_counter() - start)
        if done.returncode:
            return None
    return min(found)


def loops(program: str) -> Iterator[tuple[str, float, float | None]]:
    """(what, microseconds, bound)."""

    def each(kind: str, count: int, policy: str = "eevdf") -> float:
        seconds = machine_seconds((program, kind, str(count)), policy)
        return (seconds - machine_seconds((program, kind, "0"), policy)) / count * 1e6

    yield "fork, exit, wait of a small process", each("fork", 500), 1000
    yield "pipe round trip between two processes", each("pipe", 4000), 60
    call = each("none", 20000)
    yield "an untraced system call (getppid)", call, 8
    # Two yields, of each process one, are two calls and two switches.
    for policy in ("eevdf", "fixed", "cfs"):
        switch = each("yield", 4000, policy) / 2 - call
        yield f"context switch ({policy})", switch, 15


def tick(program: str) -> tuple[float, float]:
    """Seconds of one loop alone (tickless), and of the same work in two halves that share."""
    alone = machine_seconds((program, "spin", "20000000", "1"))
    shared = machine_seconds((program, "spin", "10000000", "2"))
    return alone, shared


def shell_loop() -> Iterator[tuple[str, float]]:
    """Seconds of the loop of issue 4 under each that is installed."""
    bash = shutil.which("bash") or "bash"
    commands = {
        "youcpu": [sys.executable, "-m", "youcpu", "exec-trace", "-q", bash, "-c", LOOP],
        "strace -f": ["strace", "-f", "-o", "/dev/null", bash, "-c", LOOP],
        "qemu-x86_64": ["qemu-x86_64", bash, "-c", LOOP],
        "native": [bash, "-c", LOOP],
    }
    for name, command in commands.items():
        if name == "youcpu" or shutil.which(command[0]):
            seconds = command_seconds(command)
            if seconds is not None:
                yield name, seconds


def main() -> int:
    """Print the figures."""
    if shutil.which("gcc") is None:
        print("processes: gcc is not installed")
        return 0
    with tempfile.TemporaryDirectory() as directory:
        program = str(Path(directory) / "processes")
        subprocess.run(["gcc", "-O1", "-w", "-static", "-o", program, str(SOURCE)], check=True)
        for what, found, bound in loops(program):
            print(f"{what:48} {found:9.1f} us   bound {bound:g} us")
        alone, shared = tick(program)
        print(f"{'loop alone / in two preempted halves':48} {alone / shared:9.2f}      bound 0.5")
    figures = dict(shell_loop())
    ours = figures.pop("youcpu")
    print(f"{'bash: 100 times /bin/true':48} {ours:9.2f} s    bound 5 s")
    for name, seconds in figures.items():
        print(f"{'  under ' + name:48} {seconds:9.2f} s    ratio {ours / seconds:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
