"""Semaphore sets: ipc/sem.c."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from youcpu.abi.args import Int
from youcpu.abi.args_ipc import (
    Key,
    SemArg,
    SemCommand,
    SemCount,
    SemGetFlags,
    SemOpsPtr,
    SemTimeoutPtr,
)
from youcpu.abi.errno import Errno
from youcpu.abi.ipc import (
    GETALL,
    GETNCNT,
    GETPID,
    GETVAL,
    GETZCNT,
    IPC_64,
    IPC_INFO,
    IPC_NOWAIT,
    IPC_RMID,
    IPC_SET,
    IPC_STAT,
    SEM_INFO,
    SEM_STAT,
    SEM_STAT_ANY,
    SETALL,
    SETVAL,
    SemBuf,
    SemidDs,
    SemInfo,
)
from youcpu.kernel.errors import Blocked, KernelError
from youcpu.kernel.ipc.ids import IpcIds, seconds
from youcpu.kernel.ipc.sem import (
    SEMAEM,
    SEMMNI,
    SEMMNS,
    SEMMSL,
    SEMOPM,
    SEMUSZ,
    SEMVMX,
    SemSet,
    Waiter,
    any_change,
    new_set,
)
from youcpu.kernel.mm.uaccess import copy_from_user, copy_to_user
from youcpu.kernel.syscalls.table import syscall
from youcpu.kernel.time import read_timespec

if TYPE_CHECKING:
    from youcpu.kernel.task import Task

_READ, _WRITE = 0o444, 0o222


@syscall(64)
def semget(task: Task, key: Key, nsems: Int, semflg: SemGetFlags) -> Int:
    """semget(2)."""
    if not 0 <= nsems <= SEMMSL:
        raise KernelError(Errno.EINVAL)
    table = task.kernel.ipc.sets
    return table.get(
        task,
        key,
        semflg,
        lambda: new_set(task, table, key, nsems, semflg),
        lambda item: nsems <= len(item.values),
    )


@syscall(65)
def semop(task: Task, semid: Int, sops: SemOpsPtr, nsops: SemCount) -> Int:
    """semop(2)."""
    return _semtimedop(task, semid, sops, nsops, 0)


@syscall(220)
def semtimedop(
    task: Task, semid: Int, sops: SemOpsPtr, nsops: SemCount, timeout: SemTimeoutPtr
) -> Int:
    """semtimedop(2)."""
    return _semtimedop(task, semid, sops, nsops, timeout)


class _Wait(Waiter):
    """The waiter with its deadline on the monotonic clock, ns."""

    __slots__ = ("deadline",)
    deadline: int | None


def _semtimedop(task: Task, semid: int, address: int, count: int, timeout: int) -> int:
    if isinstance(task.restart, _Wait):
        return _woken(task, task.restart)
    clock = task.kernel.clock
    deadline = read_timespec(task, timeout) + clock.monotonic_ns() if timeout else None
    if count < 1 or semid < 0:
        raise KernelError(Errno.EINVAL)
    if count > SEMOPM:
        raise KernelError(Errno.E2BIG)
    data = copy_from_user(task, address, SemBuf.SIZE * count)
    operations = [SemBuf.unpack(data[at : at + 6]) for at in range(0, len(data), 6)]
    item = task.kernel.ipc.sets.find(semid)
    if max(operation.sem_num for operation in operations) >= len(item.values):
        raise KernelError(Errno.EFBIG)
    item.check(task, _WRITE if any_change(operations) else _READ)
    blocking = item.perform(task.group, operations)
    if blocking is None:
        item.otime = seconds(task)
        if any_change(operations):
            item.update(item.otime)
        return 0
    if blocking.sem_flg & IPC_NOWAIT:
        raise KernelError(Errno.EAGAIN)
    waiter = _Wait(item, task.group, operations, blocking)
    waiter.deadline = deadline
    item.waiters.append(waiter)
    task.restart = waiter
    raise Blocked(waiter.queue, deadline, restart=Errno.EINTR)


def _woken(task: Task, waiter: _Wait) -> int:
    """The sleep is over: somebody did it for us, the set is gone, or the time is up."""
    if waiter.status is None:
        deadline = waiter.deadline
        if deadline is not None and task.kernel.clock.monotonic_ns() >= deadline:
            raise KernelError(Errno.EAGAIN)
        raise Blocked(waiter.queue, deadline, restart=Errno.EINTR)
    if isinstance(waiter.status, Errno):
        raise KernelError(waiter.status)
    return 0


@syscall(66)
def semctl(task: Task, semid: Int, semnum: Int, cmd: SemCommand, arg: SemArg) -> Int:
    """semctl(2)."""
    cmd &= ~IPC_64
    if semid < 0:
        raise KernelError(Errno.EINVAL)
    table = task.kernel.ipc.sets
    if cmd in (IPC_INFO, SEM_INFO):
        copy_to_user(task, arg, _info(table, cmd == SEM_INFO).pack())
        return table.highest()
    if cmd in (IPC_STAT, SEM_STAT, SEM_STAT_ANY):
        return table.stat(task, semid, cmd, SEM_STAT_ANY, arg)
    if cmd in (IPC_SET, IPC_RMID):
        return table.control(task, semid, cmd, arg, SemidDs)
    if cmd in (GETALL, SETALL):
        return _all(task, table.find(semid), cmd, arg)
    if cmd in (GETVAL, GETPID, GETNCNT, GETZCNT, SETVAL):
        return _one(task, table, semid, semnum, cmd, arg)
    raise KernelError(Errno.EINVAL)


def _all(task: Task, item: SemSet, cmd: int, address: int) -> int:
    item.check(task, _WRITE if cmd == SETALL else _READ)
    layout = struct.Struct(f"<{len(item.values)}H")
    if cmd == GETALL:
        copy_to_user(task, address, layout.pack(*item.values))
        return 0
    values = list(layout.unpack(copy_from_user(task, address, layout.size)))
    if max(values) > SEMVMX:
        raise KernelError(Errno.ERANGE)
    item.set_values(task, 0, values)
    return 0


def _one(task: Task, table: IpcIds[SemSet], semid: int, number: int, cmd: int, arg: int) -> int:
    value = ((arg & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000
    if cmd == SETVAL and not 0 <= value <= SEMVMX:
        raise KernelError(Errno.ERANGE)
    item = table.find(semid)
    # semctl_setval() looks at the number first, semctl_main() at the rights.
    if cmd != SETVAL:
        item.check(task, _READ)
    if not 0 <= number < len(item.values):
        raise KernelError(Errno.EINVAL)
    if cmd == SETVAL:
        item.check(task, _WRITE)
        item.set_values(task, number, [value])
        return 0
    if cmd == GETVAL:
        return item.values[number]
    if cmd == GETPID:
        return item.pids[number]
    return item.waiting(number, cmd == GETZCNT)


def _info(table: IpcIds[SemSet], used: bool) -> SemInfo:
    semusz, semaem = SEMUSZ, SEMAEM
    if used:
        semusz, semaem = len(table.objects), sum(len(item.values) for item in table)
    return SemInfo(SEMMNS, SEMMNI, SEMMNS, SEMMNS, SEMMSL, SEMOPM, SEMOPM, semusz, SEMVMX, semaem)
