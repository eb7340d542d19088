"""Who a process is: kernel/sys.c, kernel/uid16.c, kernel/groups.c, kernel/capability.c."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from youcpu.abi.args import Addr, HexUInt, HexULong, Int, Long, Size
from youcpu.abi.args_prctl import ArchPrctlAddr, ArchPrctlCode
from youcpu.abi.args_process import (
    Gid,
    GroupsIn,
    GroupsPtr,
    LongOut,
    Persona,
    Pid,
    RobustListOut,
    RobustListPtr,
    RseqPtr,
    Uid,
    UIntOut,
)
from youcpu.abi.errno import Errno
from youcpu.hardware.cpu import FS, GS
from youcpu.kernel.cred import ALL_CAPABILITIES, CAP_SETGID, CAP_SETUID, Credentials
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.mm import TASK_SIZE
from youcpu.kernel.mm.uaccess import copy_from_user, copy_to_user, put_user
from youcpu.kernel.rlimit import RLIMIT_NPROC
from youcpu.kernel.syscalls.table import syscall

if TYPE_CHECKING:
    from youcpu.kernel.task import Task, ThreadGroup

ARCH_SET_GS, ARCH_SET_FS, ARCH_GET_FS, ARCH_GET_GS = 0x1001, 0x1002, 0x1003, 0x1004
ARCH_GET_CPUID, ARCH_SET_CPUID = 0x1011, 0x1012
_UNCHANGED = 0xFFFFFFFF
_CAPABILITY_VERSIONS = {0x19980330: 1, 0x20071026: 2, 0x20080522: 2}


@syscall(39)
def getpid(task: Task) -> Pid:
    """getpid(2)."""
    return task.tgid


@syscall(186)
def gettid(task: Task) -> Pid:
    """gettid(2)."""
    return task.pid


@syscall(110)
def getppid(task: Task) -> Pid:
    """getppid(2)."""
    return task.ppid


def _group(task: Task, pid: int) -> ThreadGroup:
    if not pid:
        return task.group
    group = task.kernel.groups.get(pid)
    if group is None:
        raise KernelError(Errno.ESRCH)
    return group


@syscall(111)
def getpgrp(task: Task) -> Pid:
    """getpgrp(2)."""
    return task.group.pgid


@syscall(121)
def getpgid(task: Task, pid: Pid) -> Pid:
    """getpgid(2)."""
    return _group(task, pid).pgid


@syscall(124)
def getsid(task: Task, pid: Pid) -> Pid:
    """getsid(2)."""
    return _group(task, pid).sid


@syscall(109)
def setpgid(task: Task, pid: Pid, pgid: Pid) -> Int:
    """setpgid(2)."""
    group = _group(task, pid)
    pgid = pgid or group.pid
    if pgid < 0:
        raise KernelError(Errno.EINVAL)
    if group is not task.group:
        if group.parent is not task.group:
            raise KernelError(Errno.ESRCH)
        if group.sid != task.group.sid:
            raise KernelError(Errno.EPERM)
        if group.did_exec:
            raise KernelError(Errno.EACCES)
    if group.sid == group.pid:
        raise KernelError(Errno.EPERM)
    groups = task.kernel.groups.values()
    if pgid != group.pid and not any(
        other.pgid == pgid and other.sid == group.sid for other in groups
    ):
        raise KernelError(Errno.EPERM)
    group.pgid = pgid
    return 0


@syscall(112)
def setsid(task: Task) -> Pid:
    """setsid(2)."""
    group = task.group
    if any(other.pgid == group.pid for other in task.kernel.groups.values()):
        raise KernelError(Errno.EPERM)
    group.sid = group.pgid = group.pid
    group.tty = None
    return group.pid


# -- user and group ids ------------------------------------------------------------------------


@syscall(102)
def getuid(task: Task) -> Uid:
    """getuid(2)."""
    return task.cred.uid


@syscall(104)
def getgid(task: Task) -> Gid:
    """getgid(2)."""
    return task.cred.gid


@syscall(107)
def geteuid(task: Task) -> Uid:
    """geteuid(2)."""
    return task.cred.euid


@syscall(108)
def getegid(task: Task) -> Gid:
    """getegid(2)."""
    return task.cred.egid


@syscall(118)
def getresuid(task: Task, ruid: UIntOut, euid: UIntOut, suid: UIntOut) -> Int:
    """getresuid(2)."""
    cred = task.cred
    for address, value in ((ruid, cred.uid), (euid, cred.euid), (suid, cred.suid)):
        put_user(task, address, value, 4)
    return 0


@syscall(120)
def getresgid(task: Task, rgid: UIntOut, egid: UIntOut, sgid: UIntOut) -> Int:
    """getresgid(2)."""
    cred = task.cred
    for address, value in ((rgid, cred.gid), (egid, cred.egid), (sgid, cred.sgid)):
        put_user(task, address, value, 4)
    return 0


def _check_id(cred: Credentials, wanted: int, allowed: set[int], capability: int) -> None:
    if wanted != _UNCHANGED and wanted not in allowed and not cred.capable(capability):
        raise KernelError(Errno.EPERM)


def _set_uids(task: Task, uid: int, euid: int, suid: int) -> None:
    """New ids; capabilities follow as cap_task_fix_setuid() does."""
    old = task.cred
    new = Credentials(
        uid, old.gid, euid, old.egid, suid, old.sgid, euid, old.fsgid, old.groups, old.effective
    )
    if 0 in (old.uid, old.euid, old.suid) and 0 not in (uid, euid, suid):
        new.effective = 0
    if old.euid == 0 and euid != 0:
        new.effective = 0
    elif old.euid != 0 and euid == 0:
        new.effective = ALL_CAPABILITIES
    if uid != old.uid:
        # flag_nproc_exceeded(): execve looks once more.
        limit = task.group.rlimits.soft(RLIMIT_NPROC)
        task.nproc_exceeded = bool(uid) and task.kernel.user_tasks(uid) > limit
    task.cred = new


def _set_gids(task: Task, gid: int, egid: int, sgid: int) -> None:
    old = task.cred
    task.cred = Credentials(
        old.uid, gid, old.euid, egid, old.suid, sgid, old.fsuid, egid, old.groups, old.effective
    )


@syscall(117)
def setresuid(task: Task, ruid: Uid, euid: Uid, suid: Uid) -> Int:
    """setresuid(2)."""
    cred = task.cred
    allowed = {cred.uid, cred.euid, cred.suid}
    for wanted in (ruid, euid, suid):
        _check_id(cred, wanted & _UNCHANGED, allowed, CAP_SETUID)
    pick = [
        old if wanted & _UNCHANGED == _UNCHANGED else wanted & _UNCHANGED
        for wanted, old in ((ruid, cred.uid), (euid, cred.euid), (suid, cred.suid))
    ]
    _set_uids(task, *pick)
    return 0


@syscall(119)
def setresgid(task: Task, rgid: Gid, egid: Gid, sgid: Gid) -> Int:
    """setresgid(2)."""
    cred = task.cred
    allowed = {cred.gid, cred.egid, cred.sgid}
    for wanted in (rgid, egid, sgid):
        _check_id(cred, wanted & _UNCHANGED, allowed, CAP_SETGID)
    pick = [
        old if wanted & _UNCHANGED == _UNCHANGED else wanted & _UNCHANGED
        for wanted, old in ((rgid, cred.gid), (egid, cred.egid), (sgid, cred.sgid))
    ]
    _set_gids(task, *pick)
    return 0


@syscall(105)
def setuid(task: Task, uid: Uid) -> Int:
    """setuid(2)."""
    cred, uid = task.cred, uid & _UNCHANGED
    if uid == _UNCHANGED:
        raise KernelError(Errno.EINVAL)
    if cred.capable(CAP_SETUID):
        _set_uids(task, uid, uid, uid)
    else:
        _check_id(cred, uid, {cred.uid, cred.suid}, CAP_SETUID)
        _set_uids(task, cred.uid, uid, cred.suid)
    return 0


@syscall(106)
def setgid(task: Task, gid: Gid) -> Int:
    """setgid(2)."""
    cred, gid = task.cred, gid & _UNCHANGED
    if gid == _UNCHANGED:
        raise KernelError(Errno.EINVAL)
    if cred.capable(CAP_SETGID):
        _set_gids(task, gid, gid, gid)
    else:
        _check_id(cred, gid, {cred.gid, cred.sgid}, CAP_SETGID)
        _set_gids(task, cred.gid, gid, cred.sgid)
    return 0


@syscall(113)
def setreuid(task: Task, ruid: Uid, euid: Uid) -> Int:
    """setreuid(2)."""
    cred, ruid, euid = task.cred, ruid & _UNCHANGED, euid & _UNCHANGED
    _check_id(cred, ruid, {cred.uid, cred.euid}, CAP_SETUID)
    _check_id(cred, euid, {cred.uid, cred.euid, cred.suid}, CAP_SETUID)
    uid = cred.uid if ruid == _UNCHANGED else ruid
    effective = cred.euid if euid == _UNCHANGED else euid
    changed = ruid != _UNCHANGED or (euid not in (_UNCHANGED, cred.uid))
    _set_uids(task, uid, effective, effective if changed else cred.suid)
    return 0


@syscall(114)
def setregid(task: Task, rgid: Gid, egid: Gid) -> Int:
    """setregid(2)."""
    cred, rgid, egid = task.cred, rgid & _UNCHANGED, egid & _UNCHANGED
    _check_id(cred, rgid, {cred.gid, cred.egid}, CAP_SETGID)
    _check_id(cred, egid, {cred.gid, cred.egid, cred.sgid}, CAP_SETGID)
    gid = cred.gid if rgid == _UNCHANGED else rgid
    effective = cred.egid if egid == _UNCHANGED else egid
    changed = rgid != _UNCHANGED or (egid not in (_UNCHANGED, cred.gid))
    _set_gids(task, gid, effective, effective if changed else cred.sgid)
    return 0


@syscall(122)
def setfsuid(task: Task, uid: Uid) -> Int:
    """setfsuid(2): always the old one."""
    cred, uid = task.cred, uid & _UNCHANGED
    old = cred.fsuid
    if uid in (cred.uid, cred.euid, cred.suid, cred.fsuid) or (
        uid != _UNCHANGED and cred.capable(CAP_SETUID)
    ):
        cred.fsuid = uid
    return old


@syscall(123)
def setfsgid(task: Task, gid: Gid) -> Int:
    """setfsgid(2): always the old one."""
    cred, gid = task.cred, gid & _UNCHANGED
    old = cred.fsgid
    if gid in (cred.gid, cred.egid, cred.sgid, cred.fsgid) or (
        gid != _UNCHANGED and cred.capable(CAP_SETGID)
    ):
        cred.fsgid = gid
    return old


@syscall(115)
def getgroups(task: Task, size: Int, list: GroupsPtr) -> Int:
    """getgroups(2)."""
    groups = task.cred.groups
    if size < 0 or (size and size < len(groups)):
        raise KernelError(Errno.EINVAL)
    if size:
        copy_to_user(task, list, struct.pack(f"<{len(groups)}I", *groups))
    return len(groups)


@syscall(116)
def setgroups(task: Task, size: Int, list: GroupsIn) -> Int:
    """setgroups(2)."""
    if not task.cred.capable(CAP_SETGID):
        raise KernelError(Errno.EPERM)
    if not 0 <= size <= 65536:
        raise KernelError(Errno.EINVAL)
    data = copy_from_user(task, list, size * 4)
    task.cred.groups = struct.unpack(f"<{size}I", data)
    return 0


def _capability_header(task: Task, header: int) -> tuple[int, int]:
    version, pid = struct.unpack("<Ii", copy_from_user(task, header, 8))
    words = _CAPABILITY_VERSIONS.get(version)
    if words is None:
        put_user(task, header, 0x20080522, 4)
        raise KernelError(Errno.EINVAL)
    if pid < 0:
        raise KernelError(Errno.EINVAL)
    if pid and pid not in task.kernel.tasks:
        raise KernelError(Errno.ESRCH)
    return words, pid


@syscall(125)
def capget(task: Task, header: Addr, data: Addr) -> Int:
    """capget(2)."""
    words, _ = _capability_header(task, header)
    if data:
        mask = task.cred.effective
        rows = [(mask >> 32 * i) & 0xFFFFFFFF for i in range(words)]
        copy_to_user(task, data, b"".join(struct.pack("<3I", row, row, 0) for row in rows))
    return 0


@syscall(126, partial="the effective set only, which can only shrink")
def capset(task: Task, header: Addr, data: Addr) -> Int:
    """capset(2)."""
    words, pid = _capability_header(task, header)
    if pid and pid != task.pid:
        raise KernelError(Errno.EPERM)
    image = copy_from_user(task, data, 12 * words)
    effective = sum(struct.unpack_from("<I", image, 12 * i)[0] << 32 * i for i in range(words))
    if effective & ~task.cred.effective:
        raise KernelError(Errno.EPERM)
    task.cred.effective = effective
    return 0


# -- the architecture and threads --------------------------------------------------------------


@syscall(158)
def arch_prctl(task: Task, code: ArchPrctlCode, addr: ArchPrctlAddr) -> Long:
    """arch_prctl(2): the bases of FS and GS."""
    state = task.kernel.cpu.state
    if code in (ARCH_SET_FS, ARCH_SET_GS):
        if addr >= TASK_SIZE:
            raise KernelError(Errno.EPERM)
        segment = FS if code == ARCH_SET_FS else GS
        state[segment + 1] = addr
    elif code in (ARCH_GET_FS, ARCH_GET_GS):
        put_user(task, addr, state[(FS if code == ARCH_GET_FS else GS) + 1], 8)
    elif code == ARCH_GET_CPUID:
        return 1
    elif code == ARCH_SET_CPUID:
        raise KernelError(Errno.ENODEV)
    else:
        raise KernelError(Errno.EINVAL)
    return 0


@syscall(218)
def set_tid_address(task: Task, tidptr: Addr) -> Pid:
    """set_tid_address(2)."""
    task.clear_child_tid = tidptr
    return task.pid


@syscall(273)
def set_robust_list(task: Task, head: RobustListPtr, len: Size) -> Long:
    """set_robust_list(2)."""
    if len != 24:
        raise KernelError(Errno.EINVAL)
    task.robust_list = head
    return 0


@syscall(274)
def get_robust_list(task: Task, pid: Pid, head_ptr: RobustListOut, len_ptr: LongOut) -> Long:
    """get_robust_list(2)."""
    target = task.kernel.tasks.get(pid) if pid else task
    if target is None:
        raise KernelError(Errno.ESRCH)
    put_user(task, len_ptr, 24, 8)
    put_user(task, head_ptr, target.robust_list, 8)
    return 0


@syscall(334, partial="registration only: one CPU, critical sections are never aborted")
def rseq(task: Task, rseq: RseqPtr, rseq_len: HexUInt, flags: HexULong, sig: HexULong) -> Int:
    """rseq(2)."""
    if flags & 1:
        if task.rseq[0] != rseq or not rseq:
            raise KernelError(Errno.EINVAL)
        task.rseq = (0, 0, 0)
        return 0
    if flags:
        raise KernelError(Errno.EINVAL)
    if task.rseq[0]:
        if task.rseq != (rseq, rseq_len, sig & 0xFFFFFFFF):
            raise KernelError(Errno.EINVAL if task.rseq[0] != rseq else Errno.EPERM)
        raise KernelError(Errno.EBUSY)
    if rseq % 32 or rseq_len < 32:
        raise KernelError(Errno.EINVAL)
    if rseq >= TASK_SIZE:
        raise KernelError(Errno.EFAULT)
    # cpu_id_start, cpu_id of the only CPU; node_id and mm_cid where there is room.
    copy_to_user(task, rseq, bytes(8))
    copy_to_user(task, rseq + 20, bytes(8))
    task.rseq = (rseq, rseq_len, sig & 0xFFFFFFFF)
    return 0


@syscall(135)
def personality(task: Task, persona: Persona) -> Persona:
    """personality(2)."""
    old = task.personality
    if persona & 0xFFFFFFFF != 0xFFFFFFFF:
        task.personality = persona & 0xFFFFFFFF
    return old
