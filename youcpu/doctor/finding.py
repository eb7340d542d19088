"""What the doctor says."""

from __future__ import annotations


class Finding:
    """One thing that is wrong.

    `path`: the file at fault, which need not be the one that was to be executed;
    `reason`: a sentence without its full stop; `mend`: what to do about it, `notes`: more to know.
    """

    __slots__ = ("mend", "notes", "path", "reason")

    def __init__(self, path: bytes, reason: str, mend: str, notes: tuple[str, ...] = ()) -> None:
        self.path = path
        self.reason = reason
        self.mend = mend
        self.notes = notes


def shown(path: bytes) -> str:
    """A path in quotes, control characters and bytes that are no UTF-8 escaped."""
    text = path.decode("utf-8", "backslashreplace")
    return "'" + "".join(c if c.isprintable() else repr(c)[1:-1] for c in text) + "'"


def quoted(path: bytes) -> str:
    """A path as a shell wants it typed."""
    text = path.decode("utf-8", "backslashreplace")
    if text and all(c.isalnum() or c in "/._-+@%,=" for c in text):
        return text
    if text.isprintable():
        return "'" + text.replace("'", "'\\''") + "'"
    return (
        "$'"
        + "".join(c if c.isprintable() and c not in "'\\" else repr(c)[1:-1] for c in text)
        + "'"
    )
