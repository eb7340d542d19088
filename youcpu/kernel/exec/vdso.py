"""The vDSO and its data: arch/x86/entry/vdso/vma.c. Source of the image: fixtures/vdso/.

    [vvar]         four pages, of which the first has data    r--
    [vvar_vclock]  two pages of paravirtual clocks, none here r--
    [vdso]         the image, two pages                       r-x

RDTSC gives the monotonic clock in ns (kernel/clock.py); the first quadword of [vvar] is what
the wall clock adds to it, the second the counter's mask, as struct vdso_clock has one. So a
program tells the time without a system call, and two runs still tell the same.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from youcpu.hardware.memory import PAGE_SHIFT, PAGE_SIZE
from youcpu.kernel.mm.mmap import MAY_ALL, get_unmapped_area
from youcpu.kernel.mm.page_cache import AddressSpace
from youcpu.kernel.mm.vm_area import (
    VM_DONTDUMP,
    VM_DONTEXPAND,
    VM_EXEC,
    VM_IO,
    VM_MAYREAD,
    VM_PFNMAP,
    VM_READ,
    VmArea,
)

if TYPE_CHECKING:
    from youcpu.hardware.memory import FrameAllocator
    from youcpu.kernel.clock import Clock
    from youcpu.kernel.mm.mm import MM

IMAGE = os.path.join(os.path.dirname(__file__), "linux-vdso.so.1")
VVAR_PAGES, VCLOCK_PAGES, IMAGE_PAGES = 4, 2, 2
_IMAGE_FLAGS = VM_READ | VM_EXEC | MAY_ALL | VM_DONTEXPAND
_DATA_FLAGS = VM_READ | VM_MAYREAD | VM_DONTEXPAND | VM_IO | VM_PFNMAP | VM_DONTDUMP


class Vdso:
    """Frames of the image and of its data, the same in every address space."""

    def __init__(self, frames: FrameAllocator, clock: Clock) -> None:
        self.clock = clock
        self._ram = frames.ram
        self._image = AddressSpace(frames)
        self._data = AddressSpace(frames)
        self._nothing = AddressSpace(frames)

    def _load(self) -> None:
        with open(IMAGE, "rb") as file:
            content = file.read()
        for index in range(IMAGE_PAGES):
            part = content[index << PAGE_SHIFT : (index + 1) << PAGE_SHIFT]
            start = self._image.frame(index) << PAGE_SHIFT
            self._ram.bytes[start : start + len(part)] = part
        frame = self._data.frame(0)
        # CLOCKSOURCE_MASK(64)
        self._ram.quads[(frame << PAGE_SHIFT >> 3) + 1] = (1 << 64) - 1
        self.update()

    def update(self) -> None:
        """The wall clock was set: update_vsyscall()."""
        frame = self._data.pages.get(0)
        if frame is not None:
            offset = self.clock.boot_realtime_ns & (1 << 64) - 1
            self._ram.quads[frame << PAGE_SHIFT >> 3] = offset

    def map(self, mm: MM) -> int:
        """map_vdso(): below what is mapped already; address of the image. Raises ENOMEM."""
        if not self._image.pages:
            self._load()
        pages = VVAR_PAGES + VCLOCK_PAGES + IMAGE_PAGES
        start = get_unmapped_area(mm, 0, pages * PAGE_SIZE, 0)
        for name, count, flags, content in (
            ("[vvar]", VVAR_PAGES, _DATA_FLAGS, self._data),
            ("[vvar_vclock]", VCLOCK_PAGES, _DATA_FLAGS, self._nothing),
            ("[vdso]", IMAGE_PAGES, _IMAGE_FLAGS, self._image),
        ):
            end = start + count * PAGE_SIZE
            mm.add_area(VmArea(start, end, flags, 0, None, name, special=content))
            start = end
        return start - IMAGE_PAGES * PAGE_SIZE
