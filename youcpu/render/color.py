"""Colours of a terminal; without colour the text is the same."""

from __future__ import annotations

BOLD, DIM, RED, GREEN, YELLOW, CYAN = "1", "2", "31", "32", "33", "36"


def paint(text: str, code: str, color: bool) -> str:
    """`text` in a colour, if there is colour."""
    return f"\x1b[{code}m{text}\x1b[0m" if color and text else text
