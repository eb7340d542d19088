"""Machine code as assembly, with symbols; in bits and in fields, too.

Stage: file
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from youcpu.formats.errors import FormatError

INTERSPERSED = True
Part = tuple[str, int, bytes]


def command(
    file: Annotated[str, typer.Argument(help="An ELF file.", metavar="[FILE]")] = "",
    hex_bytes: Annotated[
        str, typer.Option("--hex", help="Bytes in hexadecimal instead of a file.", metavar="BYTES")
    ] = "",
    function: Annotated[
        list[str] | None, typer.Option(help="Only functions of this name.", metavar="NAME")
    ] = None,
    section: Annotated[
        list[str] | None, typer.Option(help="Only sections of this name.", metavar="NAME")
    ] = None,
    start: Annotated[str, typer.Option(help="First address.", metavar="ADDRESS")] = "",
    stop: Annotated[str, typer.Option(help="Address after the last.", metavar="ADDRESS")] = "",
    mode: Annotated[int, typer.Option(help="Bits of the code of --hex: 64, 32 or 16.")] = 64,
    bits: Annotated[
        bool, typer.Option("--bits", help="Machine code in bits and hex beside the assembly.")
    ] = False,
    fields: Annotated[
        bool, typer.Option("--fields", help="Draw prefix, opcode, ModRM, SIB and so on (x86).")
    ] = False,
    json_output: Annotated[
        bool, typer.Option("--json", help="JSON (docs/schema/disasm.json).")
    ] = False,
) -> int:
    """Exit code 1 if the file is no ELF file, or there is no such code in it."""
    try:
        if bool(file) == bool(hex_bytes) or mode not in (64, 32, 16):
            print("youcpu disasm: either FILE or --hex BYTES; --mode 64, 32 or 16", file=sys.stderr)
            return 2
        limits = tuple(int(text, 0) if text else None for text in (start, stop))
    except ValueError:
        print("youcpu disasm: --start and --stop take numbers, as 0x401000", file=sys.stderr)
        return 2
    try:
        if hex_bytes:
            engine, code, parts = _from_hex(hex_bytes, mode, limits[0] or 0)
        else:
            engine, code, parts = _from_file(file, function or [], section or [], limits)
    except (OSError, FormatError) as error:
        reason = error.reason if isinstance(error, FormatError) else error.strerror
        print(f"youcpu disasm: {file or '--hex'}: {reason}", file=sys.stderr)
        return 1
    if json_output:
        _print_json(engine, code, parts, file)
    else:
        _print_text(engine, code, parts, bits, fields)
    return 0


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
