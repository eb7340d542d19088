"""The trace of real commands, compared with strace's of the same command on the host.

Name by name and argument by argument, after addresses, pids, times and inode numbers are
normalised (strace_lines.py). Differences that are right stand in strace_differences.py.
"""

from __future__ import annotations

import difflib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
import workspace
from debian_commands import COMMANDS, Command
from side_by_side import ENVIRONMENT, find_program, run_emulated
from strace_differences import without_right_differences
from strace_lines import Line, Notice, normalise_all, parse_all

NAMES = {
    "true", "cat", "ls-long", "ls-missing", "stat", "readlink", "wc", "sort-numeric", "cut",
    "od", "grep-recursive", "sed-script", "mawk", "sha256sum", "gzip", "xz", "cp-archive",
    "mv-backup", "rm-recursive", "mkdir", "touch", "find-all", "tar-create", "bash-script",
    "dash-script", "busybox-ls", "perl-oneliner", "python-types", "sqlite3", "readelf",
    "env-chain", "id", "python-signal",
}  # fmt: skip
TRACED = [command for command in COMMANDS if command.name in NAMES]
# As much as lets a difference in a program's data be seen, the same on both sides.
STRINGS = ("-s", "256")
BY_NAME = {command.name: command for command in COMMANDS}
OPTIONS: dict[str, tuple[str, ...]] = {
    "file": ("-e", "trace=%file"),
    "memory": ("-e", "trace=%memory"),
    "descriptors": ("-e", "trace=%desc"),
    "names": ("-e", "trace=openat,read,close"),
    "negated": ("-e", "trace=!%memory,read"),
    "pattern": ("-e", "trace=/^m(map|un)"),
    "paths": ("-y", "-e", "trace=openat,read,write,close,newfstatat,getdents64,ioctl"),
    "short-strings": ("-s", "3"),
    "default-strings": (),
}


def why_no_strace() -> str | None:
    if shutil.which("strace") is None:
        return "strace is not installed"
    probe = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False)
    return "strace may not trace here (ptrace is refused)" if probe.returncode else None


@pytest.fixture(scope="session")
def strace() -> None:
    reason = why_no_strace()
    if reason:
        pytest.skip(reason)


def prepare(command: Command, room: Path) -> tuple[list[str], bytes]:
    """A fresh workspace; the command's argv and standard input."""
    program = find_program(command.argv[0])
    if program is None:
        pytest.skip(f"{command.argv[0]} is not installed")
    workspace.make(room)
    stdin = (room / command.stdin).read_bytes() if command.stdin else b""
    return [program, *command.argv[1:]], stdin


def trace_natively(command: Command, room: Path, options: Sequence[str]) -> str:
    argv, stdin = prepare(command, room)
    trace = room.with_name("native.trace")
    subprocess.run(
        ["strace", "-o", trace, *options, *argv],
        cwd=room,
        env=ENVIRONMENT,
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
        start_new_session=True,
    )
    return trace.read_text()


def trace_on_youcpu(command: Command, room: Path, options: Sequence[str]) -> str:
    argv, stdin = prepare(command, room)
    trace = room.with_name("youcpu.trace")
    writes = ["--rw", str(room)] if command.writes else []
    result = run_emulated(argv, room, stdin, ["-o", str(trace), *writes, *options])
    assert trace.exists(), result.stderr.decode(errors="replace")
    return trace.read_text()


def comparable(lines: list[Line]) -> list[str]:
    return [str(line) for line in without_right_differences(normalise_all(lines))]


def differences(native: str, emulated: str) -> str:
    left, right = comparable(parse_all(native)), comparable(parse_all(emulated))
    return "\n".join(difflib.unified_diff(left, right, "strace", "youcpu", n=1, lineterm=""))


@pytest.mark.usefixtures("strace")
@pytest.mark.parametrize("command", TRACED, ids=lambda command: command.name)
def test_syscalls_are_those_of_strace(command: Command, tmp_path: Path) -> None:
    native = trace_natively(command, tmp_path / "w", STRINGS)
    emulated = trace_on_youcpu(command, tmp_path / "w", STRINGS)
    assert not differences(native, emulated)


@pytest.mark.usefixtures("strace")
@pytest.mark.parametrize("options", OPTIONS.values(), ids=list(OPTIONS))
def test_options_show_what_they_show_in_strace(options: tuple[str, ...], tmp_path: Path) -> None:
    native = trace_natively(BY_NAME["ls-long"], tmp_path / "w", options)
    emulated = trace_on_youcpu(BY_NAME["ls-long"], tmp_path / "w", options)
    assert len(parse_all(native)) > 3
    assert not differences(native, emulated)


@pytest.mark.usefixtures("strace")
def test_summary_counts_as_strace(tmp_path: Path) -> None:
    native = trace_natively(BY_NAME["ls-missing"], tmp_path / "w", ["-c"])
    emulated = trace_on_youcpu(BY_NAME["ls-missing"], tmp_path / "w", ["-c"])
    assert summary(emulated) == summary(native)


def summary(table: str) -> dict[str, tuple[int, int]]:
    """Syscall -> (calls, errors) of a -c table; the line `total` as well."""
    counts = {}
    for line in table.splitlines():
        fields = line.split()
        if len(fields) in (5, 6) and fields[3].isdigit():
            counts[fields[-1]] = (int(fields[3]), int(fields[4]) if len(fields) == 6 else 0)
    assert "total" in counts, table
    return counts


def test_every_named_command_is_there() -> None:
    assert len(TRACED) == len(NAMES) >= 22


@pytest.mark.usefixtures("strace")
@pytest.mark.parametrize("name", ["ls-long", "python-signal", "perl-oneliner", "bash-script"])
def test_two_runs_of_strace_are_equal_once_normalised(name: str, tmp_path: Path) -> None:
    first = trace_natively(BY_NAME[name], tmp_path / "w", STRINGS)
    second = trace_natively(BY_NAME[name], tmp_path / "w", STRINGS)
    assert first != second, "the host randomises addresses, so the raw traces differ"
    assert not differences(first, second)


@pytest.mark.usefixtures("strace")
@pytest.mark.parametrize("command", TRACED, ids=lambda command: command.name)
def test_parser_undoes_each_line_of_strace(command: Command, tmp_path: Path) -> None:
    text = trace_natively(command, tmp_path / "w", STRINGS)
    lines = parse_all(text)
    assert len(lines) == len(text.splitlines())
    for line, source in zip(lines, text.splitlines(), strict=True):
        # strace pads short calls up to a column.
        assert str(line).replace(" ", "") == source.replace(" ", "")
    assert isinstance(lines[-1], Notice)
