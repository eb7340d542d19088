"""Text with ANSI colours as HTML: ECMA-48's SGR sequences become spans with classes."""

from __future__ import annotations

import re
from html import escape

SEQUENCE = re.compile("\x1b\\[([0-9;]*)m")
OTHER = re.compile("\x1b\\[[0-9;?]*[A-Za-ln-z]|[\x00-\x08\x0b-\x1f\x7f]")
#: SGR number -> class of the page's style sheet.
CLASSES = {1: "b", 2: "d", 4: "u"} | {30 + color: f"c{color}" for color in range(8)}
CLASSES |= {90 + color: f"c{color}" for color in range(8)}


def ansi_to_html(text: str) -> str:
    """HTML without a line's colours running into the next: every span is closed."""
    active: list[str] = []
    parts: list[str] = []
    place = 0
    for found in SEQUENCE.finditer(text):
        parts.append(_span(text[place : found.start()], active))
        active = _after(active, found[1])
        place = found.end()
    parts.append(_span(text[place:], active))
    return "".join(parts)


def _span(text: str, active: list[str]) -> str:
    text = escape(OTHER.sub("", text), quote=False)
    return f'<span class="{" ".join(active)}">{text}</span>' if text and active else text


def _after(active: list[str], numbers: str) -> list[str]:
    """The classes that hold behind a sequence."""
    for number in (int(word or 0) for word in numbers.split(";")):
        if number == 0:
            active = []
        elif number in CLASSES:
            found = CLASSES[number]
            kept = [one for one in active if not (found[0] == "c" and one[0] == "c")]
            active = [*kept, found] if found not in kept else kept
        elif number == 39:
            active = [one for one in active if one[0] != "c"]
        elif number == 22:
            active = [one for one in active if one not in ("b", "d")]
    return active
