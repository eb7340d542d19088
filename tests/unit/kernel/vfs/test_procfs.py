"""/proc of the machine: its own processes only, after proc(5) and what Linux prints."""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

from youcpu.abi.errno import Errno


def test_only_processes_of_this_machine(machine) -> None:  # type: ignore[no-untyped-def]
    numbers = [name for name in machine.listdir("/proc") if name.isdigit()]
    assert numbers == [b"1"]
    assert machine.open(f"/proc/{os.getpid()}/maps") == -Errno.ENOENT
    assert machine.open(f"/proc/{os.getpid()}/mem") == -Errno.ENOENT
    assert machine.open("/proc/kcore") == -Errno.ENOENT


def test_memory_as_a_file(machine) -> None:  # type: ignore[no-untyped-def]
    fd = machine.open("/proc/self/mem", os.O_RDWR)
    at = machine.put(b"before")
    assert machine.call("pwrite64", fd, b"after!", 6, at) == 6
    assert machine.get(6, at) == b"after!"
    assert machine.call("pread64", fd, machine.buffer, 6, at) == 6
    assert machine.get(6) == b"after!"
    end = machine.task.mm.areas.after(at).end
    assert machine.call("pread64", fd, machine.buffer, 8, end - 4) == 4
    for nowhere in (0, end, 0x7FFF_FFFF_F000, (1 << 63) - 1):
        assert machine.call("pread64", fd, machine.buffer, 8, nowhere) == -Errno.EIO
    assert machine.call("lseek", fd, -1, os.SEEK_SET) == -1
    assert machine.call("read", fd, machine.buffer, 1) == -Errno.EOVERFLOW


def test_memory_of_a_process(machine) -> None:  # type: ignore[no-untyped-def]
    at = machine.put(b"remote")
    here = machine.put(struct.pack("<QQ", machine.buffer, 100))
    there = machine.put(struct.pack("<QQQQ", at, 6, 8, 1))
    assert machine.call("process_vm_readv", 1, here, 1, there, 2, 0) == 6
    assert machine.get(6) == b"remote"
    assert machine.call("process_vm_readv", 1, here, 1, there + 16, 1, 0) == -Errno.EFAULT
    assert machine.call("process_vm_readv", 2, here, 1, there, 1, 0) == -Errno.ESRCH
    assert machine.call("process_vm_readv", 1, here, 1, there, 1, 1) == -Errno.EINVAL
    assert machine.call("process_vm_writev", 1, there, 1, here, 1, 0) == 6


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
