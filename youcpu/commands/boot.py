"""From the reset vector to init, and a real Linux to its shell.

Stage: boot
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from youcpu.commands._boot.options import OPTIONS, kind_of
from youcpu.options import Parsed, UsageError, run_command

if TYPE_CHECKING:
    from youcpu.boot.demonstration import DemonstrationOptions

NAME = "boot"
USAGE = "youcpu boot [OPTIONS]"
SUMMARY = """Switches a PC on. Without a file: a firmware of ours finds a boot sector, its loader
goes from real to protected to long mode and hands over to youcpu's kernel, whose init
runs its services and shuts down. With --kernel an unmodified Linux boots to its shell.
The machine's output is on stdout, the report of the stages on stderr (or -o FILE)."""
EPILOG = """Exit code: 0 the machine was switched off, restarted, halted or stopped where it was
asked to; 1 it failed; 125 a limit or a failure of ours; 130 Ctrl-C; 2 wrong usage."""


def main(argv: list[str]) -> int:
    """Run the command."""
    return run_command(_answer, argv, NAME, (USAGE, SUMMARY, EPILOG), OPTIONS)


def _answer(parsed: Parsed) -> int:
    if parsed.operands:
        raise UsageError(f"{parsed.operands[0]}: give it by --disk or --kernel")
    return _boot(parsed)


def _boot(parsed: Parsed) -> int:
    from youcpu.launch import Failure, complain

    try:
        return _dispatch(parsed)
    except Failure as failure:
        complain(NAME, str(failure))
        return failure.code


def _dispatch(parsed: Parsed) -> int:
    kind = kind_of(parsed)
    if kind == "--disk":
        from youcpu.commands._boot.disk import run as run_disk

        return run_disk(parsed)
    if kind == "demonstration":
        return _demonstrate(parsed)
    from youcpu.commands._boot.linux import run

    return run(parsed)


def _demonstrate(parsed: Parsed) -> int:
    from youcpu.boot.demonstration import Demonstration
    from youcpu.commands._boot.report import Report

    options = _options(parsed)
    report = Report(parsed)
    demonstration = Demonstration(options, report.tracer)
    try:
        end = demonstration.run()
        report.finish(demonstration.pc.board)
    finally:
        demonstration.close()
    return report.exit_code(end)


def _options(parsed: Parsed) -> DemonstrationOptions:
    from youcpu.boot.demonstration import DemonstrationOptions
    from youcpu.commands._boot.report import epoch_ns, limits, memory, stop_at

    command_line = os.fsencode(parsed.value("append") or "")
    init = parsed.value("init")
    if init is not None:
        command_line = b" ".join(filter(None, (b"init=" + os.fsencode(init), command_line)))
    rootfs = parsed.value("rootfs")
    if rootfs is not None and not os.path.isdir(rootfs):
        raise UsageError(f"--rootfs {rootfs}: not a directory")
    instructions, timeout_s = limits(parsed)
    return DemonstrationOptions(
        memory=memory(parsed),
        epoch_ns=epoch_ns(parsed),
        command_line=command_line,
        rootfs=None if rootfs is None else os.fsencode(rootfs),
        stop_at=stop_at(parsed),
        instructions=instructions,
        timeout_s=timeout_s,
        console_fd=0 if rootfs is not None else None,
    )
