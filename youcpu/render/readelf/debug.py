"""`--debug-dump`: DWARF in the manner of GNU readelf, as far as pyelftools reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from youcpu.formats.elf.dwarf import Dwarf
from youcpu.formats.elf.file import ElfFile
from youcpu.render.readelf.options import Options

Json = dict[str, Any]
LINE_HEADING = (
    "File name                            Line number    Starting address    View    Stmt\n"
)
UNIT_TYPES = {
    "DW_UT_compile": 1,
    "DW_UT_type": 2,
    "DW_UT_partial": 3,
    "DW_UT_skeleton": 4,
    "DW_UT_split_compile": 5,
    "DW_UT_split_type": 6,
}


def debug_model(elf: ElfFile, options: Options) -> Json:
    """The views that were asked for, as JSON has them."""
    dwarf = Dwarf(elf)
    views = {
        "info": dwarf.units,
        "aranges": dwarf.aranges,
        "frames": dwarf.frames,
        "decodedline": dwarf.lines,
    }
    return {name: list(view()) for name, view in views.items() if name in options.debug}


def debug_dump(elf: ElfFile, options: Options) -> Iterator[str]:
    dwarf = Dwarf(elf)
    wide = 16 if elf.is64 else 8
    if "frames" in options.debug:
        for table in dwarf.frames():
            yield from _frames(table, wide)
    if "aranges" in options.debug:
        yield from _aranges(dwarf, wide)
    if "info" in options.debug:
        yield from _units(dwarf)
    if "decodedline" in options.debug:
        yield from _lines(dwarf)


def _aranges(dwarf: Dwarf, wide: int) -> Iterator[str]:
    for number, table in enumerate(dwarf.aranges()):
        if number == 0:
            yield "Contents of the .debug_aranges section:\n\n"
        yield (
            f"  Length:                   {table['length']}\n"
            f"  Version:                  {table['version']}\n"
            f"  Offset into .debug_info:  {table['info_offset']:#x}\n".replace(" 0x0\n", " 0\n")
            + f"  Pointer Size:             {table['address_size']}\n"
            f"  Segment Size:             {table['segment_size']}\n\n"
        )
        yield f"    Address{' ' * (wide - 4)}Length\n"
        for row in [*table["ranges"], {"address": 0, "length": 0}]:
            yield f"    {row['address']:0{wide}x} {row['length']:0{wide}x}\n"
        yield "\n"


def _frames(table: Json, wide: int) -> Iterator[str]:
    if not table["entries"]:
        yield f"\nSection '{table['section']}' has no debugging data.\n"
        return
    yield f"Contents of the {table['section']} section:\n\n\n"
    for entry in table["entries"]:
        offset = f"{entry['offset']:08x}"
        if entry["kind"] == "ZERO":
            yield f"{offset} ZERO terminator\n\n\n"
            continue
        head = f"{offset} {entry['length']:0{wide}x} {entry['pointer']:08x}"
        if entry["kind"] == "CIE":
            yield (
                f"{head} CIE\n"
                f"  Version:               {entry['version']}\n"
                f'  Augmentation:          "{entry["augmentation"]}"\n'
                f"  Code alignment factor: {entry['code_alignment']}\n"
                f"  Data alignment factor: {entry['data_alignment']}\n"
                f"  Return address column: {entry['return_register']}\n"
            )
            data = bytes.fromhex(entry["augmentation_data"])
            if data:
                yield f"  Augmentation data:     {data.hex(' ')}\n"
        else:
            place = f"pc={entry['start']:0{wide}x}..{entry['end']:0{wide}x}"
            yield f"{head} FDE cie={entry['cie']:08x} {place}\n"
        yield "".join(f"  {line}\n" for line in entry["instructions"]) + "\n"


def _units(dwarf: Dwarf) -> Iterator[str]:
    last = -1
    for number, unit in enumerate(dwarf.units()):
        if number == 0:
            yield "Contents of the .debug_info section:\n\n"
        yield f"  Compilation Unit @ offset {_hex(unit['offset'])}:\n"
        yield f"   Length:        {unit['length']:#x} ({unit['format']}-bit)\n"
        yield f"   Version:       {unit['version']}\n"
        if unit["type"]:
            kind = unit["type"]
            yield f"   Unit Type:     {kind} ({UNIT_TYPES.get(kind, 0)})\n"
        yield f"   Abbrev Offset: {_hex(unit['abbrev_offset'])}\n"
        yield f"   Pointer Size:  {unit['address_size']}\n"
        for entry in unit["entries"]:
            yield _entry(entry)
        last = number
    if last >= 0:
        yield "\n"


def _entry(entry: Json) -> str:
    head = f" <{entry['depth']}><{entry['offset']:x}>: Abbrev Number: {entry['code']}"
    if not entry["code"]:
        return head + "\n"
    rows = "".join(
        f"    <{row['offset']:x}>   {row['name']:<18}: {row['text']}\n"
        for row in entry["attributes"]
    )
    return f"{head} ({entry['tag']})\n{rows}"


def _hex(number: int) -> str:
    return f"{number:#x}" if number else "0"


def _lines(dwarf: Dwarf) -> Iterator[str]:
    for number, table in enumerate(dwarf.lines()):
        if number == 0:
            yield "Contents of the .debug_line section:\n\n"
        yield f"{table['unit']}:\n"
        yield LINE_HEADING
        for row in table["rows"]:
            line = "-" if row["end"] else str(row["line"])
            tail = "" if row["end"] else " " * 15 + "x" if row["is_stmt"] else " " * 8
            address = f"{row['address']:#x}" if row["address"] else "0"
            yield f"{row['file']:<35}  {line:>11}  {address:>18}{tail}\n"
            if row["end"]:
                yield "\n"
        yield "\n"
