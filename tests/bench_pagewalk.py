"""Speed of the page walker; `main()` prints a line a figure with the bound of issue 6."""

from __future__ import annotations

import lzma
import resource
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from youcpu.hardware.paging import FlatMemory, PagingRegisters
from youcpu.hardware.paging_tables import iter_leaves, merged_ranges
from youcpu.stopped_machine import Overrides, open_dump

FIXTURES = Path(__file__).parents[1] / "fixtures" / "paging"
MILLION = 1 << 20


def best(work: Callable[[], object], times: int) -> float:
    """Seconds of the fastest of some runs: other work on the machine only adds."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)


def synthetic(leaves: int) -> FlatMemory:
    """Tables that map `leaves` pages of 4 KiB from address 0; rights differ every 512 pages."""
    tables = leaves // 512
    directories = (tables + 511) // 512
    ram = bytearray((3 + directories + tables) * 4096)
    struct.pack_into("<Q", ram, 0x1000, 0x2007)
    for number in range(directories):
        struct.pack_into("<Q", ram, 0x2000 + number * 8, 0x3000 + number * 4096 | 7)
    first = 0x3000 + directories * 4096
    for number in range(tables):
        struct.pack_into("<Q", ram, 0x3000 + number * 8, first + number * 4096 | 7)
        flags = 0x67 if number % 2 else 0x8000_0000_0000_0065
        entries = [(number * 512 + index) << 12 | flags for index in range(512)]
        struct.pack_into("<512Q", ram, first + number * 4096, *entries)
    return FlatMemory(ram)


def in_process() -> Iterator[tuple[str, float, float]]:
    """(what, seconds, bound in seconds) of the library itself."""
    with open_dump(str(FIXTURES / "l5-80m" / "tables.elf.xz")) as machine:
        registers, _ = machine.registers(None, Overrides())
        memory = machine.image
        leaves = best(lambda: list(iter_leaves(memory, registers)), 9)
        yield "10,131 leaves of a real guest, as a list", leaves, 0.025
        yield "their 348 merged ranges", best(lambda: merged_ranges(memory, registers), 9), 0.025
    made = synthetic(MILLION)
    plain = PagingRegisters(0x1000)

    def rights() -> int:
        return sum(1 for leaf in iter_leaves(made, plain) if leaf.rights & 2)

    yield "1,048,576 leaves, iterated", best(lambda: sum(1 for _ in iter_leaves(made, plain)), 3), 1
    yield "1,048,576 leaves, effective rights of each", best(rights, 3), 1
    yield "1,048,576 leaves, merged ranges", best(lambda: merged_ranges(made, plain), 3), 1


def command(path: str, *options: str) -> Callable[[], object]:
    line = [sys.executable, "-m", "youcpu", "pagewalk", path, *options]
    return lambda: subprocess.run(line, check=True, stdout=subprocess.DEVNULL)


def whole_commands(directory: Path) -> Iterator[tuple[str, float, float]]:
    """(what, seconds, bound) of the command as a user runs it."""
    plain = directory / "tables.elf"
    plain.write_bytes(lzma.decompress((FIXTURES / "l5-80m" / "tables.elf.xz").read_bytes()))
    path = str(plain)
    yield "whole command, 10 k sample, --leaves", best(command(path, "--leaves"), 5), 0.3
    yield "whole command, 10 k sample, ranges", best(command(path), 5), 0.3
    qemu = command(path, "--leaves", "--format", "qemu")
    yield "whole command, 10 k sample, as info tlb", best(qemu, 5), 0.3
    sparse = directory / "sparse.raw"
    with sparse.open("wb") as file:
        file.truncate(4 << 30)
    walk = command(str(sparse), "400000", "--cr3", "fffff000")
    yield "one walk in a sparse image of 4 GiB", best(walk, 5), 0.3


def main() -> int:
    """Print the figures; 1 if one is over its bound."""
    late = 0
    with tempfile.TemporaryDirectory() as directory:
        for figures in (in_process(), whole_commands(Path(directory))):
            for what, seconds, bound in figures:
                late += seconds > bound
                mark = "" if seconds <= bound else "  TOO SLOW"
                print(f"{what:<46} {seconds * 1000:8.1f} ms  (at most {bound * 1000:.0f}){mark}")
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{'largest command, 4 GiB image among them':<46} {memory:8.1f} MiB resident")
    print("gdb-pt-dump reads live guests only, no dumps: nothing to run beside it here")
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
