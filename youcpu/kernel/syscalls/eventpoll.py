"""epoll: fs/eventpoll.c; event counters: fs/eventfd.c."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from youcpu.abi.args import Int, Size, UInt
from youcpu.abi.args_file import Fd
from youcpu.abi.args_poll import (
    EpollCreateFlags,
    EpollEventPtr,
    EpollEventsPtr,
    EpollOperation,
    EventfdFlags,
)
from youcpu.abi.args_signal import SigsetIn
from youcpu.abi.args_time import TimespecIn
from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import O_CLOEXEC, O_NONBLOCK, O_RDWR
from youcpu.abi.poll import (
    EFD_SEMAPHORE,
    EPOLL_CLOEXEC,
    EPOLL_CTL_ADD,
    EPOLL_CTL_DEL,
    EPOLL_CTL_MOD,
    EPOLLEXCLUSIVE,
)
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.uaccess import copy_from_user, copy_to_user
from youcpu.kernel.syscalls.select import set_user_sigmask, timeout_of
from youcpu.kernel.syscalls.table import syscall
from youcpu.kernel.vfs.anon_inode import anon_dentry
from youcpu.kernel.vfs.eventfd import EventFd
from youcpu.kernel.vfs.eventpoll import EventPoll
from youcpu.kernel.vfs.poll import poll_until

if TYPE_CHECKING:
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.file import File

_EVENT = struct.Struct("<IQ")
#: EP_MAX_EVENTS
_MAX_EVENTS = 0x7FFFFFFF // _EVENT.size
_BATCH = 4096


@syscall(213)
def epoll_create(task: Task, size: Int) -> Fd:
    if size <= 0:
        raise KernelError(Errno.EINVAL)
    return epoll_create1(task, 0)


@syscall(291)
def epoll_create1(task: Task, flags: EpollCreateFlags) -> Fd:
    if flags & ~EPOLL_CLOEXEC:
        raise KernelError(Errno.EINVAL)
    file = EventPoll(anon_dentry(task, b"[eventpoll]"), O_RDWR, task.kernel.vfs.kmem)
    return task.files.install(file, bool(flags & EPOLL_CLOEXEC))


@syscall(233)
def epoll_ctl(task: Task, epfd: Fd, op: EpollOperation, fd: Fd, event: EpollEventPtr) -> Int:
    events = data = 0
    if op != EPOLL_CTL_DEL:
        events, data = _EVENT.unpack(copy_from_user(task, event, _EVENT.size))
    instance = task.files.get(epfd)
    target = task.files.get(fd)
    if not target.pollable:
        raise KernelError(Errno.EPERM)
    if not isinstance(instance, EventPoll) or instance is target:
        raise KernelError(Errno.EINVAL)
    if events & EPOLLEXCLUSIVE and (op == EPOLL_CTL_MOD or isinstance(target, EventPoll)):
        raise KernelError(Errno.EINVAL)
    if op == EPOLL_CTL_ADD:
        instance.add(target, fd, events, data)
    elif op == EPOLL_CTL_MOD:
        instance.modify(target, fd, events, data)
    elif op == EPOLL_CTL_DEL:
        instance.remove(target, fd)
    else:
        raise KernelError(Errno.EINVAL)
    return 0


def _do_epoll_wait(task: Task, epfd: int, address: int, limit: int, timeout: int | None) -> int:
    instance = task.files.get(epfd)
    if limit <= 0 or limit > _MAX_EVENTS:
        raise KernelError(Errno.EINVAL)
    if not isinstance(instance, EventPoll):
        raise KernelError(Errno.EINVAL)
    found: list[tuple[int, int]] = []

    def ready() -> int:
        found[:] = instance.collect(min(limit, _BATCH))
        return len(found)

    def watched() -> list[File]:
        return [instance, *(item.file for item in instance.items.values())]

    count = poll_until(task, watched, ready, timeout, restart=Errno.EINTR)
    copy_to_user(task, address, b"".join(_EVENT.pack(*event) for event in found))
    return count


@syscall(232)
def epoll_wait(task: Task, epfd: Fd, events: EpollEventsPtr, maxevents: Int, timeout: Int) -> Int:
    ns = timeout * 1_000_000 if timeout >= 0 else None
    return _do_epoll_wait(task, epfd, events, maxevents, ns)


@syscall(281)
def epoll_pwait(
    task: Task,
    epfd: Fd,
    events: EpollEventsPtr,
    maxevents: Int,
    timeout: Int,
    sigmask: SigsetIn,
    sigsetsize: Size,
) -> Int:
    set_user_sigmask(task, sigmask, sigsetsize)
    return epoll_wait(task, epfd, events, maxevents, timeout)


@syscall(441)
def epoll_pwait2(
    task: Task,
    epfd: Fd,
    events: EpollEventsPtr,
    maxevents: Int,
    timeout: TimespecIn,
    sigmask: SigsetIn,
) -> Int:
    ns = timeout_of(task, timeout, 1)
    set_user_sigmask(task, sigmask, 8)
    return _do_epoll_wait(task, epfd, events, maxevents, ns)


@syscall(284)
def eventfd(task: Task, count: UInt) -> Fd:
    return eventfd2(task, count, 0)


@syscall(290)
def eventfd2(task: Task, count: UInt, flags: EventfdFlags) -> Fd:
    if flags & ~(EFD_SEMAPHORE | O_CLOEXEC | O_NONBLOCK):
        raise KernelError(Errno.EINVAL)
    file = EventFd(
        anon_dentry(task, b"[eventfd]"),
        O_RDWR | flags & O_NONBLOCK,
        count,
        bool(flags & EFD_SEMAPHORE),
    )
    return task.files.install(file, bool(flags & O_CLOEXEC))
