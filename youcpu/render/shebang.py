"""The kernel's 256-byte buffer of a script, drawn: what each byte is to fs/binfmt_script.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.formats.shebang import BINPRM_BUF_SIZE, Refusal

if TYPE_CHECKING:
    from youcpu.formats.shebang import Shebang

ROW = 64
#: One letter a byte, below the text.
MAGIC, NAME, ARGUMENT, BLANK, NEWLINE, LOST, REST, PADDING = "!", "I", "A", "_", "$", "x", "-", "0"
LEGEND = {
    MAGIC: "#!",
    NAME: "interpreter",
    ARGUMENT: "argument",
    BLANK: "blank",
    NEWLINE: "end of line",
    LOST: "cut: the kernel does not use it",
    REST: "not looked at",
    PADDING: "zero padding",
}
_SHOWN = {0x00: "␀", 0x09: "␉", 0x0A: "␊", 0x0D: "␍", 0x1B: "␛", 0x20: "·", 0x7F: "␡"}


def glyph(byte: int) -> str:
    """One cell for a byte: control characters by their pictures, the rest of ASCII as it is."""
    if byte in _SHOWN:
        return _SHOWN[byte]
    if byte < 0x20:
        return chr(0x2400 + byte)
    return chr(byte) if byte < 0x7F else "▒"


def classes(line: Shebang, size: int) -> str:
    """A letter of LEGEND for each of the 256 bytes; `size` is the file's, in bytes."""
    held = min(size, BINPRM_BUF_SIZE)
    marks = [REST] * held + [PADDING] * (BINPRM_BUF_SIZE - held)
    if line.refusal is Refusal.MAGIC:
        return "".join(marks)
    marks[:2] = MAGIC * 2
    if line.refusal is Refusal.CUT:
        start = BINPRM_BUF_SIZE - len(line.buffer[2:].lstrip(b" \t"))
        marks[2:] = BLANK * (start - 2) + LOST * (BINPRM_BUF_SIZE - start)
        return "".join(marks)
    end = line.newline if line.newline is not None else BINPRM_BUF_SIZE
    for i in range(2, min(end, held)):
        marks[i] = BLANK if line.buffer[i] in b" \t" else LOST
    _fill(marks, line.name_span, NAME)
    if line.argument_span is not None:
        _fill(marks, line.argument_span, ARGUMENT)
    if line.newline is not None:
        marks[line.newline] = NEWLINE
    return "".join(marks)


def _fill(marks: list[str], span: tuple[int, int], mark: str) -> None:
    start, stop = span
    marks[start:stop] = mark * (stop - start)


def draw_buffer(line: Shebang, size: int) -> list[str]:
    """Rows of text with their letters, and the legend of the letters that occur."""
    marks = classes(line, size)
    held = len(marks.rstrip(PADDING))
    used = len(marks.rstrip(PADDING + REST))
    # Whole rows that the kernel does not look at are not drawn.
    drawn = min(max(-(-used // ROW) * ROW, ROW), held)
    rows = []
    for start in range(0, drawn, ROW):
        stop = min(start + ROW, drawn)
        rows.append(f"  {start:3d} |" + "".join(map(glyph, line.buffer[start:stop])) + "|")
        rows.append("       " + marks[start:stop])
    if drawn < held:
        rows.append(f"  {drawn:3d} .. {held - 1} not looked at")
    if held < BINPRM_BUF_SIZE:
        rows.append(f"  {held:3d} .. 255 zero padding")
    names = [f"{mark} {name}" for mark, name in LEGEND.items() if mark in marks[:drawn]]
    return [*rows, "       " + ", ".join(names)]
