"""Who maps which frame: fs/proc/task_mmu.c. For reports only; rmap.py serves reclaim."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youcpu.kernel.mm.page_table import entry_frame
from youcpu.kernel.vfs.dcache import d_path
from youcpu.record import record
from youcpu.trace.events import FrameUse

if TYPE_CHECKING:
    from youcpu.kernel.mm.mm import MM
    from youcpu.kernel.mm.vm_area import VmArea
    from youcpu.kernel.task import Task


@record
class PageCounts:
    """Mapped pages of an address space by whose their frames are."""

    private: int = 0
    shared: int = 0
    files: int = 0
    zero: int = 0


def of_file(area: VmArea, address: int, frame: int) -> bool:
    """Whether a frame is the page cache's: not a private copy."""
    mapping = area.file.inode.mapping if area.file is not None else None
    return mapping is not None and mapping.pages.get(area.page_index(address)) == frame


def count_pages(mm: MM) -> PageCounts:
    """All pages of `mm` that are in memory."""
    counts = PageCounts()
    for area in mm.areas:
        for address, _, entry in mm.page_table.entries(area.start, area.end):
            frame = entry_frame(entry)
            if not frame:
                continue  # in swap
            if frame == mm.zero_frame:
                counts.zero += 1
            elif of_file(area, address, frame):
                counts.files += 1
            elif mm.frames.count(frame) == 1:
                counts.private += 1
            else:
                counts.shared += 1
    return counts


def frame_users(task: Task) -> tuple[FrameUse, ...]:
    """Every frame that a program of the machine maps, by number, and all who map it."""
    users: dict[int, list[tuple[int, int]]] = {}
    backing: dict[int, bytes] = {}
    seen: set[MM | None] = {None}
    for group in list(task.kernel.groups.values()):
        if not group.threads or group.threads[0].mm in seen:
            continue
        mm = group.threads[0].mm
        seen.add(mm)
        for area in mm.areas:
            for address, _, entry in mm.page_table.entries(area.start, area.end):
                frame = entry_frame(entry)
                if not frame:
                    continue  # in swap
                users.setdefault(frame, []).append((group.pid, address))
                if frame not in backing:
                    backing[frame] = _backing(task, mm, area, address, frame)
    return tuple(
        FrameUse(frame, backing[frame], tuple(who)) for frame, who in sorted(users.items())
    )


def _backing(task: Task, mm: MM, area: VmArea, address: int, frame: int) -> bytes:
    if frame == mm.zero_frame:
        return b"zero"
    if area.file is not None and of_file(area, address, frame):
        return d_path(area.file.dentry, task.fs.root)[0]
    return b"anon"
