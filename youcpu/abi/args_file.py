"""Arguments of the file calls: fs/open.c, fs/namei.c, fs/read_write.c, fs/stat.c."""

from __future__ import annotations

import struct
from typing import Annotated

from youcpu.abi import fcntl, stat
from youcpu.abi.args import (
    Capture,
    Flags,
    Marker,
    OneOf,
    Record,
    SignedInt,
    SignedLong,
    UnsignedInt,
    descriptor,
    signed_int,
)
from youcpu.abi.structs import Stat, Statfs, Statx
from youcpu.abi.values import (
    OMITTED,
    Address,
    Array,
    Changed,
    Dated,
    Descriptor,
    Device,
    Either,
    FileMode,
    Hex,
    LongPath,
    Noted,
    Permissions,
    Remark,
    Struct,
)

_PATH_MAX = 4095


class FileDescriptor(SignedInt):
    """An open file; its path is shown on demand."""

    def capture(self, index: int, call: Capture) -> object:
        return descriptor(call, signed_int(call.raw[index]))

    def captured_result(self, result: int, call: Capture) -> tuple[object, Remark | None]:
        return descriptor(call, result), None


class DirectoryDescriptor(SignedInt):
    """The directory that a relative path starts from."""

    def capture(self, index: int, call: Capture) -> object:
        number = signed_int(call.raw[index])
        if number != fcntl.AT_FDCWD:
            return descriptor(call, number)
        path = call.fd_path(number) if call.fd_path else None
        return Descriptor(number, path, "AT_FDCWD")


class PathName(Marker):
    """A path: the handler gets its bytes; EFAULT and ENAMETOOLONG come before it runs."""

    expression = "getname(task, {raw})"

    def capture(self, index: int, call: Capture) -> object:
        return path_at(call, call.raw[index])


class OptionalPathName(PathName):
    """A path, or NULL: the handler gets None."""

    expression = "getname(task, {raw}) if {raw} else None"


def path_at(call: Capture, address: int) -> object:
    """The path at an address, or the address where there is none."""
    found = call.string(address, _PATH_MAX) if address else None
    if found is None:
        return Address(address)
    path, whole = found
    return path if whole else LongPath(path)


class OpenMode(Flags):
    """Flags of open(2): the access mode is a number, the others are bits."""

    def __init__(self) -> None:
        super().__init__(fcntl.O_NAMES)

    def capture(self, index: int, call: Capture) -> object:
        return open_flags(call.raw[index] & 0xFFFFFFFF)


def may_create(flags: int) -> bool:
    """Does open(2) with these flags look at its mode?"""
    return bool(flags & (fcntl.O_CREAT | fcntl.__O_TMPFILE))


def open_flags(flags: int) -> Either:
    """`O_RDWR|O_CLOEXEC`."""
    found = _OPEN_FLAGS.get(flags)
    if found is None:
        access = fcntl.O_ACCMODE_NAMES.choice(flags & fcntl.O_ACCMODE)
        rest = flags & ~fcntl.O_ACCMODE
        found = Either((access, fcntl.O_NAMES.flags(rest)) if rest else (access,))
        if len(_OPEN_FLAGS) < 1024:
            _OPEN_FLAGS[flags] = found
    return found


#: Decoded open flags: a program uses few.
_OPEN_FLAGS: dict[int, Either] = {}


class Permission(UnsignedInt):
    """Permission bits, octal; umode_t is 16 bits wide."""

    def capture(self, index: int, call: Capture) -> object:
        return Permissions(call.raw[index] & 0xFFFF)

    def captured_result(self, result: int, call: Capture) -> tuple[object, Remark | None]:
        return Permissions(result), None


class CreationMode(Permission):
    """Permission bits of open(2): there only if a file may be made."""

    def capture(self, index: int, call: Capture) -> object:
        if may_create(call.raw[index - 1]):
            return super().capture(index, call)
        return OMITTED


class NodeMode(UnsignedInt):
    """Type and permissions of mknod(2)."""

    def capture(self, index: int, call: Capture) -> object:
        return FileMode(call.raw[index] & 0xFFFF)


class NodeDevice(UnsignedInt):
    """Device of mknod(2): only devices have one."""

    def capture(self, index: int, call: Capture) -> object:
        kind = call.raw[index - 1] & stat.S_IFMT
        if kind in (stat.S_IFCHR, stat.S_IFBLK):
            return Device(call.raw[index] & 0xFFFFFFFF)
        return OMITTED


class StatxFlags(Flags):
    """Flags of statx(2): how to synchronise is a number, the others are bits."""

    def __init__(self) -> None:
        super().__init__(fcntl.AT_NAMES)

    def capture(self, index: int, call: Capture) -> object:
        flags = call.raw[index] & 0xFFFFFFFF
        rest = flags & ~fcntl.AT_STATX_SYNC_TYPE
        how = fcntl.AT_STATX_SYNC_NAMES.flags(flags & fcntl.AT_STATX_SYNC_TYPE)
        return Either((how, fcntl.AT_BITS.flags(rest)) if rest else (how,))


def stat_value(data: bytes, call: Capture) -> Struct:
    """struct stat in strace's order."""
    st = Stat.unpack(data)
    fields: dict[str, object] = {
        "st_dev": Device(st.st_dev),
        "st_ino": st.st_ino,
        "st_mode": FileMode(st.st_mode),
        "st_nlink": st.st_nlink,
        "st_uid": st.st_uid,
        "st_gid": st.st_gid,
        "st_blksize": st.st_blksize,
        "st_blocks": st.st_blocks,
    }
    if st.st_mode & stat.S_IFMT in (stat.S_IFCHR, stat.S_IFBLK):
        fields["st_rdev"] = Device(st.st_rdev)
        brief = ("st_mode", "st_rdev")
    else:
        fields["st_size"] = st.st_size
        brief = ("st_mode", "st_size")
    for name in ("st_atime", "st_mtime", "st_ctime"):
        seconds, ns = getattr(st, name), getattr(st, f"{name}_nsec")
        fields[name] = Dated(seconds, seconds, ns, 9)
        fields[f"{name}_nsec"] = ns
    return Struct(fields, brief)


def statx_value(data: bytes, call: Capture) -> Struct:
    """struct statx in strace's order; fields that the mask does not promise are left out."""
    st = Statx.unpack(data)
    mask = st.stx_mask
    fields: dict[str, object] = {
        "stx_mask": stat.STATX_NAMES.flags(mask),
        "stx_blksize": st.stx_blksize,
        "stx_attributes": stat.STATX_ATTR_NAMES.flags(st.stx_attributes),
    }
    for name, needed in _STATX_NUMBERS:
        if mask & needed:
            fields[name] = getattr(st, name)
    if "stx_mode" in fields:
        fields["stx_mode"] = FileMode(st.stx_mode)
    fields["stx_attributes_mask"] = stat.STATX_ATTR_NAMES.flags(st.stx_attributes_mask)
    for name, needed in _STATX_TIMES:
        if mask & needed:
            seconds, ns = getattr(st, name), getattr(st, f"{name}_nsec")
            fields[name] = Dated(Struct({"tv_sec": seconds, "tv_nsec": ns}), seconds, ns, 9)
    for name in ("stx_rdev_major", "stx_rdev_minor", "stx_dev_major", "stx_dev_minor"):
        fields[name] = getattr(st, name)
    if mask & stat.STATX_MNT_ID:
        fields["stx_mnt_id"] = Hex(st.stx_mnt_id)
    if mask & stat.STATX_DIOALIGN:
        fields["stx_dio_mem_align"] = st.stx_dio_mem_align
        fields["stx_dio_offset_align"] = st.stx_dio_offset_align
    return Struct(fields, ("stx_mask", "stx_attributes", "stx_mode", "stx_size"))


_STATX_NUMBERS = (
    ("stx_nlink", stat.STATX_NLINK),
    ("stx_uid", stat.STATX_UID),
    ("stx_gid", stat.STATX_GID),
    ("stx_mode", stat.STATX_TYPE | stat.STATX_MODE),
    ("stx_ino", stat.STATX_INO),
    ("stx_size", stat.STATX_SIZE),
    ("stx_blocks", stat.STATX_BLOCKS),
)
_STATX_TIMES = (
    ("stx_atime", stat.STATX_ATIME),
    ("stx_btime", stat.STATX_BTIME),
    ("stx_ctime", stat.STATX_CTIME),
    ("stx_mtime", stat.STATX_MTIME),
)


def statfs_value(data: bytes, call: Capture) -> Struct:
    """struct statfs: never cut."""
    st = Statfs.unpack(data)
    return Struct(
        {
            "f_type": stat.FSMAGIC_NAMES.choice(st.f_type),
            "f_bsize": st.f_bsize,
            "f_blocks": st.f_blocks,
            "f_bfree": st.f_bfree,
            "f_bavail": st.f_bavail,
            "f_files": st.f_files,
            "f_ffree": st.f_ffree,
            "f_fsid": Struct({"val": Array((Hex(st.f_fsid_0), Hex(st.f_fsid_1)))}),
            "f_namelen": st.f_namelen,
            "f_frsize": st.f_frsize,
            "f_flags": stat.ST_NAMES.flags(st.f_flags),
        }
    )


def utimbuf_value(data: bytes, call: Capture) -> Struct:
    """struct utimbuf."""
    access, modification = (
        int.from_bytes(data[at : at + 8], "little", signed=True) for at in (0, 8)
    )
    return Struct(
        {"actime": Dated(access, access, 0, 0), "modtime": Dated(modification, modification, 0, 0)}
    )


class Length(SignedLong):
    """New size of truncate(2): the handler gets it signed, people read it unsigned."""

    def capture(self, index: int, call: Capture) -> object:
        return call.raw[index]


class OffsetIn(Marker):
    """Pointer to a file offset: copy_file_range(2), splice(2)."""

    def capture(self, index: int, call: Capture) -> object:
        data = call.exactly(call.raw[index], 8)
        if data is None:
            return Address(call.raw[index])
        return Array((int.from_bytes(data, "little", signed=True),))


class OffsetPointer(OffsetIn):
    """The same, moved by the call: sendfile(2)."""

    changes = True

    def changed(self, index: int, call: Capture, before: object) -> object:
        after = self.capture(index, call)
        if call.failed or after == before or not isinstance(before, Array):
            return before
        return Changed(before, after)


class OpenHow(Marker):
    """struct open_how of openat2(2)."""

    def capture(self, index: int, call: Capture) -> object:
        data = call.exactly(call.raw[index], 24) if call.raw[index + 1] >= 24 else None
        if data is None:
            return Address(call.raw[index])
        flags, mode, resolve = struct.unpack("<QQQ", data)
        fields: dict[str, object] = {"flags": open_flags(flags)}
        if mode or may_create(flags):
            fields["mode"] = Permissions(mode)
        fields["resolve"] = fcntl.RESOLVE_NAMES.flags(resolve)
        return Struct(fields)


class DirectoryEntries(Marker):
    """Buffer of getdents(2): how many entries came."""

    at_exit = True

    def __init__(self, kind_at_end: bool) -> None:
        self.kind_at_end = kind_at_end

    def capture(self, index: int, call: Capture) -> object:
        from youcpu.abi.dirent import directory_entries

        address = Address(call.raw[index])
        if call.failed or not call.result:
            count = 0
            if call.failed:
                return address
            entries: tuple[object, ...] = ()
        else:
            data = call.read(address, call.result)
            entries = directory_entries(data, self.kind_at_end)
            count = len(entries)
        if call.verbose:
            return Array(entries)
        return Noted(address, f"{count} entries")


Fd = Annotated[int, FileDescriptor()]
DirFd = Annotated[int, DirectoryDescriptor()]
Path = Annotated[bytes, PathName()]
#: bytes or None.
PathOrNull = Annotated[bytes | None, OptionalPathName()]
OpenFlags = Annotated[int, OpenMode()]
#: umode_t; the result of umask(2) too.
Mode = Annotated[int, Permission()]
#: Stands right behind OpenFlags.
CreateMode = Annotated[int, CreationMode()]
MknodMode = Annotated[int, NodeMode()]
#: Stands right behind MknodMode.
MknodDevice = Annotated[int, NodeDevice()]
Whence = Annotated[int, OneOf(fcntl.SEEK_NAMES)]
AtFlags = Annotated[int, Flags(fcntl.AT_NAMES)]
#: Flags of faccessat2(2): 0x200 is AT_EACCESS there.
FaccessatFlags = Annotated[int, Flags(fcntl.FACCESSAT_NAMES)]
AccessMode = Annotated[int, Flags(fcntl.ACCESS_NAMES)]
RenameFlags = Annotated[int, Flags(fcntl.RENAME_NAMES)]
FlockOperation = Annotated[int, Flags(fcntl.FLOCK_NAMES)]
FallocateMode = Annotated[int, Flags(fcntl.FALLOC_NAMES)]
FadviseAdvice = Annotated[int, OneOf(fcntl.FADVISE_NAMES)]
SpliceFlags = Annotated[int, Flags(fcntl.SPLICE_NAMES)]
SyncFileRangeFlags = Annotated[int, Flags(fcntl.SYNC_FILE_RANGE_NAMES)]
RwfFlags = Annotated[int, Flags(fcntl.RWF_NAMES)]
CloseRangeFlags = Annotated[int, Flags(fcntl.CLOSE_RANGE_NAMES)]
#: pipe2(2), dup3(2): O_CLOEXEC, O_NONBLOCK, O_DIRECT.
PipeFlags = Annotated[int, Flags(fcntl.O_NAMES)]
StatPtr = Annotated[int, Record(Stat.SIZE, stat_value, at_exit=True)]
StatxAtFlags = Annotated[int, StatxFlags()]
StatxMask = Annotated[int, Flags(stat.STATX_NAMES)]
StatxPtr = Annotated[int, Record(Statx.SIZE, statx_value, at_exit=True)]
StatfsPtr = Annotated[int, Record(Statfs.SIZE, statfs_value, at_exit=True)]
DirentsPtr = Annotated[int, DirectoryEntries(kind_at_end=True)]
Dirents64Ptr = Annotated[int, DirectoryEntries(kind_at_end=False)]
FileLength = Annotated[int, Length()]
#: copy_file_range(2), splice(2): shown as it was.
OffsetPtr = Annotated[int, OffsetIn()]
OffsetInOut = Annotated[int, OffsetPointer()]
UmountFlags = Annotated[int, Flags(fcntl.UMOUNT_NAMES)]
#: openat2(2): its size is the next argument.
OpenHowPtr = Annotated[int, OpenHow()]
#: utime(2).
UtimbufPtr = Annotated[int, Record(16, utimbuf_value)]
