"""Futexes: kernel/futex/syscalls.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.args import Addr, Long
from youcpu.abi.args_futex import (
    FutexAddr2,
    FutexOp,
    FutexTimeoutOrVal2,
    FutexVal,
    FutexVal3,
)
from youcpu.abi.errno import Errno
from youcpu.abi.futex import (
    FUTEX_CLOCK_REALTIME,
    FUTEX_CMP_REQUEUE,
    FUTEX_LOCK_PI,
    FUTEX_LOCK_PI2,
    FUTEX_PRIVATE_FLAG,
    FUTEX_REQUEUE,
    FUTEX_TRYLOCK_PI,
    FUTEX_UNLOCK_PI,
    FUTEX_WAIT,
    FUTEX_WAIT_BITSET,
    FUTEX_WAKE,
    FUTEX_WAKE_BITSET,
    FUTEX_WAKE_OP,
)
from youcpu.kernel.errors import KernelError
from youcpu.kernel.futex import (
    MATCH_ANY,
    FutexWaiter,
    futex_lock_pi,
    futex_requeue,
    futex_unlock_pi,
    futex_wait,
    futex_wake,
    futex_wake_op,
)
from youcpu.kernel.syscalls.table import syscall
from youcpu.kernel.time import read_timespec

if TYPE_CHECKING:
    from youcpu.kernel.task import Task

_MAY_BE_REALTIME = (FUTEX_WAIT, FUTEX_WAIT_BITSET, FUTEX_LOCK_PI2)


def _int(value: int) -> int:
    return ((value & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000


def _deadline(task: Task, command: int, op: int, timeout: int) -> int | None:
    """Monotonic end of a wait: relative for FUTEX_WAIT, absolute for all others."""
    if not timeout or isinstance(task.restart, FutexWaiter):
        return None
    if isinstance(task.restart, int):  # restart_syscall(2)
        return task.restart
    limit = read_timespec(task, timeout)
    clock = task.kernel.clock
    if command == FUTEX_WAIT:
        return limit + clock.monotonic_ns()
    if command == FUTEX_LOCK_PI or op & FUTEX_CLOCK_REALTIME:
        return limit - clock.boot_realtime_ns
    return limit


@syscall(202, partial="priority inheritance hands ownership over; no REQUEUE_PI")
def futex(
    task: Task,
    uaddr: Addr,
    op: FutexOp,
    val: FutexVal,
    timeout: FutexTimeoutOrVal2,
    uaddr2: FutexAddr2,
    val3: FutexVal3,
) -> Long:
    """futex(2)."""
    command = op & ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME)
    private = bool(op & FUTEX_PRIVATE_FLAG)
    if op & FUTEX_CLOCK_REALTIME and command not in _MAY_BE_REALTIME:
        raise KernelError(Errno.ENOSYS)
    value, third = val & 0xFFFFFFFF, val3 & 0xFFFFFFFF
    if command in (FUTEX_WAIT, FUTEX_WAIT_BITSET):
        bits = MATCH_ANY if command == FUTEX_WAIT else third
        return futex_wait(task, uaddr, value, _deadline(task, command, op, timeout), bits, private)
    if command in (FUTEX_WAKE, FUTEX_WAKE_BITSET):
        bits = MATCH_ANY if command == FUTEX_WAKE else third
        return futex_wake(task, uaddr, _int(val), bits, private)
    if command in (FUTEX_REQUEUE, FUTEX_CMP_REQUEUE):
        expected = third if command == FUTEX_CMP_REQUEUE else None
        return futex_requeue(task, uaddr, uaddr2, _int(val), _int(timeout), expected, private)
    if command == FUTEX_WAKE_OP:
        return futex_wake_op(task, uaddr, uaddr2, _int(val), _int(timeout), third, private)
    if command in (FUTEX_LOCK_PI, FUTEX_LOCK_PI2):
        return futex_lock_pi(task, uaddr, _deadline(task, command, op, timeout), private)
    if command == FUTEX_TRYLOCK_PI:
        return futex_lock_pi(task, uaddr, None, private, trylock=True)
    if command == FUTEX_UNLOCK_PI:
        return futex_unlock_pi(task, uaddr, private)
    raise KernelError(Errno.ENOSYS)
