"""Queues, masks and dispositions of signals against kernel/signal.c."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from youcpu.abi.signal import SIG_DFL, SIG_IGN, Sig
from youcpu.kernel.errors import Blocked, KernelError
from youcpu.kernel.mm.uaccess import copy_from_user, copy_to_user
from youcpu.kernel.signal import (
    Pending,
    SigAction,
    SigInfo,
    SignalHandlers,
    dequeue_signal,
    force_signal,
    next_signal,
    send_signal,
)
from youcpu.kernel.syscalls.table import SYSCALLS
from youcpu.machine import Machine, MachineOptions

HANDLER = 0x400000
SIGACTION, SIGPROCMASK, SIGPENDING, SIGTIMEDWAIT, SIGALTSTACK = 13, 14, 127, 128, 131
KILL, TKILL, TGKILL, SIGQUEUEINFO = 62, 200, 234, 129
RT = 40


def bit(signo: int) -> int:
    return 1 << (signo - 1)


class Process:
    """A program that is loaded and does not run; its system calls are made from here."""

    def __init__(self) -> None:
        self.machine = Machine(MachineOptions(memory=16 << 20, epoch_ns=10**18))
        self.task: Any = self.machine.execute(b"/bin/true", [b"true"], [])
        self.buffer = self.task.mm.start_stack & -4096

    def call(self, number: int, *arguments: int) -> int:
        registers = [argument & (1 << 64) - 1 for argument in arguments] + [0] * 6
        return SYSCALLS[number].dispatch(self.task, *registers[:6]) or 0

    def put(self, data: bytes, offset: int = 0) -> int:
        copy_to_user(self.task, self.buffer + offset, data)
        return self.buffer + offset

    def mask(self, how: int, mask: int) -> int:
        return self.call(SIGPROCMASK, how, self.put(mask.to_bytes(8, "little")), 0, 8)

    def handle(self, signo: int, handler: int) -> None:
        action = b"".join(n.to_bytes(8, "little") for n in (handler, 0x4000000, HANDLER, 0))
        self.call(SIGACTION, signo, self.put(action), 0, 8)

    def pending(self) -> int:
        self.call(SIGPENDING, self.buffer, 8)
        return int.from_bytes(copy_from_user(self.task, self.buffer, 8), "little")

    def queue(self) -> list[int]:
        return [info.signo for info in self.task.group.pending.queue]


@pytest.fixture
def process() -> Iterator[Process]:
    process = Process()
    yield process
    process.machine.close()


# -- queues --


def test_standard_signals_wait_once_and_real_time_ones_queue() -> None:
    pending = Pending()
    for value in range(3):
        pending.add(SigInfo(Sig.SIGUSR1, value=value))
        pending.add(SigInfo(RT, value=value))
    assert [info.signo for info in pending.queue].count(Sig.SIGUSR1) == 1
    assert [pending.take(RT).value for _ in range(3)] == [0, 1, 2]
    assert not pending.mask & bit(RT)
    assert pending.mask & bit(Sig.SIGUSR1)


def test_flush_forgets_a_set() -> None:
    pending = Pending()
    for signo in (1, 2, RT, RT):
        pending.add(SigInfo(signo))
    pending.flush(bit(1) | bit(RT))
    assert [info.signo for info in pending.queue] == [2]
    assert pending.mask == bit(2)


def test_order_of_delivery(process: Process) -> None:
    """The task's own faults first, then the lowest number, the thread's before the process's."""
    task = process.task
    for signo in (Sig.SIGTERM, RT + 1, RT, Sig.SIGUSR1):
        process.handle(signo, HANDLER)
        send_signal(task, SigInfo(signo))
    send_signal(task, SigInfo(Sig.SIGUSR1, value=1), to_thread=True)
    process.handle(Sig.SIGSEGV, HANDLER)
    force_signal(task, SigInfo(Sig.SIGSEGV))
    order = []
    while (info := dequeue_signal(task)) is not None:
        order.append((info.signo, info.value))
    assert order == [
        (Sig.SIGSEGV, 0), (Sig.SIGUSR1, 1), (Sig.SIGUSR1, 0), (Sig.SIGTERM, 0),
        (RT, 0), (RT + 1, 0),
    ]  # fmt: skip


def test_blocked_ones_wait(process: Process) -> None:
    process.handle(Sig.SIGUSR1, HANDLER)
    process.mask(0, bit(Sig.SIGUSR1))
    process.call(KILL, process.task.pid, Sig.SIGUSR1)
    assert next_signal(process.task) == 0
    assert process.pending() == bit(Sig.SIGUSR1)
    process.mask(1, bit(Sig.SIGUSR1))
    assert next_signal(process.task) == Sig.SIGUSR1


def test_kill_and_stop_are_never_blocked(process: Process) -> None:
    process.mask(2, (1 << 64) - 1)
    assert not process.task.blocked & (bit(Sig.SIGKILL) | bit(Sig.SIGSTOP))


def test_ignored_ones_are_not_queued(process: Process) -> None:
    process.handle(Sig.SIGUSR1, SIG_IGN)
    process.call(KILL, process.task.pid, Sig.SIGUSR1)
    process.call(KILL, process.task.pid, Sig.SIGCHLD)  # ignored by default
    assert process.queue() == []
    process.mask(0, bit(Sig.SIGUSR1))
    process.call(KILL, process.task.pid, Sig.SIGUSR1)
    assert process.queue() == [Sig.SIGUSR1]
    # Blocked and pending: to ignore it now takes it away.
    process.handle(Sig.SIGUSR1, SIG_IGN)
    assert process.queue() == []


def test_stop_and_continue_cancel_each_other(process: Process) -> None:
    process.mask(0, bit(Sig.SIGTSTP) | bit(Sig.SIGCONT))
    process.handle(Sig.SIGTSTP, HANDLER)
    process.handle(Sig.SIGCONT, HANDLER)
    process.call(KILL, process.task.pid, Sig.SIGTSTP)
    process.call(KILL, process.task.pid, Sig.SIGCONT)
    assert process.queue() == [Sig.SIGCONT]
    process.call(KILL, process.task.pid, Sig.SIGTSTP)
    assert process.queue() == [Sig.SIGTSTP]


def test_a_fault_cannot_be_ignored_or_blocked(process: Process) -> None:
    task = process.task
    process.handle(Sig.SIGSEGV, SIG_IGN)
    process.mask(0, bit(Sig.SIGSEGV))
    force_signal(task, SigInfo(Sig.SIGSEGV))
    assert task.sighand.actions[Sig.SIGSEGV].handler == SIG_DFL
    assert next_signal(task) == Sig.SIGSEGV


def test_exec_keeps_what_is_ignored() -> None:
    handlers = SignalHandlers()
    handlers.actions[Sig.SIGUSR1] = SigAction(HANDLER, 4, HANDLER, 1)
    handlers.actions[Sig.SIGUSR2] = SigAction(SIG_IGN, 4, HANDLER, 1)
    copy = handlers.copy()
    handlers.flush()
    first, second = handlers.actions[Sig.SIGUSR1], handlers.actions[Sig.SIGUSR2]
    assert (first.handler, first.flags, first.mask) == (SIG_DFL, 0, 0)
    assert second.handler == SIG_IGN
    assert copy.actions[Sig.SIGUSR1].handler == HANDLER


# -- calls --


@pytest.mark.parametrize(
    ("number", "arguments", "errno"),
    [
        (SIGACTION, (0, 0, 0, 8), "EINVAL"),
        (SIGACTION, (65, 0, 0, 8), "EINVAL"),
        (SIGACTION, (1, 0, 0, 4), "EINVAL"),
        (SIGACTION, (1, 8, 0, 8), "EFAULT"),
        (SIGPROCMASK, (0, 0, 8, 8), "EFAULT"),
        (SIGPROCMASK, (0, 0, 0, 16), "EINVAL"),
        (KILL, (1 << 30, 1), "ESRCH"),
        (TKILL, (0, 1), "EINVAL"),
        (TGKILL, (-1, 1, 1), "EINVAL"),
        (SIGALTSTACK, (8, 0), "EFAULT"),
    ],
)
def test_refusals(process: Process, number: int, arguments: tuple[int, ...], errno: str) -> None:
    with pytest.raises(KernelError, match=errno):
        process.call(number, *arguments)


def test_signal_numbers(process: Process) -> None:
    for signo in (65, -1, 1 << 20):
        with pytest.raises(KernelError, match="EINVAL"):
            process.call(KILL, process.task.pid, signo)
    assert process.call(KILL, process.task.pid, 0) == 0
    for signo in (Sig.SIGKILL, Sig.SIGSTOP):
        with pytest.raises(KernelError, match="EINVAL"):
            process.handle(signo, HANDLER)


def test_sigtimedwait_takes_what_is_there(process: Process) -> None:
    process.mask(0, bit(RT))
    process.call(KILL, process.task.pid, RT)
    wanted = process.put(bit(RT).to_bytes(8, "little"), 512)
    assert process.call(SIGTIMEDWAIT, wanted, process.buffer, 0, 8) == RT
    assert copy_from_user(process.task, process.buffer, 4) == RT.to_bytes(4, "little")
    assert process.queue() == []


def test_sigtimedwait_waits_until_its_time(process: Process) -> None:
    wanted = process.put(bit(RT).to_bytes(8, "little"), 512)
    limit = process.put((2).to_bytes(8, "little") + bytes(8), 528)
    with pytest.raises(Blocked) as blocked:
        process.call(SIGTIMEDWAIT, wanted, 0, limit, 8)
    clock = process.machine.kernel.clock
    assert blocked.value.deadline_ns is not None
    assert 0 < blocked.value.deadline_ns - clock.monotonic_ns() <= 2 * 10**9
    # The awaited one wakes the sleeper although it was blocked.
    clock.jump_to(blocked.value.deadline_ns)
    with pytest.raises(KernelError, match="EAGAIN"):
        process.call(SIGTIMEDWAIT, wanted, 0, limit, 8)


def test_only_the_process_itself_may_forge_a_kernel_signal(process: Process) -> None:
    info = process.put(bytes(8) + (0).to_bytes(4, "little") + bytes(116))
    assert process.call(SIGQUEUEINFO, process.task.pid, RT, info) == 0
    assert process.queue() == [RT]
    with pytest.raises(KernelError, match="EPERM"):
        process.call(SIGQUEUEINFO, 1, RT, info)
