"""Notes of annobin: how each range of a program was built (the Watermark specification)."""

from __future__ import annotations

from collections.abc import Iterator

from youcpu.abi import elf as abi
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.image import StringTable
from youcpu.formats.elf.names import c_hex
from youcpu.formats.elf.notes import Note
from youcpu.formats.elf.structures import Symbol
from youcpu.formats.elf.symbols import SymbolTable, linked_symbols
from youcpu.render.readelf.options import Options
from youcpu.render.readelf.printable import Printer

OPEN = 0x100
STRING, TRUE, FALSE = "$", "+", "!"  # a * has a number
ATTRIBUTES = {
    1: "<version>",
    2: "<stack prot>",
    3: "<relro>",
    4: "<stack size>",
    5: "<tool>",
    6: "<ABI>",
    7: "<PIC>",
    8: "<short enum>",
}
DECODED = {
    7: ("static", "pic", "PIC", "pie", "PIE"),
    2: ("off", "on", "all", "strong", "explicit"),
}


class BuildAttributes:
    """The ranges carry over from note to note, so there is state."""

    def __init__(self, elf: ElfFile, options: Options) -> None:
        self.elf = elf
        self.wide = options.wide
        self.printer = Printer(options)
        self._ranges = {True: (0, 0), False: (0, 0)}
        self._tables: tuple[SymbolTable, StringTable | None] | None = None
        self._loaded = False

    def name(self, note: Note) -> str:
        """The Owner column: type, attribute and value out of the name."""
        raw = note.raw_name
        left = 28 if self.wide else 20
        if not note.has_name or len(raw) < 2 or (raw[:2] == b"GA" and len(raw) < 4):
            self.elf.image.error(
                "corrupt name field in GNU build attribute note: size = " + str(len(raw))
            )
            return self.printer.symbol(-20, "  <corrupt name>")
        start = 2 if raw[:2] == b"GA" else 0
        kind = chr(raw[start])
        text = raw[: start + 1].decode("latin-1")
        attribute, position = raw[start + 1], start + 2
        if attribute in ATTRIBUTES:
            text += ATTRIBUTES[attribute]
        elif 0x20 <= attribute < 0x7F:
            tail = raw[start + 1 :].split(b"\0", 1)[0]
            size = len(tail) + 1
            room = left - len(text)
            if size > room and not self.wide:
                size = room
            text += tail[:size].decode("latin-1") + ":"
            # GNU counts the NUL where it prints the colon.
            left += len(tail[:size]) + 1 - size
            position = start + 1 + size
        else:
            self.elf.image.error(f"unrecognised byte in name field: {attribute}")
            text += f"<unknown:_{attribute}>"
        left -= len(text)
        if left < 1 and not self.wide:
            return text
        value = self._value(kind, attribute, raw[position:], left)
        text += value
        left -= len(value)
        return text + " " * left if self.wide and left > 0 else text

    def _value(self, kind: str, attribute: int, rest: bytes, left: int) -> str:
        symbol = self.printer.symbol
        if kind == STRING:
            return symbol(-left, rest.split(b"\0", 1)[0].decode("latin-1"))
        if kind in (TRUE, FALSE):
            return symbol(-left, "true" if kind == TRUE else "false")
        number = int.from_bytes(rest[:-1][:8], "little")
        words = DECODED.get(attribute, ())
        if number < len(words):
            return symbol(-left, words[number])
        if number == 0:
            return "0x0"
        return f"{number:#x}" if self.wide else f"0x{number:0{left}x}"

    def description(self, note: Note) -> Iterator[str]:
        opening = note.type == OPEN
        data, number = note.descriptor, self.elf.layout.number
        if not data:
            start, end = self._ranges[opening]
            to = f" to {c_hex(end)}" if end > start else ""
            yield f"    Applies to region from {c_hex(start)}{to}\n"
            return
        if len(data) not in (4, 8, 16):
            self.elf.image.error(f"    <invalid description size: {len(data):x}>")
            yield "    <invalid descsz>"
            return
        size = 8 if len(data) == 16 else 4
        start, end = number(data[:size]), number(data[size : 2 * size])
        symbol, name = self._symbol(start, opening)
        if symbol is None and opening:
            symbol, name = self._symbol(start + 2, opening)
        if end == 0 and symbol is not None and symbol.size:
            end = start + symbol.size
        self._ranges[opening] = (start, end or self._ranges[opening][1])
        to = f" to {c_hex(end)}" if end else ""
        shown = f" ({name})" if symbol is not None else ""
        yield f"    Applies to region from {c_hex(start)}{to}{shown}\n"

    def _symbol(self, address: int, opening: bool) -> tuple[Symbol | None, str]:
        """The symbol a note is attached to: for OPEN a file or an object, else a function."""
        if not self._loaded:
            self._loaded = True
            for section in self.elf.sections or ():
                if section.type == abi.SHT_SYMTAB and self._tables is None:
                    self._tables = linked_symbols(self.elf, section)
        if self._tables is None or self._tables[1] is None:
            return None, ""
        symbols, strings = self._tables[0], self._tables[1]
        best: Symbol | None = None
        for symbol in symbols:
            if symbol.value != address or not strings.get(symbol.name, ""):
                continue
            if not opening:
                if symbol.type == abi.STT_FUNC:
                    return symbol, strings.at(symbol.name)
                continue
            if symbol.type in (1, abi.STT_FILE):
                best = symbol
                if symbol.size:
                    break
            elif symbol.type != abi.STT_FUNC:
                replaces = best is None or (symbol.binding == abi.STB_GLOBAL and best.type != 1)
                if replaces and symbol.binding in (abi.STB_GLOBAL, abi.STB_LOCAL):
                    best = symbol
        return best, strings.at(best.name) if best is not None else ""
