"""Page tables as pictures: one walk as a chain of tables, an address space as bars."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from youcpu.render.pagewalk_view import RangeRow, StepView, WalkView, page_size_text, size_text

BOX = 210
GAP = 46
TOP = 96
STYLE = (
    "text{font-family:ui-monospace,monospace;font-size:12px;fill:#222}"
    ".dim{fill:#777}.head{font-size:14px;font-weight:bold}.bad{fill:#b00020}"
    "rect{fill:#f7f7f4;stroke:#555}.hit{fill:#cfe3ff}.page{fill:#d7f0d0}"
    ".ux{fill:#9ad18b}.uw{fill:#f2d06b}.ur{fill:#cfe3ff}.kx{fill:#6fa863}.kw{fill:#d3a94a}"
    ".kr{fill:#9fb8d8}.wx{fill:#e36b6b}path{stroke:#555;fill:none}"
)


def _document(width: int, height: int, title: str, parts: list[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img">\n<title>{escape(title)}</title>\n'
        f"<style>{STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def _text(x: int, y: int, text: str, style: str = "") -> str:
    attribute = f' class="{style}"' if style else ""
    text = "".join(char if char.isprintable() else "?" for char in text)
    return f'<text x="{x}" y="{y}"{attribute}>{escape(text)}</text>'


def walks_svg(walks: Iterable[WalkView]) -> str:
    """Each walk as a row of tables, the entry that was read marked in each."""
    parts: list[str] = []
    width, y, titles = 0, 0, []
    for walk in walks:
        row, row_width, height = _walk_parts(walk, y)
        parts += row
        width = max(width, row_width)
        y += height
        titles.append(f"{walk.address:#x}")
    return _document(max(width, 400), y + 10, "Page walk of " + ", ".join(titles), parts)


def _walk_parts(walk: WalkView, y: int) -> tuple[list[str], int, int]:
    cut = "   ".join(f"{name} {value:#x}" for name, _, _, value in walk.fields)
    result = f"physical {walk.physical:#x}" if walk.physical is not None else walk.reason
    parts = [
        _text(20, y + 24, f"{walk.address:#018x} → {result}", "head"),
        _text(20, y + 44, cut, "dim"),
        _text(20, y + 64, f"CR3 {walk.root:#x}"),
    ]
    x = 20
    for step in walk.steps:
        parts += _step_parts(step, x, y + TOP)
        x += BOX + GAP
    if walk.physical is not None and walk.steps:
        page = walk.physical & -walk.size
        parts += [
            f'<rect class="page" x="{x}" y="{y + TOP}" width="{BOX}" height="110"/>',
            _text(x + 10, y + TOP + 20, f"{page_size_text(walk.size)} page at {page:#x}"),
            _text(x + 10, y + TOP + 62, f"+{walk.physical - page:#x}: {walk.rights}"),
            _text(x + 10, y + TOP + 82, _data(walk.data), "dim"),
        ]
        x += BOX + GAP
    if walk.verdict is not None and walk.verdict.allowed is not None:
        verdict = walk.verdict
        text = "allowed" if verdict.allowed else f"{verdict.fault}({verdict.error_code:#x})"
        style = "" if verdict.allowed else "bad"
        parts.append(_text(20, y + TOP + 136, f"{verdict.access}: {text}: {verdict.rule}", style))
    return parts, x, TOP + 160


def _step_parts(step: StepView, x: int, y: int) -> list[str]:
    entry = step.note if step.entry is None else f"{step.entry:#x}"
    middle = y + 58
    arrow = f"M{x + BOX} {middle} h{GAP - 6} m-6 -4 l6 4 l-6 4"
    parts = [
        f'<rect x="{x}" y="{y}" width="{BOX}" height="110"/>',
        f'<rect class="hit" x="{x}" y="{y + 42}" width="{BOX}" height="48"/>',
        _text(x + 10, y + 20, f"{step.level} at {step.table:#x}"),
        _text(x + 10, y + 62, f"[{step.index}] {entry}"),
        _text(x + 10, y + 80, " ".join(step.flags), "dim"),
    ]
    if step.note:
        parts.append(_text(x + 10, y + 104, step.note[:34], "bad"))
    else:
        parts.append(f'<path d="{arrow}"/>')
    return parts


def _data(data: bytes | None) -> str:
    return "" if data is None else data[:8].hex(" ")


LIMIT = 2000  # bars; more would be a picture that nobody can open


def ranges_svg(rows: Iterable[RangeRow], title: str) -> str:
    """Ranges from low to high addresses; the height of a bar goes with its size's logarithm."""
    parts = [_text(20, 24, title, "head")]
    y = 40
    count = 0
    end = None
    for row in rows:
        count += 1
        if count > LIMIT:
            continue
        if end is not None and row.start != end:
            parts.append(_text(190, y + 9, "⋮", "dim"))
            y += 12
        height = max(14, 2 * (row.size.bit_length() - 11))
        parts += [
            f'<rect class="{_rights_class(row.rights)}" x="180" y="{y}" width="200" '
            f'height="{height}"/>',
            _text(20, y + 11, f"{row.start:016x}"),
            _text(190, y + 11, f"{row.rights}  {size_text(row.size)}"),
            _text(390, y + 11, row.owner, "dim"),
        ]
        y += height
        end = row.start + row.size
    if count > LIMIT:
        parts.append(_text(20, y + 16, f"and {count - LIMIT} more ranges", "dim"))
        y += 20
    return _document(700, y + 20, title, parts)


def _rights_class(rights: str) -> str:
    if "w" in rights and "x" in rights:
        return "wx"
    return ("u" if "u" in rights else "k") + (
        "x" if "x" in rights else "w" if "w" in rights else "r"
    )
