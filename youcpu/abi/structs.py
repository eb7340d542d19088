"""C structures that system calls read and write, x86-64 layouts: include/uapi/.

Each class knows its bytes: `pack()`, `unpack(data)`, `SIZE`. Arrays in a structure are bytes.
"""

from __future__ import annotations

import struct
from operator import attrgetter
from typing import ClassVar, Self

from youcpu.record import record


class CStruct:
    """A structure of fixed layout; subclasses are dataclasses with LAYOUT's fields in order."""

    __slots__ = ()
    LAYOUT: ClassVar[struct.Struct]
    SIZE: ClassVar[int] = 0
    _fields: ClassVar[attrgetter[tuple[object, ...]]]

    def __init_subclass__(cls) -> None:
        cls.SIZE = cls.LAYOUT.size
        cls._fields = attrgetter(*cls.__annotations__)

    def pack(self) -> bytes:
        """SIZE bytes. Raises struct.error where a value does not fit its field."""
        return self.LAYOUT.pack(*self.__class__._fields(self))

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """From SIZE bytes."""
        return cls(*cls.LAYOUT.unpack(data))


@record
class Timespec(CStruct):
    """Seconds and nanoseconds; timeval has microseconds in the same place."""

    LAYOUT = struct.Struct("<qq")
    tv_sec: int
    tv_nsec: int

    @classmethod
    def of_ns(cls, ns: int) -> Self:
        """From nanoseconds."""
        return cls(*divmod(ns, 1_000_000_000))

    @property
    def ns(self) -> int:
        """In nanoseconds."""
        return self.tv_sec * 1_000_000_000 + self.tv_nsec


@record
class Timeval(CStruct):
    """Seconds and microseconds."""

    LAYOUT = struct.Struct("<qq")
    tv_sec: int
    tv_usec: int

    @classmethod
    def of_ns(cls, ns: int) -> Self:
        """From nanoseconds, rounded down."""
        return cls(*divmod(ns // 1000, 1_000_000))

    @property
    def ns(self) -> int:
        """In nanoseconds."""
        return self.tv_sec * 1_000_000_000 + self.tv_usec * 1000


@record
class Timezone(CStruct):
    """The kernel's time zone, long unused."""

    LAYOUT = struct.Struct("<ii")
    tz_minuteswest: int = 0
    tz_dsttime: int = 0


@record
class Itimerval(CStruct):
    """setitimer(2): interval and time to the next expiry, in seconds and microseconds."""

    LAYOUT = struct.Struct("<qqqq")
    interval_sec: int
    interval_usec: int
    value_sec: int
    value_usec: int


@record
class Itimerspec(CStruct):
    """timer_settime(2), timerfd_settime(2): the same in nanoseconds."""

    LAYOUT = struct.Struct("<qqqq")
    interval_sec: int
    interval_nsec: int
    value_sec: int
    value_nsec: int


@record
class Stat(CStruct):
    """struct stat: 144 bytes."""

    LAYOUT = struct.Struct("<QQQIII4xQqqqqQqQqQ24x")
    st_dev: int
    st_ino: int
    st_nlink: int
    st_mode: int
    st_uid: int
    st_gid: int
    st_rdev: int
    st_size: int
    st_blksize: int
    st_blocks: int
    st_atime: int
    st_atime_nsec: int
    st_mtime: int
    st_mtime_nsec: int
    st_ctime: int
    st_ctime_nsec: int


@record
class Statx(CStruct):
    """struct statx: 256 bytes; times are seconds and nanoseconds."""

    LAYOUT = struct.Struct("<IIQIIIH2xQQQQqI4xqI4xqI4xqI4xIIIIQII96x")
    stx_mask: int
    stx_blksize: int
    stx_attributes: int
    stx_nlink: int
    stx_uid: int
    stx_gid: int
    stx_mode: int
    stx_ino: int
    stx_size: int
    stx_blocks: int
    stx_attributes_mask: int
    stx_atime: int
    stx_atime_nsec: int
    stx_btime: int
    stx_btime_nsec: int
    stx_ctime: int
    stx_ctime_nsec: int
    stx_mtime: int
    stx_mtime_nsec: int
    stx_rdev_major: int
    stx_rdev_minor: int
    stx_dev_major: int
    stx_dev_minor: int
    stx_mnt_id: int
    stx_dio_mem_align: int = 0
    stx_dio_offset_align: int = 0


@record
class Statfs(CStruct):
    """struct statfs: 120 bytes."""

    LAYOUT = struct.Struct("<qqQQQQQiiqqq32x")
    f_type: int
    f_bsize: int
    f_blocks: int
    f_bfree: int
    f_bavail: int
    f_files: int
    f_ffree: int
    f_fsid_0: int
    f_fsid_1: int
    f_namelen: int
    f_frsize: int
    f_flags: int


@record
class Flock(CStruct):
    """fcntl(2) record locks."""

    LAYOUT = struct.Struct("<hh4xqqi4x")
    l_type: int
    l_whence: int
    l_start: int
    l_len: int
    l_pid: int


@record
class Winsize(CStruct):
    """Terminal size in characters and pixels."""

    LAYOUT = struct.Struct("<HHHH")
    ws_row: int
    ws_col: int
    ws_xpixel: int = 0
    ws_ypixel: int = 0


@record
class Termios(CStruct):
    """The kernel's struct termios (TCGETS): 36 bytes, 19 control characters."""

    LAYOUT = struct.Struct("<IIIIB19s")
    c_iflag: int
    c_oflag: int
    c_cflag: int
    c_lflag: int
    c_line: int
    c_cc: bytes


@record
class PollFd(CStruct):
    """poll(2)."""

    LAYOUT = struct.Struct("<ihh")
    fd: int
    events: int
    revents: int


@record
class EpollEvent(CStruct):
    """epoll(7): packed on x86-64, 12 bytes."""

    LAYOUT = struct.Struct("<IQ")
    events: int
    data: int


@record
class Iovec(CStruct):
    """readv(2), writev(2)."""

    LAYOUT = struct.Struct("<QQ")
    iov_base: int
    iov_len: int


@record
class Rlimit(CStruct):
    """Soft and hard limit."""

    LAYOUT = struct.Struct("<QQ")
    rlim_cur: int
    rlim_max: int


@record
class Rusage(CStruct):
    """getrusage(2): times in seconds and microseconds, maxrss in KiB."""

    LAYOUT = struct.Struct("<18q")
    ru_utime_sec: int = 0
    ru_utime_usec: int = 0
    ru_stime_sec: int = 0
    ru_stime_usec: int = 0
    ru_maxrss: int = 0
    ru_ixrss: int = 0
    ru_idrss: int = 0
    ru_isrss: int = 0
    ru_minflt: int = 0
    ru_majflt: int = 0
    ru_nswap: int = 0
    ru_inblock: int = 0
    ru_oublock: int = 0
    ru_msgsnd: int = 0
    ru_msgrcv: int = 0
    ru_nsignals: int = 0
    ru_nvcsw: int = 0
    ru_nivcsw: int = 0


@record
class Tms(CStruct):
    """times(2), in clock ticks."""

    LAYOUT = struct.Struct("<qqqq")
    tms_utime: int
    tms_stime: int
    tms_cutime: int
    tms_cstime: int


@record
class Sysinfo(CStruct):
    """sysinfo(2): 112 bytes; loads are fixed point with 16 bits."""

    LAYOUT = struct.Struct("<q3QQQQQQQH2x4xQQI4x")
    uptime: int
    load_1: int
    load_5: int
    load_15: int
    totalram: int
    freeram: int
    sharedram: int
    bufferram: int
    totalswap: int
    freeswap: int
    procs: int
    totalhigh: int
    freehigh: int
    mem_unit: int


@record
class Utsname(CStruct):
    """uname(2): six strings of up to 64 bytes; shorter ones are padded with NUL."""

    LAYOUT = struct.Struct("<65s65s65s65s65s65s")
    sysname: bytes
    nodename: bytes
    release: bytes
    version: bytes
    machine: bytes
    domainname: bytes


@record
class Sigaction(CStruct):
    """rt_sigaction(2), the kernel's order of fields."""

    LAYOUT = struct.Struct("<QQQQ")
    handler: int = 0
    flags: int = 0
    restorer: int = 0
    mask: int = 0


@record
class SigaltStack(CStruct):
    """sigaltstack(2): stack_t."""

    LAYOUT = struct.Struct("<Qi4xQ")
    ss_sp: int
    ss_flags: int
    ss_size: int


@record
class RobustListHead(CStruct):
    """set_robust_list(2)."""

    LAYOUT = struct.Struct("<QqQ")
    list: int
    futex_offset: int
    list_op_pending: int


@record
class SchedParam(CStruct):
    """sched_setparam(2)."""

    LAYOUT = struct.Struct("<i")
    sched_priority: int


def pack_dirent64(inode: int, offset: int, kind: int, name: bytes) -> bytes:
    """One struct linux_dirent64, padded to 8 bytes; `kind` is DT_*."""
    size = (19 + len(name) + 1 + 7) & ~7
    head = struct.pack("<QqHB", inode, offset, size, kind)
    return (head + name).ljust(size, b"\0")


def pack_dirent(inode: int, offset: int, kind: int, name: bytes) -> bytes:
    """One struct linux_dirent of getdents(2): the kind is its last byte."""
    size = (18 + len(name) + 2 + 7) & ~7
    head = struct.pack("<QqH", inode, offset, size)
    return (head + name).ljust(size - 1, b"\0") + bytes([kind])
