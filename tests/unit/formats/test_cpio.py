"""cpio archives and the initial RAM disks made of them."""

from __future__ import annotations

import gzip
import lzma
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from youcpu.formats.cpio import CpioEntry, CpioWriter, hard_link_groups, read_cpio
from youcpu.formats.errors import FormatError
from youcpu.formats.initrd import find_file, read_initrd

ENTRIES = [
    CpioEntry(b".", stat.S_IFDIR | 0o755, nlink=2, inode=(0, 0, 1)),
    CpioEntry(b"bin", stat.S_IFDIR | 0o755, nlink=2, inode=(0, 0, 2)),
    CpioEntry(b"bin/a", stat.S_IFREG | 0o4755, nlink=2, inode=(0, 0, 3)),
    CpioEntry(b"bin/b", stat.S_IFREG | 0o4755, 7, nlink=2, inode=(0, 0, 3), data=b"content"),
    CpioEntry(b"console", stat.S_IFCHR | 0o600, rdev=(5, 1), inode=(0, 0, 4)),
    CpioEntry(b"init", stat.S_IFLNK | 0o777, 5, inode=(0, 0, 5), data=b"bin/a"),
    CpioEntry(b"empty", stat.S_IFREG | 0o644, inode=(0, 0, 6)),
    CpioEntry(b"fifo", stat.S_IFIFO | 0o600, inode=(0, 0, 7)),
    CpioEntry("näme \n".encode(), stat.S_IFREG | 0o600, 3, inode=(0, 0, 8), data=b"abc"),
]


def archive(entries: list[CpioEntry] = ENTRIES) -> bytes:
    pieces: list[bytes] = []
    writer = CpioWriter(pieces.append)
    for entry in entries:
        writer.add(entry)
    writer.close()
    return b"".join(pieces)


def fields(entry: CpioEntry) -> tuple[object, ...]:
    return entry.name, entry.mode, entry.size, entry.nlink, entry.rdev, bytes(entry.data)


def test_what_is_written_is_read() -> None:
    whole = archive()
    assert not len(whole) % 512
    found, end = read_cpio(whole)
    assert [fields(entry) for entry in found] == [fields(entry) for entry in ENTRIES]
    assert not whole[end:].strip(b"\0")
    assert [[e.name for e in group] for group in hard_link_groups(found)] == [[b"bin/a", b"bin/b"]]


@pytest.mark.parametrize("program", ["cpio", "bsdcpio"])
def test_others_read_it(program: str, tmp_path: Path) -> None:
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    plain = [entry for entry in ENTRIES if not stat.S_ISCHR(entry.mode)]
    done = subprocess.run(
        [program, "-idm", "--quiet"],
        check=False,
        input=archive(plain),
        cwd=tmp_path,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "bin/a").samefile(tmp_path / "bin/b")
    assert (tmp_path / "init").read_bytes() == b"content"
    assert stat.S_IMODE((tmp_path / "bin/a").stat().st_mode) == 0o4755
    assert (tmp_path / "fifo").is_fifo()
    assert (tmp_path / "näme \n").read_bytes() == b"abc"


@pytest.mark.parametrize("form", ["newc", "crc"])
def test_theirs_is_read(form: str, tmp_path: Path) -> None:
    if not shutil.which("cpio"):
        pytest.skip("cpio is not installed")
    (tmp_path / "d").mkdir()
    (tmp_path / "d/file").write_bytes(b"\xff" * 1001)
    (tmp_path / "d/link").hardlink_to(tmp_path / "d/file")
    (tmp_path / "d/symlink").symlink_to("file")
    done = subprocess.run(
        ["cpio", "-o", "--quiet", "-H", form], input=b"d\nd/file\nd/link\nd/symlink\n",
        cwd=tmp_path, capture_output=True, check=True,
    )  # fmt: skip
    parts = read_initrd(done.stdout)
    assert [entry.name for entry in parts[0].entries] == [b"d", b"d/file", b"d/link", b"d/symlink"]
    found = find_file(parts, "/d/symlink")
    assert found is not None
    assert bytes(found.data) == b"\xff" * 1001


def test_archives_one_after_another() -> None:
    second = [CpioEntry(b"init", stat.S_IFREG | 0o755, 3, data=b"new")]
    early = archive([CpioEntry(b"microcode", stat.S_IFREG | 0o644, 1, data=b"m")])
    data = early + bytes(1000) + gzip.compress(archive()) + lzma.compress(archive(second))
    parts = read_initrd(data)
    assert [part.compression for part in parts] == ["none", "gzip", "xz"]
    found = find_file(parts, "/init")
    assert found is not None
    assert bytes(found.data) == b"new"
    assert find_file(parts, "/nothing") is None
    assert find_file(parts[:2], "/bin/../bin/./b") is not None


def test_a_loop_of_symlinks_ends() -> None:
    loop = [CpioEntry(b"init", stat.S_IFLNK | 0o777, 4, data=b"init")]
    assert find_file(read_initrd(archive(loop)), "/init") is None


WHOLE = archive()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "an empty file"),
        (bytes(100), "nothing but zeroes"),
        (b"rubbish", "no cpio archive"),
        (WHOLE[:50], "truncated"),
        (WHOLE[:130], "070701 or 070702|truncated"),
        (WHOLE[:700], "truncated"),
        (WHOLE.replace(b"TRAILER!!!", b"TRAILER???"), "070701|truncated"),
        (WHOLE[:6] + b"0000000G" + WHOLE[14:], "ino: no hexadecimal number: 0000000G"),
        (WHOLE[:6] + b"-0000001" + WHOLE[14:], "ino: no hexadecimal number"),
        (WHOLE[:94] + b"00000000" + WHOLE[102:], "namesize 0"),
        (WHOLE[:94] + b"00000003" + WHOLE[102:], "a name that does not end"),
        (WHOLE[:94] + b"7FFFFFFF" + WHOLE[102:], "namesize"),
        (WHOLE[:54] + b"FFFFFFFF" + WHOLE[62:], "truncated"),
        (b"070707" + WHOLE[6:], "no cpio archive"),
        (gzip.compress(WHOLE, mtime=0)[:200], "damaged gzip data"),
        (gzip.compress(b"not an archive", mtime=0), "in the unpacked gzip data"),
        (WHOLE + b"rubbish", "no cpio archive"),
    ],
)
def test_damage_is_said(data: bytes, reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        read_initrd(data)


def test_a_checksum_that_is_wrong() -> None:
    entry = CpioEntry(b"f", stat.S_IFREG | 0o644, 3, data=b"abc")
    data = bytearray(archive([entry]))
    data[:6] = b"070702"
    data[102:110] = b"%08X" % sum(b"abc")
    assert len(read_cpio(data)[0]) == 1
    data[102:110] = b"00000001"
    with pytest.raises(FormatError, match="f: checksum 0x126, the archive says 0x1"):
        read_cpio(data)


def test_a_bomb_stops_at_the_limit() -> None:
    with pytest.raises(FormatError, match="more than 1000000 bytes"):
        read_initrd(gzip.compress(bytes(5_000_000)), limit=1_000_000)


def test_a_size_that_is_not_kept() -> None:
    with pytest.raises(ValueError, match="its size is not 5 bytes"):
        archive([CpioEntry(b"f", stat.S_IFREG, 5, data=b"abc")])
