"""The system and its limits: kernel/sys.c, drivers/char/random.c."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from youcpu.abi.args import Addr, Int, Long, Size, UInt
from youcpu.abi.args_io import CountedString, RandomBuffer
from youcpu.abi.args_prctl import PrctlArg2, PrctlArg3, PrctlArg4, PrctlArg5, PrctlOption
from youcpu.abi.args_process import (
    CpuSetIn,
    CpuSetOut,
    GetrandomFlags,
    MembarrierCommand,
    MembarrierCpu,
    MembarrierFlags,
    Pid,
    PriorityWhich,
    RlimitIn,
    RlimitOut,
    RlimitResource,
    RusagePtr,
    RusageWho,
    SchedParamIn,
    SchedParamOut,
    SchedPolicy,
    SysinfoPtr,
    UIntOut,
    UtsnamePtr,
)
from youcpu.abi.args_time import TimespecOut
from youcpu.abi.errno import Errno
from youcpu.abi.resource import PRIO_PGRP, PRIO_PROCESS, PRIO_USER
from youcpu.kernel.cred import CAP_SYS_ADMIN, CAP_SYS_NICE, CAP_SYS_RESOURCE
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.uaccess import copy_from_user, copy_to_user, get_user, put_user
from youcpu.kernel.rlimit import (
    RLIMIT_AS,
    RLIMIT_CPU,
    RLIMIT_DATA,
    RLIMIT_NICE,
    RLIMIT_NOFILE,
    RLIMIT_STACK,
)
from youcpu.kernel.syscalls.table import syscall
from youcpu.kernel.syscalls.wait import pack_rusage
from youcpu.kernel.time import NS, write_timespec
from youcpu.kernel.vfs.iov_iter import IovIter

if TYPE_CHECKING:
    from youcpu.kernel.task import Task

VERSION = b"#1 SMP PREEMPT_DYNAMIC"
NOFILE_MAX = 1 << 20
GRND_NONBLOCK, GRND_RANDOM, GRND_INSECURE = 1, 2, 4
_CHUNK = 1 << 16


@syscall(63)
def uname(task: Task, buf: UtsnamePtr) -> Int:
    """uname(2)."""
    kernel = task.kernel
    fields = (b"Linux", kernel.hostname, kernel.release, VERSION, b"x86_64", kernel.domainname)
    copy_to_user(task, buf, b"".join(value[:64].ljust(65, b"\0") for value in fields))
    return 0


def _set_name(task: Task, name: int, length: int) -> bytes:
    if not task.cred.capable(CAP_SYS_ADMIN):
        raise KernelError(Errno.EPERM)
    if not 0 <= length <= 64:
        raise KernelError(Errno.EINVAL)
    return copy_from_user(task, name, length)


@syscall(170)
def sethostname(task: Task, name: CountedString, len: Int) -> Int:
    """sethostname(2): of this machine."""
    task.kernel.hostname = _set_name(task, name, len)
    return 0


@syscall(171)
def setdomainname(task: Task, name: CountedString, len: Int) -> Int:
    """setdomainname(2): of this machine."""
    task.kernel.domainname = _set_name(task, name, len)
    return 0


@syscall(99)
def sysinfo(task: Task, info: SysinfoPtr) -> Int:
    """sysinfo(2): this machine's memory."""
    kernel = task.kernel
    frames = kernel.frames
    image = struct.pack(
        "<q3Q6QHH4xQQI4x",
        kernel.clock.monotonic_ns() // NS + 1, 0, 0, 0,
        frames.total << 12, frames.available << 12, 0, 0, 0, 0,
        len(kernel.tasks), 0, 0, 0, 1,
    )  # fmt: skip
    copy_to_user(task, info, image)
    return 0


@syscall(318)
def getrandom(task: Task, buf: RandomBuffer, count: Size, flags: GetrandomFlags) -> Long:
    """getrandom(2): from the seeded generator of the machine."""
    if flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE):
        raise KernelError(Errno.EINVAL)
    if flags & GRND_RANDOM and flags & GRND_INSECURE:
        raise KernelError(Errno.EINVAL)
    count = min(count, 0x7FFFFFFF & -4096)
    done = 0
    while done < count:
        part = min(count - done, _CHUNK)
        stored = IovIter(task, [(buf + done, part)]).copy_out(task.kernel.random.randbytes(part))
        done += stored
        if stored < part:
            if not done:
                raise KernelError(Errno.EFAULT)
            break
    return done


# -- limits and usage --------------------------------------------------------------------------


def _do_prlimit(
    task: Task, target: Task, resource: int, new: tuple[int, int] | None
) -> tuple[int, int]:
    if resource >= 16:
        raise KernelError(Errno.EINVAL)
    limits = target.group.rlimits.limits
    old = limits[resource]
    if new is None:
        return old
    soft, hard = new
    if soft > hard:
        raise KernelError(Errno.EINVAL)
    if resource == RLIMIT_NOFILE and hard > NOFILE_MAX:
        raise KernelError(Errno.EPERM)
    if hard > old[1] and not task.cred.capable(CAP_SYS_RESOURCE):
        raise KernelError(Errno.EPERM)
    limits[resource] = new
    mm = target.mm
    if resource == RLIMIT_STACK:
        mm.stack_limit = soft
    elif resource == RLIMIT_AS:
        mm.address_limit = soft
    elif resource == RLIMIT_DATA:
        mm.data_limit = soft
    elif resource == RLIMIT_NOFILE:
        target.files.limit = soft
    elif resource == RLIMIT_CPU:
        # posix-cpu-timers.c: the scheduler looks between slices.
        target.group.cpu_limit = (max(soft, 1) * NS, max(hard, 1) * NS)
    return old


@syscall(302)
def prlimit64(
    task: Task, pid: Pid, resource: RlimitResource, new_limit: RlimitIn, old_limit: RlimitOut
) -> Int:
    """prlimit64(2)."""
    new = struct.unpack("<QQ", copy_from_user(task, new_limit, 16)) if new_limit else None
    target = task.kernel.tasks.get(pid) if pid else task
    if target is None:
        raise KernelError(Errno.ESRCH)
    old = _do_prlimit(task, target, resource, new)
    if old_limit:
        copy_to_user(task, old_limit, struct.pack("<QQ", *old))
    return 0


@syscall(97)
def getrlimit(task: Task, resource: RlimitResource, rlim: RlimitOut) -> Int:
    """getrlimit(2)."""
    copy_to_user(task, rlim, struct.pack("<QQ", *_do_prlimit(task, task, resource, None)))
    return 0


@syscall(160)
def setrlimit(task: Task, resource: RlimitResource, rlim: RlimitIn) -> Int:
    """setrlimit(2)."""
    _do_prlimit(task, task, resource, struct.unpack("<QQ", copy_from_user(task, rlim, 16)))
    return 0


@syscall(98)
def getrusage(task: Task, who: RusageWho, usage: RusagePtr) -> Int:
    """getrusage(2): all time counts as user time."""
    if who not in (-1, 0, 1):
        raise KernelError(Errno.EINVAL)
    group = task.group
    if who == -1:  # RUSAGE_CHILDREN
        image = pack_rusage(
            group.children_cpu_ns, group.children_minor_faults, group.children_major_faults,
            group.children_max_rss_pages, [0, 0],
        )  # fmt: skip
    else:
        cpu_ns = group.cpu_time() if who == 0 else task.kernel.scheduler.cpu_time(task)
        switches = task.sched.switches
        if who == 0:
            switches = [
                group.switches[kind] + sum(thread.sched.switches[kind] for thread in group.threads)
                for kind in (0, 1)
            ]
        rss = max(group.max_rss_pages, task.mm.resident_pages())
        image = pack_rusage(cpu_ns, group.minor_faults, group.major_faults, rss, switches)
    copy_to_user(task, usage, image)
    return 0


# -- scheduling parameters -----------------------------------------------------------------------


def _target(task: Task, pid: int) -> Task:
    if pid < 0:
        raise KernelError(Errno.EINVAL)
    target = task.kernel.tasks.get(pid) if pid else task
    if target is None:
        raise KernelError(Errno.ESRCH)
    return target


@syscall(24)
def sched_yield(task: Task) -> Int:
    """sched_yield(2)."""
    task.kernel.scheduler.yield_(task)
    return 0


def _priority_targets(task: Task, which: int, who: int) -> list[Task]:
    """A thread, the threads of a process group, or those of a user; 0: the caller's own."""
    tasks = list(task.kernel.tasks.values())
    if which == PRIO_PROCESS:
        found = [item for item in tasks if item.pid == (who or task.pid)]
    elif which == PRIO_PGRP:
        found = [item for item in tasks if item.group.pgid == (who or task.group.pgid)]
    elif which == PRIO_USER:
        found = [item for item in tasks if item.cred.uid == (who & 0xFFFFFFFF or task.cred.uid)]
    else:
        raise KernelError(Errno.EINVAL)
    if not found:
        raise KernelError(Errno.ESRCH)
    return found


@syscall(140)
def getpriority(task: Task, which: PriorityWhich, who: Int) -> Long:
    """getpriority(2): 20 minus the nice value, of several the best."""
    return max(20 - target.nice for target in _priority_targets(task, which, who))


@syscall(141)
def setpriority(task: Task, which: PriorityWhich, who: Int, niceval: Int) -> Int:
    """setpriority(2): of several errors the last counts, and those who may change do."""
    error = None
    nice = max(-20, min(niceval, 19))
    privileged = task.cred.capable(CAP_SYS_NICE)
    for target in _priority_targets(task, which, who):
        if not privileged and task.cred.euid not in (target.cred.uid, target.cred.euid):
            error = Errno.EPERM
        elif not privileged and nice < target.nice and 20 - nice > _nice_limit(target):
            error = Errno.EACCES
        else:
            task.kernel.scheduler.set_nice(target, nice)
    if error is not None:
        raise KernelError(error)
    return 0


def _nice_limit(task: Task) -> int:
    return task.group.rlimits.soft(RLIMIT_NICE)


@syscall(204)
def sched_getaffinity(task: Task, pid: Pid, len: UInt, mask: CpuSetOut) -> Int:
    """sched_getaffinity(2): this machine has one CPU."""
    if len < 8 or len & 7:
        raise KernelError(Errno.EINVAL)
    _target(task, pid)
    copy_to_user(task, mask, (1).to_bytes(8, "little"))
    return 8


@syscall(203)
def sched_setaffinity(task: Task, pid: Pid, len: UInt, mask: CpuSetIn) -> Int:
    """sched_setaffinity(2): CPU 0 must be in the set."""
    wanted = copy_from_user(task, mask, min(len, 8))
    _target(task, pid)
    if not wanted or not wanted[0] & 1:
        raise KernelError(Errno.EINVAL)
    return 0


@syscall(145)
def sched_getscheduler(task: Task, pid: Pid) -> SchedPolicy:
    """sched_getscheduler(2): SCHED_OTHER."""
    _target(task, pid)
    return 0


@syscall(144, partial="SCHED_OTHER, SCHED_BATCH and SCHED_IDLE, all run alike")
def sched_setscheduler(task: Task, pid: Pid, policy: SchedPolicy, param: SchedParamIn) -> Int:
    """sched_setscheduler(2)."""
    priority = get_user(task, param, 4)
    _target(task, pid)
    if policy not in (0, 3, 5):
        raise KernelError(Errno.EPERM if policy in (1, 2, 6) else Errno.EINVAL)
    if priority:
        raise KernelError(Errno.EINVAL)
    return 0


@syscall(143)
def sched_getparam(task: Task, pid: Pid, param: SchedParamOut) -> Int:
    """sched_getparam(2)."""
    _target(task, pid)
    put_user(task, param, 0, 4)
    return 0


@syscall(142)
def sched_setparam(task: Task, pid: Pid, param: SchedParamIn) -> Int:
    """sched_setparam(2)."""
    priority = get_user(task, param, 4)
    _target(task, pid)
    if priority:
        raise KernelError(Errno.EINVAL)
    return 0


@syscall(146)
def sched_get_priority_max(task: Task, policy: SchedPolicy) -> Int:
    """sched_get_priority_max(2)."""
    return _priority_bound(policy, 99)


@syscall(147)
def sched_get_priority_min(task: Task, policy: SchedPolicy) -> Int:
    """sched_get_priority_min(2)."""
    return _priority_bound(policy, 1)


def _priority_bound(policy: int, realtime: int) -> int:
    if policy in (1, 2):
        return realtime
    if policy in (0, 3, 5, 6):
        return 0
    raise KernelError(Errno.EINVAL)


@syscall(148)
def sched_rr_get_interval(task: Task, pid: Pid, tp: TimespecOut) -> Int:
    """sched_rr_get_interval(2)."""
    _target(task, pid)
    write_timespec(task, tp, 2_800_000)
    return 0


@syscall(309)
def getcpu(task: Task, cpu: UIntOut, node: UIntOut, tcache: Addr) -> Int:
    """getcpu(2)."""
    for address in (cpu, node):
        if address:
            put_user(task, address, 0, 4)
    return 0


# -- prctl -------------------------------------------------------------------------------------


@syscall(
    157, partial="names, dumpable, death signal, subreaper, timer slack, no_new_privs, bounding set"
)
def prctl(
    task: Task, option: PrctlOption, a2: PrctlArg2, a3: PrctlArg3, a4: PrctlArg4, a5: PrctlArg5
) -> Int:
    """prctl(2)."""
    match option:
        case 15:  # PR_SET_NAME
            task.comm = copy_from_user_string(task, a2)
        case 16:  # PR_GET_NAME
            copy_to_user(task, a2, task.comm[:15].ljust(16, b"\0"))
        case 3:  # PR_GET_DUMPABLE
            return task.mm.dumpable
        case 4:  # PR_SET_DUMPABLE
            if a2 not in (0, 1):
                raise KernelError(Errno.EINVAL)
            task.mm.dumpable = a2
        case 1:  # PR_SET_PDEATHSIG
            if a2 > 64:
                raise KernelError(Errno.EINVAL)
            task.parent_death_signal = a2
        case 2:  # PR_GET_PDEATHSIG
            put_user(task, a2, task.parent_death_signal, 4)
        case 29:  # PR_SET_TIMERSLACK
            task.timer_slack_ns = a2 or 50_000
        case 30:  # PR_GET_TIMERSLACK
            return task.timer_slack_ns
        case 38:  # PR_SET_NO_NEW_PRIVS
            if a2 != 1 or a3 or a4 or a5:
                raise KernelError(Errno.EINVAL)
            task.no_new_privs = True
        case 39:  # PR_GET_NO_NEW_PRIVS
            if a2 or a3 or a4 or a5:
                raise KernelError(Errno.EINVAL)
            return int(task.no_new_privs)
        case 23:  # PR_CAPBSET_READ
            if a2 > 40:
                raise KernelError(Errno.EINVAL)
            return 1
        case 36:  # PR_SET_CHILD_SUBREAPER
            task.group.subreaper = bool(a2)
        case 37:  # PR_GET_CHILD_SUBREAPER
            put_user(task, a2, int(task.group.subreaper), 4)
        case 7 | 21:  # PR_GET_KEEPCAPS, PR_GET_SECCOMP
            return 0
        case _:
            raise KernelError(Errno.EINVAL)
    return 0


def copy_from_user_string(task: Task, address: int) -> bytes:
    """A name of at most 15 bytes: strncpy_from_user() of prctl."""
    name = b""
    while len(name) < 15:
        byte = copy_from_user(task, address + len(name), 1)
        if byte == b"\0":
            break
        name += byte
    return name


@syscall(324, partial="one CPU: a barrier is what every instruction is")
def membarrier(
    task: Task, cmd: MembarrierCommand, flags: MembarrierFlags, cpu_id: MembarrierCpu
) -> Int:
    """membarrier(2)."""
    if flags:
        raise KernelError(Errno.EINVAL)
    return 0x1FF if not cmd else 0
