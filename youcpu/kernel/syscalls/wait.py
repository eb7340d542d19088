"""Waiting for children: kernel/exit.c wait4, waitid."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from youcpu.abi.args import Int
from youcpu.abi.args_process import Pid, RusagePtr, WaitidType, WaitOptions, WaitStatusPtr
from youcpu.abi.args_signal import SiginfoOut
from youcpu.abi.errno import Errno
from youcpu.abi.sched import (
    P_ALL,
    P_PGID,
    P_PID,
    P_PIDFD,
    WCONTINUED,
    WEXITED,
    WNOHANG,
    WNOWAIT,
    WUNTRACED,
)
from youcpu.abi.signal import Sig
from youcpu.kernel.do_wait import WALL, WCLONE, Found, do_wait
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.uaccess import copy_to_user, put_user
from youcpu.kernel.pidfd import PidFile
from youcpu.kernel.sigframe import pack_siginfo
from youcpu.kernel.signal import SigInfo
from youcpu.kernel.syscalls.table import syscall
from youcpu.kernel.time import NS

if TYPE_CHECKING:
    from youcpu.kernel.task import Task, ThreadGroup

_WNOTHREAD = 0x20000000


def pack_rusage(cpu_ns: int, minor: int, major: int, rss_pages: int, switches: list[int]) -> bytes:
    """struct rusage; all CPU time counts as user time."""
    words = [0] * 18
    words[0], words[1] = cpu_ns // NS, cpu_ns % NS // 1000
    words[4] = rss_pages * 4
    words[8], words[9] = minor, major
    words[16], words[17] = switches
    return struct.pack("<18q", *words)


def _by_pid(task: Task, pid: int) -> Callable[[ThreadGroup], bool]:
    if pid == -1:
        return lambda child: True
    if pid > 0:
        return lambda child: child.pid == pid
    pgid = -pid if pid else task.group.pgid
    return lambda child: child.pgid == pgid


@syscall(61)
def wait4(
    task: Task, pid: Pid, wstatus: WaitStatusPtr, options: WaitOptions, rusage: RusagePtr
) -> Pid:
    """wait4(2)."""
    known = WNOHANG | WUNTRACED | WCONTINUED | _WNOTHREAD | WCLONE | WALL
    options &= 0xFFFFFFFF
    if options & ~known:
        raise KernelError(Errno.EINVAL)
    if pid == -(1 << 31):
        raise KernelError(Errno.ESRCH)
    found = do_wait(task, _by_pid(task, pid), options | WEXITED)
    if found is None:
        return 0
    if wstatus:
        put_user(task, wstatus, found.status, 4)
    if rusage:
        copy_to_user(task, rusage, pack_rusage(*found.usage, [0, 0]))
    return found.group.pid


@syscall(247)
def waitid(
    task: Task, which: WaitidType, upid: Pid, infop: SiginfoOut, options: WaitOptions, ru: RusagePtr
) -> Int:
    """waitid(2)."""
    options &= 0xFFFFFFFF
    kinds = WEXITED | WUNTRACED | WCONTINUED
    if options & ~(kinds | WNOHANG | WNOWAIT | _WNOTHREAD | WCLONE | WALL) or not options & kinds:
        raise KernelError(Errno.EINVAL)
    found = do_wait(task, _by_id(task, which, upid), options)
    if infop:
        copy_to_user(task, infop, _siginfo(found))
    if found is not None and ru:
        copy_to_user(task, ru, pack_rusage(*found.usage, [0, 0]))
    return 0


def _by_id(task: Task, which: int, upid: int) -> Callable[[ThreadGroup], bool]:
    if which == P_ALL:
        return lambda child: True
    if which == P_PIDFD:
        file = task.files.get(upid)
        if not isinstance(file, PidFile):
            raise KernelError(Errno.EBADF)
        group = file.group
        return lambda child: child is group
    if which == P_PID and upid > 0:
        return lambda child: child.pid == upid
    if which == P_PGID and upid >= 0:
        pgid = upid or task.group.pgid
        return lambda child: child.pgid == pgid
    raise KernelError(Errno.EINVAL)


def _siginfo(found: Found | None) -> bytes:
    """What waitid stores: signo, errno, code, pid, uid, status; the rest stays as it was."""
    if found is None:
        return bytes(28)
    group = found.group
    info = SigInfo(
        int(Sig.SIGCHLD), found.code, pid=group.pid, uid=group.leader_cred.uid,
        status=found.value, layout="child",
    )  # fmt: skip
    return pack_siginfo(info)[:28]
