"""Addresses to source lines: DWARF's line number programs (DWARF 5, 6.2), read by pyelftools."""

from __future__ import annotations

from bisect import bisect_right
from io import BytesIO
from typing import Any


class SourceLines:
    """The line tables of one file; empty where there are none or they are damaged."""

    def __init__(self, data: bytes) -> None:
        #: (address, file, line), sorted; file "" ends a sequence.
        self.rows: list[tuple[int, str, int]] = []
        if b".debug_line" in data:
            try:
                self._read(data)
            except Exception:  # pyelftools raises what it likes on damaged files
                pass
        # An end of a sequence comes before a row that begins at the same address.
        self.rows.sort(key=lambda row: (row[0], row[1] != ""))
        self._addresses = [row[0] for row in self.rows]

    def _read(self, data: bytes) -> None:
        from elftools.elf.elffile import ELFFile

        file = ELFFile(BytesIO(data))
        if not file.has_dwarf_info():
            return
        info = file.get_dwarf_info()
        for unit in info.iter_CUs():
            program = info.line_program_for_CU(unit)
            if program is None:
                continue
            names = _file_names(program)
            for entry in program.get_entries():
                state = entry.state
                if state is not None:
                    name = "" if state.end_sequence else names.get(state.file, "?")
                    self.rows.append((state.address, name, state.line))

    def at(self, address: int) -> tuple[str, int] | None:
        """(file, line) of a link-time address."""
        index = bisect_right(self._addresses, address) - 1
        if index < 0 or not self.rows[index][1]:
            return None
        return self.rows[index][1:]


def _file_names(program: Any) -> dict[int, str]:
    """Names by the numbers that rows use: from 1, since DWARF 5 from 0."""
    entries = program["file_entry"]
    first = 0 if program["version"] >= 5 else 1
    return {
        number: entry.name.decode("utf-8", "backslashreplace")
        for number, entry in enumerate(entries, first)
    }
