"""Shared memory: ipc/shm.c. A segment is a file in memory, an attachment a mapping of it."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import O_RDONLY, O_RDWR
from youcpu.abi.ipc import SHM_DEST, SHM_HUGETLB, ShmidDs
from youcpu.hardware.memory import PAGE_SHIFT, PAGE_SIZE
from youcpu.kernel.errors import KernelError
from youcpu.kernel.ipc.ids import IpcIds, IpcObject, seconds
from youcpu.kernel.vfs.dcache import Dentry
from youcpu.kernel.vfs.tmpfs import MemFile, RegularFile

if TYPE_CHECKING:
    from youcpu.kernel.task import Task

SHMMNI = 4096
SHMMIN = 1
#: kernel.shmmax and kernel.shmall as they are by default: ULONG_MAX - (1 << 24).
SHMMAX = SHMALL = (1 << 64) - 1 - (1 << 24)
_LARGE_FILE = 0o100000


class Segment(IpcObject):
    """struct shmid_kernel."""

    __slots__ = ("atime", "attached", "cpid", "dtime", "inode", "lpid", "size", "table")

    def __init__(self, task: Task, table: IpcIds[Segment], key: int, size: int, mode: int) -> None:
        super().__init__(task, key, mode)
        inode = task.kernel.vfs.memfd_fs.make(stat.S_IFREG | mode & 0o777, task.cred, None)
        assert isinstance(inode, MemFile)
        inode.nlink = 0
        inode.size = size
        self.inode = inode
        self.table = table
        self.size = size
        self.atime = self.dtime = 0
        self.cpid, self.lpid = task.tgid, 0
        #: Open files of the attachments; each has one reference a vm_area.
        self.attached: list[SegmentFile] = []

    @property
    def nattch(self) -> int:
        """Mappings of it."""
        return sum(file.refs for file in self.attached)

    @property
    def pages(self) -> int:
        """Its size in pages."""
        return (self.size + PAGE_SIZE - 1) >> PAGE_SHIFT

    def describe(self) -> bytes:
        """struct shmid64_ds."""
        rest = ShmidDs(
            self.size, self.atime, self.dtime, self.ctime, self.cpid, self.lpid, self.nattch
        )
        return self.perm() + rest.pack()

    def open(self, task: Task, read_only: bool) -> SegmentFile:
        """The file of a new attachment."""
        name = b"/SYSV%08x" % (self.key & 0xFFFFFFFF)
        self.inode.ino = self.id
        dentry = Dentry(name, self.inode)
        dentry.deleted = True
        file = SegmentFile(dentry, (O_RDONLY if read_only else O_RDWR) | _LARGE_FILE)
        file.segment = self
        self.attached.append(file)
        self.atime, self.lpid = seconds(task), task.tgid
        return file

    def remove(self, task: Task) -> None:
        """IPC_RMID: gone at once, or with the last attachment."""
        if self.nattch:
            self.mode |= SHM_DEST
            self.key = 0
        else:
            self.table.remove(self)

    def detached(self, file: SegmentFile) -> None:
        """The last mapping of an attachment is gone, or none could be made."""
        self.attached.remove(file)
        if self.mode & SHM_DEST and not self.attached:
            self.table.remove(self)


class SegmentFile(RegularFile):
    """What the mappings of one attachment have in common."""

    __slots__ = ("segment",)
    segment: Segment

    def put(self) -> None:
        segment, kernel = self.segment, self.inode.sb.kernel
        task = kernel.scheduler.current
        if task is not None:
            segment.dtime, segment.lpid = seconds(task), task.tgid
        super().put()

    def release(self) -> None:
        super().release()
        self.segment.detached(self)


def new_segment(task: Task, table: IpcIds[Segment], key: int, size: int, flags: int) -> Segment:
    """newseg(). Raises EINVAL, ENOSPC, ENOMEM."""
    if not SHMMIN <= size <= SHMMAX:
        raise KernelError(Errno.EINVAL)
    pages = (size + PAGE_SIZE - 1) >> PAGE_SHIFT
    table.check_room()
    if pages + sum(segment.pages for segment in table) > SHMALL:
        raise KernelError(Errno.ENOSPC)
    # No huge pages are reserved; shmem_acct_size() refuses what RAM can never hold.
    if flags & SHM_HUGETLB or pages > task.kernel.frames.total:
        raise KernelError(Errno.ENOMEM)
    return Segment(task, table, key, size, flags)
