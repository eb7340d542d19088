"""/proc: fs/proc/. Files are made when they are read; only this machine's processes are there."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.kernel.errors import KernelError
from youcpu.kernel.vfs.file import DirFile, File
from youcpu.kernel.vfs.inode import DirEntry, Inode
from youcpu.kernel.vfs.super import PROC_SUPER_MAGIC, SuperBlock

if TYPE_CHECKING:
    from youcpu.kernel.kernel import Kernel
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.dcache import Dentry

Content = Callable[["Task"], bytes]


class ProcFs(SuperBlock):
    """The one instance of proc."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel, "proc", _host_dev(), PROC_SUPER_MAGIC)
        self.blksize = 1024
        self.root = ProcRoot(self)


def _host_dev() -> int:
    from os import stat as host_stat

    try:
        return host_stat("/proc").st_dev
    except OSError:
        return 21


class ProcFile(Inode):
    """A file whose content a function gives; `write` takes what is written, if it may be."""

    __slots__ = ("content", "target", "writer")

    def __init__(
        self,
        sb: SuperBlock,
        content: Callable[..., bytes],
        target: object,
        mode: int = 0o444,
        writer: Callable[..., None] | None = None,
    ) -> None:
        super().__init__(sb, sb.new_ino(), stat.S_IFREG | mode)
        self.content = content
        self.target = target
        self.writer = writer

    def open(self, dentry: Dentry, flags: int, task: Task) -> File:
        return SeqFile(dentry, flags)

    def truncate(self, size: int) -> None:
        """O_TRUNC on a proc file changes nothing."""

    def setattr(self, **changes: int | None) -> None:
        raise KernelError(Errno.EPERM)


class SeqFile(File):
    """An open proc file: fs/seq_file.c; the text is made at the first read and at offset 0."""

    __slots__ = ("_data",)
    inode: ProcFile

    def __init__(self, dentry: Dentry, flags: int) -> None:
        super().__init__(dentry, flags)
        self._data: bytes | None = None

    def pread(self, count: int, offset: int) -> bytes:
        if offset == 0 or self._data is None:
            data = self.inode.content(self.inode.target)
            self.recharge(len(self._data or b""), len(data))
            self._data = data
        return self._data[offset : offset + count]

    def pwrite(self, data: bytes, offset: int) -> int:
        if self.inode.writer is None:
            raise KernelError(Errno.EIO)
        self.inode.writer(self.inode.target, data)
        return len(data)

    def seek(self, offset: int, whence: int) -> int:
        if whence not in (0, 1):
            raise KernelError(Errno.EINVAL)
        return self._seek_to(self._target(offset, whence, 0))


class ProcLink(Inode):
    """A symbolic link; `follow` gives where it leads: a path or, as a magic link, a place."""

    __slots__ = ("follow", "target", "text")

    def __init__(
        self,
        sb: SuperBlock,
        text: Callable[..., bytes],
        follow: Callable[..., bytes | Dentry] | None = None,
        target: object = None,
        mode: int = 0o777,
    ) -> None:
        super().__init__(sb, sb.new_ino(), stat.S_IFLNK | mode)
        self.text = text
        self.follow = follow
        self.target = target

    def readlink_for(self, task: Task) -> bytes:
        """What readlink(2) gives to a task: it is seen from the task's own root."""
        return self.text(task, self.target)

    def get_link(self, task: Task) -> bytes | Dentry:
        if self.follow is None:
            return self.text(task, self.target)
        return self.follow(task, self.target)


class ProcDir(Inode):
    """A directory of fixed names; inodes are made at need and kept."""

    __slots__ = ("_made", "makers")

    def __init__(self, sb: SuperBlock, mode: int = 0o555) -> None:
        super().__init__(sb, sb.new_ino(), stat.S_IFDIR | mode)
        self.nlink = 2
        self._made: dict[bytes, Inode] = {}
        #: name -> (d_type, function that makes the inode)
        self.makers: dict[bytes, tuple[int, Callable[[], Inode]]] = {}

    def file(
        self,
        name: bytes,
        content: Callable[..., bytes],
        target: object,
        mode: int = 0o444,
        writer: Callable[..., None] | None = None,
    ) -> None:
        """Add a file."""
        self.makers[name] = (8, lambda: ProcFile(self.sb, content, target, mode, writer))

    def link(self, *arguments: object) -> None:
        raise KernelError(Errno.EPERM)

    def symlink_to(
        self,
        name: bytes,
        text: Callable[..., bytes],
        follow: Callable[..., bytes | Dentry] | None = None,
        target: object = None,
    ) -> None:
        """Add a symbolic link."""
        self.makers[name] = (10, lambda: ProcLink(self.sb, text, follow, target))

    def directory(self, name: bytes, made: Callable[[], ProcDir]) -> None:
        """Add a directory."""
        self.makers[name] = (4, made)

    def lookup(self, name: bytes) -> Inode:
        inode = self._made.get(name)
        if inode is None:
            maker = self.makers.get(name)
            if maker is None:
                raise KernelError(Errno.ENOENT)
            inode = self._made[name] = maker[1]()
            self.adopt(inode)
        return inode

    def adopt(self, inode: Inode) -> None:
        """A child was made: its owner."""
        inode.uid, inode.gid = self.uid, self.gid

    def iterate(self) -> Iterator[DirEntry]:
        for name, (kind, _) in self.makers.items():
            yield DirEntry(name, self.lookup(name).ino, kind)

    def open(self, dentry: Dentry, flags: int, task: Task) -> File:
        return DirFile(dentry, flags)

    def create(self, *arguments: object) -> Inode:
        raise KernelError(Errno.EACCES)

    def symlink(self, *arguments: object) -> Inode:
        raise KernelError(Errno.EACCES)

    def setattr(self, **changes: int | None) -> None:
        raise KernelError(Errno.EPERM)


class ProcRoot(ProcDir):
    """/proc itself: system-wide files, then one directory a process."""

    __slots__ = ("_processes",)

    def __init__(self, sb: SuperBlock) -> None:
        super().__init__(sb)
        from youcpu.kernel.vfs.procfs_system import add_system_files

        self._processes: dict[int, ProcDir] = {}
        add_system_files(self, sb.kernel)
        self.symlink_to(b"self", lambda task, _: b"%d" % task.tgid)
        self.symlink_to(b"thread-self", lambda task, _: b"%d/task/%d" % (task.tgid, task.pid))

    def lookup(self, name: bytes) -> Inode:
        if name.isdigit() and not name.startswith(b"0") and len(name) < 10:
            return self.process(int(name))
        return super().lookup(name)

    def process(self, pid: int) -> ProcDir:
        """Directory of a process. Raises ENOENT."""
        from youcpu.kernel.vfs.procfs_pid import PidDir

        task = proc_task(self.sb.kernel, pid)
        if task is None:
            self._processes.pop(pid, None)
            raise KernelError(Errno.ENOENT)
        directory = self._processes.get(pid)
        if not isinstance(directory, PidDir) or directory.task is not task:
            directory = self._processes[pid] = PidDir(self.sb, task)
        return directory.refreshed()

    def iterate(self) -> Iterator[DirEntry]:
        yield from super().iterate()
        for pid in sorted(self.sb.kernel.groups):
            if proc_task(self.sb.kernel, pid) is not None:
                yield DirEntry(b"%d" % pid, self.process(pid).ino, 4)


def proc_task(kernel: Kernel, pid: int) -> Task | None:
    """Who has that id: a thread that lives, one of the kernel, or a process's dead first one."""
    found = kernel.find_task(pid)
    if found is None and pid in kernel.groups:
        found = kernel.groups[pid].dead_leader
    return found
