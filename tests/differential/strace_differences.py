"""Where youcpu's syscalls rightly differ from those of the host, and why. Nothing else may.

Each difference rewrites the lines of either side to one common form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from strace_lines import Call, Line

ANONYMOUS = "PROT_READ|PROT_WRITE", "MAP_PRIVATE|MAP_ANONYMOUS", "-1", "0"


@dataclass(frozen=True)
class Difference:
    why: str
    rewrite: Callable[[Iterable[Line]], Iterable[Line]]


def without_vdso_calls(lines: Iterable[Line]) -> Iterable[Line]:
    names = ("clock_gettime", "gettimeofday", "time", "getcpu", "clock_getres")
    return (line for line in lines if not (isinstance(line, Call) and line.name in names))


def without_memory_of_the_loader(lines: Iterable[Line]) -> Iterable[Line]:
    """Without anonymous maps that the loader makes before malloc takes over, with the break."""
    loading = True
    for line in lines:
        if isinstance(line, Call) and line.name == "brk" and line.arguments != ("NULL",):
            loading = False
        if isinstance(line, Call) and line.name == "execve":
            loading = True
        if not (loading and isinstance(line, Call) and line.arguments[2:] == ANONYMOUS):
            yield line


def one_cpu(lines: Iterable[Line]) -> Iterable[Line]:
    for line in lines:
        if isinstance(line, Call) and line.name == "sched_getaffinity":
            line = replace(line, arguments=(*line.arguments[:-1], "[CPUS]"), result="BYTES")
        yield line


def own_name(lines: Iterable[Line]) -> Iterable[Line]:
    for line in lines:
        if isinstance(line, Call) and line.name == "uname":
            argument = re.sub(r'nodename="[^"]*"', "nodename=NAME", line.arguments[0])
            line = replace(line, arguments=(argument,))
        yield line


def own_limits(lines: Iterable[Line]) -> Iterable[Line]:
    for line in lines:
        if isinstance(line, Call) and line.name == "prlimit64" and "RLIMIT_NPROC" in str(line):
            line = replace(line, arguments=(*line.arguments[:-1], "{OWN}"))
        yield line


def own_proc(lines: Iterable[Line]) -> Iterable[Line]:
    """Without what is read of files below /proc, nor the memory that is mapped to hold it."""
    sources: set[str] = set()
    buffers: set[str] = set()
    for line in lines:
        if not isinstance(line, Call):
            yield line
            continue
        if line.name == "openat":
            sources.discard(line.result)
            if line.arguments[1].startswith('"/proc/'):
                sources.add(line.result)
        if line.name == "close":
            sources.discard(descriptor(line.arguments[0]))
        if line.name == "mmap" and sources and line.arguments[2:] == ANONYMOUS:
            buffers.add(line.arguments[1])
            continue
        if line.name == "munmap" and line.arguments[1] in buffers:
            continue
        if line.name in ("read", "lseek") and descriptor(line.arguments[0]) in sources:
            continue
        yield line


def descriptor(argument: str) -> str:
    """The number, without the path that -y shows behind it."""
    return argument.partition("<")[0]


def own_statx_mask(lines: Iterable[Line]) -> Iterable[Line]:
    for line in lines:
        if isinstance(line, Call) and line.name == "statx":
            told = re.sub(r"stx_mask=[A-Z_|]+", "stx_mask=MASK", line.arguments[-1])
            line = replace(line, arguments=(*line.arguments[:-1], told))
        yield line


DIFFERENCES = (
    Difference(
        "The host's vDSO answers the clock without a syscall where its clock source allows; "
        "the machine's clock is virtual and is asked by syscall.",
        without_vdso_calls,
    ),
    Difference(
        "Where the kernel gives a vDSO, ld.so describes it first, and fills the pages of its own "
        "small allocator sooner: they are mapped at other moments, and one more or less.",
        without_memory_of_the_loader,
    ),
    Difference("The machine has one CPU, the host as many as it has.", one_cpu),
    Difference("The machine's name is not the host's.", own_name),
    Difference("RLIMIT_NPROC follows from the size of memory, which is the machine's.", own_limits),
    Difference(
        "Which fields statx gives unasked differs between Linux's versions: since 6.13 (multigrain "
        "timestamps) mtime and ctime only on request, STATX_MNT_ID since 5.8.",
        own_statx_mask,
    ),
    Difference("Files below /proc tell of the machine, not of the host.", own_proc),
)


def without_right_differences(lines: list[Line]) -> list[Line]:
    left: Iterable[Line] = lines
    for difference in DIFFERENCES:
        left = difference.rewrite(left)
    return list(left)
