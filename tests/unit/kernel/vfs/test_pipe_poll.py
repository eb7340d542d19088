"""Pipes, FIFOs, poll, select, epoll, eventfd, timerfd: what blocks, what is ready, what is lost."""

from __future__ import annotations

import os
import struct

import pytest

from youcpu.abi.errno import Errno
from youcpu.kernel.errors import Blocked
from youcpu.kernel.wait import WaitQueue

POLLIN, POLLOUT, POLLERR, POLLHUP = 1, 4, 8, 16


def pipe(machine, flags: int = 0) -> tuple[int, int]:  # type: ignore[no-untyped-def]
    assert machine.call("pipe2", machine.buffer, flags) == 0
    one, two = struct.unpack("<ii", machine.get(8))
    return one, two


def polled(machine, *fds: tuple[int, int], timeout: int = 0) -> list[int]:  # type: ignore[no-untyped-def]
    data = b"".join(struct.pack("<ihh", fd, events, 0) for fd, events in fds)
    address = machine.put(data)
    machine.call("poll", address, len(fds), timeout)
    return [entry[2] for entry in struct.iter_unpack("<ihh", machine.get(len(data), address))]


def test_pipe_carries_bytes_in_order(machine) -> None:  # type: ignore[no-untyped-def]
    read, write = pipe(machine)
    assert machine.call("write", write, b"hello ", 6) == 6
    assert machine.call("write", write, b"world", 5) == 5
    assert machine.read(read, 8) == b"hello wo"
    assert machine.read(read, 100) == b"rld"
    with pytest.raises(Blocked):
        machine.call("read", read, machine.buffer, 1)
    machine.call("close", write)
    assert machine.read(read, 1) == b""


def test_broken_pipe_sends_sigpipe(machine) -> None:  # type: ignore[no-untyped-def]
    read, write = pipe(machine)
    machine.call("close", read)
    assert machine.call("write", write, b"x", 1) == -Errno.EPIPE
    assert machine.kernel.signals == [(1, 13)]
    assert polled(machine, (write, POLLOUT)) == [POLLOUT | POLLERR]


def test_small_writes_are_atomic_and_big_ones_wait(machine) -> None:  # type: ignore[no-untyped-def]
    read, write = pipe(machine, os.O_NONBLOCK)
    assert machine.call("write", write, bytes(65000), 65000) == 65000
    assert machine.call("write", write, bytes(600), 600) == -Errno.EAGAIN
    # All 16 pages are in use: only what fits behind the last write finds a place.
    assert machine.call("write", write, bytes(9000), 9000) == -Errno.EAGAIN
    assert machine.call("write", write, bytes(400), 400) == 400
    assert machine.call("write", write, bytes(8192 + 136), 8192 + 136) == 136
    assert machine.call("write", write, bytes(1), 1) == -Errno.EAGAIN
    assert polled(machine, (write, POLLOUT), (read, POLLIN)) == [0, POLLIN]
    machine.call("fcntl", write, 4, 0)
    data = os.urandom(100_000)
    received = machine.read(read, 65536)
    assert len(received) == 65536
    address = machine.put(data)
    got = b""
    machine.task.restart = None
    # Runs again after each wait, as the kernel does.
    while True:
        row = machine.row("write")
        try:
            done = row.dispatch(machine.task, write, address, len(data), 0, 0, 0)
            break
        except Blocked:
            restart, machine.task.restart = machine.task.restart, None
            got += machine.read(read, 30_000)
            machine.task.restart = restart
    machine.task.restart = None
    assert done == len(data)
    while len(got) < len(data):
        got += machine.read(read, 65536)
    assert got == data


def test_splice_takes_what_finds_a_place(machine) -> None:  # type: ignore[no-untyped-def]
    read, write = pipe(machine)
    other_read, other_write = pipe(machine, os.O_NONBLOCK)
    machine.call("write", write, b"a" * 4096 + b"cdef", 4100)
    # One of 16 pages is left.
    machine.call("write", other_write, bytes(61440), 61440)
    assert machine.call("splice", read, 0, other_write, 0, 5000, 0) == 4096
    assert machine.call("splice", read, 0, other_write, 0, 5000, 0) == -Errno.EAGAIN
    assert machine.read(read, 10) == b"cdef"
    assert machine.read(other_read, 65536)[61438:] == b"\0\0" + b"a" * 4096


def test_fifo_waits_for_its_other_end(machine) -> None:  # type: ignore[no-untyped-def]
    assert machine.call("mknod", "/tmp/youcpu-fifo", 0o010600, 0) == 0
    with pytest.raises(Blocked):
        machine.open("/tmp/youcpu-fifo", os.O_WRONLY)
    machine.task.restart = None
    both = machine.open("/tmp/youcpu-fifo", os.O_RDWR)
    writer = machine.open("/tmp/youcpu-fifo", os.O_WRONLY)
    assert machine.call("write", writer, b"through", 7) == 7
    assert machine.read(both, 10) == b"through"


def test_poll_waits_on_all_queues(machine) -> None:  # type: ignore[no-untyped-def]
    one, two = pipe(machine), pipe(machine)
    with pytest.raises(Blocked) as blocked:
        polled(machine, (one[0], POLLIN), (two[0], POLLIN), timeout=1000)
    machine.task.restart = None
    assert blocked.value.deadline_ns == 1_000_000_000
    woken = []

    class Sleeper:
        def wake(self) -> None:
            woken.append(1)

    queue = blocked.value.queue
    assert isinstance(queue, WaitQueue)
    queue.waiters.append(Sleeper())  # type: ignore[arg-type]
    machine.call("write", two[1], b"x", 1)
    assert woken == [1]
    assert polled(machine, (one[0], POLLIN), (two[0], POLLIN), (99, POLLIN)) == [0, 1, 32]
    machine.call("close", one[1])
    assert polled(machine, (one[0], POLLIN)) == [POLLHUP]


def test_select_reports_bits_and_bad_descriptors(machine) -> None:  # type: ignore[no-untyped-def]
    read, write = pipe(machine)
    machine.call("write", write, b"x", 1)
    sets = machine.put((1 << read).to_bytes(128, "little") + (1 << write).to_bytes(128, "little"))
    zero = machine.put(bytes(16))
    assert machine.call("select", write + 1, sets, sets + 128, 0, zero) == 2
    assert int.from_bytes(machine.get(8, sets), "little") == 1 << read
    bad = machine.put((1 << 60).to_bytes(128, "little"))
    assert machine.call("select", 64, bad, 0, 0, zero) == -Errno.EBADF


def epoll_wait(machine, epfd: int, timeout: int = 0) -> list[tuple[int, int]]:  # type: ignore[no-untyped-def]
    count = machine.call("epoll_wait", epfd, machine.buffer, 10, timeout)
    assert count >= 0, count
    return list(struct.iter_unpack("<IQ", machine.get(12 * count)))


@pytest.mark.parametrize("edge", [False, True])
def test_epoll_level_and_edge(edge, machine) -> None:  # type: ignore[no-untyped-def]
    read, write = pipe(machine)
    epfd = machine.call("epoll_create1", 0)
    events = POLLIN | (1 << 31 if edge else 0)
    assert machine.call("epoll_ctl", epfd, 1, read, struct.pack("<IQ", events, 77)) == 0
    assert machine.call("epoll_ctl", epfd, 1, read, struct.pack("<IQ", 1, 0)) == -Errno.EEXIST
    assert epoll_wait(machine, epfd) == []
    machine.call("write", write, b"ab", 2)
    assert epoll_wait(machine, epfd) == [(POLLIN, 77)]
    assert epoll_wait(machine, epfd) == ([] if edge else [(POLLIN, 77)])
    machine.call("write", write, b"c", 1)
    assert epoll_wait(machine, epfd) == [(POLLIN, 77)]
    assert polled(machine, (epfd, POLLIN)) == [0 if edge else POLLIN]
    # The last descriptor of the file takes the item with it.
    machine.call("close", read)
    assert epoll_wait(machine, epfd) == []
    assert machine.kernel.vfs.kmem.used < 20_000


def test_epoll_refuses_files_and_loops(machine) -> None:  # type: ignore[no-untyped-def]
    one, two = machine.call("epoll_create1", 0), machine.call("epoll_create1", 0)
    event = struct.pack("<IQ", 1, 0)
    assert machine.call("epoll_ctl", one, 1, machine.open("/etc/passwd"), event) == -Errno.EPERM
    assert machine.call("epoll_ctl", one, 1, one, event) == -Errno.EINVAL
    assert machine.call("epoll_ctl", one, 1, two, event) == 0
    assert machine.call("epoll_ctl", two, 1, one, event) == -Errno.ELOOP


def test_eventfd_and_timerfd(machine) -> None:  # type: ignore[no-untyped-def]
    fd = machine.call("eventfd2", 3, 1)  # EFD_SEMAPHORE
    assert [machine.read(fd, 8)[0] for _ in range(3)] == [1, 1, 1]
    with pytest.raises(Blocked):
        machine.call("read", fd, machine.buffer, 8)
    assert machine.call("write", fd, b"\xff" * 8, 8) == -Errno.EINVAL
    timer = machine.call("timerfd_create", 1, os.O_NONBLOCK)
    assert machine.call("timerfd_settime", timer, 0, struct.pack("<qqqq", 0, 10, 0, 100), 0) == 0
    assert machine.call("read", timer, machine.buffer, 8) == -Errno.EAGAIN
    machine.kernel.now += 145
    machine.kernel.timers.run_expired()
    assert polled(machine, (timer, POLLIN)) == [POLLIN]
    assert machine.read(timer, 8) == (5).to_bytes(8, "little")
