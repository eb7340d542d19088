"""The host's standard descriptors as files, and inotify(7) events."""

from __future__ import annotations

import os
import struct

import pytest

from youcpu.abi.errno import Errno
from youcpu.kernel.errors import Blocked


def install(machine, fd: int) -> int:  # type: ignore[no-untyped-def]
    return machine.task.files.install(machine.kernel.vfs.standard_file(fd))


def test_host_pipe_reads_writes_and_breaks(machine) -> None:  # type: ignore[no-untyped-def]
    read, write = os.pipe()
    into, out = install(machine, read), install(machine, write)
    assert machine.call("write", out, b"to the host", 11) == 11
    assert machine.call("ioctl", into, 0x541B, machine.buffer) == 0  # FIONREAD
    assert int.from_bytes(machine.get(4), "little") == 11
    assert machine.read(into, 100) == b"to the host"
    assert machine.call("lseek", into, 0, 1) == -Errno.ESPIPE
    assert machine.call("ioctl", into, 0x5401, machine.buffer) == -Errno.ENOTTY  # TCGETS
    machine.call("fcntl", into, 4, os.O_NONBLOCK)
    assert machine.call("read", into, machine.buffer, 1) == -Errno.EAGAIN
    assert machine.stat(f"/proc/self/fd/{into}")[1] == os.fstat(read).st_ino
    os.close(read)
    assert machine.call("write", out, b"x", 1) == -Errno.EPIPE
    assert machine.kernel.signals == [(1, 13)]
    os.close(write)


def test_redirected_file_shares_the_hosts_offset(tmp_path, machine) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "in").write_bytes(b"0123456789")
    fd = os.open(tmp_path / "in", os.O_RDONLY)
    ours = install(machine, fd)
    assert machine.read(ours, 4) == b"0123"
    assert os.lseek(fd, 0, os.SEEK_CUR) == 4
    assert machine.call("lseek", ours, 8, 0) == 8
    assert os.read(fd, 10) == b"89"
    assert machine.call("write", ours, b"x", 1) == -Errno.EBADF
    os.close(fd)


def test_terminal_is_asked_but_never_typed_into(machine) -> None:  # type: ignore[no-untyped-def]
    import pty

    master, slave = pty.openpty()
    fd = install(machine, slave)
    assert machine.call("ioctl", fd, 0x5401, machine.buffer) == 0  # TCGETS
    settings = machine.get(36)
    assert machine.call("ioctl", fd, 0x5412, b"x") == -Errno.ENOTTY  # TIOCSTI
    assert machine.call("ioctl", fd, 0x540F, machine.buffer) == -Errno.ENOTTY  # TIOCGPGRP
    assert machine.call("ioctl", fd, 0x540E, 0) == 0  # TIOCSCTTY: of the machine, not of the host
    assert machine.call("ioctl", fd, 0x540F, machine.buffer) == 0
    assert machine.get(4) == (1).to_bytes(4, "little")
    other = machine.put((77).to_bytes(4, "little"))
    assert machine.call("ioctl", fd, 0x5410, other) == -Errno.ESRCH  # TIOCSPGRP
    changed = settings[:12] + bytes(4) + settings[16:]
    assert machine.call("ioctl", fd, 0x5402, changed) == 0
    machine.kernel.vfs.restore_terminals()
    assert machine.call("ioctl", fd, 0x5401, machine.buffer) == 0
    assert machine.get(36) == settings
    name = os.ttyname(slave)
    assert machine.stat(name)[6] == os.fstat(slave).st_rdev
    assert machine.open("/dev/tty", os.O_RDWR) >= 0
    os.close(master)
    os.close(slave)


def test_no_terminal_no_tty(machine) -> None:  # type: ignore[no-untyped-def]
    assert machine.open("/dev/tty") == -Errno.ENXIO


def events(machine, fd: int) -> list[tuple[int, bytes]]:  # type: ignore[no-untyped-def]
    data = machine.read(fd, 4096)
    found, at = [], 0
    while at < len(data):
        _, mask, _, size = struct.unpack_from("<iIII", data, at)
        found.append((mask, data[at + 16 : at + 16 + size].rstrip(b"\0")))
        at += 16 + size
    return found


def test_inotify_tells_what_happens_in_a_directory(machine) -> None:  # type: ignore[no-untyped-def]
    machine.call("mkdir", "/tmp/youcpu-watched", 0o755)
    fd = machine.call("inotify_init1", 0)
    watch = machine.call("inotify_add_watch", fd, "/tmp/youcpu-watched", 0xFFF)
    assert watch == 1
    with pytest.raises(Blocked):
        machine.call("read", fd, machine.buffer, 4096)
    machine.write_file("/tmp/youcpu-watched/a", b"x")
    machine.call("rename", "/tmp/youcpu-watched/a", "/tmp/youcpu-watched/b")
    machine.call("unlink", "/tmp/youcpu-watched/b")
    machine.call("rmdir", "/tmp/youcpu-watched")
    assert events(machine, fd) == [
        (0x100, b"a"), (0x20, b"a"), (0x2, b"a"), (0x8, b"a"),
        (0x40, b"a"), (0x80, b"b"), (0x200, b"b"), (0x400, b""), (0x8000, b""),
    ]  # fmt: skip
    assert machine.call("inotify_rm_watch", fd, watch) == -Errno.EINVAL
