"""Programs with a quarter of the frames that they touch: judged by a run with plenty, and by a
simulation of each policy, written independently, on the recorded references."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from c_sources import FIXTURES, CSource
from running import Run

from youcpu.kernel.mm.paging_limits import PagingLimits
from youcpu.launch import environment, find_program, run
from youcpu.machine import Machine, MachineOptions
from youcpu.references import FREED, KEPT, USED, ReferenceRecorder, optimum
from youcpu.trace.tracer import Tracer

POLICIES = ("fifo", "clock", "lru", "random")
PROGRAMS = {
    "ls": ["ls", "-l", "/etc"],
    "sort": ["sort", "-r", "/etc/passwd"],
    "sed": ["sed", "s/o/0/g", "/etc/group"],
    "grep": ["grep", "-r", "root", "/etc/passwd", "/etc/group"],
    "date": ["date", "-u", "-d", "@86400"],
    "tr": ["sh", "-c", "tr a-z A-Z < /etc/passwd"],
    "pipeline": ["sh", "-c", "cat /etc/passwd | cut -d: -f1 | sort | head -3"],
    "bash": ["bash", "-c", "for i in {1..50}; do x=$((x + i)); done; echo $x; (echo sub)"],
    "perl": ["perl", "-e", "print join(q( ), sort map { $_ ** 2 } 1 .. 300)"],
    "forked_pages": ["forked_pages"],
    "mapped_file": ["mapped_file", "/tmp/mapped"],
}
FORKING = ("tr", "pipeline", "bash", "forked_pages")
PLENTY = PagingLimits(1 << 30)


class Result:
    """What a run printed, how it ended, and what it left behind."""

    def __init__(
        self, words: list[str], limits: PagingLimits, record: bool = False, rw: str = ""
    ) -> None:
        writable = (os.fsencode(rw),) if rw else ()
        options = MachineOptions(paging=limits, epoch_ns=0, writable=writable, timeout_s=120)
        machine = Machine(options, Tracer())
        out = os.memfd_create("out")
        machine.standard_fds = (os.open(os.devnull, os.O_RDONLY), out, out)
        recorder = ReferenceRecorder(machine) if record else None
        envp = environment([], False)
        path = find_program(words[0], envp, "/")
        self.code = run(machine, path, [os.fsencode(word) for word in words], envp).code
        self.output = os.pread(out, 1 << 20, 0)
        kernel = machine.kernel
        assert kernel.reclaim is not None
        self.reclaim, self.counts = kernel.reclaim, kernel.reclaim.counts
        #: Frames that are not the page cache's.
        self.kernel_frames = kernel.frames.used - len(self.reclaim.pages)
        if recorder is not None:
            recorder.close()
            assert not recorder.ring.lost
            self.events = recorder.events
        machine.close()
        for fd in set(machine.standard_fds):
            os.close(fd)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Paths of the programs of fixtures/swap by name."""
    directory = tmp_path_factory.mktemp("swap")
    found = {}
    for path in sorted((FIXTURES / "swap").glob("*.c")):
        source = CSource(path)
        if source.missing_compiler() is None:
            found[source.name] = str(source.compile([], directory))
    return found


@pytest.fixture(scope="module")
def plenty() -> dict[str, Result]:
    return {}


def words_of(name: str, build: dict[str, str]) -> list[str]:
    first, *rest = PROGRAMS[name]
    if (FIXTURES / "swap" / f"{first}.c").exists():
        if first not in build:
            pytest.skip("gcc is not installed")
        first = build[first]
    return [first, *rest]


def simulate(events: Iterable[int], frames: int, policy: str) -> int:
    """Loads of a policy on a reference string: every page in a list, and a set of used ones."""
    order: list[int] = []  # first to go ahead
    resident: set[int] = set()
    used: set[int] = set()
    arrival: dict[int, int] = {}
    loads, kept = 0, -1

    def victim() -> int:
        if policy == "lru":
            young = sorted((key for key in used if key in resident), key=arrival.__getitem__)
            order[:] = [key for key in order if key not in used] + young
            used.clear()
        while policy == "clock":
            key = order.pop(0)
            order.append(key)
            if key not in used and key != kept:
                return key
            used.discard(key)
        return next(key for key in order if key != kept)

    for event in events:
        key, kind = event >> 2, event & 3
        if kind == KEPT:
            kept = key
        elif kind == FREED and key in resident:
            resident.discard(key)
            used.discard(key)
            order.remove(key)
        elif kind == USED:
            if key not in resident:
                loads += 1
                if len(resident) >= frames:
                    gone = victim()
                    order.remove(gone)
                    resident.discard(gone)
                    used.discard(gone)
                kept = -1
                order.append(key)
                resident.add(key)
                arrival[key] = loads
            used.add(key)
    return loads


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_quarter_of_the_frames(
    name: str, build: dict[str, str], plenty: dict[str, Result]
) -> None:
    words = words_of(name, build)
    full = Result(words, PLENTY)
    frames = max(full.counts.most_frames // 4, 20)
    assert full.counts.swap_ins == full.counts.dropped == 0
    for policy in POLICIES:
        result = Result(words, PagingLimits(frames << 12, 64 << 20, policy), record=True)
        assert (result.code, result.output) == (full.code, full.output), policy
        assert result.counts.most_frames == frames
        assert result.counts.loads > full.counts.loads
        # All slots are free again, and all frames that are not the page cache's.
        assert (result.reclaim.swap.used, result.kernel_frames) == (0, full.kernel_frames)
        assert not result.reclaim.cache
        if policy != "random":
            simulated = simulate(result.events, frames, policy)
            # A switch of tasks may look up a block, and so set A, before the block runs.
            slack = result.counts.loads // 200 if policy != "fifo" and name in FORKING else 0
            assert abs(simulated - result.counts.loads) <= slack, policy
        assert optimum(result.events, frames) <= result.counts.loads


def test_write_back_to_the_host(build: dict[str, str], tmp_path: Path) -> None:
    """A shared mapping of a file below --rw: evicted pages are the host's file."""
    words = words_of("mapped_file", build)
    (tmp_path / "few").mkdir()
    (tmp_path / "many").mkdir()
    contents = []
    for directory, limits in (("many", PLENTY), ("few", PagingLimits(60 << 12, 8 << 20, "fifo"))):
        path = tmp_path / directory / "file"
        result = Result([words[0], str(path)], limits, rw=str(tmp_path))
        assert result.code == 0
        contents.append((result.output, path.read_bytes()))
    assert result.counts.written > 50
    assert contents[0] == contents[1]
    assert len(contents[0][1]) == 300 * 4096


def test_out_of_memory_kills_the_program(youcpu: Run) -> None:
    result = youcpu("exec-trace", "-q", "--ram", "64k", "/bin/ls", "/")
    assert result.returncode == 137
    assert b"/bin/ls: out of memory (64 KiB, swap 0 KiB): killed" in result.stderr


def test_the_largest_process_is_killed(build: dict[str, str], youcpu: Run) -> None:
    """The shell lives on: oom_badness() falls on the one with most pages."""
    words = words_of("forked_pages", build)
    script = f"{words[0]}; echo it ended with $?"
    result = youcpu("exec-trace", "-q", "--ram", "512k", "--swap", "256k", "sh", "-c", script)
    assert (result.returncode, result.stdout) == (0, b"it ended with 137\n")


def test_belady_is_the_best_by_hand() -> None:
    """The textbook's string: 3 frames, FIFO 9 faults (10 with 4: Belady's anomaly), MIN 7."""
    string = [1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5]
    from array import array

    events = array("Q", [key << 2 | USED for key in string])
    assert (optimum(events, 3), simulate(events, 3, "fifo"), simulate(events, 4, "fifo")) == (
        7,
        9,
        10,
    )


def test_the_table_of_policies(youcpu: Run) -> None:
    result = youcpu("exec-trace", "--ram", "400k", "--swap", "4M", "--compare", "ls", "-d", "/")
    assert (result.returncode, result.stdout) == (0, b"/\n")
    lines = result.stderr.decode().splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines[1:6]}
    assert set(rows) == {"optimum", *POLICIES}
    loads = {name: int(cells[0].replace(",", "")) for name, cells in rows.items()}
    assert loads["optimum"] == min(loads.values())
    assert lines[6].startswith("100 frames, ")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--swap", "4M", "true"], "--swap wants --ram"),
        (["--compare", "true"], "--compare wants --ram"),
        (["--ram", "4k", "true"], "--ram 4k: from 64K to 1T"),
        (["--ram", "lots", "true"], "a size like"),
        (["--ram", "1M", "--page-replacement", "best", "true"], "one of fifo, clock, lru, random"),
        (["--ram", "1M", "--compare", "--rw", "/tmp", "true"], "not with --rw"),
    ],
)
def test_wrong_usage(youcpu: Run, words: list[str], reason: str) -> None:
    result = youcpu("exec-trace", *words)
    assert result.returncode == 2
    assert reason in result.stderr.decode()
