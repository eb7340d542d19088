"""`-u`: unwind tables, which GNU readelf shows for ARM only (of our machines)."""

from __future__ import annotations

from collections.abc import Iterator

from youcpu.abi import elf as abi
from youcpu.formats.elf import names
from youcpu.formats.elf.file import ElfFile
from youcpu.render.readelf.printable import section_name

FRAME_TABLES = (abi.EM_386, abi.EM_X86_64)


def unwind(elf: ElfFile) -> Iterator[str]:
    if elf.machine in FRAME_TABLES:
        yield "No processor specific unwind information to decode\n"
        return
    if elf.machine != abi.EM_ARM:
        name = names.machine(elf.machine)
        yield (
            f"\nThe decoding of unwind sections for machine type {name} is not currently"
            " supported.\n"
        )
        return
    if elf.section_names is None:
        return
    from youcpu.formats.elf.unwind_arm import ArmUnwind

    decoder = ArmUnwind(elf)
    if not decoder.sound:
        return
    tables = [section for section in elf.sections or () if section.type == abi.SHT_ARM_EXIDX]
    if not tables:
        yield "\nThere are no unwind sections in this file.\n"
        return
    for section in tables:
        count = section.size // 8
        entries = "entry" if count == 1 else "entries"
        name = section_name(elf.section_name(section))
        yield (
            f"\nUnwind section '{name}' at offset {names.c_hex(section.offset)}"
            f" contains {count} {entries}:\n"
        )
        yield from decoder.table(section)
