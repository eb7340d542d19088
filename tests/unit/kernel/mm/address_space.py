"""An address space on RAM of its own, without CPU, files of bytes, a task around it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from youcpu.hardware.memory import PAGE_SHIFT, PAGE_SIZE, FrameAllocator, Ram
from youcpu.kernel.mm.fault import BadAccess, handle_mm_fault
from youcpu.kernel.mm.mm import MM
from youcpu.kernel.mm.mmap import MAY_ALL, mmap_region
from youcpu.kernel.mm.page_cache import AddressSpace
from youcpu.kernel.mm.vm_area import VM_EXEC, VM_MAYSHARE, VM_READ, VM_SHARED, VM_WRITE, VmArea

BASE = 0x10000000
R, W, X, SHARED = VM_READ, VM_WRITE, VM_EXEC, VM_SHARED | VM_MAYSHARE


class ByteFile:
    """The parts of an open file that mappings use."""

    def __init__(self, frames: FrameAllocator, content: bytes) -> None:
        self.content = content
        self.refs = 1
        self.fills = 0
        self.mapping = AddressSpace(frames, self)
        self.inode = SimpleNamespace(mapping=self.mapping, size=len(content))

    def fill(self, offset: int, into: memoryview) -> int:
        self.fills += 1
        part = self.content[offset : offset + len(into)]
        into[: len(part)] = part
        return len(part)

    def mmap(self, shared: bool, writable: bool) -> None:
        """Any mapping is fine."""

    def put(self) -> None:
        self.refs -= 1


class Space:
    """One mm. Addresses of its methods are pages above BASE."""

    def __init__(self, ram_pages: int = 512) -> None:
        self.ram = Ram(ram_pages * PAGE_SIZE)
        self.frames = FrameAllocator(self.ram)
        self.zero_frame = self.frames.alloc()
        self.mm = self.new_mm()
        self.task: Any = SimpleNamespace(
            mm=self.mm,
            group=SimpleNamespace(minor_faults=0),
            kernel=SimpleNamespace(tracer=SimpleNamespace(faults=False)),
        )

    def new_mm(self) -> MM:
        return MM(self.frames, self.zero_frame, [0] * 256)

    def file(self, content: bytes) -> ByteFile:
        return ByteFile(self.frames, content)

    def map(
        self,
        page: int,
        count: int,
        rights: int = R | W,
        file: ByteFile | None = None,
        pgoff: int = 0,
    ) -> VmArea:
        flags = rights | MAY_ALL
        size = count * PAGE_SIZE
        return mmap_region(self.mm, address(page), size, flags, file, pgoff)  # type: ignore[arg-type]

    def touch(self, page: float, write: bool = False, instr: bool = False) -> str:
        """Outcome of a fault, or "SIGSEGV 1"."""
        try:
            return handle_mm_fault(self.mm, address(page), write, instr)
        except BadAccess as bad:
            return f"{bad.signal.name} {bad.code}"

    def frame(self, page: int, mm: MM | None = None) -> int:
        return (mm or self.mm).mapped_frame(address(page))

    def data(self, page: int) -> memoryview:
        """The frame that a page is mapped to."""
        start = self.frame(page) << PAGE_SHIFT
        return self.ram.bytes[start : start + PAGE_SIZE]

    def areas(self) -> list[tuple[int, int, str]]:
        """(first page, end page, rights) of each area."""
        return [
            (
                (area.start - BASE) >> PAGE_SHIFT,
                (area.end - BASE) >> PAGE_SHIFT,
                "".join(c for c, bit in (("r", R), ("w", W), ("x", X)) if area.flags & bit),
            )
            for area in self.mm.areas
        ]


def address(page: float) -> int:
    return BASE + int(page * PAGE_SIZE)
