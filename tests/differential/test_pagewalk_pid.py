"""`pagewalk --pid` compared with a direct reading of /proc/PID/pagemap and maps."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[bytes]]

PROGRAMS = (("sleep", "60"), ("cat",))


@pytest.fixture(params=PROGRAMS, ids=lambda argv: argv[0])
def process(request: pytest.FixtureRequest) -> Iterator[int]:
    """A process that stands still: it has mapped its libraries and waits."""
    with subprocess.Popen(request.param, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as child:
        while not waits(child.pid):
            time.sleep(0.01)
        yield child.pid
        child.kill()


def waits(pid: int) -> bool:
    """It sleeps, and in the program itself: not on its way through exec."""
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state == "S" and "libc" in Path(f"/proc/{pid}/maps").read_text()


def direct_pages(pid: int) -> dict[int, int]:
    """address -> word of pagemap, of every page that is present or in swap."""
    pages = {}
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/pagemap", "rb") as pagemap:
        for line in maps:
            start, end = (int(text, 16) for text in line.split()[0].split("-"))
            if start >= 1 << 47:
                continue
            for address in range(start, end, 4096):
                pagemap.seek(address // 4096 * 8)
                (word,) = struct.unpack("<Q", pagemap.read(8))
                if word >> 62:
                    pages[address] = word
    return pages


def test_leaves_are_pagemap(process: int, youcpu: Run) -> None:
    result = youcpu("pagewalk", "--pid", str(process), "--leaves", "--json")
    document = json.loads(result.stdout)
    want = {}
    for address, word in direct_pages(process).items():
        frame = word & (1 << 55) - 1
        present = word >> 63 and frame
        want[hex(address)] = hex(frame * 4096) if present else None
    assert {row["address"]: row["physical"] for row in document["leaves"]} == want
    assert len(want) > 50
    hidden = b"hides page frames" in result.stderr
    assert hidden == (not any(want.values()))


def test_ranges_lie_in_the_areas(process: int, youcpu: Run) -> None:
    result = youcpu("pagewalk", "--pid", str(process), "--json")
    areas = []
    for line in Path(f"/proc/{process}/maps").read_text().splitlines():
        start, end = (int(text, 16) for text in line.split()[0].split("-"))
        areas.append((start, end, "u" + line.split()[1][:3]))
    ranges = json.loads(result.stdout)["ranges"]
    present = [address for address, word in direct_pages(process).items() if word >> 63]
    assert sum(row["size"] for row in ranges) == 4096 * len(present)
    for row in ranges:
        start = int(row["start"], 16)
        assert any(
            first <= start and start + row["size"] <= last and row["rights"] == rights
            for first, last, rights in areas
        ), row


def test_one_address(process: int, youcpu: Run) -> None:
    pages = direct_pages(process)
    address = min(address for address, word in pages.items() if word >> 63)
    frame = pages[address] & (1 << 55) - 1
    result = youcpu("pagewalk", "--pid", str(process), f"{address + 0x123:x}", "8", "--json")
    there, nowhere = json.loads(result.stdout)["walks"]
    assert there["reason"].startswith("present")
    assert there["physical"] == (hex(frame * 4096 + 0x123) if frame else None)
    assert nowhere["reason"] == "no vm_area there"
    if frame:
        result = youcpu("pagewalk", "--pid", str(process), "--frame", hex(frame << 12), "--json")
        found = [row["address"] for row in json.loads(result.stdout)["mappings"]]
        assert hex(address) in found


def test_no_such_process(youcpu: Run) -> None:
    pid = int(Path("/proc/sys/kernel/pid_max").read_text()) + 1
    result = youcpu("pagewalk", "--pid", str(pid))
    assert result.returncode == 1
    assert result.stderr == f"youcpu pagewalk: pid {pid}: no such process\n".encode()


def test_what_the_host_hides_is_wrong_usage(youcpu: Run) -> None:
    result = youcpu("pagewalk", "--pid", str(os.getpid()), "--format", "qemu")
    assert result.returncode == 2
