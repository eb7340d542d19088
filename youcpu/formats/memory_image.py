"""Physical memory that lies in a file: its pieces, and the CPUs that the file tells of."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from youcpu.formats.errors import FormatError
from youcpu.record import field, record


class FileBytes(Protocol):
    """A file's bytes by slice: memoryview, bytes, or something that reads on demand."""

    def __len__(self) -> int: ...
    def __getitem__(self, where: slice, /) -> bytes | memoryview: ...


class Segment(NamedTuple):
    """`size` bytes of physical memory from `start`, at `offset` in the file."""

    start: int
    size: int
    offset: int

    @property
    def end(self) -> int:
        return self.start + self.size


class SegmentRegister(NamedTuple):
    """A segment or table register with its hidden part; `flags`: the descriptor's high half."""

    selector: int
    limit: int  # bytes, inclusive
    flags: int
    base: int


@record(frozen=True)
class CpuState:
    """What a dump's note says of one CPU."""

    index: int
    rip: int
    rsp: int
    rflags: int
    cs: int  # selector; its low two bits are the ring
    cr0: int
    cr2: int
    cr3: int
    cr4: int
    #: "cs" to "ss", "ldt", "tr", "gdt", "idt".
    segments: dict[str, SegmentRegister] = field(default_factory=dict)


@record
class MemoryImage:
    """A memory dump. `damage` names what was wrong with it and how far it is still of use."""

    format: str
    data: FileBytes
    segments: list[Segment]  # sorted, without overlap
    cpus: list[CpuState] = field(default_factory=list)
    machine: int | None = None  # ELF's e_machine: EM_X86_64 or EM_386
    vmcoreinfo: dict[str, str] = field(default_factory=dict)
    damage: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._starts: list[int] = [segment.start for segment in self.segments]

    @property
    def present_bytes(self) -> int:
        """Bytes of physical memory that the file holds."""
        return sum(segment.size for segment in self.segments)

    def read(self, address: int, size: int) -> bytes | memoryview | None:
        """`size` bytes from physical `address`, None unless the file holds all of them."""
        index = bisect_right(self._starts, address) - 1
        if index < 0:
            return None
        start, length, offset = self.segments[index]
        within = address - start
        if within + size <= length:
            return self.data[offset + within : offset + within + size]
        return self._read_across(index, address, size)

    def _read_across(self, index: int, address: int, size: int) -> bytes | None:
        """Bytes that lie in several segments, if these join without a gap."""
        pieces = []
        while size:
            if index == len(self.segments):
                return None
            start, length, offset = self.segments[index]
            within = address - start
            if not 0 <= within < length:
                return None
            take = min(size, length - within)
            pieces.append(bytes(self.data[offset + within : offset + within + take]))
            address, size, index = address + take, size - take, index + 1
        return b"".join(pieces)


def fit_segments(pieces: Iterable[Segment], file_size: int, damage: list[str]) -> list[Segment]:
    """Segments sorted, cut to the file and freed of overlaps; every cut is told in `damage`."""
    result: list[Segment] = []
    for start, size, offset in sorted(pieces):
        if offset + size > file_size:
            size = max(file_size - offset, 0)
            damage.append(f"memory from {start:#x} is cut off: the file ends at {file_size:#x}")
        if start + size > 1 << 64:
            size = (1 << 64) - start
            damage.append(f"memory from {start:#x} runs past the last physical address")
        if result and start < result[-1].end:
            last = result[-1]
            if offset - start != last.offset - last.start:
                damage.append(f"two segments hold {start:#x}: the first is used")
            cut = min(last.end - start, size)
            start, size, offset = start + cut, size - cut, offset + cut
        if size:
            result.append(Segment(start, size, offset))
    return result


def raw_image(data: FileBytes) -> MemoryImage:
    """A file whose offsets are physical addresses (QEMU's `pmemsave`, VMware's .vmem)."""
    if not len(data):
        raise FormatError(0, "the file is empty")
    return MemoryImage("raw", data, [Segment(0, len(data), 0)])
