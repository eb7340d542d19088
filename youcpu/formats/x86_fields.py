"""The bytes of an x86 instruction by their parts (Intel SDM 2A, chapter 2: Instruction Format)."""

from __future__ import annotations

from typing import NamedTuple

LEGACY_PREFIXES = {
    0xF0: "LOCK",
    0xF2: "REPNE",
    0xF3: "REP",
    0x2E: "CS",
    0x36: "SS",
    0x3E: "DS",
    0x26: "ES",
    0x64: "FS",
    0x65: "GS",
    0x66: "operand size",
    0x67: "address size",
}
ENTER = 0xC8  # the one instruction with two immediates, of which the decoder tells one
VEX_LENGTHS = {0xC5: 2, 0xC4: 3, 0x62: 4, 0x8F: 3}
VEX_NAMES = {0xC5: "VEX", 0xC4: "VEX", 0x62: "EVEX", 0x8F: "XOP"}


class Encoding(NamedTuple):
    """Where the decoder found the parts, offsets in bytes; 0 where there is no such part."""

    modrm: int
    displacement: int
    displacement_size: int
    immediate: int
    immediate_size: int


class Field(NamedTuple):
    """A part: its name, bytes, and what its bits say."""

    name: str
    data: bytes
    meaning: str


def split(data: bytes, encoding: Encoding, bits: int) -> list[Field]:
    """The parts in order; together they are all bytes of the instruction."""
    fields: list[Field] = []
    position = _prefixes(data, bits, encoding, fields)
    starts = [
        offset
        for offset in (encoding.modrm, encoding.displacement, encoding.immediate)
        if offset >= position and offset
    ]
    end = min(starts, default=len(data))
    if data[position] == ENTER and not encoding.modrm:
        end = position + 1
        encoding = encoding._replace(immediate=end, immediate_size=2)
    if end > position:
        fields.append(Field("opcode", data[position:end], _map(data[position:end])))
    position = end
    if encoding.modrm and encoding.modrm == position:
        position = _modrm(data, position, bits, fields)
    for name, start, size in sorted(
        (
            ("displacement", encoding.displacement, encoding.displacement_size),
            ("immediate", encoding.immediate, encoding.immediate_size),
        ),
        key=lambda part: part[1],
    ):
        if start >= position and start and size:
            if start > position:
                fields.append(Field("opcode", data[position:start], ""))
            value = int.from_bytes(data[start : start + size], "little", signed=True)
            fields.append(Field(name, data[start : start + size], f"{value} ({value:#x})"))
            position = start + size
    if position < len(data):
        fields.append(Field("immediate", data[position:], "a second one"))
    return fields


def _prefixes(data: bytes, bits: int, encoding: Encoding, fields: list[Field]) -> int:
    position = 0
    while position < len(data) - 1 and data[position] in LEGACY_PREFIXES:
        byte = data[position]
        fields.append(Field("prefix", data[position : position + 1], LEGACY_PREFIXES[byte]))
        position += 1
    byte = data[position]
    if bits == 64 and 0x40 <= byte <= 0x4F and position < len(data) - 1:
        named = [letter for letter, bit in zip("WRXB", (8, 4, 2, 1), strict=True) if byte & bit]
        meaning = f"REX.{''.join(named)}" if named else "REX"
        fields.append(Field("REX", data[position : position + 1], meaning))
        return position + 1
    length = VEX_LENGTHS.get(byte, 0)
    # In 32-bit code C4, C5, 62 and 8F may be LES, LDS, BOUND and POP: then ModRM follows at once.
    if length and encoding.modrm >= position + length + 1:
        name = VEX_NAMES[byte]
        fields.append(Field(name, data[position : position + length], name))
        return position + length
    return position


def _map(opcode: bytes) -> str:
    if opcode[:2] in (b"\x0f\x38", b"\x0f\x3a"):
        return "three-byte map"
    return "two-byte map" if opcode[:1] == b"\x0f" else ""


def _modrm(data: bytes, position: int, bits: int, fields: list[Field]) -> int:
    byte = data[position]
    mod, reg, rm = byte >> 6, byte >> 3 & 7, byte & 7
    meaning = f"mod={mod:02b} reg={reg:03b} rm={rm:03b}"
    fields.append(Field("ModRM", data[position : position + 1], meaning))
    position += 1
    if bits != 16 and mod != 3 and rm == 4 and position < len(data):
        sib = data[position]
        meaning = f"scale={1 << (sib >> 6)} index={sib >> 3 & 7:03b} base={sib & 7:03b}"
        fields.append(Field("SIB", data[position : position + 1], meaning))
        position += 1
    return position
