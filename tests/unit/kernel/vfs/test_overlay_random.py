"""Random file operations, seeded: overlay and --rw against the host's own kernel on a copy.

The same sequence runs natively on one directory and through our system calls on another
with the same content. Every errno, every content and listing must agree. The directory
under the overlay must stay as it was; the one of --rw must be as the native one.
"""

from __future__ import annotations

import ctypes
import os
import random
import stat
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from youcpu.kernel.vfs.mount import MountOptions

NAMES = ["a", "b", "c", "dir", "dir/x", "dir/y", "dir/sub", "dir/sub/z", "d2", "link", "loop"]
PATHS = [
    *NAMES, "a/", "dir/", "link/", "loop/", "a/b", "dir/../b", "dir/.", "dir/..", ".", "..",
    "nothing/x", "link/x", "dangling", "dangling/", "dir//x", "loop/x", "d2/new", "dir/sub/../x",
    "n" * 255, "n" * 256, "dir/" + "n" * 256, "./a", "up/dir/x",
]  # fmt: skip
_libc = ctypes.CDLL(None, use_errno=True)


def build(top: Path) -> None:
    (top / "dir" / "sub").mkdir(parents=True)
    (top / "d2").mkdir()
    (top / "a").write_bytes(b"alpha" * 1000)
    (top / "b").write_bytes(b"beta")
    (top / "dir" / "x").write_bytes(b"x" * 10000)
    os.link(top / "b", top / "dir" / "hard")
    (top / "link").symlink_to("dir")
    (top / "dangling").symlink_to("made-by-open")
    (top / "loop").symlink_to("loop2")
    (top / "loop2").symlink_to("loop")
    (top / "up").symlink_to(".")


class Native:
    """The host's kernel, relative to a directory."""

    def __init__(self, top: Path) -> None:
        self.fd = os.open(top, os.O_RDONLY)

    def call(self, function: Callable[[], object]) -> int:
        try:
            result = function()
        except OSError as error:
            return -(error.errno or 0)
        return result if isinstance(result, int) else 0

    def mkdir(self, path: str) -> int:
        return self.call(lambda: os.mkdir(path, dir_fd=self.fd))

    def rmdir(self, path: str) -> int:
        return self.call(lambda: os.rmdir(path, dir_fd=self.fd))

    def unlink(self, path: str) -> int:
        return self.call(lambda: os.unlink(path, dir_fd=self.fd))

    def rename(self, old: str, new: str, flags: int) -> int:
        done = _libc.renameat2(self.fd, old.encode(), self.fd, new.encode(), flags)
        return -ctypes.get_errno() if done < 0 else 0

    def link(self, old: str, new: str) -> int:
        return self.call(
            lambda: os.link(old, new, src_dir_fd=self.fd, dst_dir_fd=self.fd, follow_symlinks=False)
        )

    def symlink(self, target: str, path: str) -> int:
        return self.call(lambda: os.symlink(target, path, dir_fd=self.fd))

    def mkfifo(self, path: str) -> int:
        return self.call(lambda: os.mkfifo(path, 0o644, dir_fd=self.fd))

    def chmod(self, path: str, mode: int) -> int:
        return self.call(lambda: os.chmod(path, mode, dir_fd=self.fd))

    def truncate(self, path: str, size: int) -> int:
        def run() -> None:
            fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK, dir_fd=self.fd)
            try:
                os.ftruncate(fd, size)
            finally:
                os.close(fd)

        return self.call(run)

    def write(self, path: str, flags: int, data: bytes, offset: int) -> int:
        def run() -> int:
            fd = os.open(path, flags, 0o644, dir_fd=self.fd)
            try:
                return os.pwrite(fd, data, offset)
            finally:
                os.close(fd)

        return self.call(run)

    def readlink(self, path: str) -> int:
        return self.call(lambda: len(os.readlink(path, dir_fd=self.fd)))

    def lookup(self, path: str, follow: bool) -> tuple[object, ...]:
        try:
            found = os.stat(path, dir_fd=self.fd, follow_symlinks=follow)
        except OSError as error:
            return (-(error.errno or 0),)
        size = -1 if stat.S_ISDIR(found.st_mode) else found.st_size
        return (found.st_mode, found.st_nlink, size)

    def content(self, path: str) -> bytes | int:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK, dir_fd=self.fd)
        except OSError as error:
            return -(error.errno or 0)
        try:
            if stat.S_ISFIFO(os.fstat(fd).st_mode):
                return b"fifo"
            return os.read(fd, 1 << 20)
        except OSError as error:
            return -(error.errno or 0)
        finally:
            os.close(fd)

    def names(self, path: str) -> list[str]:
        fd = os.open(path, os.O_RDONLY, dir_fd=self.fd)
        try:
            return sorted(os.listdir(fd))
        finally:
            os.close(fd)


class Ours:
    """The same by our system calls."""

    def __init__(self, machine, top: str) -> None:  # type: ignore[no-untyped-def]
        self.m = machine
        self.fd = machine.open(top, os.O_RDONLY | os.O_DIRECTORY)
        assert self.fd >= 0

    def mkdir(self, path: str) -> int:
        return self.m.call("mkdirat", self.fd, path, 0o777)

    def rmdir(self, path: str) -> int:
        return self.m.call("unlinkat", self.fd, path, 0x200)

    def unlink(self, path: str) -> int:
        return self.m.call("unlinkat", self.fd, path, 0)

    def rename(self, old: str, new: str, flags: int) -> int:
        return self.m.call("renameat2", self.fd, old, self.fd, new, flags)

    def link(self, old: str, new: str) -> int:
        return self.m.call("linkat", self.fd, old, self.fd, new, 0)

    def symlink(self, target: str, path: str) -> int:
        return self.m.call("symlinkat", target, self.fd, path)

    def mkfifo(self, path: str) -> int:
        return self.m.call("mknodat", self.fd, path, stat.S_IFIFO | 0o644, 0)

    def chmod(self, path: str, mode: int) -> int:
        return self.m.call("fchmodat", self.fd, path, mode)

    def truncate(self, path: str, size: int) -> int:
        fd = self.m.call("openat", self.fd, path, os.O_WRONLY | os.O_NONBLOCK, 0)
        if fd < 0:
            return fd
        done = self.m.call("ftruncate", fd, size)
        self.m.call("close", fd)
        return done

    def write(self, path: str, flags: int, data: bytes, offset: int) -> int:
        fd = self.m.call("openat", self.fd, path, flags, 0o644)
        if fd < 0:
            return fd
        done = self.m.call("pwrite64", fd, data, len(data), offset)
        self.m.call("close", fd)
        return done

    def readlink(self, path: str) -> int:
        return self.m.call("readlinkat", self.fd, path, self.m.buffer, 4096)

    def lookup(self, path: str, follow: bool) -> tuple[object, ...]:
        flags = 0 if follow else 0x100
        done = self.m.call("newfstatat", self.fd, path, self.m.buffer, flags)
        if done < 0:
            return (done,)
        nlink, mode = struct.unpack("<QI", self.m.get(28)[16:])
        size = int.from_bytes(self.m.get(8, self.m.buffer + 48), "little")
        return (mode, nlink, -1 if stat.S_ISDIR(mode) else size)

    def content(self, path: str) -> bytes | int:
        fd = self.m.call("openat", self.fd, path, os.O_RDONLY | os.O_NONBLOCK, 0)
        if fd < 0:
            return fd
        try:
            if self.lookup(path, True)[0] & stat.S_IFMT(0o170000) == stat.S_IFIFO:  # type: ignore[operator]
                return b"fifo"
            size = self.m.call("read", fd, self.m.buffer, 1 << 20)
            return size if size < 0 else self.m.get(size)
        finally:
            self.m.call("close", fd)

    def names(self, path: str) -> list[str]:
        fd = self.m.call("openat", self.fd, path, os.O_RDONLY, 0)
        assert fd >= 0
        found = set()
        while (size := self.m.call("getdents64", fd, self.m.buffer, 200_000)) > 0:
            data = self.m.get(size)
            at = 0
            while at < size:
                length = int.from_bytes(data[at + 16 : at + 18], "little")
                found.add(data[at + 19 : at + length].split(b"\0")[0].decode())
                at += length
        self.m.call("close", fd)
        return sorted(found - {".", ".."})


def step(rng: random.Random) -> tuple[str, tuple[object, ...]]:
    """One random operation and its arguments."""
    kind = rng.choice(
        ["mkdir", "rmdir", "unlink", "rename", "rename", "rename", "link", "symlink", "write",
         "write", "write", "truncate", "chmod", "readlink", "mkfifo"]
    )  # fmt: skip
    one, two = rng.choice(PATHS), rng.choice(PATHS)
    if kind == "rename":
        return kind, (one, two, rng.choice([0, 0, 0, 1, 2, 3]))
    if kind == "link":
        return kind, (one, two)
    if kind == "symlink":
        return kind, (rng.choice(["a", "dir", "../x", "nowhere", "dir/sub/"]), one)
    if kind == "write":
        access = rng.choice([os.O_WRONLY, os.O_RDWR]) | os.O_NONBLOCK
        extra = [0, os.O_CREAT, os.O_CREAT | os.O_EXCL, os.O_TRUNC, os.O_NOFOLLOW | os.O_CREAT]
        flags = access | rng.choice(extra)
        data = bytes([rng.randrange(256)]) * rng.choice([0, 1, 5, 4096, 5000])
        return kind, (one, flags, data, rng.choice([0, 1, 4095, 4096, 9000, 20000]))
    if kind == "truncate":
        return kind, (one, rng.choice([0, 1, 3, 4096, 5000, 12345]))
    if kind == "chmod":
        return kind, (one, rng.choice([0o644, 0o755, 0o600, 0o4755]))
    return kind, (one,)


def tree(side: Native | Ours, path: str = ".") -> dict[str, object]:
    """Everything below: kind, links, size and content."""
    found: dict[str, object] = {}
    for name in side.names(path):
        full = f"{path}/{name}"
        what = side.lookup(full, False)
        found[full] = what
        mode = what[0]
        assert isinstance(mode, int)
        if stat.S_ISDIR(mode):
            found.update(tree(side, full))
        elif stat.S_ISREG(mode):
            found[full] = (what, side.content(full))
    return found


@pytest.mark.parametrize("writable", [False, True], ids=["overlay", "rw"])
@pytest.mark.parametrize("seed", range(6))
def test_same_as_native(seed, writable, tmp_path, make_machine, request) -> None:  # type: ignore[no-untyped-def]
    build(tmp_path / "native")
    build(tmp_path / "lower")
    before = tree(Native(tmp_path / "lower"))
    old_umask = os.umask(0o022)
    native = Native(tmp_path / "native")
    options = MountOptions(writable=(bytes(tmp_path),) if writable else ())
    ours = Ours(make_machine(options), str(tmp_path / "lower"))
    rng = random.Random(seed)
    steps = 3000 if request.config.getoption("--long") else 300
    history = []
    try:
        for number in range(steps):
            name, arguments = step(rng)
            history.append((name, arguments))
            expected = getattr(native, name)(*arguments)
            got = getattr(ours, name)(*arguments)
            assert got == expected, (number, name, arguments)
            probe = rng.choice(PATHS)
            for follow in (True, False):
                assert ours.lookup(probe, follow) == native.lookup(probe, follow), (
                    number, probe, follow, history[-4:],
                )  # fmt: skip
            assert ours.content(probe) == native.content(probe), (number, probe, history[-4:])
            if number % 50 == 0:
                assert tree(ours) == tree(native), (number, history[-50:])
        assert tree(ours) == tree(native)
        host = Native(tmp_path / "lower")
        assert tree(host) == (tree(native) if writable else before)
    finally:
        os.umask(old_umask)
        os.close(native.fd)
