"""Message queues: ipc/msg.c."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.ipc import MSG_EXCEPT, MSG_NOERROR, IpcPerm, MsqidDs
from youcpu.kernel.cred import CAP_SYS_RESOURCE
from youcpu.kernel.errors import KernelError
from youcpu.kernel.ipc.ids import IpcIds, IpcObject, seconds
from youcpu.kernel.wait import WaitEntry, WaitQueue

if TYPE_CHECKING:
    from youcpu.kernel.task import Task

MSGMNI = 32000
MSGMAX = 8192
MSGMNB = 16384
#: Host memory of a message besides its bytes; charged to guest RAM.
_COST = 128


class Message:
    """Type, bytes."""

    __slots__ = ("data", "type")

    def __init__(self, kind: int, data: bytes) -> None:
        self.type = kind
        self.data = data


class Wanted:
    """What a receiver takes: convert_mode()."""

    __slots__ = ("_except", "_type", "flags", "size")

    def __init__(self, kind: int, flags: int, size: int) -> None:
        self._type = kind
        self._except = bool(flags & MSG_EXCEPT) and kind > 0
        self.flags = flags
        self.size = size

    def matches(self, message: Message) -> bool:
        """testmsg(), for one message alone."""
        if not self._type:
            return True
        if self._type < 0:
            return message.type <= -self._type
        return (message.type == self._type) != self._except

    def choose(self, messages: deque[Message]) -> Message | None:
        """find_msg(): the first, or the first of the lowest type for a negative number."""
        fitting = [message for message in messages if self.matches(message)]
        if not fitting:
            return None
        if self._type < 0:
            return min(fitting, key=lambda message: message.type)
        return fitting[0]

    def too_small_for(self, message: Message) -> bool:
        """E2BIG unless MSG_NOERROR cuts it."""
        return self.size < len(message.data) and not self.flags & MSG_NOERROR


class Receiver(WaitEntry):
    """A msgrcv(2) that sleeps; `outcome` None: it waits on."""

    __slots__ = ("outcome", "pid", "queue", "source", "wanted")

    def __init__(self, source: Queue, wanted: Wanted, pid: int) -> None:
        self.source = source
        self.wanted = wanted
        self.pid = pid
        self.queue = WaitQueue()
        self.outcome: Message | Errno | None = None

    def cancel(self) -> None:
        if self in self.source.receivers:
            self.source.receivers.remove(self)

    def finish(self, outcome: Message | Errno) -> None:
        """Wake it with a message or an error."""
        self.cancel()
        self.outcome = outcome
        self.queue.wake_up()


class Queue(IpcObject):
    """struct msg_queue."""

    __slots__ = (
        "bytes", "lrpid", "lspid", "messages", "qbytes", "receivers", "rtime",
        "senders", "stime", "table",
    )  # fmt: skip

    def __init__(self, task: Task, table: IpcIds[Queue], key: int, mode: int) -> None:
        super().__init__(task, key, mode)
        self.table = table
        self.messages: deque[Message] = deque()
        self.bytes = 0
        self.qbytes = MSGMNB
        self.stime = self.rtime = 0
        self.lspid = self.lrpid = 0
        self.receivers: list[Receiver] = []
        #: Woken when there may be room, or the queue is gone.
        self.senders = WaitQueue()

    def describe(self) -> bytes:
        """struct msqid64_ds."""
        rest = MsqidDs(
            self.stime, self.rtime, self.ctime, self.bytes, len(self.messages), self.qbytes,
            self.lspid, self.lrpid,
        )  # fmt: skip
        return self.perm() + rest.pack()

    def has_room(self, size: int) -> bool:
        """msg_fits_inqueue()."""
        return size + self.bytes <= self.qbytes and 1 + len(self.messages) <= self.qbytes

    def send(self, task: Task, message: Message) -> None:
        """To the first receiver that wants it, else into the queue. Raises ENOMEM."""
        for receiver in list(self.receivers):
            if not receiver.wanted.matches(message):
                continue
            if receiver.wanted.too_small_for(message):
                receiver.finish(Errno.E2BIG)
                continue
            self.lrpid, self.rtime = receiver.pid, seconds(task)
            receiver.finish(message)
            break
        else:
            if not task.kernel.vfs.kmem.charge(_COST + len(message.data)):
                raise KernelError(Errno.ENOMEM)
            self.messages.append(message)
            self.bytes += len(message.data)
        self.lspid, self.stime = task.tgid, seconds(task)

    def take(self, task: Task, wanted: Wanted) -> Message | None:
        """The message that `wanted` chooses, out of the queue. Raises E2BIG."""
        message = wanted.choose(self.messages)
        if message is None:
            return None
        if wanted.too_small_for(message):
            raise KernelError(Errno.E2BIG)
        self.messages.remove(message)
        self.bytes -= len(message.data)
        task.kernel.vfs.kmem.uncharge(_COST + len(message.data))
        self.lrpid, self.rtime = task.tgid, seconds(task)
        self.senders.wake_up()
        return message

    def change(self, task: Task, data: bytes) -> None:
        """IPC_SET: its limit too, and who waits for room looks again."""
        qbytes = MsqidDs.unpack(data[IpcPerm.SIZE :]).msg_qbytes
        if qbytes > MSGMNB and not task.cred.capable(CAP_SYS_RESOURCE):
            raise KernelError(Errno.EPERM)
        super().change(task, data)
        self.qbytes = qbytes
        self.senders.wake_up()

    def remove(self, task: Task) -> None:
        """IPC_RMID: all sleepers get EIDRM."""
        self.table.remove(self)
        for receiver in list(self.receivers):
            receiver.finish(Errno.EIDRM)
        self.senders.wake_up()
        task.kernel.vfs.kmem.uncharge(_COST * len(self.messages) + self.bytes)
        self.messages.clear()
