"""Where youcpu's syscalls rightly differ from those of the host, and why. Nothing else may.

Each difference rewrites a line of either side to one form, or drops it (None).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from strace_lines import Call, Line


@dataclass(frozen=True)
class Difference:
    why: str
    rewrite: Callable[[Line], Line | None]


def without_vdso_calls(line: Line) -> Line | None:
    names = ("clock_gettime", "gettimeofday", "time", "getcpu", "clock_getres")
    return None if isinstance(line, Call) and line.name in names else line


def one_cpu(line: Line) -> Line | None:
    if isinstance(line, Call) and line.name == "sched_getaffinity":
        return replace(line, arguments=(*line.arguments[:-1], "[CPUS]"))
    return line


DIFFERENCES = (
    Difference(
        "The host's vDSO answers the clock without a syscall where its clock source allows; "
        "the machine's clock is virtual and may be asked by syscall.",
        without_vdso_calls,
    ),
    Difference("The machine has one CPU, the host as many as it has.", one_cpu),
)


def without_right_differences(lines: list[Line]) -> list[Line]:
    left = lines
    for difference in DIFFERENCES:
        left = [new for line in left if (new := difference.rewrite(line)) is not None]
    return left
