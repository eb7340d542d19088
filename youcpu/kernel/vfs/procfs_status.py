"""Files of a process in /proc: fs/proc/array.c, fs/proc/base.c, fs/proc_namespace.c."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from youcpu.kernel.cred import ALL_CAPABILITIES
from youcpu.kernel.mm import oom_kill
from youcpu.kernel.mm.uaccess import copy_from_user_partial
from youcpu.kernel.rlimit import RLIM_INFINITY
from youcpu.kernel.vfs.dcache import d_path
from youcpu.kernel.vfs.procfs_maps import counts, maps

if TYPE_CHECKING:
    from youcpu.kernel.task import Task

_TICK_NS = 10_000_000
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
    """The environment as it was at exec."""
    mm = task.mm
    if mm is None:
        return b""
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


def _masks(task: Task) -> tuple[int, int, int, int]:
    """Pending, blocked, ignored and caught signals."""
    sighand = getattr(task, "sighand", None)
    if sighand is None:
        return 0, 0, 0, 0
    ignored = caught = 0
    for signo, action in enumerate(sighand.actions):
        if signo and action.handler == 1:
            ignored |= 1 << signo - 1
        elif signo and action.handler:
            caught |= 1 << signo - 1
    return task.pending.mask | task.group.pending.mask, task.blocked, ignored, caught


def _ppid(task: Task) -> int:
    return task.ppid


def status(task: Task) -> bytes:
    """/proc/PID/status."""
    cred, pages = task.cred, counts(task)
    pending, blocked, ignored, caught = _masks(task)
    name = task.comm.decode("utf-8", "backslashreplace")
    kb = {key: value * 4 for key, value in pages.items()}
    capabilities = f"{cred.effective:016x}"
    lines = [
        f"Name:\t{name}",
        f"Umask:\t{task.fs.umask:04o}",
        f"State:\t{_STATES.get(task.state, task.state)}",
        f"Tgid:\t{task.tgid}",
        "Ngid:\t0",
        f"Pid:\t{task.pid}",
        f"PPid:\t{_ppid(task)}",
        "TracerPid:\t0",
        f"Uid:\t{cred.uid}\t{cred.euid}\t{cred.suid}\t{cred.fsuid}",
        f"Gid:\t{cred.gid}\t{cred.egid}\t{cred.sgid}\t{cred.fsgid}",
        f"FDSize:\t{max(64, 1 << max(task.files.files, default=0).bit_length())}",
        "Groups:\t" + "".join(f"{group} " for group in cred.groups),
        f"VmPeak:\t{kb['size']:8} kB",
        f"VmSize:\t{kb['size']:8} kB",
        f"VmLck:\t{0:8} kB",
        f"VmPin:\t{0:8} kB",
        f"VmHWM:\t{kb['resident']:8} kB",
        f"VmRSS:\t{kb['resident']:8} kB",
        f"RssAnon:\t{kb['resident'] - kb['shared']:8} kB",
        f"RssFile:\t{kb['shared']:8} kB",
        f"RssShmem:\t{0:8} kB",
        f"VmData:\t{kb['data']:8} kB",
        f"VmStk:\t{kb['stack']:8} kB",
        f"VmExe:\t{kb['text']:8} kB",
        f"VmLib:\t{kb['lib']:8} kB",
        f"VmPTE:\t{0:8} kB",
        f"VmSwap:\t{kb['swap']:8} kB",
        f"Threads:\t{len(task.group.threads)}",
        "SigQ:\t0/16384",
        f"SigPnd:\t{pending:016x}",
        f"ShdPnd:\t{0:016x}",
        f"SigBlk:\t{blocked:016x}",
        f"SigIgn:\t{ignored:016x}",
        f"SigCgt:\t{caught:016x}",
        f"CapInh:\t{0:016x}",
        f"CapPrm:\t{capabilities}",
        f"CapEff:\t{capabilities}",
        f"CapBnd:\t{ALL_CAPABILITIES:016x}",
        f"CapAmb:\t{0:016x}",
        f"NoNewPrivs:\t{int(getattr(task, 'no_new_privs', False))}",
        "Seccomp:\t0",
        "Seccomp_filters:\t0",
        "Cpus_allowed:\t1",
        "Cpus_allowed_list:\t0",
        "Mems_allowed:\t1",
        "Mems_allowed_list:\t0",
        "voluntary_ctxt_switches:\t0",
        "nonvoluntary_ctxt_switches:\t0",
    ]
    return "\n".join(lines).encode() + b"\n"


def stat(task: Task) -> bytes:
    """/proc/PID/stat: 52 fields, proc(5)."""
    group, mm, pages = task.group, task.mm, counts(task)
    pending, blocked, ignored, caught = _masks(task)
    now = task.kernel.clock.monotonic_ns()
    ticks = max(0, now - group.start_ns) // _TICK_NS
    mask = (1 << 31) - 1
    fields: list[object] = [task.state, _ppid(task), group.pgid, group.sid, 0, -1, 0x400000]
    fields += [getattr(group, "minor_faults", 0), 0, getattr(group, "major_faults", 0), 0]
    fields += [ticks, 0, 0, 0, 20 + task.nice, task.nice, len(group.threads), 0]
    fields += [group.start_ns // _TICK_NS, pages["size"] << 12, pages["resident"], RLIM_INFINITY]
    if mm is None:
        fields += [0] * 5
    else:
        fields += [mm.start_code, mm.end_code, mm.start_stack, 0, 0]
    fields += [pending & mask, blocked & mask, ignored & mask, caught & mask, 0, 0, 0]
    fields += [getattr(group, "exit_signal", 17), 0, 0, 0, 0, 0, 0]
    if mm is None:
        fields += [0] * 7
    else:
        fields += [mm.start_data, mm.end_data, mm.start_brk]
        fields += [mm.arg_start, mm.arg_end, mm.env_start, mm.env_end]
    fields.append(0)
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
