"""`youcpu boot --disk`: a boot sector or raw disk of the user's, and why it ended."""

from __future__ import annotations

from youcpu.options import Option, Parsed

DISK_OPTIONS = [
    Option("--disk", "Boot a boot sector or a raw disk image of yours.", "IMAGE"),
    Option("--a20-closed", "Address line 20 is closed at first, as on an AT."),
]
#: What a disk may take where neither --max-insns nor --timeout says.
DEFAULT_INSTRUCTIONS, DEFAULT_SECONDS = 2_000_000_000, 60.0


def run(parsed: Parsed) -> int:
    """Run it to its end; the exit code. Raises UsageError, Failure."""
    from youcpu.boot.image import DiskImage, FileSource, ImageError
    from youcpu.boot.pc import Pc, PcOptions
    from youcpu.boot.verdict import verdict
    from youcpu.commands._boot.report import Report, epoch_ns, limits, memory, stop_at
    from youcpu.launch import Failure
    from youcpu.trace.boot_events import ScreenEvent

    try:
        image = DiskImage(FileSource(parsed.value("disk") or ""))
    except ImageError as error:
        raise Failure(str(error), 1) from None
    instructions, timeout_s = limits(parsed)
    options = PcOptions(
        memory=memory(parsed),
        epoch_ns=epoch_ns(parsed),
        a20_closed=parsed.flag("a20-closed"),
        floppy_type=image.floppy_type,
        keyboard_fd=0,
        stop_at=stop_at(parsed),
        instructions=instructions or DEFAULT_INSTRUCTIONS,
        timeout_s=timeout_s or DEFAULT_SECONDS,
    )
    report = Report(parsed, both=True)
    pc = Pc(options, image, report.tracer)
    try:
        end = verdict(pc, pc.power_on())
        report.tracer.emit(ScreenEvent(0, end.time_ns, pc.screen_rows()))
        report.tracer.emit(end)
        report.finish(pc.board)
    finally:
        pc.close()
    return report.exit_code(end)
