"""Names made fit to print: what readelf does with control characters, widths and other bytes."""

from __future__ import annotations

from youcpu.render.readelf.options import Options


def section_name(name: str) -> str:
    """As in tables of sections: ^X for control characters, <XX> for bytes above ASCII."""
    if name.isascii() and name.isprintable() and len(name) <= 256:
        return name
    text, remaining = "", 256
    for char in name:
        piece = control(char) or (char if char < "\x80" else f"<{ord(char):02X}>")
        if remaining < len(piece):
            break
        text += piece
        remaining -= len(piece)
        if remaining == 0:
            break
    return text


def control(char: str) -> str | None:
    """^X for a control character."""
    return f"^{chr(ord(char) + 0x40)}" if char < " " or char == "\x7f" else None


class Printer:
    """Symbols as `options` want them: cut to a width or wide, demangled, escaped."""

    def __init__(self, options: Options) -> None:
        self.wide = options.wide
        self.mark = options.mark_truncation
        self.unicode = options.unicode
        self.utf8 = options.utf8
        self.demangle = options.demangle

    @property
    def plain(self) -> bool:
        """A clean name comes out as it is."""
        return self.wide and self.demangle is None

    def symbol(self, width: int, name: str) -> str:
        """At most abs(width) characters, unless wide; padded to it if negative."""
        if width == 0:
            return ""
        size = abs(width)
        dots = ""
        limit = size
        if self.wide:
            limit = 1 << 31
        elif self.mark and len(name) > size:
            limit, dots = max(size - 5, 0), "[...]"
        if self.demangle is not None and name:
            name = self.demangle(name) or name
        if name.isascii() and name.isprintable():
            text = name[:limit] + dots
        else:
            text = self._escape(name, limit) + dots
        return text.ljust(size) if width < 0 else text

    def _escape(self, name: str, limit: int) -> str:
        pieces: list[str] = []
        position = 0
        while limit > 0 and position < len(name):
            char = name[position]
            position += 1
            piece = control(char)
            cost = 2
            if piece is None and char >= "\x80":
                if self.unicode in ("default", "locale"):
                    piece, cost = char, 1
                    position += self._length(name, position - 1) - 1
                else:
                    count = utf8_length(name, position - 1)
                    raw = name[position - 1 : position - 1 + max(count, 1)]
                    piece, needed, cost = self._foreign(raw, count > 0)
                    if limit < needed:
                        break
                    position += max(count, 1) - 1
                    pieces.append(piece)
                    continue
            elif piece is None:
                piece, cost = char, 1
            if limit < cost:
                break
            pieces.append(piece)
            limit -= cost
        return "".join(pieces)

    def _length(self, name: str, position: int) -> int:
        """Bytes that mbrtowc takes. Of these GNU readelf 2.40 prints the first."""
        if not self.utf8:
            return 1
        for count in (2, 3, 4):
            try:
                name[position : position + count].encode("latin-1").decode("utf-8")
            except UnicodeDecodeError:
                continue
            return count
        return 1

    def _foreign(self, raw: str, valid: bool) -> tuple[str, int, int]:
        """(text, room it needs, room it takes) of a character under --unicode."""
        if self.unicode == "invalid" or not valid or self.unicode == "hex":
            valid = valid and self.unicode != "invalid"
            digits = "".join(f"{ord(byte):02x}" for byte in raw)
            text = f"<0x{digits}>" if valid else f"{{0x{digits}}}"
            return text, len(raw) * 2 + 2, 0
        point = ord(raw.encode("latin-1").decode("utf-8", "replace")[0])
        return f"\\u{point:0{6 if len(raw) == 4 else 4}x}", 8 if len(raw) == 4 else 6, 0


def utf8_length(name: str, position: int) -> int:
    """How many bytes a well-formed UTF-8 sequence has here, 0 if it is none."""
    first = ord(name[position])
    if first < 0xC0:
        return 0
    count = 2 if not first & 0x20 else 3 if not first & 0x10 else 4
    tail = name[position + 1 : position + count]
    return count if len(tail) == count - 1 and all("\x80" <= c < "\xc0" for c in tail) else 0
