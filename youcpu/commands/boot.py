"""From the reset vector to init, and a real Linux to its shell.

Stage: boot
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from youcpu.commands._boot.options import OPTIONS
from youcpu.options import Parsed, UsageError, help_text, parse, usage_error

if TYPE_CHECKING:
    from youcpu.boot.demonstration import Demonstration
    from youcpu.render.boot.document import BootDocument
    from youcpu.trace.boot_events import BootEndEvent
    from youcpu.trace.events import Event

NAME = "boot"
USAGE = "youcpu boot [OPTIONS]"
SUMMARY = """Switches a PC on. Without a file: a firmware of ours finds a boot sector, its loader
goes from real to protected to long mode and hands over to youcpu's kernel, whose init
runs its services and shuts down. With --kernel an unmodified Linux boots to its shell.
The machine's output is on stdout, the report of the stages on stderr (or -o FILE)."""
EPILOG = """Exit code: 0 the machine was switched off, restarted, halted or stopped where it was
asked to; 1 it failed; 125 a limit or a failure of ours; 130 Ctrl-C; 2 wrong usage."""
STAGES = ("firmware", "bootloader", "protected", "long", "kernel", "user")
_CODES = {"power off": 0, "restart": 0, "halt": 0, "stopped": 0, "timeout": 125, "limit": 125}


def main(argv: list[str]) -> int:
    """Run the command."""
    try:
        parsed = parse(argv, OPTIONS)
        if parsed.flag("help"):
            sys.stdout.write(help_text(USAGE, SUMMARY, OPTIONS, EPILOG))
            return 0
        if parsed.operands:
            raise UsageError(f"{parsed.operands[0]}: files are given by --kernel or --rootfs")
        return _boot(parsed)
    except UsageError as error:
        return usage_error(NAME, error)


def _boot(parsed: Parsed) -> int:
    from youcpu.launch import Failure, complain

    try:
        return _dispatch(parsed)
    except Failure as failure:
        complain(NAME, str(failure))
        return failure.code


def _dispatch(parsed: Parsed) -> int:
    from youcpu.commands._boot.linux import wants_linux

    if wants_linux(parsed):
        from youcpu.commands._boot.linux import run

        return run(parsed)
    for option in ("initrd", "own-decompressor", "system-map", "until", "save", "stages"):
        if parsed.flag(option):
            raise UsageError(f"--{option} goes with --kernel")
    return _demonstrate(parsed)


def _demonstrate(parsed: Parsed) -> int:
    from youcpu.boot.demonstration import Demonstration
    from youcpu.commands._processes.machine import open_output, wants_color
    from youcpu.launch import complain
    from youcpu.render.boot.document import BootDocument
    from youcpu.render.boot.text import StageText
    from youcpu.trace.tracer import Tracer

    options = _options(parsed)
    walks = [_address(text) for text in parsed.values("walk")]
    tracer = Tracer()
    gathered = BootDocument(parsed.flag("explain"))
    tracer.add(gathered)
    as_json = parsed.flag("json")
    report = open_output(parsed.value("output") or "")
    color = wants_color(parsed.value("color"), report)
    if not as_json:
        tracer.add(_Console())
        if not parsed.flag("quiet"):
            tracer.add(StageText(_writer(report), color, parsed.flag("explain")))
    demonstration = Demonstration(options, tracer)
    try:
        end = demonstration.run()
        answers = _walks(demonstration, walks)
        _report(parsed, gathered, answers, as_json)
    finally:
        demonstration.close()
    code = _CODES.get(end.outcome, 1)
    if code and (parsed.flag("quiet") or as_json):
        complain(NAME, f"{end.outcome}: {end.message}")
    return code


def _report(parsed: Parsed, gathered: BootDocument, answers: list[Any], as_json: bool) -> None:
    if as_json:
        import json

        from youcpu.render.pagewalk_json import walk_value

        walks = [walk_value(view) for view in answers] if answers else None
        sys.stdout.write(json.dumps(gathered.document(walks), indent=1) + "\n")
    else:
        from youcpu.commands._processes.machine import wants_color
        from youcpu.render.pagewalk_text import walk_lines

        color = wants_color(parsed.value("color"), sys.stdout)
        explain = parsed.flag("explain")
        for view in answers:
            sys.stdout.write(
                "".join(f"{line}\n" for line in ("", *walk_lines(view, color, explain)))
            )
    picture = parsed.value("svg")
    if picture:
        from youcpu.commands._processes.machine import open_output
        from youcpu.render.boot.picture import boot_svg

        end: BootEndEvent | None = gathered.end
        assert end is not None
        with open_output(picture) as file:
            file.write(boot_svg(gathered.stages, end))


def _walks(demonstration: Demonstration, addresses: list[int]) -> list[Any]:
    """Page walks on the machine as it stands."""
    if not addresses:
        return []
    from youcpu.commands._boot.walk import walk_views

    return walk_views(demonstration, addresses)


class _Console:
    """Sink: what the machine prints, to stdout. A line that went to screen and COM1 stands once."""

    def __init__(self) -> None:
        from youcpu.trace.boot_events import OutputEvent, StageEvent

        self.kinds: tuple[type[Event], ...] = (OutputEvent, StageEvent)
        self._screen = True

    def emit(self, event: Any) -> None:
        if event.kind == "stage":
            # The firmware's screen is real mode's; behind it the loader has COM1 only.
            self._screen = event.stage in ("firmware", "bootloader")
        elif event.channel == "console" or (event.channel == "screen") == self._screen:
            sys.stdout.write(event.data.decode("utf-8", "replace").replace("\r", ""))
            sys.stdout.flush()

    def close(self) -> None:
        """Nothing is held back."""


def _writer(stream: Any) -> Any:
    def write(text: str) -> None:
        stream.write(text)
        stream.flush()

    return write


def _options(parsed: Parsed) -> Any:
    from youcpu.boot.demonstration import DemonstrationOptions
    from youcpu.commands._processes.machine import positive
    from youcpu.launch import parse_bytes, parse_epoch

    stop_at = parsed.value("stop-at") or ""
    if stop_at and stop_at not in STAGES:
        raise UsageError(f"--stop-at {stop_at}: one of {', '.join(STAGES)} is wanted")
    memory = parse_bytes("--memory", parsed.value("memory") or "64M", 4 << 20, 3 << 30)
    command_line = os.fsencode(parsed.value("append") or "")
    init = parsed.value("init")
    if init is not None:
        command_line = b" ".join(filter(None, (b"init=" + os.fsencode(init), command_line)))
    rootfs = parsed.value("rootfs")
    if rootfs is not None and not os.path.isdir(rootfs):
        raise UsageError(f"--rootfs {rootfs}: not a directory")
    limit = parsed.value("max-insns")
    timeout = parsed.value("timeout")
    return DemonstrationOptions(
        memory=memory & -(1 << 20),
        epoch_ns=parse_epoch(parsed.value("epoch") or "") or 0,
        command_line=command_line,
        rootfs=None if rootfs is None else os.fsencode(rootfs),
        stop_at=stop_at,
        instructions=None if limit is None else int(positive(parsed, "max-insns", 0)),
        timeout_s=None if timeout is None else positive(parsed, "timeout", 0),
        console_fd=0 if rootfs is not None else None,
    )


def _address(text: str) -> int:
    try:
        value = int(text, 16)
    except ValueError:
        value = -1
    if not 0 <= value < 1 << 64:
        raise UsageError(f"--walk {text}: an address in hexadecimal is wanted")
    return value
