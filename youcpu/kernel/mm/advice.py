"""Pages that their user wants to see go: madvise_cold_or_pageout_pte_range() of mm/madvise.c.

Only where RAM is limited does this change anything (reclaim.py): else there is neither an order
of pages nor swap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.kernel.mm.page_table import entry_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from youcpu.kernel.mm.mm import MM
    from youcpu.kernel.mm.reclaim import Page, Reclaim


def make_cold(mm: MM, start: int, end: int) -> None:
    """MADV_COLD: unused as of now, and where the policy goes by use the first to go."""
    reclaim = mm.reclaim
    if reclaim is None:
        return
    reclaim.before_change()
    pages = list(_own_pages(mm, reclaim, start, end))
    for page in pages:
        reclaim.referenced(page)
    reclaim.policy.deactivate(pages)
    if reclaim.listener is not None:
        for page in reversed(pages):
            reclaim.listener.cold(page)


def page_out(mm: MM, start: int, end: int) -> None:
    """MADV_PAGEOUT: reclaimed at once, as far as they can go."""
    reclaim = mm.reclaim
    if reclaim is None:
        return
    reclaim.before_change()
    for page in list(_own_pages(mm, reclaim, start, end)):
        if reclaim.evict(page) and reclaim.listener is not None:
            reclaim.listener.freed(page.key)


def _own_pages(mm: MM, reclaim: Reclaim, start: int, end: int) -> Iterator[Page]:
    """Pages that are mapped here and nowhere else: others' use of them is not our business."""
    for _, _, entry in list(mm.page_table.entries(start, end)):
        page = reclaim.pages.get(entry_frame(entry))
        if page is not None and len(reclaim.mappings(page)) == 1:
            yield page
