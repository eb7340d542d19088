"""Structures: sizes of the x86-64 ABI, and what the host's own kernel writes into them."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
from pathlib import Path

import pytest

from youcpu.abi import structs
from youcpu.abi.dirent import directory_entries
from youcpu.abi.siginfo import Siginfo
from youcpu.abi.structs import CStruct, pack_dirent, pack_dirent64
from youcpu.abi.syscalls import NUMBERS_X86_64
from youcpu.abi.values import Struct

SIZES = {
    structs.Timespec: 16,
    structs.Timeval: 16,
    structs.Itimerspec: 32,
    structs.Stat: 144,
    structs.Statx: 256,
    structs.Statfs: 120,
    structs.Flock: 32,
    structs.Winsize: 8,
    structs.Termios: 36,
    structs.PollFd: 8,
    structs.EpollEvent: 12,
    structs.Iovec: 16,
    structs.Rlimit: 16,
    structs.Rusage: 144,
    structs.Tms: 32,
    structs.Sysinfo: 112,
    structs.Utsname: 390,
    structs.Sigaction: 32,
    structs.SigaltStack: 24,
    structs.RobustListHead: 24,
}
x86_64 = pytest.mark.skipif(
    platform.machine() != "x86_64" or platform.system() != "Linux",
    reason="asks the kernel of an x86-64 Linux",
)


@pytest.mark.parametrize("kind", SIZES)
def test_sizes_and_round_trip(kind: type[CStruct]) -> None:
    assert SIZES[kind] == kind.SIZE
    data = bytes(kind.SIZE)
    assert kind.unpack(data).pack() == data


def ask(name: str, *arguments: object, size: int) -> bytes:
    """A system call of the host whose last argument is a buffer; its content."""
    buffer = ctypes.create_string_buffer(size)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.syscall(NUMBERS_X86_64[name], *arguments, buffer) >= 0
    return buffer.raw


@x86_64
def test_stat_as_the_kernel_writes_it(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 5000)
    found = structs.Stat.unpack(ask("stat", os.fsencode(file), size=144))
    wanted = os.stat(file)
    assert (found.st_size, found.st_ino, found.st_mode, found.st_nlink, found.st_blocks) == (
        wanted.st_size, wanted.st_ino, wanted.st_mode, wanted.st_nlink, wanted.st_blocks,
    )  # fmt: skip
    assert found.st_mtime * 10**9 + found.st_mtime_nsec == wanted.st_mtime_ns


@x86_64
def test_statx_as_the_kernel_writes_it(tmp_path: Path) -> None:
    data = ask("statx", -100, os.fsencode(tmp_path), 0, 0x7FF, size=256)
    found, wanted = structs.Statx.unpack(data), os.stat(tmp_path)
    assert (found.stx_ino, found.stx_mode, found.stx_uid) == (
        wanted.st_ino, wanted.st_mode, wanted.st_uid,
    )  # fmt: skip
    assert os.makedev(found.stx_dev_major, found.stx_dev_minor) == wanted.st_dev
    assert found.stx_mtime * 10**9 + found.stx_mtime_nsec == wanted.st_mtime_ns


@x86_64
def test_limits_names_and_usage_as_the_kernel_writes_them() -> None:
    limit = structs.Rlimit.unpack(ask("getrlimit", resource.RLIMIT_NOFILE, size=16))
    assert limit.rlim_cur == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    name = structs.Utsname.unpack(ask("uname", size=390))
    assert name.release.rstrip(b"\0").decode() == platform.release()
    info = structs.Sysinfo.unpack(ask("sysinfo", size=112))
    assert info.totalram * info.mem_unit == os.sysconf("SC_PHYS_PAGES") * 4096


@pytest.mark.parametrize("at_end", [True, False])
def test_directory_entries(at_end: bool) -> None:
    pack = pack_dirent if at_end else pack_dirent64
    data = pack(5, 10, 4, b"a") + pack(6, 20, 8, b"longer name")
    assert len(data) % 8 == 0
    entries = directory_entries(data, at_end)
    assert [entry.fields["d_ino"] for entry in entries] == [5, 6]
    assert [getattr(entry.fields["d_type"], "name", "") for entry in entries] == [
        "DT_DIR",
        "DT_REG",
    ]
    # Nothing of damaged data: no loop, no error.
    assert directory_entries(bytes(100), at_end) == ()
    assert directory_entries(data[:20], at_end) == ()


@pytest.mark.parametrize(
    "info",
    [
        Siginfo(11, 1, addr=0x1234),
        Siginfo(10, 0, pid=5, uid=6),
        Siginfo(10, -1, pid=5, uid=6, value=77),
        Siginfo(14, -2, timer_id=3, overrun=1, value=9),
        Siginfo(17, 1, pid=5, uid=6, status=7, utime=8, stime=9),
        Siginfo(31, 1, call_addr=5, syscall=6, arch=7),
    ],
)
def test_siginfo_round_trip(info: Siginfo) -> None:
    data = info.pack()
    assert len(data) == 128
    again = Siginfo.unpack(data)
    assert again.pack() == data
    assert isinstance(again.struct(), Struct)
    assert again.struct() == info.struct()


def test_times() -> None:
    assert structs.Timespec.of_ns(1_500_000_001) == structs.Timespec(1, 500_000_001)
    assert structs.Timespec(2, 5).ns == 2_000_000_005
    assert structs.Timeval.of_ns(1_500_999_999) == structs.Timeval(1, 500_999)
    assert structs.Timeval(1, 5).ns == 1_000_005_000
