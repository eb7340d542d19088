"""Superblocks: include/linux/fs.h struct super_block; what inodes of one file system share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.record import record

if TYPE_CHECKING:
    from youcpu.kernel.kernel import Kernel

#: include/uapi/linux/magic.h
TMPFS_MAGIC = 0x01021994
PROC_SUPER_MAGIC = 0x9FA0
PIPEFS_MAGIC = 0x50495045
SOCKFS_MAGIC = 0x534F434B
ANON_INODE_FS_MAGIC = 0x09041934
OVERLAYFS_SUPER_MAGIC = 0x794C7630


#: fs/ext4/super.c ext4_max_size(): so many blocks has a file at most.
EXT4_SUPER_MAGIC = 0xEF53
_EXT4_MAX_BLOCKS = (1 << 32) - 1


@record
class Kstatfs:
    """struct statfs; `fsid` as one 64-bit number."""

    type: int
    bsize: int
    blocks: int
    bfree: int
    bavail: int
    files: int
    ffree: int
    fsid: int
    namelen: int
    frsize: int
    flags: int


def host_max_bytes(told: Kstatfs | None) -> int:
    """s_maxbytes of a file system of the host, by what statfs(2) told of it."""
    if told is not None and told.type == EXT4_SUPER_MAGIC:
        return _EXT4_MAX_BLOCKS * told.bsize
    return (1 << 63) - 1


class SuperBlock:
    """One file system instance. `dev` is what st_dev shows, `name` what /proc/mounts shows."""

    def __init__(
        self, kernel: Kernel, name: str, dev: int, magic: int, read_only: bool = False
    ) -> None:
        self.kernel = kernel
        self.name = name
        self.dev = dev
        self.magic = magic
        self.read_only = read_only
        #: Directories may be exchanged by others: look them up anew each time.
        self.revalidate = False
        #: What stat(2) recommends for I/O.
        self.blksize = 4096
        #: FS_MGTIME: statx(2) tells times of change only where they are asked for.
        self.multigrain = False
        #: MS_NOEXEC
        self.noexec = False
        # Numbers of pipes and the like look as on a running system: five digits.
        self._next_ino = 10000 if magic in (PIPEFS_MAGIC, SOCKFS_MAGIC, PROC_SUPER_MAGIC) else 1

    def now(self) -> int:
        """Virtual wall clock, ns."""
        return self.kernel.clock.realtime_ns()

    def new_ino(self) -> int:
        """A number no other inode of this superblock has."""
        self._next_ino += 1
        return self._next_ino

    def max_bytes(self) -> int:
        """s_maxbytes: the greatest length of a file."""
        return (1 << 63) - 1

    def sync(self) -> None:
        """Write back what is only in memory, where there is a place for it."""

    def reclaim(self, wanted: int) -> int:
        """Drop up to `wanted` cached pages that can be read again; how many."""
        return 0

    def statfs(self) -> Kstatfs:
        """What statfs(2) shows."""
        frames = self.kernel.frames
        blocks = 0 if self.magic == PROC_SUPER_MAGIC else frames.total // 2
        free = min(frames.available, blocks)
        files = blocks
        return Kstatfs(self.magic, 4096, blocks, free, free, files, free, self.dev, 255, 4096, 0x20)
