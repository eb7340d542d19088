"""Address spaces in /proc: fs/proc/task_mmu.c."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from youcpu.kernel.mm.page_table import entry_frame
from youcpu.kernel.mm.vm_area import (
    VM_EXEC,
    VM_GROWSDOWN,
    VM_MAYSHARE,
    VM_READ,
    VM_SHARED,
    VM_WRITE,
)
from youcpu.kernel.vsyscall import MAPS_LINE

if TYPE_CHECKING:
    from youcpu.kernel.mm.vm_area import VmArea
    from youcpu.kernel.task import Task

#: seq_setwidth(m, 25 + sizeof(void *) * 6 - 1), and a blank.
_NAME_COLUMN = 73


def maps(task: Task) -> bytes:
    """/proc/PID/maps."""
    if task.mm is None:
        return b""
    lines = [map_line(task, area) for area in task.mm.vm_areas()]
    return b"".join([*lines, MAPS_LINE])


def map_line(task: Task, area: VmArea) -> bytes:
    """One line: range, rights, offset, device, inode and name."""
    rights = map_rights(area)
    offset = major = minor = ino = 0
    name = task.mm.area_name(area).encode()
    if area.file is not None:
        offset = area.pgoff << 12
        kstat = area.file.inode
        dev = kstat.dev()
        major, minor, ino = os.major(dev), os.minor(dev), kstat.ino
        name = area.file.path(task.fs.root).replace(b"\n", b"\\012")
    line = (
        f"{area.start:08x}-{area.end:08x} {rights} {offset:08x} {major:02x}:{minor:02x} {ino} "
    ).encode()
    return (line.ljust(_NAME_COLUMN) + name if name else line) + b"\n"


def map_rights(area: VmArea) -> str:
    """`r-xp`."""
    flags = area.flags
    return (
        ("r" if flags & VM_READ else "-")
        + ("w" if flags & VM_WRITE else "-")
        + ("x" if flags & VM_EXEC else "-")
        + ("s" if flags & (VM_SHARED | VM_MAYSHARE) & VM_MAYSHARE else "p")
    )


def counts(task: Task) -> dict[str, int]:
    """Pages of an address space: size, resident, shared, text, data, stack, lib, swap."""
    names = ("size", "resident", "shared", "text", "data", "stack", "lib", "swap")
    found = dict.fromkeys(names, 0)
    mm = task.mm
    if mm is None:
        return found
    for area in mm.vm_areas():
        pages = (area.end - area.start) >> 12
        found["size"] += pages
        there = [bool(entry_frame(e)) for *_, e in mm.page_table.entries(area.start, area.end)]
        resident = sum(there)
        found["resident"] += resident
        found["swap"] += len(there) - resident
        if area.file is not None:
            found["shared"] += resident
        if area.flags & VM_GROWSDOWN:
            found["stack"] += pages
        elif area.flags & VM_EXEC and area.file is not None:
            found["lib"] += pages
        elif area.flags & VM_WRITE:
            found["data"] += pages
    found["text"] = max(0, (mm.end_code - mm.start_code + 4095) >> 12)
    found["lib"] = max(0, found["lib"] - found["text"])
    return found
