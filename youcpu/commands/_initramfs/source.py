"""What goes into an initramfs: names in the archive, and where their data lies on this machine."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import Final

from youcpu.formats.cpio import MAX_FILE, PATH_MAX, CpioEntry
from youcpu.formats.errors import FormatError
from youcpu.record import record, replace

_PIECE: Final = 1 << 20
#: What a process needs before anything is mounted: PID 1's own descriptors, and somewhere to write.
DEVICES: Final = (
    (b"dev/console", stat.S_IFCHR | 0o600, (5, 1)),
    (b"dev/null", stat.S_IFCHR | 0o666, (1, 3)),
)


@record(frozen=True)
class Source:
    """An entry; `path` is the file of this machine that holds its data, "" for those without."""

    entry: CpioEntry
    path: str = ""

    def pieces(self) -> Iterator[bytes | memoryview]:
        """The data. Raises OSError; FormatError where the file is no longer as it was."""
        if not self.path:
            yield self.entry.data
            return
        left = self.entry.size
        with open(self.path, "rb") as file:
            while piece := file.read(min(_PIECE, left)):
                left -= len(piece)
                yield piece
            if left or file.read(1):
                raise FormatError(0, f"{self.path} changed while it was read")


def directory_sources(directory: str, output: tuple[int, int] | None) -> list[Source]:
    """All of a directory, sorted by name, owned by root; `output` (device, inode) is left out.

    Directories of other file systems are there and empty. Raises OSError, FormatError.
    """
    root = os.fsencode(directory)
    found: list[tuple[bytes, bytes, os.stat_result]] = []
    device = os.stat(root).st_dev
    pending = [(b".", root)]
    while pending:
        name, path = pending.pop()
        status = os.lstat(path) if name != b"." else os.stat(path)
        if (status.st_dev, status.st_ino) == output:
            continue
        found.append((name, path, status))
        if stat.S_ISDIR(status.st_mode) and status.st_dev == device:
            prefix = b"" if name == b"." else name + b"/"
            pending += [(prefix + child, os.path.join(path, child)) for child in os.listdir(path)]
    found.sort(key=lambda item: item[0].split(b"/"))
    return _with_devices(_numbered(found))


def _numbered(found: list[tuple[bytes, bytes, os.stat_result]]) -> list[Source]:
    """Entries with inode numbers of their own; names of one file share theirs."""
    names: dict[tuple[int, int], int] = {}
    for _, _, status in found:
        if not stat.S_ISDIR(status.st_mode):
            key = (status.st_dev, status.st_ino)
            names[key] = names.get(key, 0) + 1
    numbers: dict[tuple[int, int], int] = {}
    left = dict(names)
    sources = []
    for position, (name, path, status) in enumerate(found, 1):
        key = (status.st_dev, status.st_ino)
        if stat.S_ISDIR(status.st_mode):
            links, number, last = 2, position, True
        else:
            left[key] -= 1
            links, number, last = names[key], numbers.setdefault(key, position), not left[key]
        sources.append(_source(name, path, status, links, number, last))
    return sources


def _source(
    name: bytes, path: bytes, status: os.stat_result, links: int, number: int, last: bool
) -> Source:
    """One entry. `last`: of a file's names it is the one with the data, as GNU cpio has it."""
    mode = status.st_mode
    shown = path.decode("utf-8", "backslashreplace")
    if len(name) >= PATH_MAX:
        raise FormatError(0, f"{shown}: a name of {len(name)} bytes, {PATH_MAX - 1} are possible")
    size, data, file, rdev = 0, b"", "", (0, 0)
    if stat.S_ISLNK(mode):
        data = os.readlink(path)
        size, mode = len(data), stat.S_IFLNK | 0o777
    elif stat.S_ISREG(mode) and last:
        size, file = status.st_size, os.fsdecode(path)
        if size > MAX_FILE:
            raise FormatError(0, f"{shown}: {size} bytes, cpio has room for 4 GiB - 1")
        if not os.access(path, os.R_OK):
            raise PermissionError(13, os.strerror(13), os.fsdecode(path))
    elif stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        rdev = (os.major(status.st_rdev), os.minor(status.st_rdev))
    entry = CpioEntry(name, mode, size, nlink=links, rdev=rdev, inode=(0, 0, number), data=data)
    return Source(entry, file)


def file_sources(files: dict[str, str], links: dict[str, str]) -> list[Source]:
    """Executables by their names in the archive, and symlinks, below their directories.

    Raises OSError, FormatError.
    """
    found: dict[bytes, Source] = {b".": Source(CpioEntry(b".", stat.S_IFDIR | 0o755, nlink=2))}
    for name in [*files, *links]:
        target = os.fsencode(name.strip("/"))
        for directory in _parents(target):
            entry = CpioEntry(directory, stat.S_IFDIR | 0o755, nlink=2)
            found.setdefault(directory, Source(entry))
        if name in links:
            data = os.fsencode(links[name])
            found[target] = Source(CpioEntry(target, stat.S_IFLNK | 0o777, len(data), data=data))
            continue
        size = os.stat(files[name]).st_size
        if size > MAX_FILE:
            raise FormatError(0, f"{files[name]}: {size} bytes, cpio has room for 4 GiB - 1")
        found[target] = Source(CpioEntry(target, stat.S_IFREG | 0o755, size), files[name])
    ordered = sorted(found.values(), key=lambda source: source.entry.name.split(b"/"))
    return _with_devices(
        [
            Source(replace(source.entry, inode=(0, 0, number)), source.path)
            for number, source in enumerate(ordered, 1)
        ]
    )


def _parents(name: bytes) -> list[bytes]:
    words = name.split(b"/")
    return [b"/".join(words[:length]) for length in range(1, len(words))]


def _with_devices(sources: list[Source]) -> list[Source]:
    """/dev/console and /dev/null where they are not there: devtmpfs is for init to mount."""
    present = {source.entry.name: source for source in sources}
    number = len(sources)
    added = list(sources)
    if (dev := present.get(b"dev")) is not None and not stat.S_ISDIR(dev.entry.mode):
        return added  # a symlink or a file of the user's: nothing can lie below it
    if dev is None:
        number += 1
        added.append(Source(CpioEntry(b"dev", stat.S_IFDIR | 0o755, nlink=2, inode=(0, 0, number))))
    for name, mode, rdev in DEVICES:
        if name not in present:
            number += 1
            added.append(Source(CpioEntry(name, mode, rdev=rdev, inode=(0, 0, number))))
    return added
