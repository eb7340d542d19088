"""File locks: fs/locks.c. POSIX record locks of processes, OFD locks of open files, flock(2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import (
    F_GETLK,
    F_OFD_GETLK,
    F_OFD_SETLKW,
    F_RDLCK,
    F_SETLKW,
    F_UNLCK,
    F_WRLCK,
    SEEK_CUR,
    SEEK_END,
    SEEK_SET,
)
from youcpu.abi.structs import Flock
from youcpu.kernel.errors import Blocked, KernelError
from youcpu.kernel.mm.uaccess import copy_from_user, copy_to_user
from youcpu.kernel.wait import WaitEntry, WaitQueue
from youcpu.record import record

if TYPE_CHECKING:
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.fdtable import FdTable
    from youcpu.kernel.vfs.file import File
    from youcpu.kernel.vfs.inode import Inode
    from youcpu.kernel.vfs.kmem import KernelMemory

_OFFSET_MAX = (1 << 63) - 1
_LOCK_COST = 256
_MAX_DEADLK_ITERATIONS = 10


@record
class RecordLock:
    """Bytes [start, end] locked by `owner`: a descriptor table, or an open file (OFD)."""

    owner: object
    exclusive: bool
    start: int
    end: int
    pid: int


class LockContext:
    """All locks of one inode."""

    __slots__ = ("flocks", "kmem", "queue", "records")

    def __init__(self, kmem: KernelMemory) -> None:
        self.kmem = kmem
        self.records: list[RecordLock] = []
        #: open file -> exclusive
        self.flocks: dict[File, bool] = {}
        self.queue = WaitQueue()

    def conflict(self, wanted: RecordLock) -> RecordLock | None:
        """Another owner's lock that is in the way."""
        for lock in self.records:
            if (
                lock.owner is not wanted.owner
                and lock.start <= wanted.end
                and wanted.start <= lock.end
                and (lock.exclusive or wanted.exclusive)
            ):
                return lock
        return None

    def cut(self, owner: object, start: int, end: int) -> None:
        """Unlock [start, end] of an owner: locks across the borders are split."""
        kept: list[RecordLock] = []
        for lock in self.records:
            if lock.owner is not owner or lock.end < start or end < lock.start:
                kept.append(lock)
                continue
            if lock.start < start:
                kept.append(RecordLock(owner, lock.exclusive, lock.start, start - 1, lock.pid))
            if end < lock.end:
                kept.append(RecordLock(owner, lock.exclusive, end + 1, lock.end, lock.pid))
        self._replace(kept)

    def add(self, new: RecordLock) -> None:
        """Lock; neighbours of the same owner and kind join. Raises ENOLCK."""
        self.cut(new.owner, new.start, new.end)
        kept = []
        for lock in self.records:
            if (
                lock.owner is new.owner
                and lock.exclusive == new.exclusive
                and lock.start <= new.end + 1
                and new.start <= lock.end + 1
            ):
                new.start, new.end = min(lock.start, new.start), max(lock.end, new.end)
            else:
                kept.append(lock)
        kept.append(new)
        # One owner's locks stand together and in order: posix_lock_inode(); F_GETLK tells the
        # first in the way.
        turn: dict[int, int] = {}
        for lock in kept:
            turn.setdefault(id(lock.owner), len(turn))
        kept.sort(key=lambda lock: (turn[id(lock.owner)], lock.start))
        self._replace(kept)

    def _replace(self, records: list[RecordLock]) -> None:
        more = len(records) - len(self.records)
        if more > 0 and not self.kmem.charge(more * _LOCK_COST):
            raise KernelError(Errno.ENOLCK)
        if more < 0:
            self.kmem.uncharge(-more * _LOCK_COST)
        self.records = records


def context_of(inode: Inode) -> LockContext:
    """The inode's locks, made at first use."""
    if inode.locks is None:
        inode.locks = LockContext(inode.sb.kernel.vfs.kmem)
    assert isinstance(inode.locks, LockContext)
    return inode.locks


def fcntl_lock(task: Task, file: File, command: int, address: int) -> int:
    """F_GETLK, F_SETLK, F_SETLKW and their OFD forms."""
    flock = Flock.unpack(copy_from_user(task, address, Flock.SIZE))
    ofd = command >= F_OFD_GETLK
    if ofd and flock.l_pid:
        raise KernelError(Errno.EINVAL)
    start, end = _range(file, flock)
    owner: object = file if ofd else task.files
    pid = -1 if ofd else task.tgid
    context = context_of(file.inode)
    if flock.l_type not in (F_RDLCK, F_WRLCK, F_UNLCK):
        raise KernelError(Errno.EINVAL)
    wanted = RecordLock(owner, flock.l_type == F_WRLCK, start, end, pid)
    if command in (F_GETLK, F_OFD_GETLK):
        if flock.l_type == F_UNLCK and not ofd:
            raise KernelError(Errno.EINVAL)
        return _get_lock(task, address, context, flock, wanted)
    if flock.l_type == F_UNLCK:
        context.cut(owner, start, end)
        context.queue.wake_up()
        return 0
    if not (file.writable if flock.l_type == F_WRLCK else file.readable):
        raise KernelError(Errno.EBADF)
    other = context.conflict(wanted)
    if other is not None:
        if command in (F_SETLKW, F_OFD_SETLKW):
            _wait(task, context, wanted, other, detect=not ofd)
        raise KernelError(Errno.EAGAIN)
    context.add(wanted)
    return 0


class LockWait(WaitEntry):
    """A process that sleeps for a record lock: whom it waits for, machine-wide."""

    __slots__ = ("owner", "waits")

    def __init__(self, waits: dict[object, object], owner: object) -> None:
        self.waits = waits
        self.owner = owner

    def cancel(self) -> None:
        self.waits.pop(self.owner, None)


def _wait(
    task: Task, context: LockContext, wanted: RecordLock, other: RecordLock, detect: bool
) -> NoReturn:
    """Sleep until locks change. Raises EDEADLK where the other waits for us in the end."""
    waits = task.kernel.vfs.lock_waits
    waits.pop(wanted.owner, None)
    if detect:
        # posix_locks_deadlock(): a chain of ten is looked at.
        owner: object = other.owner
        for _ in range(_MAX_DEADLK_ITERATIONS):
            if owner is wanted.owner:
                raise KernelError(Errno.EDEADLK)
            if owner not in waits:
                break
            owner = waits[owner]
        waits[wanted.owner] = other.owner
        task.restart = LockWait(waits, wanted.owner)
    raise Blocked(context.queue)


def _range(file: File, flock: Flock) -> tuple[int, int]:
    """First and last byte: flock_to_posix_lock(). Raises EINVAL, EOVERFLOW."""
    if flock.l_whence == SEEK_SET:
        start = 0
    elif flock.l_whence == SEEK_CUR:
        start = file.pos
    elif flock.l_whence == SEEK_END:
        file.inode.refresh()
        start = file.inode.size
    else:
        raise KernelError(Errno.EINVAL)
    start += flock.l_start
    if start > _OFFSET_MAX:
        raise KernelError(Errno.EOVERFLOW)
    if flock.l_len > 0:
        end = start + flock.l_len - 1
        if end > _OFFSET_MAX:
            raise KernelError(Errno.EOVERFLOW)
    elif flock.l_len < 0:
        start, end = start + flock.l_len, start - 1
    else:
        end = _OFFSET_MAX
    if start < 0:
        raise KernelError(Errno.EINVAL)
    return start, end


def _get_lock(
    task: Task, address: int, context: LockContext, flock: Flock, wanted: RecordLock
) -> int:
    found = context.conflict(wanted)
    if found is None:
        flock.l_type = F_UNLCK
    else:
        length = 0 if found.end == _OFFSET_MAX else found.end - found.start + 1
        kind = F_WRLCK if found.exclusive else F_RDLCK
        flock = Flock(kind, SEEK_SET, found.start, length, found.pid)
    copy_to_user(task, address, flock.pack())
    return 0


def flock(file: File, exclusive: bool | None, wait: bool) -> None:
    """flock(2): None unlocks. Raises EAGAIN."""
    context = context_of(file.inode)
    if exclusive is None:
        if context.flocks.pop(file, None) is not None:
            context.queue.wake_up()
        return
    held = context.flocks.pop(file, None)
    if held:
        context.queue.wake_up()
    if any(exclusive or other for other in context.flocks.values()):
        if wait:
            raise Blocked(context.queue)
        raise KernelError(Errno.EAGAIN)
    context.flocks[file] = exclusive


def remove_posix(inode: Inode, table: FdTable) -> None:
    """A descriptor of the file was closed: all record locks of that process go."""
    context = context_of(inode)
    if context.records:
        context.cut(table, 0, _OFFSET_MAX)
        context.queue.wake_up()


def remove_flock(inode: Inode, file: File) -> None:
    """The open file is gone: its flock and OFD locks too."""
    context = context_of(inode)
    context.flocks.pop(file, None)
    context.cut(file, 0, _OFFSET_MAX)
    context.queue.wake_up()
