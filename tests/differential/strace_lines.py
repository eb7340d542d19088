"""strace's lines as values: name, arguments, result; and what differs from run to run taken out.

`parse` undoes strace's text form without loss. `normalise` puts one word for each address, pid,
time and inode number, so that two runs of one program can be compared line by line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

OPENING, CLOSING = "([{", ")]}"
ADDRESS = re.compile(r"\b0x[0-9a-f]{5,16}\b")
# What -y shows behind a descriptor without a path.
NAMELESS = re.compile(r"<(pipe|socket):\[\d+\]>")
STRING = re.compile(r'"(?:[^"\\]|\\.)*"(?:\.\.\.)?')
RETURNS_A_PID = {"getpid", "gettid", "getppid", "getpgrp", "getpgid", "getsid", "set_tid_address"}
TAKES_A_PID = {"kill", "tkill", "tgkill", "prlimit64", "sched_getaffinity", "getpgid", "getsid"}
RETURNS_AN_ADDRESS = {"brk", "mmap", "mremap"}
RETURNS_A_TIME = {"times", "time"}
RANDOM_BYTES = {"getrandom"}
# Fields whose value is the clock's, the host's load's or the disk's.
VARYING_FIELD = re.compile(
    r"\b((?:st_|stx_|tv_|ru_|tms_)(?:ino|dev|[amcb]time(?:_nsec)?|sec|nsec|usec|utime|stime)"
    r"|si_pid|si_utime|si_stime|uptime|loads|totalram|freeram|sharedram|bufferram|freehigh"
    r"|f_bfree|f_bavail|f_ffree|f_files|f_fsid|f_blocks|procs|d_ino|d_off)"
    r"=(?:\{(?:val=)?\[[^\]]*\]\}|\[[^\]]*\]|[^,}\s]+(?: /\*.*?\*/)?)"
)


@dataclass(frozen=True)
class Call:
    """`name(arguments) = result note`: note is errno with its text, or what strace adds."""

    name: str
    arguments: tuple[str, ...]
    result: str
    note: str = ""

    def __str__(self) -> str:
        note = f" {self.note}" if self.note else ""
        return f"{self.name}({', '.join(self.arguments)}) = {self.result}{note}"


@dataclass(frozen=True)
class Notice:
    """`--- SIGSEGV {...} ---` or `+++ exited with 0 +++`."""

    text: str

    def __str__(self) -> str:
        return self.text


Line = Call | Notice
NAME = re.compile(r"([a-z][a-z0-9_]*)\(")
RESULT = re.compile(r"\s+= (-?\d+|0x[0-9a-f]+|\?)(?:<[^>]*>)?(?: (.*))?$")


def parse(text: str) -> Line | None:
    """One line of strace -o; None for a line that is none of strace's (an exec stage, a blank)."""
    text = text.rstrip("\n")
    if text.startswith(("--- ", "+++ ")):
        return Notice(text)
    name = NAME.match(text)
    if name is None:
        return None
    end = closing_bracket(text, name.end())
    result = RESULT.match(text, end + 1) if end is not None else None
    if end is None or result is None:
        return None
    arguments = tuple(split_arguments(text[name.end() : end]))
    return Call(name[1], arguments, result[1], result[2] or "")


def parse_all(text: str) -> list[Line]:
    return [line for each in text.splitlines() if (line := parse(each)) is not None]


def closing_bracket(text: str, start: int) -> int | None:
    """Index of the bracket that ends the list which begins at `start`; None where it is cut."""
    for index, depth in depths(text, start):
        if depth < 0:
            return index
    return None


def depths(text: str, start: int = 0) -> Iterable[tuple[int, int]]:
    """(index, depth of brackets) of each character outside strings and comments."""
    depth, index = 0, start
    while index < len(text):
        skipped = STRING.match(text, index)
        if skipped is None and text.startswith("/*", index):
            index = text.index("*/", index) + 2
            continue
        if skipped is not None:
            index = skipped.end()
            continue
        if text[index] in OPENING:
            depth += 1
        elif text[index] in CLOSING:
            depth -= 1
        yield index, depth
        index += 1


def split_arguments(text: str) -> list[str]:
    cuts = [index for index, depth in depths(text) if depth == 0 and text[index] == ","]
    parts = [text[a + 1 : b] for a, b in zip([-1, *cuts], [*cuts, len(text)], strict=True)]
    return [part.strip() for part in parts] if text.strip() else []


def normalise(line: Line, pid: int | None = None) -> Line:
    """`line` without what no two runs have in common. `pid` is the traced program's own."""
    if isinstance(line, Notice):
        return Notice(plain(line.text, pid))
    arguments = tuple(plain(argument, None) for argument in line.arguments)
    result = line.result
    if line.name in TAKES_A_PID and pid is not None:
        arguments = tuple("PID" if argument == str(pid) else argument for argument in arguments)
    if line.name in RETURNS_A_PID and not line.note:
        result = "PID"
    elif line.name in RETURNS_AN_ADDRESS and not line.note:
        result = "ADDRESS"
    elif line.name in RETURNS_A_TIME and not line.note:
        result = "TIME"
    if line.name in RANDOM_BYTES and line.arguments[0].startswith('"'):
        arguments = ("RANDOM", *arguments[1:])
    return replace(line, arguments=arguments, result=result, note=plain(line.note, None))


def plain(text: str, pid: int | None) -> str:
    """Addresses and varying fields as words. Strings are the program's and stay as they are."""
    pieces, at = [], 0
    for quoted in STRING.finditer(text):
        pieces += [plain_piece(text[at : quoted.start()], pid), quoted[0]]
        at = quoted.end()
    return "".join([*pieces, plain_piece(text[at:], pid)])


def plain_piece(text: str, pid: int | None) -> str:
    text = VARYING_FIELD.sub(r"\1=VARIES", text)
    text = ADDRESS.sub("ADDRESS", text)
    text = NAMELESS.sub(r"<\1:[INODE]>", text)
    return re.sub(rf"\b{pid}\b", "PID", text) if pid is not None else text


def own_pid(lines: Iterable[Line]) -> int | None:
    """The program's pid, told by set_tid_address (each libc's first steps) or getpid."""
    for line in lines:
        if isinstance(line, Call) and line.name in ("set_tid_address", "getpid", "gettid"):
            return int(line.result)
    return None


def normalise_all(lines: list[Line]) -> list[Line]:
    pid = own_pid(lines)
    return [normalise(line, pid) for line in without_random_reads(lines)]


def without_random_reads(lines: Iterable[Line]) -> Iterable[Line]:
    """`lines` with RANDOM for what was read from /dev/urandom and its like."""
    sources: set[str] = set()
    for line in lines:
        if isinstance(line, Call) and line.name in ("openat", "open"):
            path = line.arguments[1 if line.name == "openat" else 0]
            sources.discard(line.result)
            if path in ('"/dev/urandom"', '"/dev/random"'):
                sources.add(line.result)
        elif isinstance(line, Call) and line.name == "read" and line.arguments[0] in sources:
            line = replace(line, arguments=(line.arguments[0], "RANDOM", *line.arguments[2:]))
        yield line
