"""Files of a process in /proc: fs/proc/array.c, fs/proc/base.c, fs/proc_namespace.c."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.signal import SIG_IGN
from youcpu.kernel.cred import ALL_CAPABILITIES
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm import oom_kill
from youcpu.kernel.mm.uaccess import copy_from_user_partial
from youcpu.kernel.rlimit import RLIM_INFINITY, RLIMIT_RSS, RLIMIT_SIGPENDING
from youcpu.kernel.vfs.dcache import d_path
from youcpu.kernel.vfs.procfs_maps import counts, maps

if TYPE_CHECKING:
    from youcpu.kernel.task import Task, ThreadGroup

_TICK_NS = 10_000_000
#: include/linux/sched.h
PF_EXITING, PF_FORKNOEXEC, PF_NOFREEZE = 0x4, 0x40, 0x8000
PF_KTHREAD, PF_RANDOMIZE = 0x200000, 0x400000
_STATES = {
    "R": "R (running)",
    "S": "S (sleeping)",
    "T": "T (stopped)",
    "Z": "Z (zombie)",
}
_LIMITS = (
    ("Max cpu time", "seconds"),
    ("Max file size", "bytes"),
    ("Max data size", "bytes"),
    ("Max stack size", "bytes"),
    ("Max core file size", "bytes"),
    ("Max resident set", "bytes"),
    ("Max processes", "processes"),
    ("Max open files", "files"),
    ("Max locked memory", "bytes"),
    ("Max address space", "bytes"),
    ("Max file locks", "locks"),
    ("Max pending signals", "signals"),
    ("Max msgqueue size", "bytes"),
    ("Max nice priority", ""),
    ("Max realtime priority", ""),
    ("Max realtime timeout", "us"),
)
#: Arguments and environment that we show at most.
_ARGUMENTS_MAX = 8 << 20


def _memory(task: Task, start: int, end: int) -> bytes:
    if task.mm is None or end <= start:
        return b""
    return copy_from_user_partial(task, start, min(end - start, _ARGUMENTS_MAX))


def cmdline(task: Task) -> bytes:
    """Arguments, each with its NUL."""
    mm = task.mm
    if mm is None:
        return b""
    return _memory(task, mm.arg_start, mm.arg_end)


def environ(task: Task) -> bytes:
    """The environment as it was at exec. Raises ESRCH: proc_mem_open() wants memory."""
    mm = task.mm
    if mm is None:
        raise KernelError(Errno.ESRCH)
    return _memory(task, mm.env_start, mm.env_end)


def auxv(task: Task) -> bytes:
    """The auxiliary vector."""
    return bytes(task.mm.auxv) if task.mm is not None else b""


def comm(task: Task) -> bytes:
    """Name of the thread."""
    return task.comm + b"\n"


def set_comm(task: Task, data: bytes) -> None:
    """Writing comm renames the thread: TASK_COMM_LEN - 1 bytes."""
    task.comm = data.split(b"\n")[0].split(b"\0")[0][:15]


def _mask_line(name: str, mask: int) -> str:
    return f"{name}:\t{mask:016x}"


def _handled(task: Task) -> tuple[int, int]:
    """Ignored and caught signals: collect_sigign_sigcatch()."""
    ignored = caught = 0
    for signo, action in enumerate(task.sighand.actions):
        if signo and action.handler == SIG_IGN:
            ignored |= 1 << signo - 1
        elif signo and action.handler:
            caught |= 1 << signo - 1
    return ignored, caught


def _queued(task: Task) -> int:
    """Signals that wait for processes of the same user: RLIMIT_SIGPENDING counts them."""
    return sum(
        len(group.pending.queue) + sum(len(thread.pending.queue) for thread in group.threads)
        for group in task.kernel.groups.values()
        if group.leader_cred.uid == task.cred.uid
    )


def _descriptors(task: Task) -> int:
    """Size of the descriptor table: a power of two from 64; a zombie has none."""
    if task.exited:
        return 0
    return max(64, 1 << max(task.files.files, default=0).bit_length())


def _thread_count(task: Task) -> int:
    """A process that has ended still counts as the one that it was."""
    return max(1, len(task.group.threads))


def status(task: Task) -> bytes:
    """/proc/PID/status: proc_pid_status()."""
    cred, group = task.cred, task.group
    name = task.comm.decode("utf-8", "backslashreplace")
    lines = [f"Name:\t{name}"]
    if not task.exited:
        lines.append(f"Umask:\t{task.fs.umask:04o}")
    lines += [
        f"State:\t{_STATES.get(task.state, task.state)}",
        f"Tgid:\t{task.tgid}",
        "Ngid:\t0",
        f"Pid:\t{task.pid}",
        f"PPid:\t{task.ppid}",
        "TracerPid:\t0",
        f"Uid:\t{cred.uid}\t{cred.euid}\t{cred.suid}\t{cred.fsuid}",
        f"Gid:\t{cred.gid}\t{cred.egid}\t{cred.sgid}\t{cred.fsgid}",
        f"FDSize:\t{_descriptors(task)}",
        "Groups:\t" + "".join(f"{number} " for number in cred.groups or ("",)),
        f"NStgid:\t{task.tgid}",
        f"NSpid:\t{task.pid}",
        f"NSpgid:\t{group.pgid}",
        f"NSsid:\t{group.sid}",
        f"Kthread:\t{int(group.kernel_thread)}",
        *_memory_lines(task),
        f"Threads:\t{_thread_count(task)}",
        f"SigQ:\t{_queued(task)}/{group.rlimits.soft(RLIMIT_SIGPENDING)}",
        *_signal_lines(task),
        *_capability_lines(task),
        "Cpus_allowed:\t1",
        "Cpus_allowed_list:\t0",
        "Mems_allowed:\t1",
        "Mems_allowed_list:\t0",
        f"voluntary_ctxt_switches:\t{task.sched.switches[0]}",
        f"nonvoluntary_ctxt_switches:\t{task.sched.switches[1]}",
    ]
    return "\n".join(lines).encode() + b"\n"


def _memory_lines(task: Task) -> list[str]:
    """task_mem(): only who has memory."""
    if task.mm is None:
        return []
    kb = {key: value * 4 for key, value in counts(task).items()}
    sizes = {
        "VmPeak": kb["size"],
        "VmSize": kb["size"],
        "VmLck": 0,
        "VmPin": 0,
        "VmHWM": kb["resident"],
        "VmRSS": kb["resident"],
        "RssAnon": kb["resident"] - kb["shared"],
        "RssFile": kb["shared"],
        "RssShmem": 0,
        "VmData": kb["data"],
        "VmStk": kb["stack"],
        "VmExe": kb["text"],
        "VmLib": kb["lib"],
        "VmPTE": task.mm.page_table.table_frames * 4,
        "VmSwap": kb["swap"],
    }
    return [f"{name}:\t{size:8} kB" for name, size in sizes.items()]


def _signal_lines(task: Task) -> list[str]:
    ignored, caught = _handled(task)
    return [
        _mask_line("SigPnd", task.pending.mask),
        _mask_line("ShdPnd", task.group.pending.mask),
        _mask_line("SigBlk", task.blocked),
        _mask_line("SigIgn", ignored),
        _mask_line("SigCgt", caught),
    ]


def _capability_lines(task: Task) -> list[str]:
    return [
        _mask_line("CapInh", 0),
        _mask_line("CapPrm", task.cred.effective),
        _mask_line("CapEff", task.cred.effective),
        _mask_line("CapBnd", ALL_CAPABILITIES),
        _mask_line("CapAmb", 0),
        f"NoNewPrivs:\t{int(task.no_new_privs)}",
        "Seccomp:\t0",
        "Seccomp_filters:\t0",
    ]


def _terminal(group: ThreadGroup) -> tuple[int, int]:
    """Number of the controlling terminal and its foreground group; 0, -1 without one."""
    from youcpu.kernel.tty.tty import Tty

    if not isinstance(group.tty, Tty):
        return 0, -1
    major, minor = group.tty.number
    return major << 8 | minor, group.tty.pgrp or -1


def _task_flags(task: Task) -> int:
    flags = 0
    if task.group.kernel_thread:
        flags |= PF_KTHREAD | PF_NOFREEZE
    if not task.group.did_exec:
        flags |= PF_FORKNOEXEC
    if task.exited:
        flags |= PF_EXITING
    if task.kernel.aslr is not None and not task.group.kernel_thread:
        flags |= PF_RANDOMIZE
    return flags


def stat(task: Task) -> bytes:
    """/proc/PID/stat: 52 fields, proc(5), do_task_stat(). The whole process's times and faults."""
    return _stat(task, task.group.cpu_time())


def thread_stat(task: Task) -> bytes:
    """/proc/PID/task/TID/stat: the times of the thread."""
    return _stat(task, task.kernel.scheduler.cpu_time(task))


def _stat(task: Task, cpu_ns: int) -> bytes:
    group, mm, pages = task.group, task.mm, counts(task)
    ignored, caught = _handled(task)
    mask = (1 << 31) - 1
    fields: list[object] = [task.state, task.ppid, group.pgid, group.sid, *_terminal(group)]
    fields += [_task_flags(task), group.minor_faults, group.children_minor_faults]
    fields += [group.major_faults, group.children_major_faults]
    fields += [cpu_ns // _TICK_NS, 0, group.children_cpu_ns // _TICK_NS, 0]
    fields += [20 + task.nice, task.nice, _thread_count(task), 0]
    fields += [group.start_ns // _TICK_NS, pages["size"] << 12, pages["resident"]]
    fields.append(group.rlimits.soft(RLIMIT_RSS))
    if mm is None:
        fields += [0] * 5
    else:
        fields += [mm.start_code, mm.end_code, mm.start_stack, 0, 0]
    fields += [task.pending.mask & mask, task.blocked & mask, ignored & mask, caught & mask]
    exit_signal = group.exit_signal if task.pid == group.pid else -1
    # wchan: only whether it waits.
    fields += [int(task.state != "R"), 0, 0, exit_signal, 0, 0, 0, 0, 0, 0]
    if mm is None:
        fields += [0] * 7
    else:
        fields += [mm.start_data, mm.end_data, mm.start_brk]
        fields += [mm.arg_start, mm.arg_end, mm.env_start, mm.env_end]
    fields.append(group.leader_status if task.exited else 0)
    head = b"%d (%s) " % (task.pid, task.comm)
    return head + " ".join(map(str, fields)).encode() + b"\n"


def statm(task: Task) -> bytes:
    """Sizes in pages."""
    p = counts(task)
    numbers = (p["size"], p["resident"], p["shared"], p["text"], 0, p["data"] + p["stack"], 0)
    return " ".join(map(str, numbers)).encode() + b"\n"


def limits(task: Task) -> bytes:
    """Resource limits in columns."""
    text = f"{'Limit':<25} {'Soft Limit':<20} {'Hard Limit':<20} {'Units':<10}\n"
    for (name, unit), (soft, hard) in zip(_LIMITS, task.group.rlimits.limits, strict=True):
        shown = ["unlimited" if limit == RLIM_INFINITY else str(limit) for limit in (soft, hard)]
        text += f"{name:<25} {shown[0]:<20} {shown[1]:<20} {unit:<10}\n"
    return text.encode()


def _escaped(path: bytes) -> bytes:
    for character in b"\\ \t\n":
        path = path.replace(bytes((character,)), b"\\%03o" % character)
    return path


def mounts(task: Task) -> bytes:
    """/proc/PID/mounts: as fstab(5)."""
    lines = []
    for mount in task.kernel.vfs.mounts:
        path, reached = d_path(mount.root, task.fs.root)
        if reached or mount.root is task.fs.root:
            fields = (mount.source, _escaped(path), mount.kind, mount.options)
            lines.append(b" ".join(fields) + b" 0 0\n")
    return b"".join(lines)


def mountinfo(task: Task) -> bytes:
    """/proc/PID/mountinfo: proc(5)."""
    lines = []
    vfs = task.kernel.vfs
    for mount in vfs.mounts:
        path, reached = d_path(mount.root, task.fs.root)
        if not reached and mount.root is not task.fs.root:
            continue
        above = mount.root.covers
        parent = vfs.mount_id(above) if above is not None else mount.number
        dev = mount.root.inode.dev()
        options = mount.options.split(b",")
        state = options[0]
        head = b"%d %d %d:%d / %s %s" % (
            mount.number,
            parent,
            os.major(dev),
            os.minor(dev),
            _escaped(path),
            mount.options,
        )
        lines.append(b"%s - %s %s %s\n" % (head, mount.kind, mount.source, state))
    return b"".join(lines)


def _constant(text: bytes) -> Callable[[Task], bytes]:
    return lambda task: text


def _personality(task: Task) -> bytes:
    return b"%08x\n" % getattr(task, "personality", 0)


#: name -> (mode, content of a task)
FILES: dict[bytes, tuple[int, Callable[[Task], bytes]]] = {
    b"auxv": (0o400, auxv),
    b"cgroup": (0o444, _constant(b"0::/\n")),
    b"cmdline": (0o444, cmdline),
    b"environ": (0o400, environ),
    b"limits": (0o444, limits),
    b"loginuid": (0o444, _constant(b"4294967295")),
    b"maps": (0o444, maps),
    b"mountinfo": (0o444, mountinfo),
    b"mounts": (0o444, mounts),
    b"oom_score": (0o444, oom_kill.oom_score),
    b"personality": (0o400, _personality),
    b"sessionid": (0o444, _constant(b"4294967295")),
    b"stat": (0o444, stat),
    b"statm": (0o444, statm),
    b"status": (0o444, status),
    b"wchan": (0o444, _constant(b"0")),
}

#: name -> (content of a task, what becomes of what is written); mode 0644
WRITABLE: dict[bytes, tuple[Callable[[Task], bytes], Callable[[Task, bytes], None]]] = {
    b"comm": (comm, set_comm),
    b"oom_adj": (oom_kill.oom_adj, oom_kill.set_oom_adj),
    b"oom_score_adj": (oom_kill.oom_score_adj, oom_kill.set_oom_score_adj),
}
