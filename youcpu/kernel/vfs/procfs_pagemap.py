"""/proc/PID/pagemap: fs/proc/task_mmu.c pagemap_read(), pte_to_pagemap_entry().

A quadword a page of the address space, at offset address / 4096 * 8
(Documentation/admin-guide/mm/pagemap.rst):

     63      62      61   60..57 56     55..................................0
    +-------+-------+----+------+------+-------------------------------------+
    |present|swapped|file| zero |mapped| frame, or swap type (4..0), offset  |
    |       |       |    |      |once  |                                     |
    +-------+-------+----+------+------+-------------------------------------+

Frames are for CAP_SYS_ADMIN only (since 4.2). This kernel tracks no soft-dirty bits (55).
"""

from __future__ import annotations

import stat
from array import array
from typing import TYPE_CHECKING

from youcpu.abi.errno import Errno
from youcpu.abi.pte import decode_swap
from youcpu.hardware.memory import PAGE_SHIFT
from youcpu.kernel.errors import KernelError
from youcpu.kernel.mm.mm import TASK_SIZE
from youcpu.kernel.mm.page_table import entry_frame
from youcpu.kernel.vfs.file import File
from youcpu.kernel.vfs.inode import Inode

if TYPE_CHECKING:
    from youcpu.kernel.mm.mm import MM
    from youcpu.kernel.task import Task
    from youcpu.kernel.vfs.dcache import Dentry
    from youcpu.kernel.vfs.super import SuperBlock

PM_PRESENT, PM_SWAP, PM_FILE, PM_MMAP_EXCLUSIVE = 1 << 63, 1 << 62, 1 << 61, 1 << 56
ENTRY_BYTES = 8
CAP_SYS_ADMIN = 21
MAX_SWAPFILES_SHIFT = 5
#: The end of the file: a page beyond the last user page there is nothing.
_END = (TASK_SIZE >> PAGE_SHIFT) * ENTRY_BYTES + ENTRY_BYTES


class PagemapInode(Inode):
    """The file's name in the directory of a process."""

    __slots__ = ("task",)

    def __init__(self, sb: SuperBlock, task: Task) -> None:
        super().__init__(sb, sb.new_ino(), stat.S_IFREG | 0o400)
        self.task = task

    def open(self, dentry: Dentry, flags: int, task: Task) -> File:
        return PagemapFile(dentry, flags, task.cred.capable(CAP_SYS_ADMIN))


class PagemapFile(File):
    """An open pagemap; who opened it decides whether frames show."""

    __slots__ = ("show_frames",)
    inode: PagemapInode

    def __init__(self, dentry: Dentry, flags: int, show_frames: bool) -> None:
        super().__init__(dentry, flags)
        self.show_frames = show_frames

    def pread(self, count: int, offset: int) -> bytes:
        if offset % ENTRY_BYTES or count % ENTRY_BYTES:
            raise KernelError(Errno.EINVAL)
        mm = self.inode.task.mm
        count = min(count, _END - offset)
        if mm is None or count <= 0:
            return b""
        start = offset // ENTRY_BYTES << PAGE_SHIFT
        return pagemap(mm, start, start + (count // ENTRY_BYTES << PAGE_SHIFT), self.show_frames)

    def seek(self, offset: int, whence: int) -> int:
        if whence not in (0, 1):
            raise KernelError(Errno.EINVAL)
        return self._seek_to(self._target(offset, whence, 0))


def pagemap(mm: MM, start: int, end: int, show_frames: bool) -> bytes:
    """The words of the pages in [start, end)."""
    words = array("Q", bytes((end - start >> PAGE_SHIFT) * ENTRY_BYTES))
    for area in mm.areas.overlapping(start, end):
        mapping = area.file.inode.mapping if area.file is not None else None
        first, last = max(start, area.start), min(end, area.end)
        for address, _, entry in mm.page_table.entries(first, last):
            frame = entry_frame(entry)
            if not frame:
                word = PM_SWAP | decode_swap(entry) << MAX_SWAPFILES_SHIFT
            else:
                word = PM_PRESENT | (frame if show_frames else 0)
                users = mm.frames.count(frame)
                if mapping is not None and mapping.pages.get(area.page_index(address)) == frame:
                    word |= PM_FILE
                    users -= 1
                if users == 1 and frame != mm.zero_frame:
                    word |= PM_MMAP_EXCLUSIVE
            words[address - start >> PAGE_SHIFT] = word
    return words.tobytes()
