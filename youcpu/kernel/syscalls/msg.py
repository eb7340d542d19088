"""Message queues: ipc/msg.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.args import Int, Long, Size
from youcpu.abi.args_ipc import (
    Key,
    MsgBuf,
    MsgCommand,
    MsgGetFlags,
    MsgIn,
    MsgOut,
    MsgType,
    MsgWaitFlags,
)
from youcpu.abi.errno import ERESTARTNOHAND, Errno
from youcpu.abi.ipc import (
    IPC_64,
    IPC_INFO,
    IPC_NOWAIT,
    IPC_RMID,
    IPC_SET,
    IPC_STAT,
    MSG_COPY,
    MSG_EXCEPT,
    MSG_INFO,
    MSG_STAT,
    MSG_STAT_ANY,
    MsgInfo,
    MsqidDs,
)
from youcpu.kernel.errors import Blocked, KernelError
from youcpu.kernel.ipc.ids import IpcIds
from youcpu.kernel.ipc.msg import MSGMAX, MSGMNB, MSGMNI, Message, Queue, Receiver, Wanted
from youcpu.kernel.mm.uaccess import copy_from_user, copy_to_user, put_user
from youcpu.kernel.syscalls.table import syscall

if TYPE_CHECKING:
    from youcpu.kernel.task import Task

_READ, _WRITE = 0o444, 0o222
_MSGPOOL, _MSGSEG = MSGMNI * MSGMNB // 1024, 0xFFFF
_MSGSSZ = 16


def _signed(value: int) -> int:
    return (value ^ (1 << 63)) - (1 << 63)


@syscall(68)
def msgget(task: Task, key: Key, msgflg: MsgGetFlags) -> Int:
    """msgget(2)."""
    table = task.kernel.ipc.queues

    def make() -> Queue:
        table.check_room()
        return Queue(task, table, key, msgflg)

    return table.get(task, key, msgflg, make, lambda queue: True)


@syscall(69)
def msgsnd(task: Task, msqid: Int, msgp: MsgIn, msgsz: Size, msgflg: MsgWaitFlags) -> Int:
    """msgsnd(2)."""
    resumed = isinstance(task.restart, Queue)
    kind = _signed(int.from_bytes(copy_from_user(task, msgp, 8), "little"))
    if not 0 <= _signed(msgsz) <= MSGMAX or msqid < 0 or kind < 1:
        raise KernelError(Errno.EINVAL)
    data = copy_from_user(task, msgp + 8, msgsz)
    queue = task.restart if resumed else task.kernel.ipc.queues.find(msqid)
    if queue.removed:
        raise KernelError(Errno.EIDRM)
    queue.check(task, _WRITE)
    if not queue.has_room(msgsz):
        if msgflg & IPC_NOWAIT:
            raise KernelError(Errno.EAGAIN)
        task.restart = queue
        raise Blocked(queue.senders, restart=ERESTARTNOHAND)
    queue.send(task, Message(kind, data))
    return 0


@syscall(70)
def msgrcv(
    task: Task, msqid: Int, msgp: MsgOut, msgsz: Size, msgtyp: MsgType, msgflg: MsgWaitFlags
) -> Long:
    """msgrcv(2): bytes of the message."""
    waiting = task.restart
    if isinstance(waiting, Receiver):
        return _received(task, waiting, msgp, msgsz)
    size = _signed(msgsz)
    if msqid < 0 or size < 0:
        raise KernelError(Errno.EINVAL)
    if msgflg & MSG_COPY and (msgflg & MSG_EXCEPT or not msgflg & IPC_NOWAIT):
        raise KernelError(Errno.EINVAL)
    queue = task.kernel.ipc.queues.find(msqid)
    queue.check(task, _READ)
    wanted = Wanted(msgtyp, msgflg, size)
    if msgflg & MSG_COPY:
        return _copy(task, queue, wanted, msgtyp, msgp)
    message = queue.take(task, wanted)
    if message is not None:
        return _store(task, message, msgp, size)
    if msgflg & IPC_NOWAIT:
        raise KernelError(Errno.ENOMSG)
    receiver = Receiver(queue, wanted, task.tgid)
    queue.receivers.append(receiver)
    task.restart = receiver
    raise Blocked(receiver.queue, restart=ERESTARTNOHAND)


def _received(task: Task, receiver: Receiver, address: int, size: int) -> int:
    outcome = receiver.outcome
    if outcome is None:
        raise Blocked(receiver.queue, restart=ERESTARTNOHAND)
    if isinstance(outcome, Errno):
        raise KernelError(outcome)
    return _store(task, outcome, address, size)


def _store(task: Task, message: Message, address: int, size: int) -> int:
    """do_msg_fill(): a message whose buffer is bad is lost."""
    data = message.data[:size]
    put_user(task, address, message.type, 8)
    copy_to_user(task, address + 8, data)
    return len(data)


def _copy(task: Task, queue: Queue, wanted: Wanted, number: int, address: int) -> int:
    """MSG_COPY: the message at place `number`, which stays."""
    if not 0 <= number < len(queue.messages):
        raise KernelError(Errno.ENOMSG)
    message = queue.messages[number]
    if wanted.too_small_for(message):
        raise KernelError(Errno.E2BIG)
    return _store(task, message, address, wanted.size)


@syscall(71)
def msgctl(task: Task, msqid: Int, cmd: MsgCommand, buf: MsgBuf) -> Int:
    """msgctl(2)."""
    cmd &= ~IPC_64
    if msqid < 0 or cmd < 0:
        raise KernelError(Errno.EINVAL)
    table = task.kernel.ipc.queues
    if cmd in (IPC_INFO, MSG_INFO):
        copy_to_user(task, buf, _info(table, cmd == MSG_INFO).pack())
        return table.highest()
    if cmd in (IPC_STAT, MSG_STAT, MSG_STAT_ANY):
        return table.stat(task, msqid, cmd, MSG_STAT_ANY, buf)
    if cmd in (IPC_SET, IPC_RMID):
        return table.control(task, msqid, cmd, buf, MsqidDs)
    raise KernelError(Errno.EINVAL)


def _info(table: IpcIds[Queue], used: bool) -> MsgInfo:
    pool, entries, total = _MSGPOOL, MSGMNB, MSGMNB
    if used:
        pool = len(table.objects)
        entries = sum(len(queue.messages) for queue in table)
        total = sum(queue.bytes for queue in table)
    return MsgInfo(pool, entries, MSGMAX, MSGMNB, MSGMNI, _MSGSSZ, total, _MSGSEG)
