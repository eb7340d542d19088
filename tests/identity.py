"""GNU readelf against ours, to the byte, over many files: `make identity` prints the table by flag.

    python tests/identity.py [--flags "-h,-l -W,..."] [--sample N] [--seed S] [--show N] PATH...

A PATH is a file or a directory, which is searched for ELF files and archives. GNU's version is
pinned to 2.40, for whose text ours is written; another one is reported, and compared all the same.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

GNU_VERSION = "2.40"
VIEWS = ("-h", "-l", "-S", "-s", "-d", "-r", "-n", "-V", "-a")
FLAGS = [flag for view in VIEWS for flag in (view, f"{view} -W")]
DEFAULT_PATHS = ("/usr/bin", "/usr/sbin", "/usr/lib", "/lib/modules")
LARGEST = 40 << 20  # bytes of a file that is compared: the large ones are for the benchmark
MAGICS = (b"\x7fELF", b"!<ar")


def elf_files(paths: list[str]) -> list[str]:
    """Every ELF file and archive below the paths, each inode once."""
    seen: set[tuple[int, int]] = set()
    found: list[str] = []
    for path in paths:
        for file in _walk(path):
            try:
                status = os.stat(file)
                key = (status.st_dev, status.st_ino)
                if key in seen or not 64 <= status.st_size <= LARGEST or not os.path.isfile(file):
                    continue
                seen.add(key)
                with open(file, "rb") as stream:
                    if stream.read(4) in MAGICS:
                        found.append(file)
            except OSError:
                continue
    return sorted(found)


def _walk(path: str) -> Iterator[str]:
    if not os.path.isdir(path):
        yield path
        return
    for directory, _, names in os.walk(path):
        for name in names:
            yield os.path.join(directory, name)


def gnu_version() -> str | None:
    """The version of the readelf at hand; None without one."""
    try:
        result = subprocess.run(
            ["readelf", "--version"], check=False, capture_output=True, text=True
        )
    except FileNotFoundError:
        return None
    return result.stdout.splitlines()[0].rsplit(" ", 1)[-1] if "GNU" in result.stdout else None


def gnu(flags: list[str], file: str) -> bytes:
    """GNU's stdout; the user's locale counts, for both."""
    command = ["readelf", *flags, file]
    quiet = subprocess.DEVNULL
    return subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=quiet).stdout


def ours(flags: list[str], file: str) -> bytes:
    """Our stdout, in this process: a start of Python for each of 100,000 runs would take hours."""
    from youcpu.commands.readelf import main

    stdout, stderr = sys.stdout, sys.stderr
    captured = io.BytesIO()
    sys.stdout = io.TextIOWrapper(captured, write_through=True)
    sys.stderr = io.TextIOWrapper(io.BytesIO(), write_through=True)
    try:
        main([*flags, file])
        sys.stdout.flush()
        return captured.getvalue()
    finally:
        sys.stdout, sys.stderr = stdout, stderr


def first_difference(theirs: bytes, mine: bytes) -> str:
    """The first line that differs, both sides."""
    left, right = theirs.split(b"\n"), mine.split(b"\n")
    for number, (a, b) in enumerate(zip(left, right, strict=False), 1):
        if a != b:
            return f"line {number}\n    - {a[:200]!r}\n    + {b[:200]!r}"
    return f"{len(left)} lines, {len(right)} of ours"


def compare_in_parallel(
    files: list[str], flags: list[str], show: int, jobs: int
) -> dict[str, tuple[int, int]]:
    """The same as `compare`, in processes that take a file at a time."""
    counts = dict.fromkeys(flags, (0, 0))
    with multiprocessing.Pool(jobs) as pool:
        for one in pool.imap_unordered(_compare_one, ((file, flags, show) for file in files), 4):
            for flag, (same, all_) in one.items():
                counts[flag] = (counts[flag][0] + same, counts[flag][1] + all_)
    return counts


def _compare_one(work: tuple[str, list[str], int]) -> dict[str, tuple[int, int]]:
    file, flags, show = work
    return compare([file], flags, show)


def compare(files: list[str], flags: list[str], show: int = 0) -> dict[str, tuple[int, int]]:
    """(identical, all) by flag; the first `show` differences are printed."""
    counts = dict.fromkeys(flags, (0, 0))
    for file in files:
        for flag in flags:
            theirs = gnu(flag.split(), file)
            try:
                mine = ours(flag.split(), file)
            except Exception as error:
                mine = f"{type(error).__name__}: {error}".encode()
                if os.environ.get("IDENTITY_RAISE"):
                    raise
            same, all_ = counts[flag]
            counts[flag] = (same + (theirs == mine), all_ + 1)
            if theirs != mine and show > 0:
                show -= 1
                print(f"{flag} {file}: {first_difference(theirs, mine)}")
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("paths", nargs="*", default=list(DEFAULT_PATHS))
    parser.add_argument("--flags", default=",".join(FLAGS))
    parser.add_argument("--sample", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=0, help="differences shown a file")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    version = gnu_version()
    if version is None:
        print("no GNU readelf at hand: nothing to compare with")
        return 0
    files = elf_files(arguments.paths or list(DEFAULT_PATHS))
    if arguments.sample and len(files) > arguments.sample:
        files = random.Random(arguments.seed).sample(files, arguments.sample)
    started = time.monotonic()
    flags = arguments.flags.split(",")
    counts = compare_in_parallel(files, flags, arguments.show, arguments.jobs)
    note = "" if version == GNU_VERSION else f" (ours is written for {GNU_VERSION})"
    print(f"{len(files)} files, GNU readelf {version}{note}, {time.monotonic() - started:.0f} s")
    for flag, (same, all_) in counts.items():
        print(f"{flag:<8} {same:6d} of {all_:6d} identical  {100 * same / max(all_, 1):6.2f}%")
    return 0 if all(same >= 0.99 * all_ for same, all_ in counts.values()) else 1


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    sys.exit(main())
