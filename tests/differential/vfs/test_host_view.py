"""Files of the host through our system calls against os.stat, readdir and read of the host."""

from __future__ import annotations

import importlib.util
import os
import stat
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location(
    "vfs_machine", Path(__file__).parents[2] / "unit/kernel/vfs/conftest.py"
)
assert _SPEC is not None
assert _SPEC.loader is not None
_MODULE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_MODULE)
TREES = ["/etc", "/usr/bin", "/usr/share/doc", "/var"]


@pytest.fixture(scope="module")
def machine():  # type: ignore[no-untyped-def]
    return _MODULE.Machine(_MODULE.MountOptions())


def some(top: str, limit: int = 300) -> list[str]:
    found = []
    for directory, directories, files in os.walk(top):
        found += [os.path.join(directory, name) for name in (*directories, *files)]
        if len(found) > limit:
            break
    return found[:limit]


@pytest.mark.parametrize("top", TREES)
def test_stat_is_the_hosts(top, machine) -> None:  # type: ignore[no-untyped-def]
    for path in some(top):
        try:
            host = os.lstat(path)
        except OSError:
            continue
        ours = machine.stat(path, follow=False)
        assert ours[:10] == (
            host.st_dev, host.st_ino, host.st_nlink, host.st_mode, host.st_uid, host.st_gid,
            host.st_rdev, host.st_size, host.st_blksize, host.st_blocks,
        ), path  # fmt: skip
        assert ours[11] == host.st_mtime_ns


@pytest.mark.parametrize("top", TREES)
def test_directories_list_in_the_hosts_order(top, machine) -> None:  # type: ignore[no-untyped-def]
    ours = [name for name in machine.listdir(top) if name not in (b".", b"..")]
    assert ours == os.listdir(os.fsencode(top))


@pytest.mark.parametrize("top", TREES)
def test_content_and_links_are_the_hosts(top, machine) -> None:  # type: ignore[no-untyped-def]
    for path in some(top, 100):
        mode = os.lstat(path).st_mode
        if stat.S_ISLNK(mode):
            size = machine.call("readlink", path, machine.buffer, 4096)
            assert machine.get(size) == os.fsencode(os.readlink(path))
        elif stat.S_ISREG(mode) and os.access(path, os.R_OK):
            assert machine.read_file(path) == Path(path).read_bytes()
