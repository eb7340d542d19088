"""What can be asked of a source, whatever it is; and the answers of real page tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from youcpu.abi.pte import ProtNone, SwapEntry, decode_not_present
from youcpu.commands._pagewalk.space import Space, rights_text
from youcpu.hardware.paging import PTE_NX
from youcpu.hardware.paging_stats import address_space_stats, frame_mappings
from youcpu.render.pagewalk_view import (
    LevelView,
    MappingRow,
    PageRow,
    RangeRow,
    SourceView,
    StatsView,
    WalkView,
)

if TYPE_CHECKING:
    from youcpu.hardware.paging_access import Access


class Answers(Protocol):
    """A source's answers, as values to be drawn."""

    view: SourceView

    def page_rows(self) -> Iterator[PageRow]: ...
    def range_rows(self) -> Iterator[RangeRow]: ...
    def walk_view(self, address: int, access: Access | None) -> WalkView: ...
    def stats_view(self) -> StatsView: ...
    def mapping_rows(self, frame: int) -> Iterator[MappingRow]: ...


class TableAnswers:
    """Answers from page tables: of the first space, for frames of all of them."""

    def __init__(self, spaces: list[Space]) -> None:
        self.spaces = spaces
        self.space = spaces[0]
        self.view = self.space.view

    def page_rows(self) -> Iterator[PageRow]:
        return self.space.page_rows()

    def range_rows(self) -> Iterator[RangeRow]:
        return self.space.range_rows()

    def walk_view(self, address: int, access: Access | None) -> WalkView:
        from youcpu.commands._pagewalk.walks import walk_view

        return walk_view(self.space, address, access)

    def stats_view(self) -> StatsView:
        found = address_space_stats(self.space.tables, self._classify)
        kinds = found.not_present
        return StatsView(
            levels=[
                LevelView(name, level.reached, level.tables) for name, level in found.levels.items()
            ],
            leaves=sorted(found.leaves.items(), reverse=True),
            mapped_bytes=found.mapped_bytes,
            table_bytes=found.table_bytes,
            swapped=kinds.get("swap", 0),
            prot_none=kinds.get("PROT_NONE", 0),
            not_present=kinds.get("other", 0),
            reserved=found.reserved,
            twice=found.twice,
            missing=list(found.missing),
        )

    def _classify(self, entry: int) -> str:
        """Linux's word for a 64-bit entry with P = 0."""
        mode = self.space.tables.mode
        kept = decode_not_present(entry) if mode and mode.sign_extended else None
        names: dict[type, str] = {SwapEntry: "swap", ProtNone: "PROT_NONE"}
        return names.get(type(kept), "other")

    def mapping_rows(self, frame: int) -> Iterator[MappingRow]:
        for space in self.spaces:
            if frame & -4096 == space.registers.root & -4096:
                yield MappingRow(space.label, 0, space.registers.cr3, "CR3", "root", 0, "", "")
            for found in frame_mappings(space.tables, frame):
                rights = rights_text((found.entry ^ PTE_NX) & found.upper) if found.leaf else ""
                yield MappingRow(
                    space.label,
                    found.address,
                    found.entry,
                    found.level,
                    "page" if found.leaf else "table",
                    found.size,
                    rights,
                    space.owner(found.address),
                )
