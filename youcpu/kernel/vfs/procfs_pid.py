"""Directories of processes in /proc: fs/proc/base.c, array.c, task_mmu.c, fd.c."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.kernel.errors import KernelError
from youcpu.kernel.vfs.dcache import Dentry, d_path
from youcpu.kernel.vfs.inode import DirEntry, Inode
from youcpu.kernel.vfs.procfs import ProcDir, ProcLink

if TYPE_CHECKING:
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.super import SuperBlock


class PidDir(ProcDir):
    """/proc/PID."""

    __slots__ = ("task",)

    def __init__(self, sb: SuperBlock, task: Task) -> None:
        super().__init__(sb)
        self.task = task
        self.uid, self.gid = task.cred.euid, task.cred.egid
        self.directory(b"fd", lambda: FdDir(sb, task))
        for name, place in ((b"cwd", _cwd), (b"root", _root), (b"exe", _exe)):
            self.symlink_to(
                name,
                lambda task, target, place=place: shown(place(target), task),
                lambda task, target, place=place: place(target),
                task,
            )


def shown(dentry: Dentry, task: Task) -> bytes:
    """Path of a place as a task sees it, with " (deleted)"."""
    path = d_path(dentry, task.fs.root)[0]
    return path + b" (deleted)" if dentry.deleted else path


def _cwd(task: Task) -> Dentry:
    return task.fs.cwd


def _root(task: Task) -> Dentry:
    return task.fs.root


def _exe(task: Task) -> Dentry:
    file = task.mm.exe_file
    if file is None:
        raise KernelError(Errno.ENOENT)
    return file.dentry


class FdDir(ProcDir):
    """/proc/PID/fd: a magic link an open descriptor."""

    __slots__ = ("task",)

    def __init__(self, sb: SuperBlock, task: Task) -> None:
        super().__init__(sb, 0o500)
        self.task = task

    def lookup(self, name: bytes) -> Inode:
        if not name.isdigit() or len(name) > 9 or int(name) not in self.task.files.files:
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
        file = self.task.files.files.get(fd)
        if file is None:
            raise KernelError(Errno.ENOENT)
        return file.dentry

    def iterate(self) -> Iterator[DirEntry]:
        for fd in self.task.files:
            yield DirEntry(b"%d" % fd, self.sb.new_ino(), 10)
