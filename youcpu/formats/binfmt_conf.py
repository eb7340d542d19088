"""Where distributions keep binfmt_misc rules: binfmt.d(5), and /var/lib/binfmts of Debian."""

from __future__ import annotations

from youcpu.record import record


@record
class ConfiguredRule:
    """A register string and the line of the file it stands on, counted from 1."""

    line: int
    text: bytes


def parse_binfmt_d(content: bytes) -> list[ConfiguredRule]:
    """Rules of a binfmt.d file: one a line; empty lines and those with # or ; are comments."""
    rules = []
    for number, line in enumerate(content.split(b"\n"), 1):
        text = line.strip(b" \t\r")
        if text and text[:1] not in b"#;":
            rules.append(ConfiguredRule(number, text))
    return rules


def parse_debian_binfmt(name: bytes, content: bytes) -> ConfiguredRule | None:
    """Rule that update-binfmts makes of /var/lib/binfmts/NAME; None: it is no such file.

    Ten lines: package, type, offset, magic, mask, interpreter, detector, credentials,
    preserve, fix_binary. With a detector the kernel calls run-detectors instead.
    """
    lines = content.split(b"\n")
    lines += [b""] * (10 - len(lines))
    _, kind, offset, magic, mask, interpreter, detector, credentials, preserve, fixed = lines[:10]
    letter = {b"magic": b"M", b"extension": b"E"}.get(kind)
    if letter is None or not interpreter:
        return None
    if detector:
        interpreter = b"/usr/lib/binfmt-support/run-detectors"
    flags = b"P" if preserve == b"yes" else b""
    flags += b"C" if credentials == b"yes" else b""
    flags += b"F" if fixed == b"yes" else b""
    # A delimiter that occurs in no field, as update-binfmts takes it.
    fields = (name, letter, offset, magic, mask, interpreter, flags)
    delimiter = next(d for d in (b":", b"|", b",", b"!", b"\1") if not any(d in f for f in fields))
    return ConfiguredRule(1, delimiter + delimiter.join(fields))


def parse_entry_file(name: bytes, content: bytes) -> tuple[bytes, bool] | None:
    """(register string, enabled) of an entry's file below /proc/sys/fs/binfmt_misc; None: not one.

    The string is the kernel's own view written back: magic and mask in hexadecimal.
    """
    lines = content.split(b"\n")
    if lines[0] not in (b"enabled", b"disabled"):
        return None
    values = dict(line.partition(b" ")[::2] for line in lines[1:] if line)
    if b"interpreter" not in values:
        return None
    flags = values.get(b"flags:", b"")
    if b"extension" in values:
        fields = [name, b"E", b"", values[b"extension"].removeprefix(b"."), b""]
    else:
        magic, mask = (_escaped(values.get(key, b"")) for key in (b"magic", b"mask"))
        fields = [name, b"M", values.get(b"offset", b"0"), magic, mask]
    fields += [values[b"interpreter"], flags]
    delimiter = next(d for d in (b":", b"|", b",", b"!", b"\1") if not any(d in f for f in fields))
    return delimiter + delimiter.join(fields), lines[0] == b"enabled"


def _escaped(digits: bytes) -> bytes:
    return b"".join(b"\\x" + digits[i : i + 2] for i in range(0, len(digits), 2))
