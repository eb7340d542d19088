"""The one error that a parser of bytes raises; it becomes one line for the user."""

from __future__ import annotations


class FormatError(Exception):
    """Bytes are not what their format says. `offset` is in bytes from the start of the input."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(f"{reason} (at offset {offset:#x})")
        self.offset = offset
        self.reason = reason
