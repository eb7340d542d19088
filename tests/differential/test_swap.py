"""Programs with a quarter of the frames that they touch: judged by a run with plenty, and by a
simulation of each policy, written independently, on the recorded references."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import pytest
from c_sources import FIXTURES, CSource
from replacement_simulation import Simulation
from running import Run

from youcpu.commands._pagewalk.answers import TableAnswers
from youcpu.commands._pagewalk.machine import ProgramRun
from youcpu.kernel.mm.paging_limits import PagingLimits
from youcpu.kernel.vfs.procfs_pagemap import PM_SWAP, pagemap
from youcpu.launch import environment, find_program, run
from youcpu.machine import Machine, MachineOptions
from youcpu.moments import Moment
from youcpu.references import KIND_BITS, USED, ReferenceRecorder, optimum
from youcpu.trace.tracer import Tracer

POLICIES = ("fifo", "clock", "lru", "random")
MAKEFILE = "all: a b\\na:\\n\\t@echo a | tr a A\\nb: a\\n\\t@echo b\\n"
PROGRAMS = {
    "ls": ["ls", "-l", "/etc"],
    "sort": ["sort", "-r", "/etc/passwd"],
    "sed": ["sed", "s/o/0/g", "/etc/group"],
    "grep": ["grep", "-r", "root", "/etc/passwd", "/etc/group"],
    "date": ["date", "-u", "-d", "@86400"],
    "tr": ["sh", "-c", "tr a-z A-Z < /etc/passwd"],
    "pipeline": ["sh", "-c", "cat /etc/passwd | cut -d: -f1 | sort | head -3"],
    "bash": ["bash", "-c", "for i in {1..50}; do x=$((x + i)); done; echo $x; (echo sub)"],
    "perl": ["perl", "-e", "print join(q( ), sort map { $_ ** 2 } 1 .. 60)"],
    "forked_pages": ["forked_pages"],
    "mapped_file": ["mapped_file", "/tmp/mapped"],
    "make": ["sh", "-c", f"printf '{MAKEFILE}' > /tmp/tree.mk && make -s -j2 -f /tmp/tree.mk"],
    "threads": ["sh", "-c", "sort --parallel=4 -S 1M -r /etc/services | head -2"],
    "many_ways": ["many_ways", "/tmp/many", "1"],
}
LONG = {
    "tar": ["sh", "-c", "tar cf - /etc/init.d 2>/dev/null | tar tf - | sort | tail -3"],
    "xz": ["sh", "-c", "xz -T2 -c /etc/services | xz -dc | md5sum"],
    "find": ["sh", "-c", "find /etc -name '*.conf' 2>/dev/null | xargs -n 9 cat | wc -l"],
}
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


def words_of(name: str, build: dict[str, str]) -> list[str]:
    first, *rest = PROGRAMS[name]
    if (FIXTURES / "swap" / f"{first}.c").exists():
        if first not in build:
            pytest.skip("gcc is not installed")
        first = build[first]
    return [first, *rest]


def check(words: list[str], policies: tuple[str, ...] = POLICIES) -> None:
    """The run with a quarter of the frames: same output, the simulation's faults, all returned."""
    full = Result(words, PLENTY)
    frames = max(full.counts.most_frames // 4, 20)
    assert full.counts.swap_ins == full.counts.dropped == 0
    for policy in policies:
        result = Result(words, PagingLimits(frames << 12, 64 << 20, policy), record=True)
        assert (result.code, result.output) == (full.code, full.output), policy
        assert result.counts.most_frames == frames
        assert result.counts.loads > full.counts.loads
        # All slots are free again, and all frames that are not the page cache's.
        assert (result.reclaim.swap.used, result.kernel_frames) == (0, full.kernel_frames)
        assert not result.reclaim.cache
        simulated = Simulation(policy, frames).run(result.events)
        faults = result.counts.loads, result.counts.major
        assert (simulated.loads, simulated.reads) == faults, policy
        if policy == "clock":
            assert optimum(result.events, frames) <= result.counts.loads


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_quarter_of_the_frames(name: str, build: dict[str, str]) -> None:
    check(words_of(name, build))


def test_the_long_form(build: dict[str, str], pytestconfig: pytest.Config) -> None:
    """Larger pipelines, and memory used in every way by 40 seeds."""
    if not pytestconfig.getoption("--long"):
        pytest.skip("--long")
    words = words_of("many_ways", build)
    for case in (*LONG.values(), *([*words[:2], str(seed)] for seed in range(2, 42))):
        check(case)


@pytest.mark.parametrize("policy", ["clock", "lru"])
def test_recording_changes_nothing(policy: str, build: dict[str, str]) -> None:
    words = words_of("many_ways", build)
    limits = PagingLimits(600 << 10, 64 << 20, policy)
    assert Result(words, limits).counts == Result(words, limits, record=True).counts


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

    events = array("Q", [key << KIND_BITS | USED for key in string])
    fifo = [Simulation("fifo", frames).run(events).loads for frames in (3, 4)]
    assert (optimum(events, 3), *fifo) == (7, 9, 10)


def test_events_follow_the_schema(youcpu: Run, tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((FIXTURES.parent / "docs" / "schema" / "exec-trace.json").read_text())
    path = tmp_path / "trace.jsonl"
    options = ("--json", "--faults", "--ram", "400k", "--swap", "4M", "-o", str(path))
    assert youcpu("exec-trace", *options, "ls", "-d", "/").returncode == 0
    events = [json.loads(line) for line in path.read_text().splitlines()]
    validator = jsonschema.Draft202012Validator(schema)
    for event in events:
        validator.validate(event)
    (counts,) = (event for event in events if event["event"] == "paging")
    faults = [event for event in events if event["event"] == "fault" and "signal" not in event]
    major = [fault for fault in faults if fault.get("major")]
    assert len([fault for fault in major if fault["outcome"] == "swap"]) == counts["swap_ins"]
    assert len(major) <= counts["major"] <= len(major) + 100  # exec's own faults are no events
    assert counts["swap_outs"] > 0


def test_pagewalk_agrees_with_swap() -> None:
    """Entries in swap by the walker, by /proc/PID/pagemap, and by the swap area itself."""
    run_ = ProgramRun(["ls", "/"], MachineOptions(paging=PagingLimits(100 << 12, 4 << 20, "fifo")))
    try:
        ((space, *_),) = run_.spaces([Moment("exit")])
        kernel, task = run_.machine.kernel, run_.task
        assert task is not None
        assert kernel.reclaim is not None
        told = set()
        for area in task.mm.vm_areas():
            for (word,) in struct.iter_unpack("<Q", pagemap(task.mm, area.start, area.end, True)):
                if word & PM_SWAP:
                    told.add((word & (1 << 55) - 1) >> 5)
        walked = TableAnswers([space]).stats_view().swapped
        assert walked == len(told) > 5
        assert kernel.reclaim.swap.used >= len(told)
    finally:
        run_.close()


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
