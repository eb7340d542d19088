"""Where a boot's events go: console, report, document, picture, page walks; and the exit code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from youcpu.commands._processes.machine import open_output, positive, wants_color
from youcpu.launch import complain, parse_bytes
from youcpu.options import Parsed, UsageError
from youcpu.render.boot.document import BootDocument
from youcpu.render.boot.text import StageText
from youcpu.trace.boot_events import STAGES, OutputEvent, ScreenEvent, StageEvent
from youcpu.trace.events import Event
from youcpu.trace.tracer import Tracer

if TYPE_CHECKING:
    from youcpu.hardware.board import Board
    from youcpu.trace.boot_events import BootEndEvent

_CODES = {
    "power off": 0, "restart": 0, "halt": 0, "stopped": 0, "loop": 0, "idle": 0, "timeout": 125,
    "limit": 125, "unsupported": 125,
}  # fmt: skip

#: Unix time at power-on where --epoch does not say: 2024-01-01, the same in every boot.
DEFAULT_EPOCH = 1_704_067_200
#: The year 10000, which no clock of a PC can tell.
_LAST_EPOCH = 253_402_300_800


def epoch_ns(parsed: Parsed) -> int:
    """--epoch in ns. Raises UsageError."""
    text = parsed.value("epoch")
    try:
        seconds = DEFAULT_EPOCH if text is None else int(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds < _LAST_EPOCH:
        raise UsageError(f"--epoch {text}: seconds since 1970 are wanted")
    return seconds * 1_000_000_000


def stop_at(parsed: Parsed) -> str:
    """--stop-at, "" where it is not given. Raises UsageError."""
    stage = parsed.value("stop-at") or ""
    if stage and stage not in STAGES:
        raise UsageError(f"--stop-at {stage}: one of {', '.join(STAGES)} is wanted")
    return stage


def memory(parsed: Parsed) -> int:
    """--memory in bytes, whole MiB. Raises Failure."""
    return parse_bytes("--memory", parsed.value("memory") or "64M", 4 << 20, 3 << 30) & -(1 << 20)


def limits(parsed: Parsed) -> tuple[int | None, float | None]:
    """--max-insns and --timeout. Raises UsageError."""
    limit, timeout = parsed.value("max-insns"), parsed.value("timeout")
    return (
        None if limit is None else int(positive(parsed, "max-insns", 0)),
        None if timeout is None else positive(parsed, "timeout", 0),
    )


class Report:
    """The sinks of one boot. `both`: screen and COM1 are two things (a disk of the user's)."""

    def __init__(self, parsed: Parsed, both: bool = False) -> None:
        self._parsed = parsed
        self._json = parsed.flag("json")
        self._walks = [_address(text) for text in parsed.values("walk")]
        self.tracer = Tracer()
        self._gathered = BootDocument(parsed.flag("explain"))
        self.tracer.add(self._gathered)
        stream = open_output(parsed.value("output") or "")
        color = wants_color(parsed.value("color"), stream)
        if not self._json:
            self.tracer.add(_Console(both))
            if not parsed.flag("quiet"):

                def write(text: str) -> None:
                    stream.write(text)
                    stream.flush()

                self.tracer.add(StageText(write, color, parsed.flag("explain")))

    def finish(self, board: Board) -> None:
        """The machine stands: page walks, the document, the picture. Raises Failure."""
        answers: list[Any] = []
        if self._walks:
            from youcpu.commands._boot.walk import walk_views

            answers = walk_views(board, self._walks)
        if self._json:
            import json

            from youcpu.render.pagewalk_json import walk_value

            walks = [walk_value(view) for view in answers] if answers else None
            sys.stdout.write(json.dumps(self._gathered.document(walks), indent=1) + "\n")
        elif answers:
            self._draw_walks(answers)
        self._draw()

    def _draw_walks(self, answers: list[Any]) -> None:
        from youcpu.render.pagewalk_text import walk_lines

        color = wants_color(self._parsed.value("color"), sys.stdout)
        explain = self._parsed.flag("explain")
        for view in answers:
            lines = ("", *walk_lines(view, color, explain))
            sys.stdout.write("".join(f"{line}\n" for line in lines))

    def _draw(self) -> None:
        picture = self._parsed.value("svg")
        if picture:
            from youcpu.render.boot.picture import boot_svg

            end = self._gathered.end
            assert end is not None
            with open_output(picture) as file:
                file.write(boot_svg(self._gathered.stages, end))

    def exit_code(self, end: BootEndEvent) -> int:
        """By how it ended; what was told to nobody yet is one line on stderr."""
        code = _CODES.get(end.outcome, 1)
        if code and (self._parsed.flag("quiet") or self._json):
            complain("boot", f"{end.outcome}: {end.message}")
        return code


_SCREEN = "── the screen at the end ──"
_PRINTED_KEPT = 1 << 16


class _Console:
    """Sink: what the machine prints, to stdout.

    The demonstration's loader prints each line to the screen and to COM1: the screen counts in
    real mode, COM1 behind it. A line of a user's disk that went to both at once stands once, too.
    What a disk wrote to the screen's memory itself, no call tells: the screen at the end shows it.
    """

    kinds: tuple[type[Event], ...] = (OutputEvent, StageEvent, ScreenEvent)

    def __init__(self, both: bool) -> None:
        self._both = both
        self._screen = True
        self._last = ("", b"")
        #: The end of what was printed, which holds a screen's worth of lines.
        self._printed = ""

    def emit(self, event: Event) -> None:
        if isinstance(event, ScreenEvent):
            if self._both and any(row.strip() not in self._printed for row in event.rows):
                sys.stdout.write("".join(f"{row}\n" for row in (_SCREEN, *event.rows)))
        elif isinstance(event, StageEvent):
            self._screen = event.stage in ("firmware", "bootloader")
        elif isinstance(event, OutputEvent):
            text = event.data.replace(b"\r", b"")
            channel, last = self._last
            if self._both:
                self._last = (event.channel, text)
                if channel not in ("", event.channel) and last == text:
                    self._last = ("", b"")
                    return
            elif event.channel != "console" and (event.channel == "screen") != self._screen:
                return
            words = text.decode("utf-8" if event.channel == "console" else "cp437", "replace")
            self._printed = (self._printed + words)[-_PRINTED_KEPT:]
            sys.stdout.write(words)
            sys.stdout.flush()

    def close(self) -> None:
        """Nothing is held back."""


def _address(text: str) -> int:
    try:
        value = int(text, 16)
    except ValueError:
        value = -1
    if not 0 <= value < 1 << 64:
        raise UsageError(f"--walk {text}: an address in hexadecimal is wanted")
    return value
