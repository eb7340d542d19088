"""mount(2) and umount(2): fs/namespace.c path_mount(), do_new_mount(), path_umount().

One tree for all. Each mount has its options; of them read-only and noexec count for the whole
file system, as there is one mount of each.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.mount import (
    MNT_DETACH,
    MNT_EXPIRE,
    MNT_FORCE,
    MS_BIND,
    MS_NOATIME,
    MS_NODEV,
    MS_NODIRATIME,
    MS_NOEXEC,
    MS_NOSUID,
    MS_RDONLY,
    MS_REMOUNT,
    MS_STRICTATIME,
    PROPAGATION,
    UMOUNT_NOFOLLOW,
)
from youcpu.kernel.cred import Credentials
from youcpu.kernel.errors import KernelError
from youcpu.kernel.vfs.dcache import Dentry
from youcpu.kernel.vfs.tmpfs import TmpFs

if TYPE_CHECKING:
    from youcpu.kernel.kernel import Kernel
    from youcpu.kernel.vfs.inode import Inode
    from youcpu.kernel.vfs.mount import Mount, Vfs
    from youcpu.kernel.vfs.super import SuperBlock

_SHOWN = ((MS_NOSUID, b"nosuid"), (MS_NODEV, b"nodev"), (MS_NOEXEC, b"noexec"),
          (MS_NOATIME, b"noatime"), (MS_NODIRATIME, b"nodiratime"))  # fmt: skip


def mount_options(flags: int) -> bytes:
    """As /proc/mounts shows them: show_mnt_opts()."""
    words = [b"ro" if flags & MS_RDONLY else b"rw"]
    words += [word for bit, word in _SHOWN if flags & bit]
    if not flags & (MS_NOATIME | MS_STRICTATIME):
        words.append(b"relatime")
    return b",".join(words)


def mount_of(vfs: Vfs, place: Dentry) -> Mount | None:
    """The mount whose root a place is."""
    return next((mount for mount in vfs.mounts if mount.root is place), None)


def do_mount(
    vfs: Vfs, source: bytes, place: Dentry, kind: bytes | None, flags: int, data: bytes
) -> None:
    """path_mount() at a place that was looked up. Raises KernelError."""
    if flags & MS_REMOUNT:
        _remount(vfs, place, flags)
    elif flags & MS_BIND:
        raise KernelError(Errno.EINVAL)
    elif flags & PROPAGATION:
        if mount_of(vfs, place) is None:
            raise KernelError(Errno.EINVAL)
    elif kind is None:
        raise KernelError(Errno.EINVAL)
    else:
        _new_mount(vfs, source, place, kind, flags, data)


def _new_mount(
    vfs: Vfs, source: bytes, place: Dentry, kind: bytes, flags: int, data: bytes
) -> None:
    found = _file_system(vfs.kernel, kind, data)
    if not place.inode.is_dir:
        raise KernelError(Errno.ENOTDIR)
    sb, root = found
    existing = mount_of(vfs, place)
    if existing is not None and existing.sb is sb:
        raise KernelError(Errno.EBUSY)
    sb.read_only = bool(flags & MS_RDONLY)
    sb.noexec = bool(flags & MS_NOEXEC)
    vfs.mount_over(place, root, sb, source, kind, mount_options(flags))


def _file_system(kernel: Kernel, kind: bytes, data: bytes) -> tuple[SuperBlock, Inode]:
    """The one instance of a kind, or a new one. Raises ENODEV, EINVAL."""
    if kind in (b"tmpfs", b"ramfs"):
        sb = TmpFs(kernel, kind.decode(), kernel.vfs.next_device())
        mode = _mode(data) if kind == b"tmpfs" else 0o755
        return sb, sb.make(stat.S_IFDIR | mode, Credentials.of(0, 0), None)
    found = kernel.vfs.file_systems.get(kind)
    if found is None:
        raise KernelError(Errno.ENODEV)
    return found, found.root


def _mode(data: bytes) -> int:
    """mode= of tmpfs; other options are accepted where Linux knows them."""
    mode = 0o1777
    for option in filter(None, data.split(b",")):
        name, _, value = option.partition(b"=")
        if name == b"mode":
            try:
                mode = int(value, 8) & 0o7777
            except ValueError:
                raise KernelError(Errno.EINVAL) from None
        elif name not in (b"size", b"nr_inodes", b"nr_blocks", b"uid", b"gid", b"huge", b"mpol"):
            raise KernelError(Errno.EINVAL)
    return mode


def _remount(vfs: Vfs, place: Dentry, flags: int) -> None:
    mount = mount_of(vfs, place)
    if mount is None:
        raise KernelError(Errno.EINVAL)
    mount.options = mount_options(flags)
    mount.sb.read_only = bool(flags & MS_RDONLY)
    mount.sb.noexec = bool(flags & MS_NOEXEC)


def do_move(vfs: Vfs, source: Dentry, place: Dentry) -> None:
    """MS_MOVE. Raises EINVAL where the source is no mount, ELOOP into itself."""
    mount = mount_of(vfs, source)
    if mount is None or source.covers is None:
        raise KernelError(Errno.EINVAL)
    if place.inode.is_dir != source.inode.is_dir:
        raise KernelError(Errno.ENOTDIR)
    above: Dentry | None = place
    while above is not None:
        if above is source:
            raise KernelError(Errno.ELOOP)
        above = above.parent or above.covers
    source.covers.mounted = None
    source.covers = place
    place.mounted = source


def do_umount(vfs: Vfs, place: Dentry, root: Dentry, flags: int) -> None:
    """path_umount(). `root`: the caller's. Raises EINVAL, EBUSY, EAGAIN."""
    if flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW):
        raise KernelError(Errno.EINVAL)
    if flags & MNT_EXPIRE and flags & (MNT_FORCE | MNT_DETACH):
        raise KernelError(Errno.EINVAL)
    mount = mount_of(vfs, place)
    if mount is None:
        raise KernelError(Errno.EINVAL)
    if place is root and not flags & MNT_DETACH:
        # do_umount_root(): the last root is only made read-only.
        mount.sb.read_only = True
        mount.options = mount.options.replace(b"rw", b"ro", 1)
        return
    covered = place.covers
    if covered is None:
        raise KernelError(Errno.EINVAL)
    if not flags & MNT_DETACH and _is_busy(vfs, mount):
        raise KernelError(Errno.EBUSY)
    covered.mounted = None
    vfs.mounts.remove(mount)


def _top(place: Dentry) -> Dentry:
    while place.parent is not None:
        place = place.parent
    return place


def _is_busy(vfs: Vfs, mount: Mount) -> bool:
    """Somebody is in it, has a file of it open, or another file system is mounted on it."""
    root = mount.root
    if any(m.root.covers is not None and _top(m.root.covers) is root for m in vfs.mounts):
        return True
    for task in vfs.kernel.tasks.values():
        places = [task.fs.cwd, task.fs.root, *(f.dentry for f in task.files.files.values())]
        if task.mm is not None:
            places += [area.file.dentry for area in task.mm.areas if area.file is not None]
        if any(_top(place) is root for place in places):
            return True
    return False
