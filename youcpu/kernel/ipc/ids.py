"""Identifiers, keys and permissions of System V objects: ipc/util.c."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Generic, TypeVar

from youcpu.abi.errno import Errno
from youcpu.abi.ipc import IPC_CREAT, IPC_EXCL, IPC_PRIVATE, IPC_SET, IPC_STAT, IpcPerm
from youcpu.kernel.cred import CAP_IPC_OWNER, CAP_SYS_ADMIN
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.uaccess import copy_from_user, copy_to_user

if TYPE_CHECKING:
    from youcpu.abi.structs import CStruct
    from youcpu.kernel.task import Task

#: An identifier is a sequence number above an index (ipcmni_seq_shift).
IPCMNI_SHIFT = 15
IPCMNI = 1 << IPCMNI_SHIFT
_SEQ_MAX = (1 << 31) // IPCMNI
#: Indices are handed out in turn, from so many at least (RADIX_TREE_MAP_SIZE).
_MIN_CYCLE = 64
_NS = 1_000_000_000
_INVALID = 0xFFFFFFFF
_READ = 0o444


def seconds(task: Task) -> int:
    """ktime_get_real_seconds()."""
    return task.kernel.clock.realtime_ns() // _NS


class IpcObject(ABC):
    """What a segment, a set and a queue share: struct kern_ipc_perm."""

    __slots__ = ("cgid", "ctime", "cuid", "gid", "id", "key", "mode", "removed", "seq", "uid")

    def __init__(self, task: Task, key: int, mode: int) -> None:
        self.key = key
        self.mode = mode & 0o777
        self.uid = self.cuid = task.cred.euid
        self.gid = self.cgid = task.cred.egid
        self.ctime = seconds(task)
        self.id = self.seq = 0
        #: RMID was here: whoever sleeps on it gets EIDRM.
        self.removed = False

    def perm(self) -> bytes:
        """struct ipc64_perm."""
        return IpcPerm(
            self.key, self.uid, self.gid, self.cuid, self.cgid, self.mode, self.seq & 0xFFFF
        ).pack()

    @abstractmethod
    def describe(self) -> bytes:
        """What IPC_STAT gives: the structure of its kind, with ipc64_perm in front."""

    @abstractmethod
    def remove(self, task: Task) -> None:
        """IPC_RMID."""

    def check(self, task: Task, wanted: int) -> None:
        """ipcperms(): rights as rwx bits anywhere in `wanted`. Raises EACCES."""
        requested = wanted >> 6 | wanted >> 3 | wanted
        cred, granted = task.cred, self.mode
        if cred.euid in (self.cuid, self.uid):
            granted >>= 6
        elif {self.cgid, self.gid} & {cred.egid, *cred.groups}:
            granted >>= 3
        if requested & ~granted & 0o7 and not cred.capable(CAP_IPC_OWNER):
            raise KernelError(Errno.EACCES)

    def check_owner(self, task: Task) -> None:
        """ipcctl_obtain_check(): IPC_SET and IPC_RMID are the owner's. Raises EPERM."""
        cred = task.cred
        if cred.euid not in (self.cuid, self.uid) and not cred.capable(CAP_SYS_ADMIN):
            raise KernelError(Errno.EPERM)

    def change(self, task: Task, data: bytes) -> None:
        """IPC_SET, `data` as describe() gives it: ipc_update_perm(). Raises EINVAL, EPERM."""
        new = IpcPerm.unpack(data[: IpcPerm.SIZE])
        if _INVALID in (new.uid, new.gid):
            raise KernelError(Errno.EINVAL)
        self.uid, self.gid = new.uid, new.gid
        self.mode = self.mode & ~0o777 | new.mode & 0o777
        self.ctime = seconds(task)


Kind = TypeVar("Kind", bound=IpcObject)


class IpcIds(Generic[Kind]):
    """All objects of one kind: struct ipc_ids; at most `limit` of them."""

    __slots__ = ("_last", "_seq", "limit", "objects")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        #: index -> object
        self.objects: dict[int, Kind] = {}
        self._last, self._seq = -1, 0

    def __iter__(self) -> Iterator[Kind]:
        for index in sorted(self.objects):
            yield self.objects[index]

    def get(
        self,
        task: Task,
        key: int,
        flags: int,
        make: Callable[[], Kind],
        fits: Callable[[Kind], bool],
    ) -> int:
        """ipcget(): the identifier. Raises ENOENT, EEXIST, EINVAL, EACCES, ENOSPC."""
        found = None
        if key != IPC_PRIVATE:
            found = next((item for item in self.objects.values() if item.key == key), None)
            if found is None and not flags & IPC_CREAT:
                raise KernelError(Errno.ENOENT)
        if found is None:
            return self._add(make())
        if flags & IPC_CREAT and flags & IPC_EXCL:
            raise KernelError(Errno.EEXIST)
        if not fits(found):
            raise KernelError(Errno.EINVAL)
        found.check(task, flags)
        return found.id

    def check_room(self) -> None:
        """Raises ENOSPC."""
        if len(self.objects) >= self.limit:
            raise KernelError(Errno.ENOSPC)

    def _add(self, item: Kind) -> int:
        """ipc_idr_alloc(): the next index in turn; where the turn starts again seq moves on."""
        cycle = min(max(len(self.objects) * 3 // 2, _MIN_CYCLE), self.limit)
        turn = [*range(self._last + 1, cycle), *range(min(self._last + 1, cycle))]
        index = next(index for index in turn if index not in self.objects)
        if index <= self._last:
            self._seq = (self._seq + 1) % _SEQ_MAX
        self._last = index
        item.seq = self._seq
        item.id = self._seq << IPCMNI_SHIFT | index
        self.objects[index] = item
        return item.id

    def find(self, identifier: int) -> Kind:
        """By identifier. Raises EINVAL, EIDRM."""
        if identifier < 0:
            raise KernelError(Errno.EINVAL)
        item = self.objects.get(identifier & IPCMNI - 1)
        if item is None:
            raise KernelError(Errno.EINVAL)
        if item.id != identifier:
            raise KernelError(Errno.EIDRM)
        return item

    def at(self, index: int) -> Kind:
        """By index: the *_STAT commands. Raises EINVAL."""
        item = self.objects.get(index & IPCMNI - 1) if index >= 0 else None
        if item is None:
            raise KernelError(Errno.EINVAL)
        return item

    def stat(self, task: Task, identifier: int, command: int, unchecked: int, address: int) -> int:
        """IPC_STAT by identifier, *_STAT by index, and `unchecked`, *_STAT_ANY without rights."""
        item = self.find(identifier) if command == IPC_STAT else self.at(identifier)
        if command != unchecked:
            item.check(task, _READ)
        copy_to_user(task, address, item.describe())
        return 0 if command == IPC_STAT else item.id

    def control(
        self, task: Task, identifier: int, command: int, address: int, layout: type[CStruct]
    ) -> int:
        """IPC_SET and IPC_RMID; `layout` of what follows ipc64_perm. Raises EPERM, EFAULT."""
        size = IpcPerm.SIZE + layout.SIZE
        data = copy_from_user(task, address, size) if command == IPC_SET else b""
        item = self.find(identifier)
        item.check_owner(task)
        if command == IPC_SET:
            item.change(task, data)
        else:
            item.remove(task)
        return 0

    def highest(self) -> int:
        """Largest index in use, 0 where there is none: what the *_INFO commands return."""
        return max(self.objects, default=0)

    def remove(self, item: Kind) -> None:
        """Take it out of the table."""
        item.removed = True
        self.objects.pop(item.id & IPCMNI - 1, None)
