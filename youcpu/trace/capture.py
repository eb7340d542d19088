"""System call registers into an event: each row's markers are compiled into a plan once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from youcpu.abi.args import Capture, Marker
from youcpu.abi.syscalls import NUMBERS_X86_64
from youcpu.abi.values import PENDING, Address, Array, Noted, Remark, Text
from youcpu.trace.events import SyscallEvent


class Row(Protocol):
    """What a row of the system call table offers: kernel/syscalls/table.py Syscall."""

    #: Kept for `_plan`, nobody else's business.
    plan: object

    @property
    def number(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def parameters(self) -> tuple[tuple[str, Marker], ...]: ...
    @property
    def returns(self) -> Marker: ...


def _pending(index: int, call: Capture) -> object:
    """What only the return makes known."""
    return PENDING


class _Plan:
    """How to capture one system call."""

    __slots__ = ("changes", "decides", "entry", "exit", "names", "result")

    def __init__(self, row: Row) -> None:
        markers = [marker for _, marker in row.parameters]
        self.names = tuple(name for name, _ in row.parameters)
        self.entry = tuple(
            (i, _pending if marker.at_exit else marker.capture) for i, marker in enumerate(markers)
        )
        self.exit = tuple((i, m.capture) for i, m in enumerate(markers) if m.at_exit)
        self.changes = tuple((i, m.changed) for i, m in enumerate(markers) if m.changes)
        self.decides = tuple((i, m.outcome) for i, m in enumerate(markers) if m.decides_result)
        returns = row.returns
        plain = type(returns).captured_result is Marker.captured_result
        self.result = None if plain else returns.captured_result


def _plan(row: Row) -> _Plan:
    plan = row.plan
    if plan is None:
        plan = row.plan = _Plan(row)
    assert isinstance(plan, _Plan)
    return plan


def enter(
    row: Row, raw: tuple[int, ...], capture: Capture, pid: int, time_ns: int, i386: bool = False
) -> SyscallEvent:
    """The event of a call that begins. `raw`: the six argument registers."""
    plan = _plan(row)
    capture.raw = raw
    capture.result = None
    arguments = [take(index, capture) for index, take in plan.entry]
    return SyscallEvent(
        pid, time_ns, row.number, row.name, raw, plan.names, arguments, None, None, None, 0, i386
    )


def first_exec(
    pid: int,
    time_ns: int,
    strings: tuple[bytes, Sequence[bytes], Sequence[bytes]],
    envp_address: int,
    result: int,
    limit: int,
    verbose: bool,
) -> SyscallEvent:
    """The execve(2) that starts the first program: nobody's registers hold its arguments.

    `strings`: path, argv, envp; `envp_address`: where the variables are now, for want of a
    caller whose memory held them. `limit` and `verbose` as of Capture.
    """
    path, argv, envp = strings

    def vector(values: Sequence[bytes]) -> Array:
        shown = values if verbose else values[:limit]
        texts = tuple(Text(value[:limit], len(value)) for value in shown)
        return Array(texts, more=len(shown) < len(values))

    note = f"{len(envp)} var{'' if len(envp) == 1 else 's'}"
    variables = vector(envp) if verbose else Noted(Address(envp_address), note)
    arguments: list[object] = [path, vector(argv), variables]
    names = ("filename", "argv", "envp")
    number = NUMBERS_X86_64["execve"]
    return SyscallEvent(pid, time_ns, number, "execve", (0,) * 6, names, arguments, result, result)


def leave(event: SyscallEvent, row: Row, result: int, capture: Capture, time_ns: int) -> None:
    """The call returned `result`, negative for -errno: what it gave is captured now."""
    plan = _plan(row)
    if result >= 1 << 63:  # rt_sigreturn gives back what RAX was
        result -= 1 << 64
    event.result = event.returned = result
    event.duration_ns = time_ns - event.time_ns
    capture.raw = event.raw
    capture.result = result
    arguments = event.arguments
    for index, take in plan.exit:
        arguments[index] = take(index, capture)
    for index, changed in plan.changes:
        arguments[index] = changed(index, capture, arguments[index])
    if -4096 < result < 0:
        return
    if plan.result is not None:
        event.returned, event.remark = plan.result(result, capture)
    for index, outcome in plan.decides:
        found = outcome(index, capture)
        if found is not None:
            event.returned, remark = found
            if event.remark is None or remark is None:
                event.remark = remark or event.remark
            else:
                event.remark = Remark(event.remark.parts | remark.parts)
