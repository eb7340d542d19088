"""All System V objects of the machine: include/linux/ipc_namespace.h. There is one namespace."""

from __future__ import annotations

from youcpu.kernel.ipc.ids import IpcIds
from youcpu.kernel.ipc.msg import MSGMNI, Queue
from youcpu.kernel.ipc.sem import SEMMNI, SemSet
from youcpu.kernel.ipc.shm import SHMMNI, Segment


class IpcNamespace:
    """Three tables."""

    __slots__ = ("queues", "segments", "sets")

    def __init__(self) -> None:
        self.segments: IpcIds[Segment] = IpcIds(SHMMNI)
        self.sets: IpcIds[SemSet] = IpcIds(SEMMNI)
        self.queues: IpcIds[Queue] = IpcIds(MSGMNI)
