"""Path lookup: fs/namei.c. Component by component, with our own root, so nothing escapes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.fcntl import (
    AT_FDCWD,
    RESOLVE_BENEATH,
    RESOLVE_IN_ROOT,
    RESOLVE_NO_MAGICLINKS,
    RESOLVE_NO_SYMLINKS,
    RESOLVE_NO_XDEV,
)
from youcpu.kernel.errors import KernelError
from youcpu.kernel.vfs.dcache import Dentry, follow_mount, follow_up
from youcpu.kernel.vfs.inode import MAY_EXEC, NAME_MAX

if TYPE_CHECKING:
    from youcpu.kernel.task import Task

LOOKUP_FOLLOW = 0x1
LOOKUP_DIRECTORY = 0x2
LOOKUP_EMPTY = 0x4000
MAXSYMLINKS = 40
#: Mode of a directory with all three x bits.
_SEARCHABLE = 0o040111


class FsStruct:
    """struct fs_struct: root, working directory, umask."""

    __slots__ = ("cwd", "refs", "root", "umask")

    def __init__(self, root: Dentry, cwd: Dentry, umask: int = 0o022) -> None:
        self.root = root
        self.cwd = cwd
        self.umask = umask
        #: Tasks that share it (CLONE_FS).
        self.refs = 1

    def copy(self) -> FsStruct:
        """fork without CLONE_FS."""
        return FsStruct(self.root, self.cwd, self.umask)


class Last:
    """The last component of a path, not yet looked up: its directory and what was written."""

    __slots__ = ("dentry", "directory", "name", "slash")

    def __init__(self, directory: Dentry, name: bytes, slash: bool, dentry: Dentry | None) -> None:
        self.directory = directory
        #: b"" where the path ends in "/", "." or ".." or at a magic link: `dentry` is the place.
        self.name = name
        #: The path has slashes after the last component.
        self.slash = slash
        self.dentry = dentry


class Walk:
    """One path walk: struct nameidata."""

    __slots__ = ("links", "place", "resolve", "root", "task")

    def __init__(self, task: Task, dfd: int, path: bytes, resolve: int = 0) -> None:
        self.task = task
        self.resolve = resolve
        self.links = 0
        self.root = task.fs.root
        if path.startswith(b"/") and not resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT):
            self.place = self.root
            return
        self.place = task.fs.cwd if dfd == AT_FDCWD else task.files.get(dfd).dentry
        if path and not self.place.inode.is_dir:
            raise KernelError(Errno.ENOTDIR)
        if path.startswith(b"/") and resolve & RESOLVE_BENEATH:
            raise KernelError(Errno.EXDEV)
        if resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT):
            self.root = self.place

    def run(self, path: bytes, follow_last: bool, create: bool = False) -> Last:
        """Walk all but the last component; follow it too if it is a link and shall be.

        `create`: O_CREAT, which does not even look at a last component with slashes behind it.
        Directories on the way must be searchable (EACCES) and directories (ENOTDIR).
        """
        trailing = path.endswith(b"/")
        names = _components(path)
        while names:
            name = names.pop()
            last = not names
            # A directory that everybody may search needs no more questions.
            if self.place.inode.mode & 0o170111 != _SEARCHABLE:
                self._may_lookup()
            if name == b".":
                continue
            if name == b"..":
                self._dotdot()
                continue
            if last and (not follow_last or (create and trailing)):
                return Last(self.place, name, trailing, None)
            dentry = self._known_directory(name)
            if dentry is not None:
                if last:
                    return Last(self.place, name, trailing, dentry)
                self.place = dentry
                continue
            dentry = self._step(name, last)
            if dentry is None:
                return Last(self.place, name, trailing, None)
            if not dentry.inode.is_symlink:
                if last:
                    return Last(self.place, name, trailing, dentry)
                self.place = dentry
                continue
            target = self._link(dentry)
            if isinstance(target, Dentry):
                self.place = target
                continue
            if target.startswith(b"/"):
                self._jump_root()
            names.extend(_components(target))
            if last:
                trailing = trailing or target.endswith(b"/")
        return Last(self.place, b"", trailing, self.place)

    def _known_directory(self, name: bytes) -> Dentry | None:
        """The usual case: a directory in the cache, nothing mounted on it."""
        children = self.place.children
        if children is None:
            return None
        dentry = children.get(name)
        if dentry is None or dentry.mounted is not None:
            return None
        inode = dentry.inode
        if inode.mode & 0o170000 != 0o040000 or inode.sb.revalidate:
            return None
        return dentry

    def _may_lookup(self) -> None:
        inode = self.place.inode
        if not inode.is_dir:
            raise KernelError(Errno.ENOTDIR)
        inode.permission(self.task.cred, MAY_EXEC)

    def _dotdot(self) -> None:
        if self.place is self.root:
            if self.resolve & RESOLVE_BENEATH:
                raise KernelError(Errno.EXDEV)
            return
        above = follow_up(self.place)
        if above is not None:
            if self.resolve & RESOLVE_NO_XDEV and self.place.parent is None:
                raise KernelError(Errno.EXDEV)
            self.place = above

    def _jump_root(self) -> None:
        if self.resolve & RESOLVE_BENEATH:
            raise KernelError(Errno.EXDEV)
        if self.resolve & RESOLVE_NO_XDEV:
            raise KernelError(Errno.EXDEV)
        self.place = self.root

    def _step(self, name: bytes, last: bool) -> Dentry | None:
        """The entry `name` of the present directory; None: missing, and it is the last."""
        try:
            dentry = lookup_one(self.task, self.place, name)
        except KernelError as error:
            if last and error.errno == Errno.ENOENT:
                return None
            raise
        if dentry.covers is not None and self.resolve & RESOLVE_NO_XDEV:
            raise KernelError(Errno.EXDEV)
        return dentry

    def _link(self, dentry: Dentry) -> bytes | Dentry:
        self.links += 1
        if self.links > MAXSYMLINKS or self.resolve & RESOLVE_NO_SYMLINKS:
            raise KernelError(Errno.ELOOP)
        target = dentry.inode.get_link(self.task)
        if isinstance(target, Dentry):
            if self.resolve & RESOLVE_NO_MAGICLINKS:
                raise KernelError(Errno.ELOOP)
            if self.resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT | RESOLVE_NO_XDEV):
                raise KernelError(Errno.EXDEV)
        elif not target:
            raise KernelError(Errno.ENOENT)
        return target


def _components(path: bytes) -> list[bytes]:
    """Components in reverse: the next one is popped from the end."""
    names = [name for name in path.split(b"/") if name]
    names.reverse()
    return names


def lookup_one(task: Task, directory: Dentry, name: bytes) -> Dentry:
    """One entry of a directory, mounts crossed. Raises ENOENT and what the inode raises."""
    dentry = directory.child(name)
    # Other kinds than directories are looked up anew: the host may have changed them.
    if dentry is not None and (dentry.inode.is_dir or task.kernel.vfs.snapshot is not None):
        if dentry.mounted is not None:
            return follow_mount(dentry)
        if not dentry.inode.sb.revalidate:
            return dentry
    if len(name) > NAME_MAX:
        raise KernelError(Errno.ENAMETOOLONG)
    inode = directory.inode.lookup(name)
    if dentry is None or dentry.inode is not inode:
        dentry = directory.add(name, inode)
        task.kernel.vfs.ring.touch(dentry)
    return follow_mount(dentry)


def path_lookup(
    task: Task, dfd: int, path: bytes, flags: int = LOOKUP_FOLLOW, resolve: int = 0
) -> Dentry:
    """An existing place: fs/namei.c filename_lookup(). Raises ENOENT, ENOTDIR, ELOOP, EACCES.

    `flags`: LOOKUP_FOLLOW a link at the end, LOOKUP_DIRECTORY wanted, LOOKUP_EMPTY: "" is
    the descriptor itself.
    """
    if not path:
        if not flags & LOOKUP_EMPTY:
            raise KernelError(Errno.ENOENT)
        return Walk(task, dfd, path).place
    follow = bool(flags & LOOKUP_FOLLOW) or path.endswith(b"/")
    last = Walk(task, dfd, path, resolve).run(path, follow)
    dentry = last.dentry
    if dentry is None:
        dentry = lookup_one(task, last.directory, last.name)
    if (last.slash or flags & LOOKUP_DIRECTORY) and not dentry.inode.is_dir:
        raise KernelError(Errno.ENOTDIR)
    return dentry


def path_parent(task: Task, dfd: int, path: bytes, resolve: int = 0) -> Last:
    """The directory and the last component, which is not followed: filename_parentat()."""
    if not path:
        raise KernelError(Errno.ENOENT)
    return Walk(task, dfd, path, resolve).run(path, follow_last=False)
