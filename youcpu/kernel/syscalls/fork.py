"""Making processes and threads: kernel/fork.c, kernel/pid.c."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from youcpu.abi.args import Addr, Int, Size, UInt, ULong
from youcpu.abi.args_clone import (
    Clone3Ptr,
    CloneChildTid,
    CloneFlags,
    CloneParentTid,
    CloneStack,
    CloneTls,
)
from youcpu.abi.args_file import Fd
from youcpu.abi.args_process import Pid, PidfdFlags, UnshareFlags
from youcpu.abi.args_signal import Signal
from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import O_NONBLOCK
from youcpu.abi.sched import (
    CLONE_CLEAR_SIGHAND,
    CLONE_DETACHED,
    CLONE_FILES,
    CLONE_FS,
    CLONE_INTO_CGROUP,
    CLONE_NEWTIME,
    CLONE_PARENT,
    CLONE_PARENT_SETTID,
    CLONE_PIDFD,
    CLONE_SIGHAND,
    CLONE_SYSVSEM,
    CLONE_THREAD,
    CLONE_VFORK,
    CLONE_VM,
    CSIGNAL,
)
from youcpu.abi.signal import NSIG, SI_USER, Sig
from youcpu.kernel.cred import CAP_SYS_ADMIN
from youcpu.kernel.errors import Blocked, KernelError
from youcpu.kernel.fork import CloneArguments, copy_process, wake_up_new_task
from youcpu.kernel.mm.uaccess import copy_from_user, put_user
from youcpu.kernel.pidfd import PidFile, install_pidfd
from youcpu.kernel.signal import SigInfo
from youcpu.kernel.syscalls.signal import kill_group, read_siginfo
from youcpu.kernel.syscalls.table import syscall

if TYPE_CHECKING:
    from youcpu.kernel.task import Task

_MASK32 = 0xFFFFFFFF
_CLONE_ARGS_SIZE_VER0 = 64
_CLONE3_ONLY = CLONE_CLEAR_SIGHAND | CLONE_INTO_CGROUP | CLONE_NEWTIME


class VforkWait:
    """A parent that waits until its child has executed another program or ended."""

    __slots__ = ("child",)

    def __init__(self, child: Task) -> None:
        self.child = child


def kernel_clone(task: Task, args: CloneArguments, how: str) -> int:
    """kernel_clone(): PID of the child. With CLONE_VFORK run again until the child is off."""
    waiting = task.restart
    if not isinstance(waiting, VforkWait):
        pidfd = -1
        child = copy_process(task, args)
        if args.flags & CLONE_PIDFD:
            pidfd = install_pidfd(task, child.group, 0)
            put_user(task, args.pidfd, pidfd, 4)
        wake_up_new_task(task, child, args, how)
        if not args.flags & CLONE_VFORK:
            return child.pid
        waiting = task.restart = VforkWait(child)
    if waiting.child.vfork_done is None:
        return waiting.child.pid
    raise Blocked(waiting.child.vfork_done, None, killable=True)


@syscall(57)
def fork(task: Task) -> Pid:
    """fork(2)."""
    return kernel_clone(task, CloneArguments(0, int(Sig.SIGCHLD)), "fork")


@syscall(58)
def vfork(task: Task) -> Pid:
    """vfork(2)."""
    return kernel_clone(task, CloneArguments(CLONE_VFORK | CLONE_VM, int(Sig.SIGCHLD)), "vfork")


@syscall(56, partial="no namespaces, no ptrace")
def clone(
    task: Task,
    flags: CloneFlags,
    stack: CloneStack,
    parent_tid: CloneParentTid,
    child_tid: CloneChildTid,
    tls: CloneTls,
) -> Pid:
    """clone(2)."""
    flags &= _MASK32
    if flags & CLONE_PIDFD and flags & (CLONE_PARENT_SETTID | CLONE_DETACHED):
        raise KernelError(Errno.EINVAL)
    args = CloneArguments(
        flags & ~CSIGNAL, flags & CSIGNAL, stack, tls, parent_tid, child_tid, parent_tid
    )
    return kernel_clone(task, args, "clone")


@syscall(435, partial="no namespaces, no cgroups, one set_tid")
def clone3(task: Task, uargs: Clone3Ptr, size: Size) -> Pid:
    """clone3(2)."""
    if isinstance(task.restart, VforkWait):
        return kernel_clone(task, CloneArguments(CLONE_VFORK, 0), "clone3")
    if size > 4096:
        raise KernelError(Errno.E2BIG)
    if size < _CLONE_ARGS_SIZE_VER0:
        raise KernelError(Errno.EINVAL)
    image = copy_from_user(task, uargs, size)
    if any(image[88:]):
        raise KernelError(Errno.E2BIG)
    words = struct.unpack("<11Q", image[:88].ljust(88, b"\0"))
    return kernel_clone(task, _clone3_arguments(task, words), "clone3")


def _clone3_arguments(task: Task, words: tuple[int, ...]) -> CloneArguments:
    """clone3_args_valid(). Raises EINVAL, EPERM, EEXIST."""
    flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls = words[:8]
    set_tid, set_tid_size = words[8:10]
    if flags & ~(_MASK32 | _CLONE3_ONLY) or flags & (CLONE_DETACHED | CSIGNAL & ~CLONE_NEWTIME):
        raise KernelError(Errno.EINVAL)
    if flags & CLONE_SIGHAND and flags & CLONE_CLEAR_SIGHAND:
        raise KernelError(Errno.EINVAL)
    if flags & (CLONE_THREAD | CLONE_PARENT) and exit_signal:
        raise KernelError(Errno.EINVAL)
    if exit_signal & ~CSIGNAL or exit_signal > NSIG or (not stack) != (not stack_size):
        raise KernelError(Errno.EINVAL)
    if flags & CLONE_INTO_CGROUP:
        raise KernelError(Errno.EOPNOTSUPP)
    wanted = _wanted_pid(task, set_tid, set_tid_size)
    top = stack + stack_size if stack else 0
    return CloneArguments(flags, exit_signal, top, tls, parent_tid, child_tid, pidfd, wanted)


def _wanted_pid(task: Task, set_tid: int, count: int) -> int:
    """set_tid of clone3: the PID that the child is to get, 0: any."""
    if (not set_tid) != (not count) or count > 1:
        raise KernelError(Errno.EINVAL)
    if not count:
        return 0
    pid = int.from_bytes(copy_from_user(task, set_tid, 4), "little", signed=True)
    if pid <= 1:
        raise KernelError(Errno.EINVAL)
    if not task.cred.capable(CAP_SYS_ADMIN):
        raise KernelError(Errno.EPERM)
    if pid in task.kernel.tasks or pid in task.kernel.groups:
        raise KernelError(Errno.EEXIST)
    return pid


@syscall(272, partial="files, working directory; no namespaces")
def unshare(task: Task, flags: UnshareFlags) -> Int:
    """unshare(2)."""
    alone = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM
    if flags & ~(alone | CLONE_FILES | CLONE_FS | CLONE_SYSVSEM):
        raise KernelError(Errno.EPERM if not task.cred.effective else Errno.EINVAL)
    if flags & alone and len(task.group.threads) > 1:
        raise KernelError(Errno.EINVAL)
    if flags & CLONE_FILES:
        task.unshare_files()
    if flags & CLONE_FS and task.fs.refs > 1:
        task.fs.refs -= 1
        task.fs = task.fs.copy()
    return 0


@syscall(434)
def pidfd_open(task: Task, pid: Pid, flags: PidfdFlags) -> Fd:
    """pidfd_open(2)."""
    if flags & ~O_NONBLOCK or pid <= 0:
        raise KernelError(Errno.EINVAL)
    group = task.kernel.groups.get(pid)
    if group is None:
        raise KernelError(Errno.EINVAL if pid in task.kernel.tasks else Errno.ESRCH)
    return install_pidfd(task, group, flags)


@syscall(424)
def pidfd_send_signal(task: Task, pidfd: Fd, sig: Signal, info: Addr, flags: UInt) -> Int:
    """pidfd_send_signal(2)."""
    if flags:
        raise KernelError(Errno.EINVAL)
    file = task.files.get(pidfd)
    if not isinstance(file, PidFile):
        raise KernelError(Errno.EBADF)
    if not 0 <= sig <= NSIG:
        raise KernelError(Errno.EINVAL)
    group = file.group
    if task.kernel.groups.get(group.pid) is not group:
        raise KernelError(Errno.ESRCH)
    if info:
        queued = read_siginfo(task, info, sig)
        if queued.code >= 0 and group is not task.group:
            raise KernelError(Errno.EPERM)
    else:
        queued = SigInfo(sig, SI_USER, pid=task.tgid, uid=task.cred.uid)
    kill_group(task, group, queued)
    return 0


@syscall(438, partial="of processes of the same user")
def pidfd_getfd(task: Task, pidfd: Fd, targetfd: Fd, flags: ULong) -> Fd:
    """pidfd_getfd(2)."""
    if flags:
        raise KernelError(Errno.EINVAL)
    file = task.files.get(pidfd)
    if not isinstance(file, PidFile):
        raise KernelError(Errno.EBADF)
    if not file.group.threads:
        raise KernelError(Errno.ESRCH)
    if file.group.leader_cred.uid != task.cred.uid and not task.cred.capable(CAP_SYS_ADMIN):
        raise KernelError(Errno.EPERM)
    return task.files.install(file.group.threads[0].files.get(targetfd), cloexec=True)
