"""`youcpu pagewalk -- PROGRAM` against the emulated kernel's own /proc/PID/pagemap and maps.

Two ways to the same answer: the walker follows the tables in guest RAM from CR3 as the CPU does,
pagemap is made from the kernel's vm_areas and its index of leaf tables.
"""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import pytest
from running import Run

from youcpu.commands._pagewalk.machine import ProgramRun
from youcpu.hardware.paging import PTE_U
from youcpu.kernel.vfs.procfs_maps import maps
from youcpu.kernel.vfs.procfs_pagemap import PM_PRESENT, pagemap
from youcpu.launch import Failure
from youcpu.machine import MachineOptions
from youcpu.moments import Moment, parse_moment

PM_FRAME = (1 << 55) - 1
PROGRAMS = (
    "ls -l /", "cat /etc/passwd", "sh -c 'echo $((6 * 7)); exec true'", "date -u", "uname -a",
    "bash -c 'echo {1..200}'", "sort /etc/passwd", "grep -r root /etc/hostname /etc/passwd",
    "sed s/o/0/g /etc/group", "perl -e 'print join(q( ), map { $_ ** 2 } 1 .. 300)'",
)  # fmt: skip


@pytest.mark.parametrize("line", PROGRAMS)
@pytest.mark.parametrize("moment", ["syscall:mmap:5", "exit"])
def test_pagemap_agrees(line: str, moment: str) -> None:
    run = ProgramRun(["sh", "-c", f"exec {line}"], MachineOptions())
    try:
        ((space, *_),) = run.spaces([parse_moment(moment)])
        task = run.task
        assert task is not None
        walked = {
            leaf.address: leaf.physical >> 12
            for leaf in space.tables.leaves()
            if leaf.rights & PTE_U
        }
        told = {}
        for area in task.mm.vm_areas():
            words = pagemap(task.mm, area.start, area.end, True)
            for index, (word,) in enumerate(struct.iter_unpack("<Q", words)):
                if word & PM_PRESENT:
                    told[area.start + index * 4096] = word & PM_FRAME
        # PROT_NONE pages are in memory for pagemap, and not present for the CPU.
        hidden = {a: f for a, f in told.items() if not task.mm.page_table.entry(a) & 1}
        assert len(walked) > 30
        assert {**walked, **hidden} == told
        listed = [tuple(int(x, 16) for x in row.split()[0].split(b"-")) for row in
                  maps(task).splitlines()]  # fmt: skip
        named = [area[:2] for area in space.areas if area.start < 1 << 47]
        assert [area for area in listed if area[0] < 1 << 47] == named
    finally:
        run.close()


def test_a_program_reads_its_own_pagemap(youcpu: Run) -> None:
    """What the program reads from its file is what the walker finds at that moment."""
    script = (
        "import os,struct,sys\n"
        "rows = [l.split() for l in open('/proc/self/maps')]\n"
        "text = next(r for r in rows if r[1] == 'r-xp')[0].split('-')[0]\n"
        "page = int(text, 16) >> 12\n"
        "word = struct.unpack('<Q', os.pread(os.open('/proc/self/pagemap', 0), 8, page * 8))[0]\n"
        "print(text, word >> 63, word >> 61 & 1, hex(word & (1 << 55) - 1))\n"
    )
    python = "/usr/bin/python3"
    if not Path(python).exists():
        pytest.skip("no /usr/bin/python3")
    said = youcpu("exec-trace", "-q", python, "-S", "-c", script, timeout=300)
    address, present, of_file, frame = said.stdout.decode().split()
    assert (present, of_file) == ("1", "1")
    result = youcpu("pagewalk", "--at", "exit", "--json", address, "--", python, "-S", "-c", script)
    (walk,) = json.loads(result.stdout)["walks"]
    found = int(walk["physical"], 16) >> 12
    # Without CAP_SYS_ADMIN the kernel hides frames, as Linux does.
    assert int(frame, 16) == (found if os.geteuid() == 0 else 0)
    assert result.stderr.decode().split() == [address, present, of_file, frame]


def test_moments(youcpu: Run) -> None:
    exec_stats = youcpu("pagewalk", "--stats", "--json", "--at", "exec", "--", "true")
    exit_stats = youcpu("pagewalk", "--stats", "--json", "--", "true")
    (before,), (after,) = (json.loads(r.stdout)["stats"] for r in (exec_stats, exit_stats))
    assert 0 < before["leaves"][-1]["count"] < after["leaves"][-1]["count"]
    one = youcpu("pagewalk", "--at", "insns:1", "--", "true")
    assert b"ld-linux" in one.stdout
    assert one.stdout.count(b"\n") < exit_stats.stdout.count(b"\n") + 40


def test_symbols_of_libraries(youcpu: Run) -> None:
    walk = youcpu("pagewalk", "--at", "symbol:qsort", "0", "--", "ls", "/")
    assert (walk.returncode, b"at symbol:qsort" in walk.stdout) == (0, True), walk.stderr
    never = youcpu("pagewalk", "--at", "symbol:no_such_function", "--", "true")
    assert never.returncode == 1
    assert b"the program ended before symbol:no_such_function" in never.stderr


def test_the_frame_of_two_processes(youcpu: Run) -> None:
    """After fork parent and child map one frame; --frame names both."""
    shell = ("--at", "syscall:exit_group:1", "--", "sh", "-c", "(:); :")
    ranges = json.loads(youcpu("pagewalk", "--json", "--leaves", *shell).stdout)["leaves"]
    text = next(row for row in ranges if row["rights"] == "ur-x")
    both = youcpu("pagewalk", "--frame", text["physical"], *shell).stdout.decode()
    assert "pid 1000" in both
    assert "pid 1001" in both
    assert "[direct map of RAM]" in both


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--at", "lunch", "--", "true"], "none of exec, exit"),
        (["--at", "syscall:nothing", "--", "true"], "no system call 'nothing'"),
        (["--at", "insns:0", "--", "true"], "a number from 1 on"),
        (["--at", "exec"], "wants a program"),
        (["--diff", "exec", "--", "true"], "two moments"),
        (["--"], "a program to run"),
        (["--pid", "1", "--", "true"], "at once"),
    ],
)
def test_wrong_usage(youcpu: Run, words: list[str], reason: str) -> None:
    result = youcpu("pagewalk", *words)
    assert result.returncode == 2
    assert reason in result.stderr.decode()


def test_a_page_in_swap_is_shown_as_such(youcpu: Run) -> None:
    few = ("--ram", "400k", "--swap", "4M", "--page-replacement", "fifo")
    stats = json.loads(youcpu("pagewalk", "--stats", "--json", *few, "--", "ls", "/").stdout)
    assert stats["stats"][0]["swapped"] > 5
    changes = youcpu("pagewalk", *few, "--diff", "symbol:setlocale", "exit", "--", "ls", "/")
    assert b", in swap" in changes.stdout, changes.stderr


def test_bad_programs(youcpu: Run) -> None:
    result = youcpu("pagewalk", "--", "/no/such/program")
    assert (result.returncode, result.stdout) == (1, b"")
    assert result.stderr.startswith(b"youcpu pagewalk: /no/such/program: ")


def test_two_moments_are_kept_apart() -> None:
    run = ProgramRun(["ls", "/"], MachineOptions())
    try:
        first, second = run.spaces([Moment("exec"), Moment("exit")])
        counts = [sum(1 for _ in spaces[0].tables.leaves()) for spaces in (first, second)]
        assert counts[0] < counts[1]
    finally:
        run.close()
    with pytest.raises(Failure):
        parse_moment("exec:1")
