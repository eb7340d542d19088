"""The mount table and what the VFS has once a machine: fs/namespace.c."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.socket import SOCK_DGRAM, SOCK_STREAM
from youcpu.kernel.errors import KernelError
from youcpu.kernel.net.ports import Ports
from youcpu.kernel.vfs.dcache import Dentry, DentryRing, d_path, follow_mount
from youcpu.kernel.vfs.hostfs import HostFdPool, HostTree, StrictHostTree
from youcpu.kernel.vfs.kmem import KernelMemory
from youcpu.kernel.vfs.super import (
    ANON_INODE_FS_MAGIC,
    PIPEFS_MAGIC,
    SOCKFS_MAGIC,
    SuperBlock,
)

if TYPE_CHECKING:
    from youcpu.kernel.kernel import Kernel
    from youcpu.kernel.net.unix import UnixSocket
    from youcpu.kernel.task import Task
    from youcpu.kernel.tty.tty import Tty
    from youcpu.kernel.vfs.console import ConsoleInode
    from youcpu.kernel.vfs.devtmpfs import DevFs
    from youcpu.kernel.vfs.file import File
    from youcpu.kernel.vfs.hostrw import RwFs
    from youcpu.kernel.vfs.inode import Inode
    from youcpu.kernel.vfs.procfs import ProcFs
    from youcpu.kernel.vfs.sysfs import SysFs
    from youcpu.kernel.vfs.tmpfs import TmpFs


class MountOptions:
    """What the machine's user asked for. `root`: --rootfs; `writable`: --rw, host paths.

    `booting`: nothing is mounted but the root, as a kernel leaves it to init.
    """

    __slots__ = ("booting", "root", "writable")

    def __init__(
        self, root: bytes = b"/", writable: tuple[bytes, ...] = (), booting: bool = False
    ) -> None:
        self.root = root
        self.writable = writable
        self.booting = booting


class Mount:
    """One line of /proc/mounts."""

    __slots__ = ("kind", "number", "options", "root", "sb", "source")

    def __init__(
        self,
        number: int,
        root: Dentry,
        sb: SuperBlock,
        source: bytes,
        kind: bytes,
        options: bytes = b"rw,relatime",
    ) -> None:
        self.number = number
        self.root = root
        self.sb = sb
        self.source = source
        self.kind = kind
        self.options = options


class Vfs:
    """The tree of names of one machine, and the file systems in it."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.kmem = KernelMemory(kernel.frames)
        self.host_fds = HostFdPool()
        self.ring = DentryRing()
        self.mounts: list[Mount] = []
        self.pipefs = SuperBlock(kernel, "pipefs", 14, PIPEFS_MAGIC)
        self.sockfs = SuperBlock(kernel, "sockfs", 8, SOCKFS_MAGIC)
        self.anon_fs = SuperBlock(kernel, "anon_inodefs", 15, ANON_INODE_FS_MAGIC)
        self.memfd_fs: TmpFs
        self.root: Dentry
        #: Set while many files are asked about at once (dry runs): the host is taken as
        #: unchanging, and this is what was learnt of its files. None: ask every time.
        self.snapshot: dict[Inode, tuple[int, bool]] | None = None
        #: Terminals among the standard descriptors: st_rdev -> host descriptor.
        self.terminals: dict[int, int] = {}
        #: Owners of record locks that sleep for one: whom each waits for.
        self.lock_waits: dict[object, object] = {}
        self.consoles: dict[int, ConsoleInode] = {}
        #: The console of a booted machine.
        self.console_tty: Tty | None = None
        #: Those that mount(2) gives by name; each is there once.
        self.file_systems: dict[bytes, ProcFs | DevFs | SysFs] = {}
        self.devices: DevFs
        #: Somebody has an inotify watch: events must be told.
        self.watched = False
        #: Open files on their way between sockets.
        self.files_in_flight = 0
        #: sun_path with its NUL -> socket.
        self.abstract_sockets: dict[bytes, UnixSocket] = {}
        #: TCP's and UDP's, by the type of their sockets.
        self.ports = {kind: Ports() for kind in (SOCK_STREAM, SOCK_DGRAM)}
        self._cookie = 0
        self._anonymous_devices = 40
        #: The tree is init's, who may mount and unmount.
        self.booting = False

    def mount_all(self, options: MountOptions) -> None:
        """The whole tree: overlay, /proc, /dev, /dev/shm, /sys, --rw directories."""
        from youcpu.kernel.vfs.devtmpfs import DevFs
        from youcpu.kernel.vfs.overlay import OverlayFs
        from youcpu.kernel.vfs.procfs import ProcFs
        from youcpu.kernel.vfs.sysfs import SysFs
        from youcpu.kernel.vfs.tmpfs import TmpFs

        kernel = self.kernel
        top = os.path.realpath(options.root)
        host_root = top == b"/"
        tree = HostTree(b"/") if host_root else StrictHostTree(top)
        overlay = OverlayFs(kernel, tree)
        self.root = Dentry(b"", overlay.root)
        self.mounts.append(Mount(1, self.root, overlay, b"overlay", b"overlay"))
        proc = ProcFs(kernel)
        self.devices = dev = DevFs(kernel)
        if options.booting:
            self.booting = True
            sysfs = SysFs(kernel, self.next_device())
            self.file_systems = {b"proc": proc, b"devtmpfs": dev, b"sysfs": sysfs}
            self.memfd_fs = TmpFs(kernel, "tmpfs", 1)
            dev.add_console()
            self._default_initramfs()
            return
        self.mount(b"/proc", proc.root, proc, b"proc", b"proc")
        self.mount(b"/dev", dev.root, dev, b"devtmpfs", b"devtmpfs")
        self.memfd_fs = TmpFs(kernel, "tmpfs", 1)
        shm = TmpFs(kernel, "tmpfs", dev.dev + 1)
        self.mount(b"/dev/shm", dev.shared_memory(shm), shm, b"tmpfs", b"tmpfs")
        if host_root:
            self._mount_sys()
        for path in sorted(map(os.path.realpath, options.writable)):
            self._mount_writable(top.rstrip(b"/"), path)

    def _default_initramfs(self) -> None:
        """usr/default_cpio_list: /dev/console is there before anything is mounted."""
        from youcpu.kernel.cred import Credentials
        from youcpu.kernel.tty.tty import CONSOLE

        dev = self.mount_point(b"/dev").inode
        try:
            dev.lookup(b"console")
        except KernelError:
            dev.create(b"console", 0o20600, Credentials.of(0, 0), os.makedev(*CONSOLE))

    def prepare_namespace(self) -> None:
        """init/do_mounts.c: the root is there; devtmpfs goes on its /dev."""
        printk = self.kernel.printk.printk
        root = self.mounts[0]
        printk(6, f"VFS: Mounted root ({root.sb.name} filesystem).")
        dev = self.devices
        self.mount(b"/dev", dev.root, dev, b"devtmpfs", b"devtmpfs")
        printk(6, "devtmpfs: mounted")

    def _mount_writable(self, top: bytes, path: bytes) -> None:
        """--rw: at its place below --rootfs, else where the host has it. Raises OSError."""
        from youcpu.kernel.vfs.hostrw import RwFs

        sb = RwFs(self.kernel, path)
        place = path[len(top) :] if path.startswith(top + b"/") else path
        if path in (top, b"/"):
            # The whole tree: what is mounted below it stays.
            self._replace_root(sb)
        else:
            self.mount(place, sb.root, sb, path, b"host")

    def _replace_root(self, sb: RwFs) -> None:
        below = [mount for mount in self.mounts[1:] if mount.root.covers is not None]
        paths = [d_path(mount.root, self.root)[0] for mount in below]
        self.root = Dentry(b"", sb.root)
        self.mounts[0] = Mount(1, self.root, sb, b"host", b"host")
        for mount, path in zip(below, paths, strict=True):
            place = self.mount_point(path)
            mount.root.covers = place
            place.mounted = mount.root

    def _mount_sys(self) -> None:
        from youcpu.kernel.vfs.overlay import OverlayFs

        try:
            sys = OverlayFs(self.kernel, HostTree(b"/sys"), read_only=True)
        except KernelError:
            return
        self.mount(b"/sys", sys.root, sys, b"sysfs", b"sysfs", b"ro,nosuid,nodev,noexec,relatime")

    def mount(
        self,
        path: bytes,
        inode: Inode,
        sb: SuperBlock,
        source: bytes,
        kind: bytes,
        options: bytes = b"rw,relatime",
    ) -> None:
        """Put a file system over a directory; one that is missing is made in the overlay."""
        self.mount_over(self.mount_point(path), inode, sb, source, kind, options)

    def mount_over(
        self, place: Dentry, inode: Inode, sb: SuperBlock, source: bytes, kind: bytes,
        options: bytes,
    ) -> None:  # fmt: skip
        """Put a file system over a place."""
        root = Dentry(b"", inode)
        root.covers = place
        place.mounted = root
        self.ring.touch(place)
        number = max(mount.number for mount in self.mounts) + 1
        self.mounts.append(Mount(number, root, sb, source, kind, options))

    def next_device(self) -> int:
        """st_dev of one more file system that has no device: get_anon_bdev()."""
        self._anonymous_devices += 1
        return os.makedev(0, self._anonymous_devices)

    def mount_point(self, path: bytes) -> Dentry:
        """The directory at an absolute path without links, made where it is missing."""
        from youcpu.kernel.cred import Credentials

        place = self.root
        for name in path.split(b"/"):
            if not name:
                continue
            known = place.child(name)
            if known is None:
                try:
                    inode = place.inode.lookup(name)
                except KernelError:
                    inode = place.inode.create(name, 0o40755, Credentials.of(0, 0))
                known = place.add(name, inode)
            place = follow_mount(known)
        return place

    def standard_file(self, fd: int) -> File | None:
        """A host descriptor (0, 1 or 2) as an open file; None: it is closed."""
        import fcntl

        from youcpu.kernel.vfs.console import ConsoleFile, ConsoleInode

        try:
            flags = fcntl.fcntl(fd, fcntl.F_GETFL)
            name = os.readlink(b"/proc/self/fd/%d" % fd)
        except FileNotFoundError:
            name = b"/dev/fd/%d" % fd
        except OSError:
            return None
        inode = ConsoleInode(SuperBlock(self.kernel, "console", 0, 0), fd)
        self.consoles[fd] = inode
        if os.isatty(fd):
            self.terminals.setdefault(inode.rdev, fd)
            if name.startswith(b"/dev/"):
                self.devices.add_terminal(name, inode.rdev, inode.uid, inode.gid)
        return ConsoleFile(Dentry(name, inode), flags)

    def open_terminal(self, rdev: int, dentry: Dentry, flags: int) -> File:
        """/dev/tty or a terminal by its own name. Raises ENXIO without one."""
        from youcpu.kernel.vfs.console import ConsoleFile

        fd = self.terminals.get(rdev)
        if fd is None:
            if not self.terminals:
                raise KernelError(Errno.ENXIO)
            fd = next(iter(self.terminals.values()))
        return ConsoleFile(Dentry(dentry.name, self.consoles[fd], dentry.parent), flags)

    def next_cookie(self) -> int:
        """Joins IN_MOVED_FROM and IN_MOVED_TO."""
        self._cookie += 1
        return self._cookie

    def shmem_file(self, task: Task, size: int) -> File:
        """A file behind a shared anonymous mapping: shmem_zero_setup(). Raises ENOSPC."""
        from youcpu.kernel.vfs.tmpfs import RegularFile

        inode = self.memfd_fs.make(0o100777, task.cred, None)
        inode.nlink = 0
        inode.size = size
        dentry = Dentry(b"/dev/zero", inode)
        dentry.deleted = True
        return RegularFile(dentry, 2)

    def write_back(self) -> None:
        """sync(2): what shared mappings changed below --rw goes to the host."""
        for mount in self.mounts:
            mount.sb.sync()

    def reclaim(self, wanted: int) -> int:
        """mm/vmscan.c: drop clean cached pages that nobody maps; how many frames came free.

        For a point where nobody holds a frame number: the start of a fault or a call.
        """
        freed = 0
        for mount in self.mounts:
            if freed < wanted:
                freed += mount.sb.reclaim(wanted - freed)
        return freed

    def restore_terminals(self) -> None:
        """At the end: the user's terminal as it was before the program changed it."""
        for inode in self.consoles.values():
            inode.restore_terminal()

    def mount_id(self, dentry: Dentry) -> int:
        """Number of the mount that a place belongs to."""
        while dentry.parent is not None:
            dentry = dentry.parent
        return next((mount.number for mount in self.mounts if mount.root is dentry), 0)
