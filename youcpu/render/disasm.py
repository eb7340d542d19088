"""Machine code in hex, in bits and in parts beside its assembly; the same as data for JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from youcpu.formats.disassembler import Instruction
from youcpu.formats.x86_fields import Field, split

Describe = Callable[[int], str | None]
BYTES_A_LINE = 8
BITS_A_LINE = 4


def instruction_text(found: Instruction, describe: Describe) -> str:
    """Mnemonic and operands, with the name of what is jumped to."""
    text = f"{found.mnemonic} {found.operands}".strip()
    name = describe(found.target) if found.target is not None else None
    return f"{text} <{name}>" if name else text


def lines(found: Instruction, describe: Describe, *, bits: bool) -> Iterator[str]:
    """The instruction; long ones go on below."""
    size = BITS_A_LINE if bits else BYTES_A_LINE
    for start in range(0, len(found.data), size):
        part = found.data[start : start + size]
        code = f"{part.hex(' '):<{3 * size - 1}}"
        if bits:
            code = f"{' '.join(f'{byte:08b}' for byte in part):<{9 * size - 1}}  {code}"
        text = instruction_text(found, describe) if start == 0 else ""
        yield f"{found.address + start:>10x}:  {code}  {text}".rstrip() + "\n"


def fields_of(found: Instruction, bits: int) -> list[Field]:
    if found.encoding is None:
        return [Field("instruction", found.data, "")]
    return split(found.data, found.encoding, bits)


def field_lines(found: Instruction, bits: int) -> Iterator[str]:
    """The parts of an x86 instruction as boxes, with what their bits say."""
    fields = fields_of(found, bits)
    widths = [max(len(f.name), 3 * len(f.data) - 1) for f in fields]
    edge = ["─" * (width + 2) for width in widths]
    names = " │ ".join(f"{f.name:^{w}}" for f, w in zip(fields, widths, strict=True))
    codes = " │ ".join(f"{f.data.hex(' '):^{w}}" for f, w in zip(fields, widths, strict=True))
    indent = " " * 13
    yield f"{indent}┌{'┬'.join(edge)}┐\n{indent}│ {names} │\n"
    yield f"{indent}│ {codes} │\n{indent}└{'┴'.join(edge)}┘\n"
    for field in fields:
        if field.meaning:
            digits = " ".join(f"{byte:08b}" for byte in field.data[:4])
            more = " ..." if len(field.data) > 4 else ""
            yield f"{indent}{field.name:<12} {digits}{more}  {field.meaning}\n"


def as_json(found: Instruction, describe: Describe, bits: int, x86: bool) -> dict[str, Any]:
    """An instruction as docs/schema/disasm.json has it."""
    row: dict[str, Any] = {
        "address": found.address,
        "bytes": found.data.hex(),
        "bits": " ".join(f"{byte:08b}" for byte in found.data),
        "mnemonic": found.mnemonic,
        "operands": found.operands,
        "target": found.target,
        "target_name": describe(found.target) if found.target is not None else None,
    }
    if x86:
        row["fields"] = [
            {"name": field.name, "bytes": field.data.hex(), "meaning": field.meaning}
            for field in fields_of(found, bits)
        ]
    return row
