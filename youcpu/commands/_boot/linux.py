"""`youcpu boot --kernel` and `--resume`: a real Linux to its shell.

`run` reads besides LINUX_OPTIONS the options that all boots share: memory, epoch, max-insns,
timeout, stop-at, stages, quiet, json.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from youcpu.options import Option, Parsed, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from youcpu.boot.console import Console
    from youcpu.boot.linux_run import Limits, LinuxRun
    from youcpu.boot.snapshot import Snapshot
    from youcpu.hardware.board import Board
    from youcpu.kernel_image import KernelImage
    from youcpu.trace.events import Event

NAME = "boot"
LINUX_OPTIONS = [
    Option("--kernel", "Boot Linux: a bzImage (vmlinuz) or a vmlinux.", "IMAGE"),
    Option("--initrd", "Its initial RAM disk (youcpu initramfs makes one).", "FILE"),
    Option("--append", "Its command line (console=ttyS0).", "ARGS"),
    Option("--own-decompressor", "Let the bzImage unpack itself: real, and slower."),
    Option("--system-map", "Symbols for the stages, where the image has none.", "FILE"),
    Option("--until", "End when the console has printed TEXT.", "TEXT"),
    Option("--save", "Write a snapshot of the machine when it ends.", "FILE"),
    Option("--resume", "Go on with a snapshot.", "FILE"),
]
DEFAULT_COMMAND_LINE = b"console=ttyS0"
DEFAULT_MEMORY = "256M"
_LEAST_MEMORY, _MOST_MEMORY = 16 << 20, 32 << 30
_EXIT_CODES = {
    "panic": 1, "triple fault": 1, "bus error": 1, "limit": 125, "timeout": 125, "unsupported": 125,
}  # fmt: skip


class Refused(Exception):
    """What was given cannot be booted: one line, exit code 1."""


def run(parsed: Parsed) -> int:
    """Boot, or go on; the exit code."""
    from youcpu.launch import Failure, complain

    try:
        return _run(parsed)
    except (Refused, Failure) as error:
        complain(NAME, str(error))
        return error.code if isinstance(error, Failure) else 1


def _run(parsed: Parsed) -> int:
    from youcpu.boot.console import Console

    limits = _limits(parsed)
    progress = Progress(not parsed.flag("quiet") and sys.stderr.isatty())
    as_json = parsed.flag("json")
    console = Console(_ignore if as_json else _write_bytes, _input_fd())
    try:
        if parsed.flag("resume"):
            board, linux = _resume(parsed, console)
        else:
            board, linux = _boot(parsed, console, progress)
        linux.on_slice = lambda: progress.running(board, console)
        if as_json:
            from youcpu.render.linux_boot import LinuxJsonLines

            linux.emit = LinuxJsonLines(_write_text).emit
        elif parsed.flag("stages"):
            linux.emit = _tell_stage
        return _go(parsed, board, linux, console, limits)
    finally:
        progress.clear()
        sys.stdout.flush()


def _go(parsed: Parsed, board: Board, linux: LinuxRun, console: Console, limits: Limits) -> int:
    """Run, save, say how it ended."""
    from youcpu.launch import complain

    def interrupt(_signal: int, _frame: Any) -> None:
        linux.interrupted = True

    before = signal.signal(signal.SIGINT, interrupt)
    console.raw()
    try:
        event = linux.run(limits)
    finally:
        console.restore()
        signal.signal(signal.SIGINT, before)
    if parsed.flag("save"):
        _save(parsed, board, linux)
    board.close()
    # With panic=N the kernel restarts the machine and does not say its last line.
    panicked = event.outcome == "panic" or b"\nKernel panic - not syncing" in console.recent
    panicked |= b"] Kernel panic - not syncing" in console.recent
    code = _EXIT_CODES.get("panic" if panicked else event.outcome, 0)
    code = 130 if linux.interrupted else code
    if not parsed.flag("quiet") or code not in (0, 130):
        complain(NAME, event.message)
    if panicked and parsed.flag("kernel"):
        _explain_init(parsed)
    return code


def _explain_init(parsed: Parsed) -> None:
    """A kernel that panicked before its init ran: what the initrd has to do with it."""
    from youcpu.boot.initrd_check import initrd_remarks
    from youcpu.launch import complain

    command_line = os.fsencode(parsed.value("append") or "")
    path = parsed.value("initrd")
    initrd = _read_initrd(parsed, os.path.getsize(path) if path else 0)
    for remark in initrd_remarks(initrd, command_line):
        complain(NAME, f"{path}: {remark}" if path else remark)


# -- making the machine ---------------------------------------------------------------


def _boot(parsed: Parsed, console: Console, progress: Progress) -> tuple[Board, LinuxRun]:
    from youcpu.boot.linux import BootError, load_linux, ram_size
    from youcpu.boot.linux_run import LinuxRun
    from youcpu.commands._boot.report import epoch_ns
    from youcpu.hardware.board import Board
    from youcpu.launch import parse_bytes

    path = parsed.value("kernel") or ""
    text = parsed.value("memory") or DEFAULT_MEMORY
    memory = parse_bytes("--memory", text, _LEAST_MEMORY, _MOST_MEMORY) & -(1 << 20)
    append = parsed.value("append")
    command_line = DEFAULT_COMMAND_LINE if append is None else os.fsencode(append)
    initrd = _read_initrd(parsed, memory)
    progress.show(f"unpacking {os.path.basename(path)}")
    kernel = _read_kernel(path)
    board = Board(ram_size(memory), epoch_ns(parsed), console.send)
    try:
        load_linux(board, kernel, memory, command_line, initrd, parsed.flag("own-decompressor"))
    except BootError as error:
        raise Refused(f"{path}: {error}") from None
    linux = LinuxRun(board, console)
    if parsed.flag("json") or parsed.flag("stages") or parsed.flag("stop-at"):
        linux.watch(_stages(parsed, path, kernel, command_line))
    return board, linux


def _read_kernel(path: str) -> KernelImage:
    from youcpu.formats.errors import FormatError
    from youcpu.kernel_image import read_kernel

    try:
        return read_kernel(path)
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from None
    except FormatError as error:
        raise Refused(f"{path}: {error}") from None


def _read_initrd(parsed: Parsed, memory: int) -> bytes | None:
    path = parsed.value("initrd")
    if path is None:
        return None
    try:
        with open(path, "rb") as file:
            # What is longer does not fit anyway; a device of endless bytes stops here.
            data = file.read(memory + 1)
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from None
    if not data:
        raise Refused(f"{path}: an empty file is no initial RAM disk")
    return data


def _stages(
    parsed: Parsed, path: str, kernel: KernelImage, command_line: bytes
) -> list[tuple[str, int]]:
    """Addresses of the stages' functions, as the kernel will have them."""
    from youcpu.boot.linux_run import STAGES
    from youcpu.formats.errors import FormatError
    from youcpu.kernel_image import read_symbols
    from youcpu.launch import complain

    if parsed.flag("own-decompressor") and b"nokaslr" not in command_line.split():
        complain(NAME, "stages: the decompressor moves the kernel unless --append has nokaslr")
        return []
    map_file = parsed.value("system-map")
    try:
        symbols = read_symbols(kernel, path, map_file)
    except OSError as error:
        raise Refused(f"{map_file}: {error.strerror}") from None
    except FormatError as error:
        complain(NAME, f"{map_file or path}: no symbols, so no stages: {error}")
        return []
    return [(name, address) for name in STAGES if (address := symbols.find(name)) is not None]


def _resume(parsed: Parsed, console: Console) -> tuple[Board, LinuxRun]:
    from youcpu.boot.linux_run import LinuxRun
    from youcpu.boot.snapshot import Snapshot, SnapshotError
    from youcpu.hardware.board import Board

    path = parsed.value("resume") or ""
    try:
        snapshot: Snapshot = Snapshot(path)
        board = Board(snapshot.memory, 0, console.send)
        snapshot.restore(board)
        linux = LinuxRun(board, console)
        stages = snapshot.description.get("stages")
        if isinstance(stages, dict) and stages:
            linux.watch([(str(name), int(address)) for name, address in stages.items()])
    except SnapshotError as error:
        raise Refused(f"{path}: {error}") from None
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from None
    return board, linux


def _save(parsed: Parsed, board: Board, linux: LinuxRun) -> None:
    from youcpu.boot.snapshot import save_snapshot

    path = parsed.value("save") or ""
    try:
        save_snapshot(path, board, {"stages": linux.stages})
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from None


# -- options --------------------------------------------------------------------------


def _limits(parsed: Parsed) -> Limits:
    """Raises UsageError."""
    from youcpu.boot.linux_run import STAGES, USER, Limits

    stop_at = parsed.value("stop-at")
    if stop_at is not None and stop_at not in (*STAGES, USER):
        raise UsageError(f"--stop-at {stop_at}: one of {', '.join((*STAGES, USER))}")
    until = parsed.value("until")
    return Limits(
        _number(parsed, "max-insns", int),
        _number(parsed, "timeout", float),
        stop_at,
        None if until is None else os.fsencode(until),
    )


def _number(parsed: Parsed, key: str, kind: Callable[[str], Any]) -> Any:
    text = parsed.value(key)
    if text is None:
        return None
    try:
        value = kind(text.replace("_", ""))
    except ValueError:
        value = 0
    if not 0 < value < 1 << 62:
        raise UsageError(f"--{key} {text}: a number above 0 is wanted")
    return value


# -- output ---------------------------------------------------------------------------


class Progress:
    """One line on stderr while nothing else is printed, on a terminal only."""

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted
        self._shown = 0
        self._next = 0.0

    def show(self, text: str) -> None:
        if self._wanted:
            line = f"{NAME}: {text}"
            sys.stderr.write(f"\r{line.ljust(self._shown)}")
            sys.stderr.flush()
            self._shown = len(line)

    def clear(self) -> None:
        if self._shown:
            sys.stderr.write("\r" + " " * self._shown + "\r")
            sys.stderr.flush()
            self._shown = 0

    def running(self, board: Board, console: Console) -> None:
        """After each slice; once the guest prints, its console is the progress."""
        if not self._wanted:
            return
        if console.recent:
            self.clear()
            self._wanted = False
        elif (now := time.monotonic()) >= self._next:
            self._next = now + 0.2
            self.show(f"{board.instructions / 1e6:,.0f} M instructions")


def _input_fd() -> int | None:
    try:
        os.fstat(0)
    except OSError:
        return None
    return 0


def _ignore(data: bytes) -> None:
    """The console of a run whose events go to stdout."""


def _write_bytes(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _write_text(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _tell_stage(event: Event) -> None:
    from youcpu.render.linux_boot import stage_line

    line = stage_line(event)
    if line:
        sys.stderr.write(line + "\n")
