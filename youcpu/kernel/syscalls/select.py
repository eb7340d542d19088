"""Waiting for files: fs/select.c."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from youcpu.abi.args import Int, Size, UInt
from youcpu.abi.args_poll import FdSetPtr, PollFdsPtr, PpollTimeout, SelectTimeout
from youcpu.abi.args_signal import Pselect6Sigmask, SigsetIn
from youcpu.abi.errno import ERESTART_RESTARTBLOCK, ERESTARTNOHAND, Errno
from youcpu.abi.poll import (
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLNVAL,
    POLLOUT,
    POLLPRI,
    POLLRDBAND,
    POLLRDNORM,
    POLLWRBAND,
    POLLWRNORM,
)
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.uaccess import copy_from_user, copy_to_user, get_user
from youcpu.kernel.syscalls.table import syscall
from youcpu.kernel.vfs.poll import poll_until, time_left

if TYPE_CHECKING:
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.file import File

_POLLFD = struct.Struct("<iHH")
_READ_SET = POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR | POLLNVAL
_WRITE_SET = POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR | POLLNVAL
_EXCEPT_SET = POLLPRI | POLLNVAL
_NS = 1_000_000_000
#: SIGKILL and SIGSTOP cannot be blocked.
_UNBLOCKABLE = 1 << 8 | 1 << 18
_SIGSET_SIZE = 8


def set_user_sigmask(task: Task, address: int, size: int) -> None:
    """kernel/signal.c set_user_sigmask(): the mask while the call waits."""
    if not address or task.restart is not None:
        return
    if size != _SIGSET_SIZE:
        raise KernelError(Errno.EINVAL)
    mask = get_user(task, address, 8)
    task.restore_mask = task.blocked
    task.set_blocked(mask & ~_UNBLOCKABLE)


def timeout_of(task: Task, address: int, unit: int) -> int | None:
    """ns of a timespec (unit 1) or timeval (unit 1000); None: no pointer. Raises EINVAL."""
    if not address:
        return None
    seconds, fraction = struct.unpack("<qq", copy_from_user(task, address, 16))
    if unit == 1000:
        # select(2) takes more than a second of microseconds.
        seconds, fraction = seconds + fraction // 1_000_000, fraction % 1_000_000
    if seconds < 0 or not 0 <= fraction * unit < _NS:
        raise KernelError(Errno.EINVAL)
    return int(seconds * _NS + fraction * unit)


def _store_left(task: Task, address: int, timeout: int | None, unit: int) -> None:
    """poll_select_copy_remaining(): a timeout that cannot be stored is no error."""
    if timeout is None:
        return
    left = time_left(task, timeout)
    try:
        copy_to_user(task, address, struct.pack("<qq", left // _NS, left % _NS // unit))
    except KernelError:
        pass


def _do_poll(task: Task, address: int, nfds: int, timeout: int | None, restart: int) -> int:
    if nfds > task.files.limit:
        raise KernelError(Errno.EINVAL)
    data = copy_from_user(task, address, nfds * _POLLFD.size)
    wanted = [(fd, events) for fd, events, _ in _POLLFD.iter_unpack(data)]
    files = task.files.files
    answers: list[int] = []

    def ready() -> int:
        answers.clear()
        for fd, events in wanted:
            file = files.get(fd)
            if fd < 0:
                answers.append(0)
            elif file is None:
                answers.append(POLLNVAL)
            else:
                answers.append(file.poll() & (events | POLLERR | POLLHUP))
        return sum(1 for answer in answers if answer)

    def watched() -> list[File]:
        return [files[fd] for fd, _ in wanted if fd in files]

    count = poll_until(task, watched, ready, timeout, restart)
    packed = b"".join(
        _POLLFD.pack(fd, events, answer)
        for (fd, events), answer in zip(wanted, answers, strict=True)
    )
    copy_to_user(task, address, packed)
    return count


@syscall(7)
def poll(task: Task, ufds: PollFdsPtr, nfds: UInt, timeout_msecs: Int) -> Int:
    timeout = timeout_msecs * 1_000_000 if timeout_msecs >= 0 else None
    return _do_poll(task, ufds, nfds, timeout, ERESTART_RESTARTBLOCK)


@syscall(271)
def ppoll(
    task: Task, ufds: PollFdsPtr, nfds: UInt, tsp: PpollTimeout, sigmask: SigsetIn, sigsetsize: Size
) -> Int:
    timeout = timeout_of(task, tsp, 1)
    set_user_sigmask(task, sigmask, sigsetsize)
    count = _do_poll(task, ufds, nfds, timeout, ERESTARTNOHAND)
    _store_left(task, tsp, timeout, 1)
    return count


class _FdSets:
    """The three sets of select(2), as numbers with one bit a descriptor."""

    __slots__ = ("addresses", "answers", "size", "task", "wanted")

    def __init__(self, task: Task, n: int, addresses: tuple[int, int, int]) -> None:
        if n < 0:
            raise KernelError(Errno.EINVAL)
        # Descriptors beyond the table are not looked at (max_fds: a power of two from 64).
        highest = max(task.files.files, default=0)
        n = min(n, max(64, 1 << (highest + 1).bit_length()))
        self.task = task
        self.addresses = addresses
        self.size = (n + 63) // 64 * 8
        mask = (1 << n) - 1
        self.wanted = [
            get_user(task, address, self.size) & mask if address else 0 for address in addresses
        ]
        self.answers = [0, 0, 0]

    def watched(self) -> list[File]:
        """All files in the sets. Raises EBADF."""
        bits = self.wanted[0] | self.wanted[1] | self.wanted[2]
        return [self.task.files.get(fd) for fd in bit_numbers(bits)]

    def ready(self) -> int:
        """Fill in the answers; how many bits are set."""
        self.answers = [0, 0, 0]
        count = 0
        for fd in bit_numbers(self.wanted[0] | self.wanted[1] | self.wanted[2]):
            events = self.task.files.get(fd).poll()
            for index, mask in enumerate((_READ_SET, _WRITE_SET, _EXCEPT_SET)):
                if self.wanted[index] >> fd & 1 and events & mask:
                    self.answers[index] |= 1 << fd
                    count += 1
        return count

    def store(self) -> None:
        """Give the answers to the program."""
        for address, answer in zip(self.addresses, self.answers, strict=True):
            if address:
                copy_to_user(self.task, address, answer.to_bytes(self.size, "little"))


def bit_numbers(bits: int) -> list[int]:
    """Positions of the set bits, rising."""
    found = []
    while bits:
        low = bits & -bits
        found.append(low.bit_length() - 1)
        bits ^= low
    return found


def _do_select(task: Task, n: int, addresses: tuple[int, int, int], timeout: int | None) -> int:
    sets = _FdSets(task, n, addresses)
    sets.watched()
    count = poll_until(task, sets.watched, sets.ready, timeout)
    sets.store()
    return count


@syscall(23)
def select(
    task: Task, n: Int, inp: FdSetPtr, outp: FdSetPtr, exp: FdSetPtr, tvp: SelectTimeout
) -> Int:
    timeout = timeout_of(task, tvp, 1000)
    count = _do_select(task, n, (inp, outp, exp), timeout)
    _store_left(task, tvp, timeout, 1000)
    return count


@syscall(270)
def pselect6(
    task: Task,
    n: Int,
    inp: FdSetPtr,
    outp: FdSetPtr,
    exp: FdSetPtr,
    tsp: PpollTimeout,
    sig: Pselect6Sigmask,
) -> Int:
    timeout = timeout_of(task, tsp, 1)
    if sig:
        mask, size = struct.unpack("<QQ", copy_from_user(task, sig, 16))
        set_user_sigmask(task, mask, size)
    count = _do_select(task, n, (inp, outp, exp), timeout)
    _store_left(task, tsp, timeout, 1)
    return count
