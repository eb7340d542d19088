"""Semaphore sets: ipc/sem.c.

Who must wait stands in the set's list with the operations it wants; whoever changes a value
does them for the first that can go on, in the order of arrival (do_smart_update).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.ipc import IPC_NOWAIT, SEM_UNDO, SemBuf, SemidDs
from youcpu.kernel.errors import KernelError
from youcpu.kernel.ipc.ids import IpcIds, IpcObject, seconds
from youcpu.kernel.wait import WaitEntry, WaitQueue

if TYPE_CHECKING:
    from youcpu.kernel.task import Task, ThreadGroup

SEMMNI = SEMMSL = 32000
SEMMNS = SEMMNI * SEMMSL
SEMOPM = 500
SEMVMX = SEMAEM = 32767
SEMUSZ = 20
#: Host memory of a semaphore, roughly; charged to guest RAM.
_COST = 64


class Waiter(WaitEntry):
    """A semop(2) that sleeps: struct sem_queue."""

    __slots__ = ("blocking", "group", "operations", "queue", "sems", "status")

    def __init__(
        self, sems: SemSet, group: ThreadGroup, operations: list[SemBuf], blocking: SemBuf
    ) -> None:
        self.sems = sems
        self.group = group
        self.operations = operations
        self.blocking = blocking
        self.queue = WaitQueue()
        #: None while it waits; then the error, or that all is done.
        self.status: Errno | bool | None = None

    def cancel(self) -> None:
        if self in self.sems.waiters:
            self.sems.waiters.remove(self)

    def finish(self, status: Errno | bool) -> None:
        """Wake it: True, or the error."""
        self.cancel()
        self.status = status
        self.queue.wake_up()


class SemSet(IpcObject):
    """struct sem_array."""

    __slots__ = ("otime", "pids", "table", "undo", "values", "waiters")

    def __init__(self, task: Task, table: IpcIds[SemSet], key: int, count: int, mode: int) -> None:
        super().__init__(task, key, mode)
        self.table = table
        self.values = [0] * count
        self.pids = [0] * count
        self.otime = 0
        self.waiters: list[Waiter] = []
        #: SEM_UNDO: what the end of each process gives back, a number a semaphore.
        self.undo: dict[ThreadGroup, list[int]] = {}

    def describe(self) -> bytes:
        """struct semid64_ds."""
        return self.perm() + SemidDs(self.otime, self.ctime, len(self.values)).pack()

    def perform(self, group: ThreadGroup, operations: list[SemBuf]) -> SemBuf | None:
        """perform_atomic_semop(): all or nothing; the operation that has to wait, if any.

        Raises ERANGE.
        """
        values = self.values
        before = list(values) if len(values) < len(operations) else {}
        new = dict(before) if isinstance(before, dict) else dict(enumerate(before))
        adjust: dict[int, int] = {}
        undo = self.undo.get(group)
        for operation in operations:
            number, change = operation.sem_num, operation.sem_op
            value = new.get(number, values[number])
            if (not change and value) or value + change < 0:
                return operation
            if value + change > SEMVMX:
                raise KernelError(Errno.ERANGE)
            if operation.sem_flg & SEM_UNDO:
                total = adjust.get(number, undo[number] if undo else 0) - change
                if not -SEMAEM - 1 <= total <= SEMAEM:
                    raise KernelError(Errno.ERANGE)
                adjust[number] = total
            new[number] = value + change
        for operation in operations:
            values[operation.sem_num] = new[operation.sem_num]
            self.pids[operation.sem_num] = group.pid
        if adjust:
            undo = self.undo.setdefault(group, [0] * len(values))
            for number, total in adjust.items():
                undo[number] = total
            if self not in group.sem_undo:
                group.sem_undo.append(self)
        return None

    def update(self, now: int) -> None:
        """do_smart_update(): let those go on who can now; each change may free others."""
        again = True
        while again:
            again = False
            # Those who wait for zero change nothing, and come first.
            waiting = sorted(self.waiters, key=lambda waiter: any_change(waiter.operations))
            for waiter in waiting:
                if waiter.status is not None:
                    continue
                try:
                    blocking = self.perform(waiter.group, waiter.operations)
                except KernelError as error:
                    waiter.finish(error.errno)
                    continue
                if blocking is not None:
                    waiter.blocking = blocking
                    if blocking.sem_flg & IPC_NOWAIT:
                        waiter.finish(Errno.EAGAIN)
                    continue
                self.otime = now
                waiter.finish(True)
                if any_change(waiter.operations):
                    again = True
                    break

    def waiting(self, number: int, for_zero: bool) -> int:
        """count_semcnt(): GETNCNT and GETZCNT, by the operation that each waiter is stuck at."""
        return sum(
            waiter.blocking.sem_num == number
            and (waiter.blocking.sem_op == 0 if for_zero else waiter.blocking.sem_op < 0)
            for waiter in self.waiters
        )

    def set_values(self, task: Task, first: int, values: list[int]) -> None:
        """SETVAL and SETALL: what was to be undone there is forgotten."""
        end = first + len(values)
        self.values[first:end] = values
        self.pids[first:end] = [task.tgid] * len(values)
        for undo in self.undo.values():
            undo[first:end] = [0] * len(values)
        self.ctime = seconds(task)
        self.update(self.ctime)

    def remove(self, task: Task) -> None:
        """IPC_RMID: all sleepers get EIDRM."""
        self.table.remove(self)
        for group in self.undo:
            group.sem_undo.remove(self)
        self.undo.clear()
        for waiter in list(self.waiters):
            waiter.finish(Errno.EIDRM)
        task.kernel.vfs.kmem.uncharge(_COST * len(self.values))


def any_change(operations: list[SemBuf]) -> bool:
    """Whether any of them alters a value."""
    return any(operation.sem_op for operation in operations)


def new_set(task: Task, table: IpcIds[SemSet], key: int, count: int, flags: int) -> SemSet:
    """newary(). Raises EINVAL, ENOSPC, ENOMEM."""
    if not count:
        raise KernelError(Errno.EINVAL)
    table.check_room()
    if count + sum(len(item.values) for item in table) > SEMMNS:
        raise KernelError(Errno.ENOSPC)
    if not task.kernel.vfs.kmem.charge(_COST * count):
        raise KernelError(Errno.ENOMEM)
    return SemSet(task, table, key, count, flags)


def exit_sem(group: ThreadGroup, now: int) -> None:
    """The process is gone: what it did with SEM_UNDO is taken back."""
    for item in list(group.sem_undo):
        undo = item.undo.pop(group)
        for number, change in enumerate(undo):
            if change:
                # Beyond the range there is nothing better than its end (sem.c, exit_sem).
                item.values[number] = max(0, min(SEMVMX, item.values[number] + change))
                item.pids[number] = group.pid
        item.update(now)
    group.sem_undo.clear()
