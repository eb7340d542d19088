"""Directories of processes in /proc: fs/proc/base.c, array.c, task_mmu.c, fd.c."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import O_CLOEXEC
from youcpu.kernel.errors import KernelError
from youcpu.kernel.vfs import procfs_pages, procfs_status
from youcpu.kernel.vfs.dcache import Dentry, d_path
from youcpu.kernel.vfs.inode import DirEntry, Inode
from youcpu.kernel.vfs.procfs import ProcDir, ProcFile, ProcLink
from youcpu.kernel.vfs.procfs_mem import ProcMemInode
from youcpu.kernel.vfs.procfs_pagemap import PagemapInode

if TYPE_CHECKING:
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.file import File
    from youcpu.kernel.vfs.namei import FsStruct
    from youcpu.kernel.vfs.super import SuperBlock


class PidDir(ProcDir):
    """/proc/PID, and /proc/PID/task/TID with `thread`."""

    __slots__ = ("task",)

    def __init__(self, sb: SuperBlock, task: Task, thread: bool = False) -> None:
        super().__init__(sb)
        self.task = task
        self.uid, self.gid = task.cred.euid, task.cred.egid
        if not thread:
            self.directory(b"task", lambda: TaskDir(sb, task))
        self.directory(b"fd", lambda: FdDir(sb, task))
        self.directory(b"fdinfo", lambda: FdInfoDir(sb, task))
        self.symlink_to(b"cwd", _shown_cwd, _follow_cwd, task)
        self.symlink_to(b"root", _shown_root, _follow_root, task)
        self.symlink_to(b"exe", _shown_exe, _follow_exe, task)
        for name, (mode, content) in procfs_status.FILES.items():
            self.file(name, content, task, mode)
        for name, (mode, content) in procfs_pages.FILES.items():
            self.file(name, content, task, mode)
        if thread:
            self.file(b"stat", procfs_status.thread_stat, task)
        self.makers[b"mem"] = (8, lambda: ProcMemInode(sb, task))
        self.makers[b"pagemap"] = (8, lambda: PagemapInode(sb, task))
        for name, (content, writer) in procfs_status.WRITABLE.items():
            self.file(name, content, task, 0o644, writer)

    def refreshed(self) -> PidDir:
        """The owner follows the credentials."""
        self.uid, self.gid = self.task.cred.euid, self.task.cred.egid
        return self


def proc_threads(task: Task) -> list[Task]:
    """All threads of a process, its dead first one too."""
    dead = task.group.dead_leader
    return [dead, *task.group.threads] if dead is not None else task.group.threads


class TaskDir(ProcDir):
    """/proc/PID/task: a directory a thread."""

    __slots__ = ("task",)

    def __init__(self, sb: SuperBlock, task: Task) -> None:
        super().__init__(sb)
        self.task = task

    def lookup(self, name: bytes) -> Inode:
        for thread in proc_threads(self.task):
            if b"%d" % thread.pid == name:
                inode = self._made.get(name)
                if not isinstance(inode, PidDir) or inode.task is not thread:
                    inode = self._made[name] = PidDir(self.sb, thread, thread=True)
                return inode
        self._made.pop(name, None)
        raise KernelError(Errno.ENOENT)

    def iterate(self) -> Iterator[DirEntry]:
        for thread in proc_threads(self.task):
            name = b"%d" % thread.pid
            yield DirEntry(name, self.lookup(name).ino, 4)


def shown(dentry: Dentry, task: Task) -> bytes:
    """Path of a place as a task sees it, with " (deleted)"."""
    path = d_path(dentry, task.fs.root)[0]
    return path + b" (deleted)" if dentry.deleted else path


def _fs(target: Task) -> FsStruct:
    """Where a task is. Raises ENOENT: a zombie is nowhere."""
    if target.exited:
        raise KernelError(Errno.ENOENT)
    return target.fs


def _shown_cwd(task: Task, target: Task) -> bytes:
    return shown(_fs(target).cwd, task)


def _follow_cwd(task: Task, target: Task) -> Dentry:
    return _fs(target).cwd


def _shown_root(task: Task, target: Task) -> bytes:
    return shown(_fs(target).root, task)


def _follow_root(task: Task, target: Task) -> Dentry:
    return _fs(target).root


def _follow_exe(task: Task, target: Task) -> Dentry:
    file = target.mm.exe_file if target.mm is not None else None
    if file is None:
        raise KernelError(Errno.ENOENT)
    return file.dentry


def _shown_exe(task: Task, target: Task) -> bytes:
    return shown(_follow_exe(task, target), task)


def open_files(task: Task) -> dict[int, File]:
    """Descriptors of a task; a zombie has none."""
    return {} if task.exited else task.files.files


class FdDir(ProcDir):
    """/proc/PID/fd: a magic link an open descriptor."""

    __slots__ = ("task",)

    def __init__(self, sb: SuperBlock, task: Task) -> None:
        super().__init__(sb, 0o500)
        self.task = task

    def lookup(self, name: bytes) -> Inode:
        if not name.isdigit() or len(name) > 9 or int(name) not in open_files(self.task):
            raise KernelError(Errno.ENOENT)
        fd = int(name)
        link = ProcLink(self.sb, self._text, self._follow, fd, self._mode(fd))
        self.adopt(link)
        return link

    def _mode(self, fd: int) -> int:
        file = self.task.files.files[fd]
        return 0o100 | 0o400 * file.readable | 0o200 * file.writable

    def _text(self, task: Task, fd: int) -> bytes:
        return shown(self.task.files.get(fd).dentry, task)

    def _follow(self, task: Task, fd: int) -> Dentry:
        file = open_files(self.task).get(fd)
        if file is None:
            raise KernelError(Errno.ENOENT)
        return file.dentry

    def iterate(self) -> Iterator[DirEntry]:
        for fd in sorted(open_files(self.task)):
            yield DirEntry(b"%d" % fd, self.sb.new_ino(), 10)


class FdInfoDir(ProcDir):
    """/proc/PID/fdinfo: offset and flags of each descriptor."""

    __slots__ = ("task",)

    def __init__(self, sb: SuperBlock, task: Task) -> None:
        super().__init__(sb, 0o555)
        self.task = task

    def lookup(self, name: bytes) -> Inode:
        if not name.isdigit() or len(name) > 9 or int(name) not in open_files(self.task):
            raise KernelError(Errno.ENOENT)
        info = ProcFile(self.sb, self._text, int(name), 0o400)
        self.adopt(info)
        return info

    def _text(self, fd: int) -> bytes:
        file = self.task.files.get(fd)
        flags = file.flags | (O_CLOEXEC if fd in self.task.files.cloexec else 0)
        mount = self.task.kernel.vfs.mount_id(file.dentry)
        text = f"pos:\t{file.pos}\nflags:\t0{flags:o}\nmnt_id:\t{mount}\nino:\t{file.inode.ino}\n"
        return text.encode()

    def iterate(self) -> Iterator[DirEntry]:
        for fd in sorted(open_files(self.task)):
            yield DirEntry(b"%d" % fd, self.sb.new_ino(), 8)
