"""The parser of strace's lines, on lines as strace writes them."""

from __future__ import annotations

import pytest
from strace_lines import Call, Notice, normalise, own_pid, parse, split_arguments


def test_string_with_brackets_and_quotes() -> None:
    line = parse(r'write(1, "a) = 3, \"b\" {[", 15)           = 15')
    assert line == Call("write", ("1", r'"a) = 3, \"b\" {["', "15"), "15")


def test_error_and_comment() -> None:
    line = parse("arch_prctl(0x3001 /* ARCH_??? */, 0x7ffd) = -1 EINVAL (Invalid argument)")
    assert line == Call(
        "arch_prctl", ("0x3001 /* ARCH_??? */", "0x7ffd"), "-1", "EINVAL (Invalid argument)"
    )


def test_struct_and_vector() -> None:
    text = 'execve("/bin/ls", ["ls", "-l"], 0x7ffd12345678 /* 3 vars */) = 0'
    assert normalise(parse(text)) == Call(  # type: ignore[arg-type]
        "execve", ('"/bin/ls"', '["ls", "-l"]', "ADDRESS /* 3 vars */"), "0"
    )


def test_paths_behind_descriptors() -> None:
    line = parse('openat(AT_FDCWD</tmp>, "x", O_RDONLY) = 3</tmp/x>')
    assert line == Call("openat", ("AT_FDCWD</tmp>", '"x"', "O_RDONLY"), "3")


def test_result_that_never_came() -> None:
    assert parse("exit_group(3)                           = ?") == Call("exit_group", ("3",), "?")


@pytest.mark.parametrize(
    "text", ["", "exec: /bin/ls", 'write(1, "cut', "  mmap(1) = 0", "read(3,", "foo(1) == 2"]
)
def test_what_strace_does_not_write_is_none(text: str) -> None:
    assert parse(text) is None


def test_notices_lose_their_pid() -> None:
    text = "--- SIGUSR1 {si_signo=SIGUSR1, si_code=SI_USER, si_pid=77, si_uid=0} ---"
    assert normalise(Notice(text), 77) == Notice(text.replace("77", "VARIES"))
    assert parse("+++ exited with 0 +++") == Notice("+++ exited with 0 +++")


def test_pid_is_replaced_where_a_pid_stands() -> None:
    lines = [parse("getpid() = 42"), parse('write(42, "42", 42) = 42'), parse("kill(42, 0) = 0")]
    pid = own_pid([line for line in lines if line])
    assert pid == 42
    assert [str(normalise(line, pid)) for line in lines if line] == [
        "getpid() = PID", 'write(42, "42", 42) = 42', "kill(PID, 0) = 0",
    ]  # fmt: skip


def test_times_and_inodes_go_sizes_stay() -> None:
    text = "fstat(3, {st_mode=S_IFREG|0644, st_ino=12, st_size=99, st_mtime=5 /* 1970 */, ...}) = 0"
    assert str(normalise(parse(text))) == (  # type: ignore[arg-type]
        "fstat(3, {st_mode=S_IFREG|0644, st_ino=VARIES, st_size=99, st_mtime=VARIES, ...}) = 0"
    )


def test_pipes_lose_their_inode() -> None:
    line = Call("write", ("1<pipe:[123]>", '"<pipe:[5]>"', "10"), "10")
    assert str(normalise(line)) == 'write(1<pipe:[INODE]>, "<pipe:[5]>", 10) = 10'


def test_arguments_split_at_the_top_level_only() -> None:
    assert split_arguments('{a=1, b=[2, 3]}, "x, y", NULL') == ["{a=1, b=[2, 3]}", '"x, y"', "NULL"]
    assert split_arguments("") == []
