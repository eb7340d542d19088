"""Fast user-space mutexes: kernel/futex/core.c, waitwake.c, requeue.c, pi.c.

A waiter sleeps under a key: (address space, address) of private memory, (inode, offset) of
shared memory. One CPU and a kernel that is never interrupted: a bucket needs no lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.errno import ERESTART_RESTARTBLOCK, ERESTARTSYS, Errno
from youcpu.kernel.errors import Blocked, KernelError
from youcpu.kernel.mm.mm import TASK_SIZE
from youcpu.kernel.mm.uaccess import copy_from_user, get_user, put_user, user_page
from youcpu.kernel.mm.vm_area import VM_SHARED
from youcpu.kernel.wait import WaitEntry

if TYPE_CHECKING:
    from youcpu.kernel.task import Task

Key = tuple[object, int]
FUTEX_WAITERS = 0x80000000
FUTEX_OWNER_DIED = 0x40000000
FUTEX_TID_MASK = 0x3FFFFFFF
MATCH_ANY = 0xFFFFFFFF
ROBUST_LIST_LIMIT = 2048


class Futexes:
    """Who waits where. `owners`: of priority-inheriting futexes that have waiters."""

    __slots__ = ("queues",)

    def __init__(self) -> None:
        self.queues: dict[Key, list[FutexWaiter]] = {}


class FutexWaiter(WaitEntry):
    """struct futex_q: one task in a queue; `woken` once somebody took it out."""

    __slots__ = ("bits", "deadline_ns", "key", "pi", "requeue_pi", "task", "woken")

    def __init__(self, task: Task, key: Key, bits: int, deadline_ns: int | None) -> None:
        self.task = task
        self.key = key
        self.bits = bits
        self.deadline_ns = deadline_ns
        self.woken = False
        #: Waits for ownership (FUTEX_LOCK_PI); gets it handed over.
        self.pi = False
        #: FUTEX_WAIT_REQUEUE_PI: where it may be moved to.
        self.requeue_pi: Key | None = None
        task.kernel.futexes.queues.setdefault(key, []).append(self)

    def cancel(self) -> None:
        queues = self.task.kernel.futexes.queues
        queue = queues.get(self.key)
        if queue is not None and self in queue:
            queue.remove(self)
            if not queue:
                del queues[self.key]

    def wake(self) -> None:
        """Out of the queue and runnable."""
        self.cancel()
        self.woken = True
        self.task.wake()

    def move(self, key: Key) -> None:
        """To the end of another queue."""
        self.cancel()
        self.key = key
        self.task.kernel.futexes.queues.setdefault(key, []).append(self)

    def expired(self) -> bool:
        """Whether the timeout is over."""
        deadline = self.deadline_ns
        return deadline is not None and self.task.kernel.clock.monotonic_ns() >= deadline


def futex_key(task: Task, address: int, private: bool) -> Key:
    """get_futex_key(). Raises EINVAL, EFAULT."""
    if address & 3:
        raise KernelError(Errno.EINVAL)
    if address >= TASK_SIZE:
        raise KernelError(Errno.EFAULT)
    if not private:
        # get_user_pages_fast(): a key that others may have is that of a page that is there.
        user_page(task, address, False)
        area = task.mm.areas.at(address)
        if area is None:
            raise KernelError(Errno.EFAULT)
        if area.flags & VM_SHARED and area.file is not None:
            offset = (area.pgoff << 12) + (address - area.start)
            return (area.file.inode, offset)
    return (task.mm, address)


def _queue(task: Task, key: Key) -> list[FutexWaiter]:
    return task.kernel.futexes.queues.get(key, [])


def futex_wait(
    task: Task, address: int, value: int, deadline_ns: int | None, bits: int, private: bool
) -> int:
    """Sleep while *address == value. Raises EAGAIN, ETIMEDOUT, EFAULT, EINVAL, Blocked."""
    waiter = task.restart
    if isinstance(waiter, FutexWaiter):
        if waiter.woken:
            return 0
        if waiter.expired():
            raise KernelError(Errno.ETIMEDOUT)
    else:
        if not bits:
            raise KernelError(Errno.EINVAL)
        key = futex_key(task, address, private)
        if get_user(task, address, 4) != value:
            raise KernelError(Errno.EAGAIN)
        waiter = task.restart = FutexWaiter(task, key, bits, deadline_ns)
        if waiter.expired():
            raise KernelError(Errno.ETIMEDOUT)
    restart = ERESTARTSYS if waiter.deadline_ns is None else ERESTART_RESTARTBLOCK
    raise Blocked(None, waiter.deadline_ns, restart)


def futex_wake(
    task: Task, address: int, count: int, bits: int = MATCH_ANY, private: bool = False
) -> int:
    """Wake up to `count` waiters whose bits match; how many. Raises EINVAL, EFAULT."""
    if not bits:
        raise KernelError(Errno.EINVAL)
    key = futex_key(task, address, private)
    return _wake(_queue(task, key), max(1, count), bits)


def _wake(queue: list[FutexWaiter], count: int, bits: int = MATCH_ANY) -> int:
    woken = 0
    for waiter in list(queue):
        if woken >= count:
            break
        if waiter.pi or waiter.requeue_pi is not None:
            raise KernelError(Errno.EINVAL)
        if waiter.bits & bits:
            waiter.wake()
            woken += 1
    return woken


def futex_requeue(
    task: Task, first: int, second: int, wake: int, move: int, expected: int | None, private: bool
) -> int:
    """Wake some, move others to another futex. Raises EAGAIN where *first is not as expected."""
    if wake < 0 or move < 0:
        raise KernelError(Errno.EINVAL)
    source, target = futex_key(task, first, private), futex_key(task, second, private)
    if expected is not None and get_user(task, first, 4) != expected:
        raise KernelError(Errno.EAGAIN)
    done = 0
    for waiter in list(_queue(task, source)):
        if done >= wake + move:
            break
        if waiter.pi or waiter.requeue_pi is not None:
            raise KernelError(Errno.EINVAL)
        if done < wake:
            waiter.wake()
        elif source != target:
            waiter.move(target)
        done += 1
    return done


def futex_wake_op(
    task: Task, first: int, second: int, wake: int, wake_second: int, operation: int, private: bool
) -> int:
    """Change *second, wake waiters of both as its old value says: FUTEX_WAKE_OP."""
    keys = futex_key(task, first, private), futex_key(task, second, private)
    kind, compare = operation >> 28 & 7, operation >> 24 & 15
    argument, against = _signed12(operation >> 12), _signed12(operation)
    if operation >> 31:
        argument = 1 << (argument & 31)
    old = get_user(task, second, 4)
    signed = (old ^ 0x80000000) - 0x80000000
    change = (lambda: argument, lambda: old + argument, lambda: old | argument,
              lambda: old & ~argument, lambda: old ^ argument)  # fmt: skip
    if kind >= len(change):
        raise KernelError(Errno.ENOSYS)
    put_user(task, second, change[kind](), 4)
    holds = (signed == against, signed != against, signed < against,
             signed <= against, signed > against, signed >= against)  # fmt: skip
    if compare >= len(holds):
        raise KernelError(Errno.ENOSYS)
    woken = _wake(_queue(task, keys[0]), max(1, wake))
    if holds[compare]:
        woken += _wake(_queue(task, keys[1]), max(1, wake_second))
    return woken


def _signed12(value: int) -> int:
    return ((value & 0xFFF) ^ 0x800) - 0x800


# -- priority inheritance: ownership is handed over; one CPU without real-time classes has no
# -- priorities to inherit.


def futex_lock_pi(
    task: Task, address: int, deadline_ns: int | None, private: bool, trylock: bool = False
) -> int:
    """Take the futex or wait until its owner hands it over. Raises EDEADLK, ESRCH, Blocked."""
    waiter = task.restart
    if isinstance(waiter, FutexWaiter):
        if waiter.woken:
            return 0
        if waiter.expired():
            raise KernelError(Errno.ETIMEDOUT)
        raise Blocked(None, waiter.deadline_ns, ERESTARTSYS)
    key = futex_key(task, address, private)
    value = get_user(task, address, 4)
    owner = value & FUTEX_TID_MASK
    if owner == task.pid:
        raise KernelError(Errno.EDEADLK)
    if not owner:
        waiters = FUTEX_WAITERS if _queue(task, key) else 0
        put_user(task, address, task.pid | waiters | value & FUTEX_OWNER_DIED, 4)
        return 0
    if trylock:
        raise KernelError(Errno.EAGAIN)
    holder = task.kernel.tasks.get(owner)
    if holder is None:
        raise KernelError(Errno.ESRCH)
    put_user(task, address, value | FUTEX_WAITERS, 4)
    waiter = task.restart = FutexWaiter(task, key, MATCH_ANY, deadline_ns)
    waiter.pi = True
    if waiter.expired():
        raise KernelError(Errno.ETIMEDOUT)
    raise Blocked(None, deadline_ns, ERESTARTSYS)


def futex_unlock_pi(task: Task, address: int, private: bool) -> int:
    """Hand the futex to the first waiter. Raises EPERM: the caller does not own it."""
    key = futex_key(task, address, private)
    value = get_user(task, address, 4)
    if value & FUTEX_TID_MASK != task.pid:
        raise KernelError(Errno.EPERM)
    _hand_over(task, address, _queue(task, key), 0)
    return 0


def _hand_over(task: Task, address: int, queue: list[FutexWaiter], flags: int) -> None:
    heirs = [waiter for waiter in queue if waiter.pi]
    if not heirs:
        put_user(task, address, flags, 4)
        return
    more = FUTEX_WAITERS if len(heirs) > 1 else 0
    put_user(task, address, heirs[0].task.pid | more | flags, 4)
    heirs[0].wake()


# -- robust lists --------------------------------------------------------------------------------


def exit_robust_list(task: Task) -> None:
    """Locks that a dying thread holds are marked and handed on. Raises EFAULT on a bad list."""
    head = task.robust_list
    if not head:
        return
    image = copy_from_user(task, head, 24)
    entry = int.from_bytes(image[:8], "little")
    offset = int.from_bytes(image[8:16], "little", signed=True)
    pending = int.from_bytes(image[16:], "little")
    for _ in range(ROBUST_LIST_LIMIT):
        if entry & ~1 == head:
            break
        following = get_user(task, entry & ~1, 8)
        if entry & ~1 != pending & ~1:
            _handle_death(task, (entry & ~1) + offset, bool(entry & 1), False)
        entry = following
    if pending:
        _handle_death(task, (pending & ~1) + offset, bool(pending & 1), True)


def _handle_death(task: Task, address: int, pi: bool, pending: bool) -> None:
    """handle_futex_death(): OWNER_DIED, and one waiter woken."""
    address &= (1 << 64) - 1
    if address & 3:
        raise KernelError(Errno.EFAULT)
    value = get_user(task, address, 4)
    owner = value & FUTEX_TID_MASK
    if pending and not pi and not owner:
        futex_wake(task, address, 1)
        return
    if owner != task.pid:
        return
    if pi:
        queue = _queue(task, futex_key(task, address, False))
        if not queue:
            queue = _queue(task, futex_key(task, address, True))
        _hand_over(task, address, queue, FUTEX_OWNER_DIED)
        return
    put_user(task, address, value & FUTEX_WAITERS | FUTEX_OWNER_DIED, 4)
    if value & FUTEX_WAITERS:
        futex_wake(task, address, 1)
