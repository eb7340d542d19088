"""Ways out of the tree that a program is given, each of which must end inside or in an errno.

What lies outside is a secret file next to --rootfs and --rw; success would read or change it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from youcpu.abi.errno import Errno
from youcpu.kernel.vfs.mount import MountOptions

AT_FDCWD = -100
AT_SYMLINK_FOLLOW = 0x400


@pytest.fixture
def jail(tmp_path: Path) -> Path:
    """A directory with links that lead out of it, and a secret beside it."""
    (tmp_path / "secret").write_text("secret")
    jail = tmp_path / "jail"
    (jail / "dir" / "sub").mkdir(parents=True)
    (jail / "inside").write_text("inside")
    (jail / "absolute").symlink_to(tmp_path / "secret")
    (jail / "relative").symlink_to("../secret")
    (jail / "deep").symlink_to("dir/sub/../../../../../../secret")
    (jail / "up").symlink_to("..")
    (jail / "slash").symlink_to("/")
    return jail


WAYS = [
    "../secret", "/../secret", "dir/../../secret", "absolute", "relative", "deep", "up/secret",
    "slash/../secret", "/proc/self/root/../secret", "/proc/self/cwd/../secret",
    "/proc/1/root/../secret", "/proc/self/task/1/root/../../secret", "/proc/self/fd/0/../secret",
    "/proc/thread-self/root/../secret", "//../..//secret",
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("writable", [False, True])
def test_rootfs_is_not_left(way, writable, jail, make_machine) -> None:  # type: ignore[no-untyped-def]
    machine = make_machine(MountOptions(bytes(jail), (bytes(jail),) if writable else ()))
    root = machine.open("/", os.O_RDONLY | os.O_DIRECTORY)
    assert root == 0
    for flags in (os.O_RDONLY, os.O_RDWR, os.O_PATH, os.O_RDWR | os.O_TRUNC):
        for directory in (AT_FDCWD, root):
            assert machine.call("openat", directory, way, flags, 0) < 0
    assert machine.call("linkat", AT_FDCWD, way, AT_FDCWD, "/stolen", AT_SYMLINK_FOLLOW) < 0
    if "/" in way:
        assert machine.call("rename", way, "/stolen") < 0
    assert machine.call("truncate", way, 0) < 0
    assert (jail.parent / "secret").read_text() == "secret"
    assert sorted(os.listdir(jail.parent)) == ["jail", "secret"]


def test_a_new_file_behind_a_dangling_link_stays_inside(jail, make_machine) -> None:  # type: ignore[no-untyped-def]
    machine = make_machine(MountOptions(bytes(jail), (bytes(jail),)))
    assert machine.call("symlink", "../../../../made", "/out") == 0
    machine.write_file("/out", b"x")
    assert (jail / "made").read_bytes() == b"x"
    assert not (jail.parent / "made").exists()


def test_chroot_and_fchdir_do_not_leave_rootfs(jail, make_machine) -> None:  # type: ignore[no-untyped-def]
    machine = make_machine(MountOptions(bytes(jail)))
    top = machine.open("/", os.O_RDONLY)
    assert machine.call("chroot", "/dir/sub") == (0 if os.getuid() == 0 else -Errno.EPERM)
    assert machine.call("fchdir", top) == 0
    for _ in range(10):
        machine.call("chdir", "..")
    assert machine.open("secret") == -Errno.ENOENT
    assert machine.open("inside") >= 0


@pytest.mark.parametrize(
    "resolve", [0x08, 0x10, 0x04, 0x02], ids=["BENEATH", "IN_ROOT", "NO_SYMLINKS", "NO_MAGICLINKS"]
)
def test_openat2_resolve(resolve, jail, make_machine) -> None:  # type: ignore[no-untyped-def]
    machine = make_machine(MountOptions())
    top = machine.open(str(jail), os.O_RDONLY)

    def openat2(path: str) -> int:
        how = (0).to_bytes(16, "little") + resolve.to_bytes(8, "little")
        return machine.call("openat2", top, path, how, 24)

    expected = {
        0x08: (-Errno.EXDEV, -Errno.EXDEV, 0),
        0x10: (-Errno.ENOENT, -Errno.ENOENT, 0),
        0x04: (0, -Errno.ELOOP, 0),
        0x02: (0, 0, 0),
    }[resolve]
    for path, answer in zip(("../secret", "relative", "inside"), expected, strict=True):
        got = openat2(path)
        assert got >= 0 if answer == 0 else got == answer, path


def test_overlay_never_writes_to_the_host(tmp_path, machine) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "file").write_text("old")
    (tmp_path / "dir").mkdir()
    before = {path: path.lstat() for path in (tmp_path, tmp_path / "file", tmp_path / "dir")}
    file = str(tmp_path / "file")
    machine.write_file(file, b"new content")
    assert machine.call("chmod", file, 0o777) == 0
    assert machine.call("link", file, file + "2") == 0
    assert machine.call("rename", file, f"{tmp_path}/dir/moved") == 0
    assert machine.call("setxattr", f"{tmp_path}/dir", "user.a", b"1", 1, 0) == 0
    machine.call("utimensat", AT_FDCWD, file, 0, 0)
    assert machine.read_file(file + "2") == b"new content"
    for path, old in before.items():
        new = path.lstat()
        assert (new.st_mode, new.st_nlink, new.st_size, new.st_mtime_ns, new.st_ctime_ns) == (
            old.st_mode, old.st_nlink, old.st_size, old.st_mtime_ns, old.st_ctime_ns,
        )  # fmt: skip
    assert (tmp_path / "file").read_text() == "old"


def test_host_fifos_sockets_and_devices_are_not_opened(tmp_path, machine) -> None:  # type: ignore[no-untyped-def]
    import socket

    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        path = os.fsencode(tmp_path / "socket") + b"\0"
        assert machine.open(str(tmp_path / "socket")) == -Errno.ENXIO
        fd = machine.call("socket", 1, 1, 0)
        address = (1).to_bytes(2, "little") + path
        assert machine.call("connect", fd, address, len(address)) == -Errno.ECONNREFUSED
    # A FIFO is one of this machine only: nobody of the host is at its other end.
    assert machine.open(str(tmp_path / "fifo"), os.O_WRONLY | os.O_NONBLOCK) == -Errno.ENXIO
    assert machine.open(str(tmp_path / "fifo"), os.O_RDONLY | os.O_NONBLOCK) >= 0
    assert machine.open("/dev/mem") == -Errno.ENOENT
    if machine.task.cred.uid == 0:
        assert machine.call("mknod", "/tmp/youcpu-sda", stat.S_IFBLK | 0o600, 0x800) == 0
        assert machine.open("/tmp/youcpu-sda") == -Errno.ENXIO
        assert not os.path.exists("/tmp/youcpu-sda")


def test_swapped_directory_below_rw_is_noticed(tmp_path, make_machine) -> None:  # type: ignore[no-untyped-def]
    """Another process replaces a directory by a link to the outside, after we looked it up."""
    top = tmp_path / "rw"
    (top / "dir").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "victim").write_text("untouched")
    (top / "dir" / "victim").write_text("inside")
    machine = make_machine(MountOptions(writable=(bytes(top),)))
    directory = machine.open(f"{top}/dir", os.O_RDONLY)
    fd = machine.call("openat", directory, "victim", os.O_RDWR, 0)
    os.rename(top / "dir", top / "elsewhere")
    (top / "dir").symlink_to(tmp_path / "outside")
    assert machine.call("openat", directory, "victim", os.O_RDWR, 0) < 0
    assert machine.call("unlinkat", directory, "victim", 0) < 0
    assert machine.call("mkdirat", directory, "new", 0o755) < 0
    assert machine.call("fchmodat", directory, "victim", 0o777) < 0
    # The link as such is a path like any other: it is followed in the overlay.
    machine.write_file(f"{top}/dir/victim", b"overlay only")
    assert (tmp_path / "outside" / "victim").read_text() == "untouched"
    assert sorted(os.listdir(tmp_path / "outside")) == ["victim"]
    assert machine.call("pwrite64", fd, b"still mine", 10, 0) == 10
    assert (top / "elsewhere" / "victim").read_text().startswith("still mine")


def test_rename_and_link_across_the_border_of_rw(tmp_path, make_machine) -> None:  # type: ignore[no-untyped-def]
    top = tmp_path / "rw"
    top.mkdir()
    (top / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    machine = make_machine(MountOptions(writable=(bytes(top),)))
    for one, two in ((top / "a", tmp_path / "c"), (tmp_path / "b", top / "c")):
        assert machine.call("rename", str(one), str(two)) == -Errno.EXDEV
        assert machine.call("link", str(one), str(two)) == -Errno.EXDEV
    assert machine.call("rmdir", str(top)) == -Errno.EBUSY
    assert machine.call("rename", str(top), str(tmp_path / "d")) == -Errno.EBUSY
