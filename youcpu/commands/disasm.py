"""Machine code as assembly, with symbols, in bits, in fields.

Stage: file
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from youcpu.formats.errors import FormatError
from youcpu.options import HELP_OPTION, Option, Parsed, UsageError, run_command

NAME = "disasm"
USAGE = """youcpu disasm [OPTIONS] FILE
       youcpu disasm [OPTIONS] --hex BYTES"""
SUMMARY = """Machine code as assembly, with symbols: of an ELF file of any architecture that
capstone knows, or of x86 bytes in hexadecimal; in bits and in fields, too."""
OPTIONS = [
    Option("--hex", "Bytes in hexadecimal instead of a file.", "BYTES"),
    Option("--function", "Only functions of this name; may be repeated.", "NAME", many=True),
    Option("--section", "Only sections of this name; may be repeated.", "NAME", many=True),
    Option("--start", "First address.", "ADDRESS"),
    Option("--stop", "Address after the last.", "ADDRESS"),
    Option(
        "--mode", "Bits of the code of --hex: 64 (default), 32 or 16.", "BITS", choices="64 32 16"
    ),
    Option("--bits", "Machine code in bits and hex beside the assembly."),
    Option("--fields", "Draw prefix, opcode, ModRM, SIB and so on (x86)."),
    Option("--json", "One JSON document (docs/schema/disasm.json)."),
    HELP_OPTION,
]
EPILOG = "Exit code: 0 fine; 1 no ELF file, or no such code in it; 2 wrong usage."
Part = tuple[str, int, bytes]


def main(argv: list[str]) -> int:
    """Run the command."""
    return run_command(_disassemble, argv, NAME, (USAGE, SUMMARY, EPILOG), OPTIONS)


def _disassemble(parsed: Parsed) -> int:
    hex_bytes, files = parsed.value("hex"), parsed.operands
    mode = parsed.value("mode") or "64"
    if len(files) + (hex_bytes is not None) != 1:
        raise UsageError("either FILE or --hex BYTES")
    if mode not in ("64", "32", "16"):
        raise UsageError(f"--mode {mode}: 64, 32 or 16")
    limits = tuple(_address(parsed, key) for key in ("start", "stop"))
    file = files[0] if files else ""
    try:
        if hex_bytes is not None:
            engine, code, parts = _from_hex(hex_bytes, int(mode), limits[0] or 0)
        else:
            functions, sections = parsed.values("function"), parsed.values("section")
            engine, code, parts = _from_file(file, functions, sections, limits)
    except (OSError, FormatError) as error:
        reason = error.reason if isinstance(error, FormatError) else error.strerror
        print(f"youcpu disasm: {file or '--hex'}: {reason}", file=sys.stderr)
        return 1
    if parsed.flag("json"):
        _print_json(engine, code, parts, file)
    else:
        _print_text(engine, code, parts, parsed.flag("bits"), parsed.flag("fields"))
    return 0


def _address(parsed: Parsed, key: str) -> int | None:
    text = parsed.value(key)
    try:
        return None if not text else int(text, 0)
    except ValueError:
        raise UsageError(f"--{key} {text}: --start and --stop take numbers, as 0x401000") from None


def _from_hex(text: str, mode: int, address: int) -> tuple[Any, None, list[Part]]:
    from youcpu.abi import elf as abi
    from youcpu.formats.disassembler import Disassembler

    digits = text.replace("\\x", " ").replace("0x", " ").replace(",", " ")
    try:
        data = bytes.fromhex(digits)
    except ValueError:
        raise FormatError(0, f"'{text}' is not hexadecimal") from None
    return Disassembler(abi.EM_X86_64, True, True, mode), None, [("", address, data)]


def _from_file(
    name: str, functions: list[str], sections: list[str], limits: tuple[int | None, ...]
) -> tuple[Any, Any, list[Part]]:
    from youcpu.commands.elf.input import read_file
    from youcpu.formats.disassembler import Disassembler
    from youcpu.formats.elf.code import Code
    from youcpu.formats.elf.file import ElfFile
    from youcpu.formats.elf.image import Image
    from youcpu.formats.identify import identify

    data = read_file(name)
    if bytes(data[:4]) != b"\x7fELF":
        raise FormatError(0, f"not an ELF file: {identify(data).line}")
    elf = ElfFile(Image(data))
    elf.resolve_header()
    elf.load_sections()
    code = Code(elf)
    engine = Disassembler(elf.machine, elf.is64, elf.layout.little)
    parts = list(_parts(code, functions, sections, limits))
    if not parts:
        wanted = ", ".join([*functions, *sections]) or "code in that range"
        raise FormatError(0, f"no such code: {wanted}")
    return engine, code, parts


def _parts(
    code: Any, functions: list[str], sections: list[str], limits: tuple[int | None, ...]
) -> Iterator[Part]:
    """(title, address, bytes) of what was asked for."""
    ranges = code.sections()
    if functions:
        for name in functions:
            for function in code.by_name(name):
                for found in ranges:
                    offset = function.address - found.address
                    if 0 <= offset < len(found.data) and function.size:
                        piece = found.data[offset : offset + function.size]
                        yield "", function.address, piece
                        break
        return
    first, last = limits
    for found in ranges:
        if sections and found.title not in sections:
            continue
        low = max(first or 0, found.address)
        high = found.address + len(found.data)
        high = high if last is None else min(last, high)
        if low < high:
            start = low - found.address
            yield found.title, low, found.data[start : high - found.address]


def _print_text(engine: Any, code: Any, parts: list[Part], bits: bool, fields: bool) -> None:
    from youcpu.render import disasm

    write = sys.stdout.write
    describe = code.describe if code is not None else _nameless
    for number, (title, address, data) in enumerate(parts):
        if title:
            write(f"{chr(10) if number else ''}section {title}\n")
        for found in engine.instructions(data, address, detail=fields):
            for name in code.at(found.address) if code is not None else ():
                write(f"\n{found.address:016x} <{name}>:\n")
            for line in disasm.lines(found, describe, bits=bits):
                write(line)
            if fields and engine.x86:
                for line in disasm.field_lines(found, engine.bits):
                    write(line)


def _nameless(address: int) -> str | None:
    return None


def _print_json(engine: Any, code: Any, parts: list[Part], file: str) -> None:
    import json

    from youcpu.render import disasm

    describe = code.describe if code is not None else _nameless
    write = sys.stdout.write
    head = {"schema": "youcpu.disasm", "version": 1, "file": file or None, "mode": engine.bits}
    write(json.dumps(head)[:-1] + ', "parts": [')
    for number, (title, address, data) in enumerate(parts):
        write(", " if number else "")
        write(f'{{"section": {json.dumps(title or None)}, "address": {address}, "code": [')
        for serial, found in enumerate(engine.instructions(data, address)):
            row = disasm.as_json(found, describe, engine.bits, engine.x86)
            row["names"] = code.at(found.address) if code is not None else []
            write((",\n " if serial else "\n ") + json.dumps(row))
        write("]}")
    write("]}\n")
