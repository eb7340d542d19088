"""/proc of the machine: its own processes only, after proc(5) and what Linux prints."""

from __future__ import annotations

import os
import re
from pathlib import Path

from youcpu.abi.errno import Errno


def test_only_processes_of_this_machine(machine) -> None:  # type: ignore[no-untyped-def]
    numbers = [name for name in machine.listdir("/proc") if name.isdigit()]
    assert numbers == [b"1"]
    assert machine.open(f"/proc/{os.getpid()}/maps") == -Errno.ENOENT
    assert machine.open("/proc/1/mem") == -Errno.ENOENT
    assert machine.open("/proc/kcore") == -Errno.ENOENT


def test_self_leads_to_the_task(machine) -> None:  # type: ignore[no-untyped-def]
    assert machine.get(machine.call("readlink", "/proc/self", machine.buffer, 100)) == b"1"
    assert machine.read_file("/proc/self/comm") == b"test\n"
    fd = machine.open("/proc/self/comm", os.O_WRONLY)
    assert machine.call("write", fd, b"renamed-to-something-long\n", 26) == 26
    assert machine.read_file("/proc/self/comm") == b"renamed-to-some\n"


def test_fd_links_name_and_reopen(machine) -> None:  # type: ignore[no-untyped-def]
    machine.write_file("/tmp/youcpu-file", b"content")
    fd = machine.open("/tmp/youcpu-file")
    link = f"/proc/self/fd/{fd}"
    assert machine.get(machine.call("readlink", link, machine.buffer, 100)) == b"/tmp/youcpu-file"
    assert machine.read_file(link) == b"content"
    machine.call("unlink", "/tmp/youcpu-file")
    name = machine.get(machine.call("readlink", link, machine.buffer, 100))
    assert name == b"/tmp/youcpu-file (deleted)"
    assert machine.read_file(link) == b"content"
    assert machine.call("openat", -100, link, os.O_NOFOLLOW, 0) == -Errno.ELOOP
    assert [int(n) for n in machine.listdir("/proc/self/fd") if n.isdigit()] == [fd, fd + 1]


def test_maps_and_status_have_the_form_of_linux(machine) -> None:  # type: ignore[no-untyped-def]
    line = re.compile(rb"[0-9a-f]{8,}-[0-9a-f]{8,} [r-][w-][x-][ps] [0-9a-f]{8} \d\d:\d\d \d+ .*")
    for text in machine.read_file("/proc/self/maps").splitlines():
        assert line.fullmatch(text), text
    status = dict(
        text.split(b":\t", 1) for text in machine.read_file("/proc/self/status").splitlines()
    )
    assert status[b"Tgid"] == b"1"
    assert int(status[b"VmSize"].split()[0]) == 8 << 10
    assert len(machine.read_file("/proc/self/stat").split()) == 52
    host = {text.split(":")[0] for text in Path("/proc/self/status").read_text().splitlines()}
    assert {name.decode() for name in status} <= host


def test_nothing_can_be_made_or_removed(machine) -> None:  # type: ignore[no-untyped-def]
    for name, arguments in (
        ("mkdir", ("/proc/x", 0o755)),
        ("unlink", ("/proc/version",)),
        ("symlink", ("a", "/proc/x")),
        ("chmod", ("/proc/version", 0o777)),
    ):
        assert machine.call(name, *arguments) < 0
    assert machine.open("/proc/x", os.O_CREAT | os.O_RDWR) < 0
