"""ARM's exception index and the instructions that unwind a frame (EHABI, IHI 0038)."""

from __future__ import annotations

from collections.abc import Iterator

from youcpu.abi import elf as abi
from youcpu.abi.elf_relocations import relocation_names
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.image import StringTable, uleb128
from youcpu.formats.elf.names import c_hex
from youcpu.formats.elf.relocations import REL, RELA, RelocationTable, rows
from youcpu.formats.elf.structures import Section, Symbol
from youcpu.formats.elf.symbols import SymbolTable, linked_symbols

CANTUNWIND = 1
NEAR = 0x100000  # a symbol further below is not the function's
COMPACT_PERSONALITIES = (
    "__gcc_personality_v0",
    "__gxx_personality_v0",
    "__gcj_personality_v0",
    "__gnu_objc_personality_v0",
)


class Truncated(Exception):
    """The instructions end in the middle of one."""


class Words:
    """The words of a section, relocated where the object file says so."""

    def __init__(self, unwind: ArmUnwind, section: Section) -> None:
        elf = unwind.elf
        self.unwind, self.section = unwind, section
        self.data = elf.image.read(section.offset, section.size, "unwind data")
        self.explicit = False
        self.relocations: dict[int, tuple[int, int, int]] = {}
        for candidate in elf.sections or ():
            if candidate.info != section.number:
                continue
            if candidate.type not in (abi.SHT_REL, abi.SHT_RELA):
                continue
            self.explicit = candidate.type == abi.SHT_RELA
            kind = RELA if self.explicit else REL
            data = elf.image.read(candidate.offset, candidate.size, "32-bit relocation data")
            table = RelocationTable("", kind, 0, candidate.size, data, None, None, False, None)
            for piece in rows(elf, table):
                for offset, info, addend in piece:
                    if unwind.types.get(info & 0xFF) == "R_ARM_PREL31":
                        self.relocations.setdefault(offset, (info, addend, offset))
            break

    def at(self, offset: int) -> tuple[int, Symbol | None, int] | None:
        """(word, symbol of its relocation, where that points); None outside of the section."""
        if self.data is None or self.section.size < 4 or offset > self.section.size - 4:
            return None
        word = self.unwind.elf.layout.number(self.data[offset : offset + 4])
        found = self.relocations.get(offset)
        symbols = self.unwind.symbols
        if found is None or symbols is None:
            return word, None, 0
        info, addend, _ = found
        if info >> 8 >= len(symbols):
            self.unwind.elf.image.error("Bad symbol index in unwind relocation")
            return word, None, 0
        symbol = symbols[info >> 8]
        target = (addend if self.explicit else signed31(word)) + symbol.value
        relative = target - (self.section.addr + offset)
        return word & 0x80000000 | relative & 0x7FFFFFFF, symbol, target


def signed31(word: int) -> int:
    value = word & 0x7FFFFFFF
    return value - 0x80000000 if value & 0x40000000 else value


class ArmUnwind:
    """Decodes the tables of one file."""

    def __init__(self, elf: ElfFile) -> None:
        self.elf = elf
        self.types = relocation_names(abi.EM_ARM)
        self.symbols: SymbolTable | None = None
        self.strings: StringTable | None = None
        self.sound = True
        for section in elf.sections or ():
            if section.type == abi.SHT_SYMTAB:
                found = linked_symbols(elf, section)
                if found is None:
                    self.sound = False
                    break
                self.symbols, self.strings = found
        functions = [s for s in self.symbols or () if s.value and s.type == abi.STT_FUNC]
        self.functions = sorted(functions, key=lambda symbol: symbol.value)
        self._words: dict[int, Words] = {}

    def words(self, section: Section) -> Words:
        if section.number not in self._words:
            self._words[section.number] = Words(self, section)
        return self._words[section.number]

    def table(self, section: Section) -> Iterator[str]:
        """The lines of one index table."""
        words = self.words(section)
        for offset in range(0, section.size // 8 * 8, 8):
            yield "\n"
            function, entry = words.at(offset), words.at(offset + 4)
            if function is None or entry is None:
                return
            if function[0] & 0x80000000:
                self.elf.image.warn(f"corrupt index table entry: {function[0]:x}")
            address = section.addr + offset + signed31(function[0])
            yield f"{self._place(address, function[1], function[2])[0]}: "
            yield from self._entry(section, offset + 4, entry)
        yield "\n"

    def _entry(
        self, section: Section, offset: int, entry: tuple[int, Symbol | None, int]
    ) -> Iterator[str]:
        word, symbol, target = entry
        if word == CANTUNWIND:
            yield f"{word:#x} [cantunwind]\n"
            return
        if word & 0x80000000:
            yield f"{word:#x}\n"
            yield from self._model(word, 4, 0, None)
            return
        address = section.addr + offset + signed31(word)
        yield f"@{c_pointer(address)}\n"
        sections = self.elf.sections or []
        if symbol is not None and 0 < symbol.shndx < self.elf.header.shnum:
            table, position = sections[symbol.shndx], target
            if position > table.size:
                self.elf.image.warn("Unwind entry contains corrupt offset")
                return
        else:
            found = self.elf.section_at(address)
            if found is None:
                self.elf.image.warn(
                    f"Could not locate .ARM.extab section containing {c_hex(address)}."
                )
                return
            table, position = found, address - found.addr
        yield from self._model(0, 0, position, table)

    def _place(self, address: int, symbol: Symbol | None, target: int) -> tuple[str, str | None]:
        """(text of an address with its function, the function's name)."""
        section = symbol.shndx if symbol is not None else 0
        name, distance = self._function(target if section else address, section)
        text = c_pointer(address)
        if name is None:
            return text, None
        return f"{text} <{name}{f'+{distance:#x}' if distance else ''}>", name

    def _function(self, address: int, section: int) -> tuple[str | None, int]:
        """The function at or below an address: a binary search that looks at what it meets."""
        address &= ~1
        low, high = 0, len(self.functions)
        best: Symbol | None = None
        distance = NEAR
        while low < high:
            middle = low + (high - low) // 2
            symbol = self.functions[middle]
            value = symbol.value & ~1
            if symbol.name and section in (0, symbol.shndx) and 0 <= address - value < distance:
                best, distance = symbol, address - value
                if not distance:
                    break
            if address < value:
                high = middle
            else:
                low = middle + 1
        if best is None:
            return None, address
        name = self.strings.get(best.name, "<corrupt>") if self.strings else "<corrupt>"
        return name, distance

    def _model(
        self, word: int, remaining: int, offset: int, section: Section | None
    ) -> Iterator[str]:
        """A table entry: a personality routine, or a compact model by its index."""
        symbol: Symbol | None = None
        target = 0
        if section is not None:
            found = self.words(section).at(offset)
            if found is None:
                return
            word, symbol, target = found
            remaining = 4
        code = Instructions(self, word, remaining, offset, section)
        if word & 0x80000000:
            index = word >> 24 & 0x7F
            if word & 0x70000000:
                self.elf.image.warn(f"Corrupt ARM compact model table entry: {word:x} ")
            yield f"  Compact model index: {index}\n"
            if index > 2:
                self.elf.image.warn("Unknown ARM compact model index encountered")
                yield "  [reserved]\n"
                return
            code.skip(1 if index == 0 else 2)
            code.more = 0 if index == 0 else word >> 16 & 0xFF
        else:
            assert section is not None
            text, name = self._personality(section.addr + offset, word, symbol, target)
            yield f"  Personality routine: {text}\n"
            if name is None or not name.startswith(COMPACT_PERSONALITIES):
                return
            code.remaining, code.more = 0, 1
            first = code.next_byte()
            if first is None:
                yield "  [Truncated data]\n"
                return
            code.more = first
        yield from code.lines()

    def _personality(
        self, place: int, word: int, symbol: Symbol | None, target: int
    ) -> tuple[str, str | None]:
        address = place + signed31(word)
        outside = symbol is not None and symbol.shndx == 0 and target == 0
        if address == 0 and outside and symbol is not None and self.strings is not None:
            name = self.strings.get(symbol.name, "")
            return f"0x0 <{name}>", name
        return self._place(address, symbol, target)


def c_pointer(address: int) -> str:
    return f"{address & 0xFFFF_FFFF_FFFF_FFFF:#x}"


class Instructions:
    """The bytes of unwind instructions, most significant first in each word."""

    def __init__(
        self, unwind: ArmUnwind, word: int, remaining: int, offset: int, section: Section | None
    ) -> None:
        self.unwind, self.section = unwind, section
        self.word, self.remaining, self.offset, self.more = word, remaining, offset, 0

    def skip(self, count: int) -> None:
        self.word = self.word << 8 * count & 0xFFFFFFFF
        self.remaining -= count

    def next_byte(self) -> int | None:
        """None at the end."""
        if self.remaining == 0 and self.more:
            self.offset += 4
            found = None
            if self.section is not None:
                found = self.unwind.words(self.section).at(self.offset)
            if found is None:
                raise Truncated
            self.word, self.remaining = found[0], 4
            self.more -= 1
        if self.remaining == 0:
            return None
        byte = self.word >> 24
        self.skip(1)
        return byte

    def lines(self) -> Iterator[str]:
        self._text = ""
        try:
            while (op := self.next_byte()) is not None:
                self._text = f"  0x{op:02x} "
                meaning = self._meaning(op)
                yield f"{self._text}{meaning}\n"
                self._text = ""
        except Truncated:
            # What was read of the instruction stays on its line.
            if self._text:
                yield self._text

    def _operand(self) -> int:
        byte = self.next_byte()
        if byte is None:
            self._text += "[Truncated opcode]\n"
            raise Truncated
        self._text += f"0x{byte:02x} "
        return byte

    def _meaning(self, op: int) -> str:
        if op < 0x80:
            return f"     vsp = vsp {'-' if op & 0x40 else '+'} {((op & 0x3F) << 2) + 4}"
        if op < 0x90:
            mask = (op & 0x0F) << 8 | self._operand()
            if op == 0x80 and mask == 0:
                return "Refuse to unwind"
            return f"pop {{{registers('r', mask, 4)}}}"
        if op < 0xA0:
            return "     [Reserved]" if op in (0x9D, 0x9F) else f"     vsp = r{op & 0x0F}"
        if op < 0xB0:
            listed = ", ".join(f"r{n}" for n in range(4, 5 + (op & 7)))
            return f"     pop {{{listed}{', r14' if op & 8 else ''}}}"
        return self._meaning_b0(op)

    def _meaning_b0(self, op: int) -> str:
        if op == 0xB0:
            return "     finish"
        if op in (0xB1, 0xC7):
            mask = self._operand()
            if mask == 0 or mask & 0xF0:
                return "[Spare]"
            return f"pop {{{registers('r' if op == 0xB1 else 'wCGR', mask, 0)}}}"
        if op == 0xB2:
            return self._big_step()
        if op in (0xB3, 0xC8, 0xC9):
            first, last = divmod(self._operand(), 16)
            return f"pop {{{span('D', first + (16 if op == 0xC8 else 0), last)}}}"
        if op == 0xB4:
            return "     pop {ra_auth_code}"
        if op == 0xB5:
            return "     vsp as modifier for PAC validation"
        if op & 0xF8 in (0xB8, 0xD0):
            return f"pop {{{span('D', 8, op & 7)}}}"
        if 0xC0 <= op <= 0xC5:
            return f"     pop {{{span('wR', 10, op & 7)}}}"
        if op == 0xC6:
            first, last = divmod(self._operand(), 16)
            return f"pop {{{span('wR', first, last)}}}"
        return "     [unsupported opcode]"

    def _big_step(self) -> str:
        """0xb2: vsp grows by an unsigned LEB128."""
        data = bytearray()
        while len(data) < 9:
            data.append(self._operand())
            if data[-1] < 0x80:
                value, _ = uleb128(bytes(data), 0, len(data))
                return f"vsp = vsp + {value * 4 + 0x204}"
        self.unwind.elf.image.error("corrupt change to vsp")
        return ""


def registers(prefix: str, mask: int, first: int) -> str:
    return ", ".join(f"{prefix}{first + bit}" for bit in range(12) if mask >> bit & 1)


def span(prefix: str, first: int, more: int) -> str:
    return f"{prefix}{first}" + (f"-{prefix}{first + more}" if more else "")
