"""What a parser says of bytes that are not what they should be."""

from __future__ import annotations


class FormatError(Exception):
    """Malformed input: `offset` in bytes from the start of the file, `reason` in one line."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(f"offset {offset:#x}: {reason}")
        self.offset = offset
        self.reason = reason
