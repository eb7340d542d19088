"""-e expressions: what strace 6.1 accepts, refuses and means by them."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from youcpu.trace.filters import FilterError, parse_filters


def names(*expressions: str) -> frozenset[str]:
    found = parse_filters(expressions).syscalls
    assert found is not None
    return found


def test_names_classes_and_numbers() -> None:
    assert names("trace=read,write") == {"read", "write"}
    assert names("openat") == {"openat"}
    assert names("t=0,1") == {"read", "write"}
    assert {"openat", "execve", "statfs"} <= names("trace=%file")
    assert names("trace=file") == names("trace=%file")
    assert names("%stat") == {"stat"}
    assert names("%%stat") == {"stat", "fstat", "lstat", "newfstatat", "statx"}
    assert "rt_sigreturn" in names("%signal")


def test_all_none_and_the_other_way_round() -> None:
    assert parse_filters(["trace=all"]).syscalls is None
    assert parse_filters(["trace=!none"]).syscalls is None
    assert names("trace=none") == frozenset() == names("trace=!all")
    without = names("trace=!read,%file")
    assert "write" in without
    assert not {"read", "openat"} & without


def test_regular_expressions_and_optional_names() -> None:
    assert names("/^openat") == {"openat", "openat2"}
    assert names("trace=?nope") == frozenset()
    assert names("trace=?nope,close") == {"close"}


def test_the_last_of_a_kind_counts() -> None:
    assert names("trace=openat", "trace=close") == {"close"}
    found = parse_filters(["read", "signal=SEGV,9", "status=failed,unfinished"])
    assert found.syscalls == {"read"}
    assert found.signals == {11, 9}
    assert found.statuses == {"failed", "unfinished"}
    assert parse_filters(["signal=!SIGCHLD"]).signals == frozenset(range(1, 65)) - {17}
    assert parse_filters([]).syscalls is None


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("opnat", "invalid system call 'opnat': did you mean openat"),
        ("trace=%fiel", "did you mean %file"),
        ("trace=", "invalid system call ''"),
        ("trace=999", "invalid system call '999'"),
        ("trace=stat,pure", "invalid system call 'pure'"),
        ("trace=file,none", "invalid system call 'none'"),
        ("trace=/[", "not a regular expression"),
        ("trace=/nothing_is_so", "no system call matches"),
        ("signal=SIGFOO", "invalid signal 'SIGFOO'"),
        ("signal=SIGSEG", "did you mean SIGSEGV"),
        ("status=bad", "invalid status 'bad'"),
        ("foo=bar", "'foo' is not trace, signal or status"),
    ],
)
def test_what_is_wrong_is_said(expression: str, text: str) -> None:
    with pytest.raises(FilterError, match=text.replace("[", r"\[")):
        parse_filters([expression])


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize(
    "name", ["%file", "%desc", "%memory", "%process", "%%stat", "/^rt_", "!%file"]
)
def test_strace_picks_the_same(name: str) -> None:
    """Of the calls that `true` makes."""
    every = subprocess.run(["strace", "true"], capture_output=True, text=True, check=True).stderr
    chosen = subprocess.run(
        ["strace", "-e", f"trace={name}", "true"], capture_output=True, text=True, check=True
    ).stderr

    def calls(text: str) -> list[str]:
        return [line.partition("(")[0] for line in text.splitlines() if not line.startswith("+")]

    wanted = names(f"trace={name}")
    assert [call for call in calls(every) if call in wanted] == calls(chosen)
    assert len(calls(every)) > 10
