"""/proc/sysvipc: the tables that ipcs(1) shows: ipc/util.c sysvipc_proc_show()."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.kernel.ipc.msg import MSGMAX, MSGMNB, MSGMNI
from youcpu.kernel.ipc.sem import SEMMNI, SEMMNS, SEMMSL, SEMOPM
from youcpu.kernel.ipc.shm import SHMALL, SHMMAX, SHMMNI
from youcpu.kernel.vfs.procfs import ProcDir

if TYPE_CHECKING:
    from youcpu.kernel.ipc.ids import IpcObject
    from youcpu.kernel.kernel import Kernel

_SHM = (
    "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid"
    "      atime      dtime      ctime                   rss                  swap\n"
)
_SEM = "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n"
_MSG = (
    "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid"
    "      stime      rtime      ctime\n"
)

#: /proc/sys/kernel: ipc/ipc_sysctl.c.
SYSCTLS = {
    b"msgmax": b"%d" % MSGMAX,
    b"msgmnb": b"%d" % MSGMNB,
    b"msgmni": b"%d" % MSGMNI,
    b"sem": b"%d\t%d\t%d\t%d" % (SEMMSL, SEMMNS, SEMOPM, SEMMNI),
    b"shmall": b"%d" % SHMALL,
    b"shmmax": b"%d" % SHMMAX,
    b"shmmni": b"%d" % SHMMNI,
}


def _head(item: IpcObject) -> str:
    return f"{item.key:10d} {item.id:10d}  {item.mode:4o}"


def _owners(item: IpcObject) -> str:
    return f"{item.uid:5d} {item.gid:5d} {item.cuid:5d} {item.cgid:5d}"


def shm(kernel: Kernel) -> bytes:
    """sysvipc_shm_proc_show(); rss and swap in bytes."""
    lines = [_SHM]
    for item in kernel.ipc.segments:
        resident = len(item.inode.mapping.pages) << 12
        lines.append(
            f"{_head(item)} {item.size:21d} {item.cpid:5d} {item.lpid:5d}  {item.nattch:5d} "
            f"{_owners(item)} {item.atime:10d} {item.dtime:10d} {item.ctime:10d} "
            f"{resident:21d} {0:21d}\n"
        )
    return "".join(lines).encode()


def sem(kernel: Kernel) -> bytes:
    """sysvipc_sem_proc_show()."""
    lines = [_SEM]
    for item in kernel.ipc.sets:
        lines.append(
            f"{_head(item)} {len(item.values):10d} {_owners(item)} {item.otime:10d} "
            f"{item.ctime:10d}\n"
        )
    return "".join(lines).encode()


def msg(kernel: Kernel) -> bytes:
    """sysvipc_msg_proc_show()."""
    lines = [_MSG]
    for item in kernel.ipc.queues:
        lines.append(
            f"{_head(item)}  {item.bytes:10d} {len(item.messages):10d} {item.lspid:5d} "
            f"{item.lrpid:5d} {_owners(item)} {item.stime:10d} {item.rtime:10d} "
            f"{item.ctime:10d}\n"
        )
    return "".join(lines).encode()


def sysvipc(root: ProcDir, kernel: Kernel) -> ProcDir:
    """The directory."""
    directory = ProcDir(root.sb)
    for name, content in ((b"msg", msg), (b"sem", sem), (b"shm", shm)):
        directory.file(name, content, kernel)
    return directory
