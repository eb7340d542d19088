"""strace's lines: quoting, columns, times, results. Expected texts were written by strace 6.1."""

from __future__ import annotations

import pytest

from youcpu.abi.args import Capture
from youcpu.abi.siginfo import Siginfo
from youcpu.abi.signatures import unimplemented
from youcpu.abi.syscalls import NUMBERS_X86_64
from youcpu.abi.values import (
    Array,
    Choice,
    Dated,
    Descriptor,
    Device,
    FileMode,
    Mask,
    Permissions,
    Text,
    WaitStatus,
)
from youcpu.render.strace.lines import LineOptions, StraceSink
from youcpu.render.strace.quote import bracketed_path, hexadecimal, quoted
from youcpu.render.strace.values import Style, show
from youcpu.trace.capture import enter, leave
from youcpu.trace.events import BlockedEvent, ExitEvent, SignalEvent, SyscallEvent


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"plain", '"plain"'),
        (b'a"\\\t\n\v\f\r', '"a\\"\\\\\\t\\n\\v\\f\\r"'),
        (b"\x00\x01\x1b\x7f\x80\xff", '"\\0\\1\\33\\177\\200\\377"'),
        # An octal digit behind makes the escape long, 8 and 9 do not.
        (b"\x002\x009\x01a", '"\\0002\\09\\1a"'),
    ],
)
def test_quoting(data: bytes, text: str) -> None:
    assert quoted(data) == text


def test_other_quotings() -> None:
    assert hexadecimal(b"\x00a") == '"\\x00\\x61"'
    # strace -y of a file with such a name.
    assert bracketed_path(b'/q/a<b>:c"d\\e\n\xe9') == '</q/a\\74b\\76:c\\"d\\\\e\\n\\351>'
    assert bracketed_path(b"/q/x (deleted)") == "</q/x>(deleted)"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Text(b"x" * 32, 32), '"' + "x" * 32 + '"'),
        (Text(b"x" * 32, 33), '"' + "x" * 32 + '"...'),
        (Text(b"", 0), '""'),
        (FileMode(0o100644), "S_IFREG|0644"),
        (FileMode(0o104755), "S_IFREG|S_ISUID|0755"),
        (FileMode(0o41777), "S_IFDIR|S_ISVTX|0777"),
        (FileMode(0o644), "0644"),
        (FileMode(0o170644), "0170644"),
        (Permissions(0), "000"),
        (Permissions(0o22), "022"),
        (Permissions(0o7), "007"),
        (Permissions(0o1777), "01777"),
        (Device(0x103), "makedev(0x1, 0x3)"),
        (Device(0), "makedev(0, 0)"),
        (Mask(0), "[]"),
        (Mask(0x4002), "[INT TERM]"),
        (Mask((1 << 64) - 1), "~[]"),
        (Mask((1 << 64) - 1 & ~0x100), "~[KILL]"),
        (Mask(1 << 33), "[RT_2]"),
        (WaitStatus(0x700), "{WIFEXITED(s) && WEXITSTATUS(s) == 7}"),
        (WaitStatus(0x8B), "{WIFSIGNALED(s) && WTERMSIG(s) == SIGSEGV && WCOREDUMP(s)}"),
        (WaitStatus(0x137F), "{WIFSTOPPED(s) && WSTOPSIG(s) == SIGSTOP}"),
        (WaitStatus(0xFFFF), "{WIFCONTINUED(s)}"),
        (Choice(9, None, "SEEK_???"), "0x9 /* SEEK_??? */"),
        (Choice(99, None, "SIG_???", decimal=True), "99"),
        (Descriptor(3, b"/etc"), "3</etc>"),
        (Descriptor(-100, b"/", "AT_FDCWD"), "AT_FDCWD</>"),
        (Descriptor(99, None), "99"),
        (Array((1, 2), more=True), "[1, 2, ...]"),
        (Dated(0, 0, 0, 9), "0"),
    ],
)
def test_values(value: object, text: str) -> None:
    assert show(value, Style()) == text


def test_dates_are_local(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    text = show(Dated(5, 5, 6, 9), Style())
    assert text == "5 /* 1970-01-01T00:00:05.000000006+0000 */"


def call(name: str, raw: tuple[int, ...], result: int | None, pid: int = 1) -> SyscallEvent:
    row = unimplemented(NUMBERS_X86_64[name], name)
    capture = Capture(lambda address, size: b"")
    event = enter(row, (*raw, 0, 0, 0, 0, 0, 0)[:6], capture, pid, 1_500_000_000)
    if result is not None:
        leave(event, row, result, capture, 1_500_042_000)
    return event


def lines(*events: object, options: LineOptions | None = None) -> list[str]:
    written: list[str] = []
    sink = StraceSink(written.append, options)
    for event in events:
        sink.emit(event)  # type: ignore[arg-type]
    sink.close()
    return "".join(written).splitlines()


def padded(call: str, result: str) -> str:
    """The result stands in column 40."""
    return f"{call:<40}= {result}"


@pytest.mark.parametrize(
    ("name", "raw", "result", "line"),
    [
        ("close", (3,), 0, padded("close(3)", "0")),
        ("brk", (0,), 0x55550000, padded("brk(NULL)", "0x55550000")),
        ("close", (9,), -9, padded("close(9)", "-1 EBADF (Bad file descriptor)")),
        ("exit_group", (0,), None, padded("exit_group(0)", "?")),
        ("read", (0, 0x1000, 5), None, padded("read(0,  <unfinished ...>)", "?")),
        (
            "pause", (), -514,
            padded("pause()", "? ERESTARTNOHAND (To be restarted if no handler)"),
        ),
        (
            "mmap", (0, 8192, 3, 0x22, (1 << 64) - 1, 0), 0x7FFFF7FC1000,
            "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)"
            " = 0x7ffff7fc1000",
        ),
        ("fcntl", (3, 3), 0x8002, padded("fcntl(3, F_GETFL)", "0x8002 (flags O_RDWR|O_LARGEFILE)")),
        ("fcntl", (3, 1), 1, padded("fcntl(3, F_GETFD)", "0x1 (flags FD_CLOEXEC)")),
        ("umask", (0o22,), 0o2, padded("umask(022)", "002")),
    ],
)  # fmt: skip
def test_lines(name: str, raw: tuple[int, ...], result: int | None, line: str) -> None:
    assert lines(call(name, raw, result)) == [line]


def test_times(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    event = call("close", (3,), 0)
    for timestamps, head in (
        ("relative", "     0.000000 close(3)"),
        ("time", "00:00:01 close(3)"),
        ("microseconds", "00:00:01.500000 close(3)"),
        ("unix", "1.500000 close(3)"),
    ):
        options = LineOptions(timestamps=timestamps, durations=True)
        assert lines(event, options=options) == [f"{head.ljust(39)} = 0 <0.000042>"]


def test_signals_and_exits() -> None:
    segv = SignalEvent(1, 0, 11, Siginfo(11, 1, addr=0).struct())
    usr1 = SignalEvent(1, 0, 10, Siginfo(10, -6, pid=5, uid=6).struct())
    chld = SignalEvent(1, 0, 17, Siginfo(17, 1, pid=5, uid=0, status=3).struct())
    alrm = SignalEvent(1, 0, 14, Siginfo(14, 0x80).struct())
    assert lines(segv, usr1, chld, alrm, ExitEvent(1, 0, 3), ExitEvent(1, 0, 0, 11, True)) == [
        "--- SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=NULL} ---",
        "--- SIGUSR1 {si_signo=SIGUSR1, si_code=SI_TKILL, si_pid=5, si_uid=6} ---",
        "--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=5, si_uid=0, si_status=3,"
        " si_utime=0, si_stime=0} ---",
        "--- SIGALRM {si_signo=SIGALRM, si_code=SI_KERNEL} ---",
        "+++ exited with 3 +++",
        "+++ killed by SIGSEGV (core dumped) +++",
    ]
    options = LineOptions(signals=frozenset({10}), statuses=frozenset({"failed"}))
    ok, bad = call("close", (3,), 0), call("close", (9,), -9)
    assert len(lines(segv, usr1, ok, bad, options=options)) == 2


def test_a_waiting_call_is_interrupted_by_others_only() -> None:
    waiting = call("read", (0, 0x1000, 5), None, pid=1)
    row = unimplemented(0, "read")
    alone = call("read", (0, 0x1000, 5), None, pid=1)
    other = call("close", (3,), 0, pid=2)
    options = LineOptions(pids="always")
    written: list[str] = []
    sink = StraceSink(written.append, options)
    sink.emit(BlockedEvent(1, 0, alone))
    leave(alone, row, 0, Capture(lambda address, size: b"z" * size), 0)
    sink.emit(alone)
    sink.emit(BlockedEvent(1, 0, waiting))
    sink.emit(other)
    leave(waiting, row, -4, Capture(lambda address, size: b""), 0)
    sink.emit(waiting)
    sink.close()
    assert "".join(written).splitlines() == [
        '1     read(0, "", 5)                    = 0',
        "1     read(0,  <unfinished ...>",
        "2     close(3)                          = 0",
        "1     <... read resumed>0x1000, 5)      = -1 EINTR (Interrupted system call)",
    ]


def test_process_ids_in_brackets_once_there_are_two() -> None:
    options = LineOptions(pids="bracketed")
    events = [call("close", (3,), 0, pid) for pid in (10, 11, 10)]
    assert [line.partition("close")[0] for line in lines(*events, options=options)] == [
        "", "[pid    11] ", "[pid    10] ",
    ]  # fmt: skip


def test_lines_are_held_back_and_flushed() -> None:
    written: list[str] = []
    sink = StraceSink(written.append)
    sink.emit(call("close", (3,), 0))
    assert written == []
    sink.flush()
    assert len(written) == 1
    direct = StraceSink(written.append, buffered=False)
    direct.emit(call("close", (3,), 0))
    assert len(written) == 2


def test_a_waiting_call_that_never_returns() -> None:
    waiting = call("read", (0, 0x1000, 5), None, pid=1)
    events = [BlockedEvent(1, 0, waiting), call("close", (3,), 0, pid=2), waiting]
    assert lines(*events, options=LineOptions(pids="always")) == [
        "1     read(0,  <unfinished ...>",
        "2     close(3)                          = 0",
        "1     <... read resumed> <unfinished ...>) = ?",
    ]
