"""The text display of a VGA: cells at B8000h, the 6845's registers at ports 3D4h and 3D5h.

    cell   bits 0-7 character (code page 437), 8-15 attribute
    CRTC   01 columns - 1   0A 0B cursor shape   0C 0D first cell   0E 0F cursor's cell
    3DA    bit 0 retrace or border, bit 3 vertical retrace

(IBM VGA, "Video Subsystem", PS/2 Hardware Interface Technical Reference.) Other registers keep
what is written to them: there is no picture beside the text.
"""

from __future__ import annotations

from collections.abc import Callable

from youcpu.hardware.memory import Ram

TEXT, TEXT_SIZE = 0xB8000, 0x8000
ROWS = 25
CRTC_INDEX, CRTC_DATA, INPUT_STATUS = 0x3D4, 0x3D5, 0x3DA
PORTS = (*range(0x3C0, 0x3D0), CRTC_INDEX, CRTC_DATA, INPUT_STATUS)
COLUMNS, START_HIGH, CURSOR_HIGH = 1, 0xC, 0xE
#: 70 pictures a second, of which 1/15 is vertical retrace.
_PICTURE_NS = 14_285_714
_RETRACE_NS = 952_381
_LINE_NS, _BORDER_NS = 31_778, 6_356


class TextDisplay:
    """The registers, and what the screen shows."""

    def __init__(self, ram: Ram, now: Callable[[], int]) -> None:
        self._ram, self._now = ram, now
        self.index = 0
        self.crtc = bytearray(256)
        self.crtc[COLUMNS] = 79
        self._other: dict[int, int] = {}

    def read_port(self, port: int) -> int:
        if port == CRTC_INDEX:
            return self.index
        if port == CRTC_DATA:
            return self.crtc[self.index]
        if port == INPUT_STATUS:
            now = self._now()
            vertical = now % _PICTURE_NS < _RETRACE_NS
            return (8 if vertical else 0) | int(vertical or now % _LINE_NS < _BORDER_NS)
        return self._other.get(port, 0)

    def write_port(self, port: int, value: int) -> None:
        if port == CRTC_INDEX:
            self.index = value
        elif port == CRTC_DATA:
            self.crtc[self.index] = value
        else:
            self._other[port] = value

    @property
    def columns(self) -> int:
        return 40 if self.crtc[COLUMNS] == 39 else 80

    @property
    def cursor(self) -> tuple[int, int]:
        """Row and column; a row behind the last one: it is hidden."""
        cell = int.from_bytes(self.crtc[CURSOR_HIGH : CURSOR_HIGH + 2], "big")
        start = int.from_bytes(self.crtc[START_HIGH : START_HIGH + 2], "big")
        return divmod(cell - start, self.columns)

    def rows(self) -> list[bytes]:
        """The characters of the 25 rows, code page 437."""
        start = TEXT + int.from_bytes(self.crtc[START_HIGH : START_HIGH + 2], "big") * 2
        width = self.columns * 2
        memory = self._ram.bytes
        rows = []
        for row in range(ROWS):
            at = TEXT + (start - TEXT + row * width) % TEXT_SIZE
            rows.append(bytes(memory[at : min(at + width, TEXT + TEXT_SIZE) : 2]))
        return rows
