"""Arguments of System V IPC: ipc/shm.c, ipc/sem.c, ipc/msg.c."""

from __future__ import annotations

from typing import Annotated

from youcpu.abi import ipc
from youcpu.abi.args import (
    Capture,
    Flags,
    Marker,
    OneOf,
    Pointer,
    SignedInt,
    SignedLong,
    UnsignedInt,
)
from youcpu.abi.args_time import timespec_value
from youcpu.abi.names import NameTable
from youcpu.abi.structs import CStruct
from youcpu.abi.values import (
    Address,
    Array,
    Either,
    FlagSet,
    Hex,
    Permissions,
    Struct,
    Text,
)


class IpcKey(SignedInt):
    """key_t: hexadecimal."""

    def capture(self, index: int, call: Capture) -> object:
        value = call.raw[index] & 0xFFFFFFFF
        return ipc.KEY_NAMES.choice(0) if not value else Hex(value)


class GetFlags(SignedInt):
    """Flags and permissions of shmget(2), semget(2), msgget(2)."""

    def __init__(self, table: NameTable) -> None:
        self.table = table

    def capture(self, index: int, call: Capture) -> object:
        value = call.raw[index] & 0xFFFFFFFF
        mode = Permissions(value & 0o777)
        return Either((self.table.flags(value & ~0o777), mode)) if value & ~0o777 else mode


def _permissions(data: bytes, setting: bool) -> Struct:
    perm = ipc.IpcPerm.unpack(data[: ipc.IpcPerm.SIZE])
    fields: dict[str, object] = {
        "uid": perm.uid,
        "gid": perm.gid,
        "mode": Permissions(perm.mode),
    }
    if not setting:
        fields |= {"key": perm.key, "cuid": perm.cuid, "cgid": perm.cgid}
    return Struct(fields)


class Control(Marker):
    """What a *ctl(2) call reads or fills in, by its command."""

    def __init__(
        self,
        command: int,
        prefix: str,
        description: type[CStruct],
        infos: dict[int, type[CStruct]],
        stats: tuple[int, ...],
        shown: str,
        settable: str = "",
    ) -> None:
        self.command = command
        self.prefix = prefix
        self.description = description
        self.infos = infos
        self.stats = (ipc.IPC_STAT, *stats)
        #: Names of the fields in strace's order, and of those that IPC_SET reads.
        self.shown = shown.split()
        self.settable = settable.split()

    #: Also for IPC_SET: what it reads is still there.
    at_exit = True

    def capture(self, index: int, call: Capture) -> object:
        address = call.raw[index]
        command = call.raw[self.command] & 0xFFFFFFFF & ~ipc.IPC_64
        setting = command == ipc.IPC_SET
        if command in self.infos and not call.failed:
            return self._plain(self.infos[command], call, address)
        if not setting and (command not in self.stats or call.failed):
            return Address(address)
        size = ipc.IpcPerm.SIZE + self.description.SIZE
        data = call.exactly(address, size)
        if data is None:
            return Address(address)
        fields: dict[str, object] = {f"{self.prefix}_perm": _permissions(data, setting)}
        rest = self.description.unpack(data[ipc.IpcPerm.SIZE :])
        for name in self.settable if setting else self.shown:
            fields[name] = getattr(rest, name)
        return Struct(fields)

    @staticmethod
    def _plain(kind: type[CStruct], call: Capture, address: int) -> object:
        data = call.exactly(address, kind.SIZE)
        if data is None:
            return Address(address)
        value = kind.unpack(data)
        return Struct({name: getattr(value, name) for name in kind.__annotations__})


def _sembuf(data: bytes) -> Struct:
    operation = ipc.SemBuf.unpack(data)
    flags: FlagSet = ipc.SEMOP_NAMES.flags(operation.sem_flg & 0xFFFF)
    return Struct({"sem_num": operation.sem_num, "sem_op": operation.sem_op, "sem_flg": flags})


class SemOperations(Marker):
    """Array of semop(2), its length is the argument behind it."""

    def capture(self, index: int, call: Capture) -> object:
        address, count = call.raw[index], call.raw[index + 1] & 0xFFFFFFFF
        if not count:
            return Array(())
        data = call.read(address, ipc.SemBuf.SIZE * min(count, call.limit)) if address else b""
        items = [data[at : at + 6] for at in range(0, len(data) // 6 * 6, 6)]
        if not items:
            return Address(address)
        return Array(tuple(map(_sembuf, items)), more=count > len(items))


class MessageBuffer(Marker):
    """struct msgbuf: a type and `size` bytes, which the result or the next argument tells."""

    def __init__(self, at_exit: bool) -> None:
        self.at_exit = at_exit

    def capture(self, index: int, call: Capture) -> object:
        address = call.raw[index]
        size = (call.raw[index + 1] ^ (1 << 63)) - (1 << 63)
        if (self.at_exit and call.failed) or size < 0:
            return Address(address)
        kind = call.exactly(address, 8)
        if kind is None:
            return Address(address)
        data = call.read(address + 8, min(size, call.limit))
        mtype = int.from_bytes(kind, "little", signed=True)
        return Struct({"mtype": mtype, "mtext": Text(data, size)})


class SemTimeout(Marker):
    """struct timespec of semtimedop(2)."""

    def capture(self, index: int, call: Capture) -> object:
        data = call.exactly(call.raw[index], 16)
        return Address(call.raw[index]) if data is None else timespec_value(data, call)


Key = Annotated[int, IpcKey()]
ShmGetFlags = Annotated[int, GetFlags(ipc.SHMGET_NAMES)]
SemGetFlags = Annotated[int, GetFlags(ipc.GET_NAMES)]
MsgGetFlags = Annotated[int, GetFlags(ipc.GET_NAMES)]
ShmatFlags = Annotated[int, Flags(ipc.SHMAT_NAMES)]
ShmCommand = Annotated[int, OneOf(ipc.SHMCTL_NAMES)]
SemCommand = Annotated[int, OneOf(ipc.SEMCTL_NAMES)]
MsgCommand = Annotated[int, OneOf(ipc.MSGCTL_NAMES)]
ShmBuf = Annotated[
    int,
    Control(
        1,
        "shm",
        ipc.ShmidDs,
        {ipc.IPC_INFO: ipc.ShmInfo64, ipc.SHM_INFO: ipc.ShmInfo},
        (ipc.SHM_STAT, ipc.SHM_STAT_ANY),
        "shm_segsz shm_cpid shm_lpid shm_nattch shm_atime shm_dtime shm_ctime",
    ),
]
SemArg = Annotated[
    int,
    Control(
        2,
        "sem",
        ipc.SemidDs,
        {ipc.IPC_INFO: ipc.SemInfo, ipc.SEM_INFO: ipc.SemInfo},
        (ipc.SEM_STAT, ipc.SEM_STAT_ANY),
        "sem_otime sem_ctime sem_nsems",
    ),
]
MsgBuf = Annotated[
    int,
    Control(
        1,
        "msg",
        ipc.MsqidDs,
        {ipc.IPC_INFO: ipc.MsgInfo, ipc.MSG_INFO: ipc.MsgInfo},
        (ipc.MSG_STAT, ipc.MSG_STAT_ANY),
        "msg_stime msg_rtime msg_ctime msg_qnum msg_qbytes msg_lspid msg_lrpid",
        "msg_qbytes",
    ),
]
SemOpsPtr = Annotated[int, SemOperations()]
SemTimeoutPtr = Annotated[int, SemTimeout()]
SemCount = Annotated[int, UnsignedInt()]
MsgIn = Annotated[int, MessageBuffer(at_exit=False)]
MsgOut = Annotated[int, MessageBuffer(at_exit=True)]
MsgType = Annotated[int, SignedLong()]
MsgWaitFlags = Annotated[int, Flags(ipc.MSG_NAMES)]
ShmAddr = Annotated[int, Pointer()]
