"""A binfmt_misc rule: the register string of fs/binfmt_misc.c, its entry file, its match.

    :name:type:offset:magic:mask:interpreter:flags

The first byte is the delimiter of all fields. Only EINVAL comes from the string itself;
what the kernel answers later (EEXIST, ENAMETOOLONG, errors of F) is kernel/exec's.
"""

from __future__ import annotations

import re

#: Least and most bytes of a write to `register` (fs/binfmt_misc.c).
MIN_REGISTER_LENGTH = 11
MAX_REGISTER_LENGTH = 1920
#: The kernel's buffer: offset + size of a magic may not go beyond (BINPRM_BUF_SIZE).
MATCH_BUFFER = 256
FIELDS = ("name", "type", "offset", "magic", "mask", "interpreter", "flags")
#: Flag letters in the order in which the entry's file shows them.
FLAGS = "POCF"
# kstrtoint(s, 10): one sign, digits, one newline at the end.
_INTEGER = rb"[+-]?[0-9]+\n?\Z"
_ESCAPE = rb"(?s)\\(?:x([0-9a-fA-F]{1,2})|([^\0]))"
_HEX = frozenset(b"0123456789abcdefABCDEF")


class RuleError(Exception):
    """The kernel answers EINVAL. `field` is one of FIELDS, "length", "delimiter" or "end"."""

    def __init__(self, field: str, offset: int, reason: str) -> None:
        super().__init__(f"{field} (byte {offset}): {reason}")
        self.field = field
        self.offset = offset
        self.reason = reason


class Rule:
    """A parsed rule. `magic` is the extension for type E; `mask` None matches all bits.

    `flags` holds letters of POCF; C has set O as well, as in the kernel.
    """

    __slots__ = ("flags", "interpreter", "kind", "magic", "mask", "name", "offset")

    def __init__(
        self,
        name: bytes,
        kind: str,
        offset: int,
        magic: bytes,
        mask: bytes | None,
        interpreter: bytes,
        flags: frozenset[str],
    ) -> None:
        self.name = name
        self.kind = kind
        self.offset = offset
        self.magic = magic
        self.mask = mask
        self.interpreter = interpreter
        self.flags = flags

    def entry_file(self, enabled: bool = True) -> bytes:
        """What the entry's file below binfmt_misc reads."""
        letters = "".join(letter for letter in FLAGS if letter in self.flags)
        text = b"enabled\n" if enabled else b"disabled\n"
        text += b"interpreter %b\nflags: %b\n" % (self.interpreter, letters.encode())
        if self.kind == "E":
            return text + b"extension .%b\n" % self.magic
        text += b"offset %d\nmagic %b\n" % (self.offset, self.magic.hex().encode())
        if self.mask is not None:
            text += b"mask %b\n" % self.mask.hex().encode()
        return text

    def matches(self, interp: bytes, buffer: bytes) -> bool:
        """Whether the rule takes a file: its current name and its first 256 bytes."""
        if self.kind == "E":
            _, dot, extension = interp.rpartition(b".")
            return bool(dot) and extension == self.magic
        window = buffer[self.offset : self.offset + len(self.magic)]
        if self.mask is None:
            return window == self.magic
        return all((a ^ b) & m == 0 for a, b, m in zip(window, self.magic, self.mask, strict=True))


class _Scanner:
    """create_entry()'s pointer into the buffer, which is padded with eight delimiters."""

    def __init__(self, text: bytes) -> None:
        self.size = len(text)
        self.delimiter = text[0]
        # A byte that ends every flag scan stands for the memory behind the padding.
        self.buffer = text + text[:1] * 8 + b"\0"
        self.position = 1

    def byte(self) -> int:
        value = self.buffer[self.position]
        self.position += 1
        return value

    def field(self, name: str) -> bytes:
        """strchr(p, del): up to the delimiter; a NUL before it is an error."""
        start = self.position
        end = self.buffer.find(self.delimiter, start)
        nul = self.buffer.find(0, start)
        if end < 0 or nul < end:
            raise RuleError(name, nul, "a NUL byte, or the line ends, before the delimiter")
        self.position = end + 1
        return self.buffer[start:end]

    def escaped(self, name: str) -> bytes:
        """scanarg(): up to the delimiter, over the two digits of each \\x."""
        start = i = self.position
        while self.buffer[i] != self.delimiter:
            if self.buffer[i : i + 2] == b"\\x":
                digits = self.buffer[i + 2 : i + 4]
                if len(digits) < 2 or not _HEX.issuperset(digits):
                    raise RuleError(name, i, "\\x wants two hexadecimal digits")
                i += 3
            i += 1
            if i >= len(self.buffer):
                raise RuleError(name, start, "there is no delimiter at its end")
        self.position = i + 1
        return self.buffer[start:i]


def unescape_hex(field: bytes) -> bytes:
    """string_unescape(UNESCAPE_HEX) of lib/string_helpers.c; the first raw NUL ends it."""

    def replace(match: re.Match[bytes]) -> bytes:
        return bytes([int(match[1], 16)]) if match[1] else match[0]

    return re.sub(_ESCAPE, replace, field.partition(b"\0")[0])


def parse_rule(text: bytes) -> Rule:
    """The rule that a write of `text` to `register` makes. Raises RuleError."""
    if not MIN_REGISTER_LENGTH <= len(text) <= MAX_REGISTER_LENGTH:
        raise RuleError(
            "length",
            len(text),
            f"{len(text)} bytes; the kernel takes {MIN_REGISTER_LENGTH} to {MAX_REGISTER_LENGTH}",
        )
    if text[:1] in (b"P", b"O", b"C", b"F"):
        # The padding behind the string would be read as flags; a 6.18 kernel refuses them all.
        raise RuleError("delimiter", 0, f"{chr(text[0])} is a flag, it cannot be the delimiter too")
    scanner = _Scanner(text)
    name = _name(scanner)
    kind = _kind(scanner)
    offset, mask = 0, None
    if kind == "M":
        offset, magic, mask = _magic(scanner)
    else:
        magic = _extension(scanner)
    start = scanner.position
    interpreter = scanner.field("interpreter")
    if not interpreter:
        raise RuleError("interpreter", start, "it is empty")
    return Rule(name, kind, offset, magic, mask, interpreter, _flags(scanner))


def _name(scanner: _Scanner) -> bytes:
    name = scanner.field("name")
    if not name:
        raise RuleError("name", 1, "it is empty")
    if name in (b".", b".."):
        raise RuleError("name", 1, f"'{name.decode()}' cannot be a file name")
    if b"/" in name:
        raise RuleError("name", 1 + name.index(b"/"), "it holds a '/'")
    return name


def _kind(scanner: _Scanner) -> str:
    start = scanner.position
    kind = chr(scanner.byte())
    if kind not in "EM":
        raise RuleError("type", start, f"{kind!r} is neither M (magic) nor E (extension)")
    if scanner.byte() != scanner.delimiter:
        raise RuleError("type", start + 1, f"more than one letter after {kind}")
    return kind


def _magic(scanner: _Scanner) -> tuple[int, bytes, bytes | None]:
    start = scanner.position
    offset = _offset(scanner.field("offset"), start)
    start = scanner.position
    raw_magic = scanner.escaped("magic")
    if raw_magic[:1] in (b"", b"\0"):
        raise RuleError("magic", start, "it is empty" if not raw_magic else "a raw NUL ends it")
    mask_start = scanner.position
    raw_mask = scanner.escaped("mask")
    magic = unescape_hex(raw_magic)
    mask = unescape_hex(raw_mask) if raw_mask[:1] not in (b"", b"\0") else None
    if mask is not None and len(mask) != len(magic):
        raise RuleError("mask", mask_start, f"its size is {len(mask)}, the magic's {len(magic)}")
    if len(magic) > MATCH_BUFFER or offset + len(magic) > MATCH_BUFFER:
        raise RuleError(
            "magic", start, f"offset {offset} + {len(magic)} bytes is beyond the first 256"
        )
    return offset, magic, mask


def _offset(field: bytes, start: int) -> int:
    if not field:
        return 0
    if not re.match(_INTEGER, field):
        raise RuleError("offset", start, f"{_shown(field)} is not a decimal number")
    value = int(field)
    if not 0 <= value <= 0x7FFF_FFFF:
        raise RuleError("offset", start, f"{_shown(field)} is negative or too large")
    return value


def _extension(scanner: _Scanner) -> bytes:
    scanner.field("offset")
    start = scanner.position
    extension = scanner.field("magic")
    if not extension:
        raise RuleError("magic", start, "the extension is empty")
    if b"/" in extension:
        raise RuleError("magic", start + extension.index(b"/"), "an extension cannot hold '/'")
    scanner.field("mask")
    return extension


def _flags(scanner: _Scanner) -> frozenset[str]:
    """check_special_flags(), one newline, and the end."""
    flags = set()
    while chr(scanner.buffer[scanner.position]) in FLAGS:
        flags.add(chr(scanner.byte()))
    if scanner.buffer[scanner.position] == 0x0A:
        scanner.position += 1
    position, size = scanner.position, scanner.size
    if position > size:
        raise RuleError("end", size, "the delimiter after the interpreter is missing")
    if position < size:
        raise RuleError(
            "flags",
            position,
            f"{_shown(scanner.buffer[position:size])}: only P, O, C, F and one newline may follow",
        )
    return frozenset(flags | {"O"} if "C" in flags else flags)


def _shown(field: bytes) -> str:
    return repr(field.decode("latin-1"))
