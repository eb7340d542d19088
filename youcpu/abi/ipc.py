"""System V IPC: include/uapi/linux/ipc.h, shm.h, sem.h, msg.h."""

from __future__ import annotations

import struct

from youcpu.abi.names import NameTable, named
from youcpu.abi.structs import CStruct
from youcpu.record import record

IPC_PRIVATE = 0
IPC_CREAT = 0o1000
IPC_EXCL = 0o2000
IPC_NOWAIT = 0o4000
IPC_RMID, IPC_SET, IPC_STAT, IPC_INFO = range(4)
#: Asks for the 64-bit structures; always so on x86-64, the bit is taken away.
IPC_64 = 0x100

SHM_RDONLY = 0o10000
SHM_RND = 0o20000
SHM_REMAP = 0o40000
SHM_EXEC = 0o100000
SHM_HUGETLB = 0o4000
SHM_NORESERVE = 0o10000
SHM_LOCK, SHM_UNLOCK, SHM_STAT, SHM_INFO, SHM_STAT_ANY = range(11, 16)
#: Bits of shm_perm.mode: goes with the last detach; locked in memory.
SHM_DEST, SHM_LOCKED = 0o1000, 0o2000

GETPID, GETVAL, GETALL, GETNCNT, GETZCNT, SETVAL, SETALL, SEM_STAT, SEM_INFO, SEM_STAT_ANY = range(
    11, 21
)
SEM_UNDO = 0x1000

MSG_STAT, MSG_INFO, MSG_STAT_ANY = 11, 12, 13
MSG_NOERROR = 0o10000
MSG_EXCEPT = 0o20000
MSG_COPY = 0o40000

GET_NAMES = named(globals(), "IPC_???", "IPC_CREAT IPC_EXCL IPC_NOWAIT")
SHMGET_NAMES = named(
    globals(), "SHM_???", "IPC_CREAT IPC_EXCL SHM_HUGETLB SHM_NORESERVE"
)  # fmt: skip
SHMAT_NAMES = named(globals(), "SHM_???", "SHM_RDONLY SHM_RND SHM_REMAP SHM_EXEC")
SHMCTL_NAMES = named(
    globals(),
    "SHM_???",
    "IPC_RMID IPC_SET IPC_STAT IPC_INFO SHM_LOCK SHM_UNLOCK SHM_STAT SHM_INFO SHM_STAT_ANY",
)
SEMCTL_NAMES = named(
    globals(),
    "SEM_???",
    "IPC_RMID IPC_SET IPC_STAT IPC_INFO GETPID GETVAL GETALL GETNCNT GETZCNT SETVAL SETALL"
    " SEM_STAT SEM_INFO SEM_STAT_ANY",
)
SEMOP_NAMES = named(globals(), "SEM_???", "SEM_UNDO IPC_NOWAIT")
MSGCTL_NAMES = named(
    globals(),
    "MSG_???",
    "IPC_RMID IPC_SET IPC_STAT IPC_INFO MSG_STAT MSG_INFO MSG_STAT_ANY",
)
MSG_NAMES = named(globals(), "MSG_???", "MSG_NOERROR MSG_EXCEPT MSG_COPY IPC_NOWAIT")
KEY_NAMES = NameTable("", [("IPC_PRIVATE", 0)])


@record
class IpcPerm(CStruct):
    """struct ipc64_perm: 48 bytes."""

    LAYOUT = struct.Struct("<i5IH22x")
    key: int
    uid: int
    gid: int
    cuid: int
    cgid: int
    mode: int
    seq: int


@record
class ShmidDs(CStruct):
    """struct shmid64_ds behind its ipc64_perm: 64 bytes; times in seconds."""

    LAYOUT = struct.Struct("<QqqqiiQ16x")
    shm_segsz: int
    shm_atime: int
    shm_dtime: int
    shm_ctime: int
    shm_cpid: int
    shm_lpid: int
    shm_nattch: int


@record
class ShmInfo64(CStruct):
    """struct shminfo64: IPC_INFO."""

    LAYOUT = struct.Struct("<5Q32x")
    shmmax: int
    shmmin: int
    shmmni: int
    shmseg: int
    shmall: int


@record
class ShmInfo(CStruct):
    """struct shm_info: SHM_INFO; pages."""

    LAYOUT = struct.Struct("<i4x5Q")
    used_ids: int
    shm_tot: int
    shm_rss: int
    shm_swp: int
    swap_attempts: int = 0
    swap_successes: int = 0


@record
class SemidDs(CStruct):
    """struct semid64_ds behind its ipc64_perm: 56 bytes."""

    LAYOUT = struct.Struct("<q8xq8xQ16x")
    sem_otime: int
    sem_ctime: int
    sem_nsems: int


@record
class SemInfo(CStruct):
    """struct seminfo."""

    LAYOUT = struct.Struct("<10i")
    semmap: int
    semmni: int
    semmns: int
    semmnu: int
    semmsl: int
    semopm: int
    semume: int
    semusz: int
    semvmx: int
    semaem: int


@record
class SemBuf(CStruct):
    """struct sembuf: one operation of semop(2)."""

    LAYOUT = struct.Struct("<Hhh")
    sem_num: int
    sem_op: int
    sem_flg: int


@record
class MsqidDs(CStruct):
    """struct msqid64_ds behind its ipc64_perm: 72 bytes."""

    LAYOUT = struct.Struct("<qqqQQQii16x")
    msg_stime: int
    msg_rtime: int
    msg_ctime: int
    msg_cbytes: int
    msg_qnum: int
    msg_qbytes: int
    msg_lspid: int
    msg_lrpid: int


@record
class MsgInfo(CStruct):
    """struct msginfo."""

    LAYOUT = struct.Struct("<7iH2x")
    msgpool: int
    msgmap: int
    msgmax: int
    msgmnb: int
    msgmni: int
    msgssz: int
    msgtql: int
    msgseg: int
