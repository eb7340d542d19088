"""Pages of a process in /proc: pagemap, smaps, smaps_rollup (fs/proc/task_mmu.c)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.hardware.paging import PTE_D
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.frame_report import of_file
from youcpu.kernel.mm.page_table import entry_frame
from youcpu.kernel.mm.vm_area import (
    VM_EXEC,
    VM_GROWSDOWN,
    VM_MAYEXEC,
    VM_MAYREAD,
    VM_MAYSHARE,
    VM_MAYWRITE,
    VM_READ,
    VM_SHARED,
    VM_WRITE,
)
from youcpu.kernel.vfs.procfs_maps import map_line

if TYPE_CHECKING:
    from youcpu.kernel.mm.mm import MM
    from youcpu.kernel.mm.vm_area import VmArea
    from youcpu.kernel.task import Task

_VM_FLAGS = (
    (VM_READ, "rd"), (VM_WRITE, "wr"), (VM_EXEC, "ex"), (VM_SHARED, "sh"), (VM_MAYREAD, "mr"),
    (VM_MAYWRITE, "mw"), (VM_MAYEXEC, "me"), (VM_MAYSHARE, "ms"), (VM_GROWSDOWN, "gd"),
)  # fmt: skip


def _users(mm: MM, area: VmArea, address: int, frame: int) -> tuple[int, bool]:
    """(how many map the frame, it is a page of a file)."""
    count = mm.frames.count(frame)
    if of_file(area, address, frame):
        return max(1, count - 1), True
    return count, False


_FIELDS = (
    "Rss", "Pss", "Pss_Dirty", "Shared_Clean", "Shared_Dirty", "Private_Clean", "Private_Dirty",
    "Referenced", "Anonymous", "KSM", "LazyFree", "AnonHugePages", "ShmemPmdMapped",
    "FilePmdMapped", "Shared_Hugetlb", "Private_Hugetlb", "Swap", "SwapPss", "Locked",
)  # fmt: skip


def _account(mm: MM, area: VmArea) -> dict[str, float]:
    """smaps_pte_range(): bytes by field; the page of zeros counts for nothing."""
    found: dict[str, float] = dict.fromkeys(_FIELDS, 0)
    for address, _, entry in mm.page_table.entries(area.start, area.end):
        frame = entry_frame(entry)
        if not frame or frame == mm.zero_frame:
            continue
        users, file = _users(mm, area, address, frame)
        dirty = bool(entry & PTE_D) or not file
        found["Rss"] += 4096
        found["Pss"] += 4096 / users
        if dirty:
            found["Pss_Dirty"] += 4096 / users
        found[f"{'Shared' if users > 1 else 'Private'}_{'Dirty' if dirty else 'Clean'}"] += 4096
        found["Referenced"] += 4096
        if not file:
            found["Anonymous"] += 4096
    return found


def _lines(found: dict[str, float]) -> str:
    return "".join(f"{name + ':':15} {int(size) >> 10:8} kB\n" for name, size in found.items())


def smaps(task: Task) -> bytes:
    """/proc/PID/smaps."""
    if task.mm is None:
        return b""
    parts = []
    for area in task.mm.vm_areas():
        sizes = {"Size": float(area.size), "KernelPageSize": 4096.0, "MMUPageSize": 4096.0}
        flags = " ".join(name for bit, name in _VM_FLAGS if area.flags & bit)
        text = _lines(sizes | _account(task.mm, area))
        parts.append(map_line(task, area) + f"{text}THPeligible:           0\n".encode())
        parts.append(f"VmFlags: {flags} \n".encode())
    return b"".join(parts)


def smaps_rollup(task: Task) -> bytes:
    """/proc/PID/smaps_rollup: the sum of all areas."""
    if task.mm is None:
        raise KernelError(Errno.ESRCH)
    total: dict[str, float] = dict.fromkeys(_FIELDS, 0)
    areas = list(task.mm.vm_areas())
    for area in areas:
        for name, size in _account(task.mm, area).items():
            total[name] += size
    start = areas[0].start if areas else 0
    end = areas[-1].end if areas else 0
    head = f"{start:08x}-{end:08x} ---p 00000000 00:00 0 ".ljust(73) + "[rollup]\n"
    return (head + _lines(total)).encode()


def children(task: Task) -> bytes:
    """/proc/PID/task/TID/children: of the first thread, all of the process."""
    if task.pid != task.tgid:
        return b""
    return b"".join(b"%d " % child.pid for child in task.group.children)


FILES: dict[bytes, tuple[int, Callable[[Task], bytes]]] = {
    b"smaps": (0o444, smaps),
    b"smaps_rollup": (0o444, smaps_rollup),
    b"children": (0o444, children),
}
