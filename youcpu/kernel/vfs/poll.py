"""Waiting for several files: fs/select.c do_poll()."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from youcpu.abi.errno import ERESTARTNOHAND
from youcpu.kernel.errors import Blocked
from youcpu.kernel.vfs.console import ConsoleFile
from youcpu.kernel.wait import WaitQueue

if TYPE_CHECKING:
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.file import File


class PollWait:
    """What a waiting poll remembers between its runs."""

    __slots__ = ("deadline", "queue")

    def __init__(self, deadline: int | None) -> None:
        self.deadline = deadline
        self.queue = WaitQueue()


def poll_until(
    task: Task,
    files: Callable[[], Iterable[File]],
    ready: Callable[[], int],
    timeout_ns: int | None,
    restart: int = ERESTARTNOHAND,
) -> int:
    """Call `ready` until it gives a count, or 0 at the timeout (None: never). Raises Blocked."""
    count = ready()
    if count or timeout_ns == 0:
        return count
    now = task.kernel.clock.monotonic_ns()
    wait = task.restart
    if not isinstance(wait, PollWait):
        wait = PollWait(None if timeout_ns is None else now + timeout_ns)
        watched = list(files())
        if wait_for_host(watched, timeout_ns):
            count = ready()
            if count:
                return count
        for file in watched:
            if file.queue is not None:
                file.queue.listen(wait.queue)
    elif wait.deadline is not None and now >= wait.deadline:
        return 0
    task.restart = wait
    raise Blocked(wait.queue, wait.deadline, restart=restart)


def wait_for_host(files: Iterable[File], timeout_ns: int | None) -> bool:
    """Where standard descriptors of the host are waited for, really wait. Whether one is ready."""
    poll = None
    for file in files:
        if isinstance(file, ConsoleFile):
            poll = poll or select.poll()
            poll.register(file.inode.fd, select.POLLIN | select.POLLPRI)
    if poll is None:
        return False
    return bool(poll.poll(None if timeout_ns is None else timeout_ns // 1_000_000))


def time_left(task: Task, timeout_ns: int | None) -> int:
    """ns until the deadline of the wait that just ended."""
    if timeout_ns is None:
        return 0
    wait = task.restart
    if not isinstance(wait, PollWait) or wait.deadline is None:
        return timeout_ns
    return max(0, wait.deadline - task.kernel.clock.monotonic_ns())
