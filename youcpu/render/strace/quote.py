"""Bytes in quotes as strace writes them: octal escapes as short as the next byte allows."""

from __future__ import annotations

import re

_SHORT = {
    0x22: '\\"',
    0x5C: "\\\\",
    0x0C: "\\f",
    0x0A: "\\n",
    0x0D: "\\r",
    0x09: "\\t",
    0x0B: "\\v",
}
_SPECIAL = re.compile(rb"[^\x20\x21\x23-\x5b\x5d-\x7e]")
_PATH_SPECIAL = re.compile(rb"[^\x20\x21\x23-\x3b\x3d\x3f-\x5b\x5d-\x7e]")


#: What /proc/PID/fd says behind the name of a file without one.
_DELETED = b" (deleted)"


def _escape(match: re.Match[bytes]) -> bytes:
    byte = match[0][0]
    short = _SHORT.get(byte)
    if short is not None:
        return short.encode()
    following = match.string[match.end() : match.end() + 1]
    # Three digits where the next character is an octal one, else it would belong to the escape.
    return b"\\%03o" % byte if b"0" <= following <= b"7" else b"\\%o" % byte


def escaped(data: bytes) -> str:
    """`data` with escapes, without quotes."""
    if _SPECIAL.search(data):
        data = _SPECIAL.sub(_escape, data)
    return data.decode("ascii")


def quoted(data: bytes) -> str:
    """`data` with escapes in quotes."""
    return f'"{escaped(data)}"'


def hexadecimal(data: bytes) -> str:
    """`data` in quotes, each byte as \\x41: strace -xx."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in data) + '"'


def bracketed_path(path: bytes) -> str:
    """`<path>` of a descriptor; a name that is gone: `<path>(deleted)`."""
    name = path.removesuffix(_DELETED)
    gone = "(deleted)" if len(name) < len(path) else ""
    return f"<{_PATH_SPECIAL.sub(_escape, name).decode('ascii')}>{gone}"
