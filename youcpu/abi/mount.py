"""Flags of mount(2): include/uapi/linux/mount.h."""

from __future__ import annotations

from youcpu.abi.fcntl import MNT_DETACH, MNT_EXPIRE, MNT_FORCE, UMOUNT_NOFOLLOW
from youcpu.abi.names import NameTable

(
    MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_SYNCHRONOUS, MS_REMOUNT, MS_MANDLOCK, MS_DIRSYNC,
    MS_NOSYMFOLLOW,
) = (1 << bit for bit in range(9))  # fmt: skip
(
    MS_NOATIME, MS_NODIRATIME, MS_BIND, MS_MOVE, MS_REC, MS_SILENT, MS_POSIXACL, MS_UNBINDABLE,
    MS_PRIVATE, MS_SLAVE, MS_SHARED, MS_RELATIME, MS_KERNMOUNT, MS_I_VERSION, MS_STRICTATIME,
    MS_LAZYTIME,
) = (1 << bit for bit in range(10, 26))  # fmt: skip
PROPAGATION = MS_UNBINDABLE | MS_PRIVATE | MS_SLAVE | MS_SHARED
#: In the upper half, of old programs: it means nothing.
MS_MGC_MSK, MS_MGC_VAL = 0xFFFF0000, 0xC0ED0000

MOUNT_NAMES = NameTable(
    "MS_???",
    [(name, value) for name, value in globals().items() if name.startswith("MS_") and
     not name.startswith("MS_MGC")],
)  # fmt: skip

__all__ = ["MNT_DETACH", "MNT_EXPIRE", "MNT_FORCE", "UMOUNT_NOFOLLOW"]
