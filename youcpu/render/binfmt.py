"""binfmt_misc rules in text: fields, bytes against magic and mask, lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.formats.binfmt_rule import FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from youcpu.formats.binfmt_rule import Rule, RuleError

FLAG_MEANINGS = {
    "P": "preserve-argv0: argv[0] of the call is kept, after the path; AT_FLAGS bit 0 says so",
    "O": "open-binary: the interpreter gets the file open, its number in AT_EXECFD",
    "C": "credentials: set-user-ID bits of the file count, not the interpreter's (implies O)",
    "F": "fix-binary: the interpreter is opened now, and survives unlink, chroot, namespaces",
}
#: From here on the bytes of a magic are not worth a row each.
_ROWS = 64


def printable(data: bytes) -> str:
    """ASCII as it is, everything else escaped as a rule would have it."""
    return "".join(chr(b) if 0x21 <= b < 0x7F and b != 0x5C else f"\\x{b:02x}" for b in data)


def string(data: bytes) -> str:
    """Text of a field for people."""
    return "".join(
        c if c.isprintable() else repr(c)[1:-1] for c in data.decode("utf-8", "backslashreplace")
    )


def refusal(text: bytes, error: RuleError) -> list[str]:
    """The rule with a caret below the byte at fault."""
    shown, caret = "", 0
    for offset, byte in enumerate(text[:200]):
        if offset == error.offset:
            caret = len(shown)
        shown += chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}"
    if error.offset >= len(text[:200]):
        caret = len(shown)
    lines = [f"  {shown}"]
    if error.field != "length":
        lines.append("  " + " " * caret + "^")
    lines.append(f"  {_field(error.field)}: {error.reason}")
    return lines


def _field(name: str) -> str:
    if name in FIELDS:
        return f"field {FIELDS.index(name) + 1} ({name})"
    return name


def fields(rule: Rule) -> list[str]:
    """All fields of a rule with what they mean."""
    rows = [("name", string(rule.name) + ": the entry's file, /proc/sys/fs/binfmt_misc/NAME")]
    if rule.kind == "E":
        rows += [
            ("type", "E: by the extension, what follows the last '.' of the name; case counts"),
            ("extension", "." + string(rule.magic)),
        ]
    else:
        size = len(rule.magic)
        last = rule.offset + size - 1
        rows += [
            ("type", "M: by magic bytes"),
            (
                "offset",
                f"{rule.offset}: bytes {rule.offset} to {last} of the first 256 are compared",
            ),
            ("magic", f"{printable(rule.magic)} ({size} bytes)"),
            ("mask", _mask(rule)),
        ]
    rows.append(("interpreter", string(rule.interpreter)))
    rows.append(("flags", "".join(f for f in FLAG_MEANINGS if f in rule.flags) or "none"))
    lines = [f"  {name:<12} {value}" for name, value in rows]
    lines += [f"  {'':<12} {f}  {text}" for f, text in FLAG_MEANINGS.items() if f in rule.flags]
    return lines


def _mask(rule: Rule) -> str:
    if rule.mask is None:
        return "none: every bit counts"
    free = sum(8 - byte.bit_count() for byte in rule.mask)
    return f"{printable(rule.mask)} ({free} of {8 * len(rule.mask)} bits do not count)"


def comparison(rule: Rule, name: bytes, buffer: bytes) -> list[str]:
    """A file against one rule, byte by byte."""
    if rule.kind == "E":
        _, dot, extension = name.rpartition(b".")
        found = f"'.{string(extension)}'" if dot else "no '.'"
        verdict = "equal" if dot and extension == rule.magic else "not equal"
        return [f"  the name has {found}, the rule wants '.{string(rule.magic)}': {verdict}"]
    lines = ["  offset  file  magic  mask  differing bits that count"]
    mask = rule.mask or b"\xff" * len(rule.magic)
    for i, (want, care) in enumerate(zip(rule.magic, mask, strict=True)):
        at = rule.offset + i
        if i == _ROWS:
            lines.append(f"     ... {len(rule.magic) - _ROWS} more bytes")
            break
        have = buffer[at]
        wrong = (have ^ want) & care
        verdict = f"{wrong:08b}" if wrong else "-"
        lines.append(
            f"  {at:6d}    {have:02x}     {want:02x}    {care:02x}  {verdict:<8}  "
            f"{_glyph(have)} {'!=' if wrong else '=='} {_glyph(want)}"
        )
    return lines


def _glyph(byte: int) -> str:
    return chr(byte) if 0x21 <= byte < 0x7F else "."


def pattern(rule: Rule) -> str:
    """What a rule matches, in one word."""
    if rule.kind == "E":
        return "." + string(rule.magic)
    text = printable(rule.magic[:12]) + ("..." if len(rule.magic) > 12 else "")
    return f"{text}@{rule.offset}" if rule.offset else text


def table(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Columns as wide as they need be; the first row is the head."""
    all_rows = list(rows)
    widths = [max(len(row[i]) for row in all_rows) for i in range(len(all_rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in all_rows
    ]
