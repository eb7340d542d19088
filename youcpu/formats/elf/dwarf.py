"""DWARF by pyelftools: units, address ranges, call frames, line tables, as plain values.

pyelftools raises what it likes on damaged files; here all of that becomes a diagnostic, and what
was read before it stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from youcpu.formats.elf.file import ElfFile

Json = dict[str, Any]
ADDRESS = re.compile(r" to ([0-9a-f]+)$")


class Dwarf:
    """The debug information of one object; empty where there is none."""

    def __init__(self, elf: ElfFile) -> None:
        from elftools.elf.elffile import ELFFile

        self.elf = elf
        self._info: Any = None
        self._file: Any = None
        with Guard(elf):
            image = elf.image
            self._file = ELFFile(BytesIO(bytes(image.data[image.base :])))
            if self._file.has_dwarf_info():
                self._info = self._file.get_dwarf_info()

    def units(self) -> Iterator[Json]:
        """Compilation units with their entries (DIEs) in order."""
        from elftools.dwarf.descriptions import describe_attr_value, set_global_machine_arch

        if self._info is None:
            return
        with Guard(self.elf):
            set_global_machine_arch(self._file.get_machine_arch())
            for unit in self._info.iter_CUs():
                yield {
                    "offset": unit.cu_offset,
                    "length": unit["unit_length"],
                    "version": unit["version"],
                    "type": unit.header.get("unit_type"),
                    "abbrev_offset": unit["debug_abbrev_offset"],
                    "address_size": unit["address_size"],
                    "format": unit.structs.dwarf_format,
                    "entries": self._entries(unit, describe_attr_value),
                }

    def _entries(self, unit: Any, describe: Any) -> list[Json]:
        entries: list[Json] = []
        depth = 0
        with Guard(self.elf):
            for die in unit.iter_DIEs():
                if die.is_null():
                    depth -= 1
                    entries.append({"offset": die.offset, "depth": depth + 1, "code": 0})
                    continue
                attributes = [
                    {
                        "offset": value.offset,
                        "name": name if isinstance(name, str) else f"DW_AT_{name:#x}",
                        "text": str(describe(value, die, unit.cu_offset)).strip(),
                    }
                    for name, value in die.attributes.items()
                ]
                entries.append(
                    {
                        "offset": die.offset,
                        "depth": depth,
                        "code": die.abbrev_code,
                        "tag": str(die.tag),
                        "attributes": attributes,
                    }
                )
                depth += die.has_children
        return entries

    def aranges(self) -> Iterator[Json]:
        """Sets of address ranges, one a unit."""
        with Guard(self.elf):
            table = self._info.get_aranges() if self._info is not None else None
            sets: dict[int, Json] = {}
            for entry in table.entries if table is not None else ():
                row = sets.setdefault(
                    entry.info_offset,
                    {
                        "length": entry.unit_length,
                        "version": entry.version,
                        "info_offset": entry.info_offset,
                        "address_size": entry.address_size,
                        "segment_size": entry.segment_size,
                        "ranges": [],
                    },
                )
                row["ranges"].append({"address": entry.begin_addr, "length": entry.length})
            yield from sets.values()

    def frames(self) -> Iterator[Json]:
        """Common (CIE) and frame description entries (FDE) of .eh_frame and .debug_frame."""
        from elftools.dwarf.descriptions import (
            describe_CFI_instructions,
            set_global_machine_arch,
        )

        if self._info is None:
            return
        set_global_machine_arch(self._file.get_machine_arch())
        wide = self.elf.is64
        for section, present, read in (
            (".eh_frame", self._info.has_EH_CFI, self._info.EH_CFI_entries),
            (".debug_frame", self._info.has_CFI, self._info.CFI_entries),
        ):
            with Guard(self.elf):
                if present():
                    entries = [_frame(entry, describe_CFI_instructions, wide) for entry in read()]
                    yield {"section": section, "entries": entries}

    def lines(self) -> Iterator[Json]:
        """Rows of the line tables, one table a unit."""
        if self._info is None:
            return
        with Guard(self.elf):
            for unit in self._info.iter_CUs():
                program = self._info.line_program_for_CU(unit)
                if program is None:
                    continue
                files = program["file_entry"]
                base = 0 if program["version"] >= 5 else 1
                rows = []
                for entry in program.get_entries():
                    state = entry.state
                    if state is None:
                        continue
                    index = state.file - base
                    known = 0 <= index < len(files)
                    rows.append(
                        {
                            "file": _text(files[index].name) if known else f"<{state.file}>",
                            "line": state.line,
                            "address": state.address,
                            "is_stmt": bool(state.is_stmt),
                            "end": bool(state.end_sequence),
                        }
                    )
                name = _text(files[0].name) if len(files) else ""
                yield {"unit": name, "rows": rows}


def _instructions(entry: Any, describe: Any, is64: bool) -> list[str]:
    """pyelftools writes addresses with 8 digits, GNU as many as the class has."""
    lines = [line.strip() for line in describe(entry).splitlines() if line.strip()]
    if is64:
        lines = [ADDRESS.sub(lambda match: f" to {match[1]:0>16}", line) for line in lines]
    return lines


def _frame(entry: Any, describe: Any, is64: bool) -> Json:
    from elftools.dwarf.callframe import CIE, FDE, ZERO

    if isinstance(entry, ZERO):
        return {"offset": entry.offset, "kind": "ZERO"}
    row: Json = {
        "offset": entry.offset,
        "kind": "CIE" if isinstance(entry, CIE) else "FDE",
        "length": entry["length"],
        "pointer": entry["CIE_id"] if isinstance(entry, CIE) else entry["CIE_pointer"],
        "instructions": _instructions(entry, describe, is64),
    }
    if isinstance(entry, FDE):
        row["cie"] = entry.cie.offset
        row["start"] = entry["initial_location"]
        row["end"] = entry["initial_location"] + entry["address_range"]
    else:
        row["version"] = entry["version"]
        row["augmentation"] = _text(entry["augmentation"])
        row["code_alignment"] = entry["code_alignment_factor"]
        row["data_alignment"] = entry["data_alignment_factor"]
        row["return_register"] = entry["return_address_register"]
        row["augmentation_data"] = bytes(entry.augmentation_bytes).hex()
    return row


def _text(name: Any) -> str:
    return name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else str(name)


class Guard:
    """Whatever goes wrong in pyelftools ends the view, not the command."""

    def __init__(self, elf: ElfFile) -> None:
        self.elf = elf

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> bool:
        if kind is None or not issubclass(kind, Exception):
            return False
        reason = f"DWARF cannot be read further: {kind.__name__}: {error}"
        self.elf.image.error(reason.encode("utf-8", "backslashreplace").decode("latin-1"))
        return True
