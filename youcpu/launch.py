"""Running a program for a command: its name found, its environment, how the run ended.

The exit codes are those of env(1) and timeout(1): the program's own, 128+n for a signal,
127 not found, 126 found but not executable, 125 for any failure of ours.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from youcpu.abi.errno import Errno
from youcpu.kernel.errors import KernelError
from youcpu.kernel.exec.binprm import ExecError
from youcpu.kernel.panic import SystemEnd
from youcpu.kernel.sched import Deadlock
from youcpu.machine import Machine, TimeLimit
from youcpu.record import record
from youcpu.trace.events import EndEvent

NOT_FOUND, NOT_EXECUTABLE, FAILED = 127, 126, 125
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_LEAST_MEMORY, _MOST_MEMORY = 4 << 20, 1 << 40


class Failure(Exception):
    """A run that could not be made; `code` is the exit code, the text one line for the user."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


def parse_size(text: str) -> int:
    """`64M`, `2G`, `1048576`: bytes, whole pages. Raises Failure."""
    size = parse_bytes("--memory", text, _LEAST_MEMORY, _MOST_MEMORY)
    return size & -(2 << 20) if size >= 2 << 20 else size & -4096


def parse_bytes(option: str, text: str, least: int, most: int) -> int:
    """`64k`, `1.5M`, `4096`: bytes within limits. Raises Failure (wrong usage)."""
    number, unit = text.strip().lower().removesuffix("b").removesuffix("i"), ""
    if number and number[-1] in "kmgt":
        number, unit = number[:-1], number[-1]
    try:
        size = int(float(number) * _UNITS[unit])
    except (ValueError, OverflowError):
        raise Failure(f"{option} {text}: a size like 64M or 2G is wanted", 2) from None
    if not least <= size <= most:
        raise Failure(f"{option} {text}: from {_size_text(least)} to {_size_text(most)}", 2)
    return size


def _size_text(size: int) -> str:
    unit = max(
        (unit for unit in _UNITS if size >= _UNITS[unit]), key=_UNITS.__getitem__, default=""
    )
    return f"{size // _UNITS[unit]}{unit.upper()}"


def parse_epoch(text: str) -> int | None:
    """Seconds since 1970 (SOURCE_DATE_EPOCH where not given) in ns; None: now. Raises Failure."""
    text = text or os.environ.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return None
    try:
        whole, _, fraction = text.partition(".")
        return int(whole) * 10**9 + int((fraction or "0").ljust(9, "0")[:9])
    except ValueError:
        raise Failure(f"--epoch {text}: seconds since 1970 are wanted", 2) from None


def environment(settings: list[str], clear: bool) -> list[bytes]:
    """Our own environment with the user's changes, in order. Raises Failure."""
    variables: dict[bytes, bytes] = {} if clear else dict(os.environb)
    for setting in settings:
        name, equals, value = os.fsencode(setting).partition(b"=")
        if not equals or not name:
            raise Failure(f"--env {setting}: NAME=VALUE is wanted", 2)
        variables[name] = value
    return [name + b"=" + value for name, value in variables.items()]


def find_program(name: str, envp: list[bytes], rootfs: str) -> bytes:
    """The path that execvp(3) would execute: a name without a slash is looked up in PATH."""
    program = os.fsencode(name)
    if b"/" in program or not program:
        return program
    path = next((v[5:] for v in envp if v.startswith(b"PATH=")), b"/usr/local/bin:/usr/bin:/bin")
    root = os.fsencode(rootfs)
    for directory in path.split(b":"):
        candidate = os.path.join(directory or b".", program)
        host = candidate if root == b"/" else os.path.join(root, candidate.lstrip(b"/"))
        if os.path.isfile(host) and os.access(host, os.X_OK):
            return candidate
    raise Failure(f"{name}: not found in PATH", NOT_FOUND)


@record
class Outcome:
    """How a run ended: `event` for the trace, `code` for the shell, `message` if it was ours."""

    event: EndEvent
    code: int
    message: str = ""


def run(
    machine: Machine, path: bytes, argv: list[bytes], envp: list[bytes], stages_only: bool = False,
    prepared: Callable[[Machine], None] | None = None,
) -> Outcome:  # fmt: skip
    """Execute and run a program to its end; the end event has been emitted."""
    outcome = _run(machine, path, argv, envp, stages_only, prepared)
    if machine.kernel.reclaim is not None:
        end = outcome.event
        machine.tracer.emit(machine.kernel.reclaim.event(end.pid, end.time_ns))
    machine.tracer.emit(outcome.event)
    return outcome


def _run(
    machine: Machine, path: bytes, argv: list[bytes], envp: list[bytes], stages_only: bool,
    prepared: Callable[[Machine], None] | None,
) -> Outcome:  # fmt: skip
    kernel = machine.kernel
    try:
        task = machine.execute(path, argv, envp)
    except ExecError as error:
        if error.fatal:
            return ended(machine, 11, path)
        return _exec_failed(machine, error, path)
    except KernelError as error:
        return _exec_failed(machine, error, path)
    pid = task.pid
    if stages_only:
        return Outcome(EndEvent(pid, kernel.clock.realtime_ns(), "exit", status=0), 0)
    if prepared is not None:
        prepared(machine)
    try:
        status = machine.run()
    except TimeLimit:
        text = f"the time limit of {machine.options.timeout_s:g} s was reached"
        return Outcome(EndEvent(pid, kernel.clock.realtime_ns(), "timeout"), FAILED, text)
    except SystemEnd as end:
        kernel.probes.system_end(pid, end.how, end.text)
        text = f"the program ended the machine: {end}"
        return Outcome(EndEvent(pid, kernel.clock.realtime_ns(), "reboot"), 0, text)
    except Deadlock:
        text = "every task sleeps and nothing can wake one: deadlock"
        return Outcome(EndEvent(pid, kernel.clock.realtime_ns(), "deadlock"), FAILED, text)
    return ended(machine, status, path)


def ended(machine: Machine, status: int, path: bytes) -> Outcome:
    """How a program ended, by its wait status."""
    kernel = machine.kernel
    pid, now = machine.first_pid, kernel.clock.realtime_ns()
    signal = status & 0x7F
    if not signal:
        return Outcome(EndEvent(pid, now, "exit", status=status >> 8), status >> 8)
    message = ""
    if kernel.oom_kills:
        message = f"{os.fsdecode(path)}: out of memory ({_sizes(machine)}): killed"
    event = EndEvent(pid, now, "signal", signal=signal, core_dumped=bool(status & 0x80))
    return Outcome(event, 128 + signal, message)


def _sizes(machine: Machine) -> str:
    paging = machine.options.paging
    if paging is None:
        return f"{machine.ram.size >> 20} MiB"
    return f"{paging.ram >> 10} KiB, swap {paging.swap >> 10} KiB"


def _exec_failed(machine: Machine, error: KernelError, path: bytes) -> Outcome:
    event = EndEvent(
        machine.first_pid, machine.kernel.clock.realtime_ns(), "errno", errno=error.errno
    )
    failure = exec_failure(error, path)
    return Outcome(event, failure.code, str(failure))


def exec_failure(error: KernelError, path: bytes) -> Failure:
    """What to say of a program that could not be executed."""
    text = f"{os.fsdecode(path)}: {error.errno.text}"
    if isinstance(error, ExecError):
        if error.fatal:
            return Failure(f"{text}: killed by SIGSEGV within exec", 128 + 11)
        if error.path and error.path != path:
            text += f" ({error.role} {os.fsdecode(error.path)})"
        if error.reason:
            text += f": {error.reason}"
    return Failure(text, NOT_FOUND if error.errno is Errno.ENOENT else NOT_EXECUTABLE)


def same_place(one: int, other: int) -> bool:
    """Whether two descriptors write to the same file or terminal."""
    try:
        return os.path.samestat(os.fstat(one), os.fstat(other))
    except OSError:
        return False


def complain(command: str, message: str) -> None:
    """One line to stderr."""
    if message:
        sys.stderr.write(f"youcpu {command}: {message}\n")
