"""The stages of a boot as a picture: SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from youcpu.render.boot.text import place
from youcpu.trace.boot_events import BootEndEvent, RegisterChange, StageEvent

_WIDTH, _LEFT, _TEXT = 860, 40, 200
_LINE, _HEAD, _GAP = 18, 30, 16
_COLORS = {
    "firmware": "#8d6e63", "bootloader": "#a1887f", "protected": "#f9a825", "long": "#2e7d32",
    "kernel": "#1565c0", "user": "#6a1b9a",
}  # fmt: skip
_STYLE = (
    "text{font:13px ui-monospace,Menlo,Consolas,monospace;fill:#222}"
    ".h{font-weight:bold;font-size:15px}.d{fill:#666}.w{fill:#fff;font-weight:bold}"
    ".bg{fill:#fff}@media(prefers-color-scheme:dark){.bg{fill:#16181d}text{fill:#ddd}"
    ".d{fill:#999}.w{fill:#fff}}"
)


def _change(change: RegisterChange) -> str:
    flags = [f"+{name}" for name in change.raised] + [f"-{name}" for name in change.lowered]
    text = " ".join(flags) or change.meaning
    return f"{change.register:<5} {change.before:X} → {change.after:X}  {text}".rstrip()


def _block(event: StageEvent, top: int) -> tuple[list[str], int]:
    """The drawing of one stage and its height."""
    height = _HEAD + _LINE * len(event.changes) + _GAP
    color = _COLORS[event.stage]
    ring = f"ring {event.cpl}"
    parts = [
        f'<rect x="{_LEFT}" y="{top}" width="130" height="{height - _GAP + 4}" rx="6"'
        f' fill="{color}"/>',
        f'<text class="w" x="{_LEFT + 12}" y="{top + 20}">{event.stage}</text>',
        f'<text class="h" x="{_TEXT}" y="{top + 18}">{escape(event.mode)}, {ring}</text>',
        f'<text class="d" x="{_WIDTH - 30}" y="{top + 18}" text-anchor="end">'
        f"{escape(place(event.cs, event.ip, event.mode))}, {event.instructions:,} instr.</text>",
    ]
    for number, change in enumerate(event.changes):
        y = top + _HEAD + 6 + _LINE * number
        parts.append(f'<text x="{_TEXT}" y="{y}" xml:space="preserve">'
                     f"{escape(_change(change))}</text>")  # fmt: skip
    return parts, height


def boot_svg(stages: Sequence[StageEvent], end: BootEndEvent) -> str:
    """All stages from top to bottom, each as high as what changed."""
    top, parts = 56, []
    for event in stages:
        drawn, height = _block(event, top)
        parts += drawn
        below = top + height - _GAP + 4
        if event is not stages[-1]:
            parts.append(
                f'<path d="M{_LEFT + 65} {below} v{_GAP - 6}" stroke="#888" stroke-width="2"'
                ' marker-end="url(#a)"/>'
            )
        top += height + 4
    words = f"{end.outcome}: {end.message}" if end.message else end.outcome
    parts.append(f'<text class="d" x="{_TEXT}" y="{top + 14}">{escape(words)}</text>')
    height = top + 34
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}"'
        f' viewBox="0 0 {_WIDTH} {height}"><style>{_STYLE}</style>'
        '<defs><marker id="a" markerWidth="6" markerHeight="6" refX="3" refY="3" orient="auto">'
        '<path d="M0 0 L6 3 L0 6 z" fill="#888"/></marker></defs>'
        f'<rect class="bg" width="{_WIDTH}" height="{height}"/>'
        f'<text class="h" x="{_LEFT}" y="32">From the reset vector to init</text>'
        + "".join(parts)
        + "</svg>\n"
    )
