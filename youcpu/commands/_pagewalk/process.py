"""A live process of the host as a source: the user half, as /proc/PID/pagemap shows it."""

from __future__ import annotations

from collections.abc import Iterator

from youcpu.hardware.paging_access import Access
from youcpu.live_process import (
    PM_PRESENT,
    MappedArea,
    MappedPage,
    mapped_areas,
    mapped_pages,
    page_at,
    table_bytes,
)
from youcpu.render.pagewalk_view import (
    MappingRow,
    PageRow,
    RangeRow,
    SourceView,
    StatsView,
    WalkView,
)

PAGE_SIZE = 4096
HIDDEN = "the host hides page frames: that takes CAP_SYS_ADMIN"
TABLES_UNSEEN = "the host hides its page tables; the pages are those of /proc/PID/pagemap"


class ProcessSpace:
    """The pages of one process. Raises OSError where /proc does not let us look."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.areas = mapped_areas(pid)
        self.view = SourceView(
            f"pid {pid}", "/proc/PID/pagemap", TABLES_UNSEEN, "the host's", damage=[]
        )

    def frames_hidden(self) -> bool:
        """No present page tells its frame."""
        for _, page in mapped_pages(self.pid, self.areas):
            if page.word & PM_PRESENT:
                return page.physical is None
        return False

    def page_rows(self) -> Iterator[PageRow]:
        for area, page in mapped_pages(self.pid, self.areas):
            flags = " ".join([*_swap_text(page), *page.flags])
            yield PageRow(page.address, page.physical, PAGE_SIZE, _rights(area), flags, area.name)

    def range_rows(self) -> Iterator[RangeRow]:
        """Present pages, joined within their vm_area."""
        start = end = 0
        current: MappedArea | None = None
        for area, page in mapped_pages(self.pid, self.areas):
            if not page.word & PM_PRESENT:
                continue
            if area is current and page.address == end:
                end += PAGE_SIZE
                continue
            if current is not None:
                yield RangeRow(start, end - start, _rights(current), current.name)
            current, start, end = area, page.address, page.address + PAGE_SIZE
        if current is not None:
            yield RangeRow(start, end - start, _rights(current), current.name)

    def walk_view(self, address: int, access: Access | None = None) -> WalkView:
        """What is known of one address: vm_area, frame or swap entry; no tables."""
        area = next((a for a in self.areas if a.start <= address < a.end), None)
        page = page_at(self.pid, address) if area is not None else None
        present = page is not None and bool(page.word & PM_PRESENT)
        physical = page.physical if page is not None else None
        return WalkView(
            address=address,
            mode=self.view.mode,
            root=0,
            steps=[],
            fields=[],
            reason=self._reason(area, page),
            physical=None if physical is None else physical + address % PAGE_SIZE,
            size=PAGE_SIZE if present else 0,
            rights=_rights(area) if area is not None else "",
            data=None,
            owner=area.name if area is not None else "",
        )

    def _reason(self, area: MappedArea | None, page: MappedPage | None) -> str:
        if area is None:
            return "no vm_area there"
        if page is None:
            return f"in a {area.rights} vm_area that pagemap does not show"
        swap = _swap_text(page)
        if swap:
            return f"{swap[0]}, {_rights(area)}"
        if not page.word & PM_PRESENT:
            return f"not touched yet: no page, in a {area.rights} vm_area"
        if page.physical is None:
            return f"present, {_rights(area)}; {HIDDEN}"
        return f"present, {_rights(area)}"

    def stats_view(self) -> StatsView:
        present = swapped = 0
        for _, page in mapped_pages(self.pid, self.areas):
            if page.word & PM_PRESENT:
                present += 1
            else:
                swapped += 1
        return StatsView(
            levels=[],
            leaves=[(PAGE_SIZE, present)],
            mapped_bytes=present * PAGE_SIZE,
            table_bytes=table_bytes(self.pid) or 0,
            swapped=swapped,
            prot_none=0,
            not_present=0,
            reserved=0,
            twice=[],
            missing=[],
        )

    def mapping_rows(self, frame: int) -> Iterator[MappingRow]:
        frame &= -PAGE_SIZE
        for area, page in mapped_pages(self.pid, self.areas):
            if page.physical == frame:
                yield MappingRow(
                    self.view.name,
                    page.address,
                    None,
                    "PT",
                    "page",
                    PAGE_SIZE,
                    _rights(area),
                    area.name,
                )


def _rights(area: MappedArea) -> str:
    return "u" + area.rights[:3]


def _swap_text(page: MappedPage) -> list[str]:
    return [] if page.swap is None else ["swap area {}, slot {}".format(*page.swap)]
