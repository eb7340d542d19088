"""The kernel proper, an ELF file: what arch/x86/boot/compressed/misc.c does with it.

    +----------------------+--------------------------------------------------------+
    | ELF: its PT_LOADs    | 0 64-bit ... 0 32-bit inverse ... 0 32-bit relocations  |
    +----------------------+--------------------------------------------------------+

The relocations are there where the kernel can be moved (CONFIG_X86_NEED_RELOCS), read from the
end backwards: the low 32 bits of addresses that hold an address.
"""

from __future__ import annotations

from array import array
from struct import Struct, error
from typing import Final

from youcpu.abi.elf_machines import MACHINES
from youcpu.formats.errors import FormatError
from youcpu.record import record

START_KERNEL_MAP: Final = 0xFFFF_FFFF_8000_0000
EM_X86_64: Final = 62
PT_LOAD, PT_NOTE = 1, 4
_EHDR: Final = Struct("<16sHHIQQQIHHHHHH")
_PHDR: Final = Struct("<IIQQQQQQ")
_U32: Final = Struct("<I")
_U64: Final = Struct("<Q")
#: A kernel is loaded within the first 64 TiB (46 bits), and is not larger than 1 GiB.
_MAX_PHYSICAL: Final = 1 << 46
_MAX_MEMORY: Final = 1 << 30


@record(frozen=True)
class LoadSegment:
    """A PT_LOAD: `data` at physical address `paddr`, zeroes up to `memsz`."""

    vaddr: int
    paddr: int
    flags: int
    data: memoryview
    memsz: int


@record(frozen=True)
class Vmlinux:
    """A kernel to be entered at the physical address `entry` (startup_64)."""

    #: The ELF file alone.
    elf: memoryview
    entry: int
    segments: list[LoadSegment]
    #: The table after the ELF file; empty where the kernel cannot be moved.
    relocations: memoryview

    @property
    def start(self) -> int:
        """The lowest physical address."""
        return min(segment.paddr for segment in self.segments)

    @property
    def end(self) -> int:
        """One past the highest physical address, .bss included."""
        return max(segment.paddr + segment.memsz for segment in self.segments)

    def image(self, moved: int = 0) -> bytearray:
        """The bytes at `start`, up to the last segment's file size.

        `moved`: bytes by which the kernel's virtual addresses are shifted (KASLR: a multiple of
        2 MiB, at most 1 GiB); its physical place is the caller's choice. Raises FormatError.
        """
        start = self.start
        size = max(segment.paddr + len(segment.data) for segment in self.segments) - start
        memory = bytearray(size)
        for segment in self.segments:
            at = segment.paddr - start
            memory[at : at + len(segment.data)] = segment.data
        if moved:
            if not self.relocations:
                raise FormatError(len(self.elf), "no relocations: the kernel cannot be moved")
            # Physical and virtual addresses differ by the same in all of the image.
            relocate(memory, self.relocations, START_KERNEL_MAP + start, moved)
        return memory


def parse_vmlinux(data: bytes | memoryview) -> Vmlinux:
    """A kernel's ELF file, with what follows it. Raises FormatError."""
    image = memoryview(data)
    if bytes(image[:4]) != b"\x7fELF":
        raise FormatError(0, f"no ELF file: {bytes(image[:4]).hex()}")
    if len(image) < _EHDR.size:
        raise FormatError(len(image), "truncated: the ELF header has 64 bytes")
    _check_machine(image)
    fields = _EHDR.unpack_from(image)
    entry, phoff, shoff = fields[4:7]
    phentsize, phnum, shentsize, shnum = fields[9:13]
    if phentsize != _PHDR.size or not phnum:
        raise FormatError(54, f"{phnum} program headers of {phentsize} bytes: no kernel")
    if phoff + phnum * _PHDR.size > len(image):
        raise FormatError(len(image), f"truncated: {phnum} program headers at {phoff:#x}")
    segments, file_end = _segments(image, phoff, phnum)
    if not any(segment.paddr <= entry < segment.paddr + segment.memsz for segment in segments):
        raise FormatError(24, f"the entry {entry:#x} lies in no PT_LOAD")
    end = max(file_end, phoff + phnum * _PHDR.size, shoff + shnum * shentsize)
    end = min(end, len(image))
    rest = image[end:]
    relocations = rest if len(rest) >= 16 and not len(rest) % 4 else rest[:0]
    return Vmlinux(image[:end], entry, segments, relocations)


def _check_machine(image: memoryview) -> None:
    """Raises FormatError unless it is a linked ELF file for x86-64."""
    if image[4] != 2 or image[5] != 1:
        bits, order = {1: "32"}.get(image[4], "?"), {2: "big-endian"}.get(image[5], "little-endian")
        raise FormatError(4, f"a {bits}-bit, {order} ELF file: a kernel for x86-64 is wanted")
    kind, machine = int.from_bytes(image[16:18], "little"), int.from_bytes(image[18:20], "little")
    if machine != EM_X86_64:
        name = MACHINES.get(machine, f"machine {machine}")
        raise FormatError(18, f"an ELF file for {name}: a kernel for x86-64 is wanted")
    if kind != 2:
        what = {1: "an object file", 3: "a shared object or PIE program", 4: "a core dump"}
        raise FormatError(16, f"{what.get(kind, f'ELF type {kind}')}: a kernel is of type EXEC")


def _segments(image: memoryview, phoff: int, phnum: int) -> tuple[list[LoadSegment], int]:
    """The PT_LOADs, and where the last of their bytes ends in the file. Raises FormatError."""
    segments: list[LoadSegment] = []
    file_end = 0
    for at in range(phoff, phoff + phnum * _PHDR.size, _PHDR.size):
        kind, flags, offset, vaddr, paddr, filesz, memsz, _ = _PHDR.unpack_from(image, at)
        if kind != PT_LOAD:
            continue
        if offset + filesz > len(image):
            raise FormatError(
                len(image), f"truncated: a segment of {filesz} bytes lies at {offset:#x}"
            )
        if memsz < filesz or memsz > _MAX_MEMORY or paddr + memsz > _MAX_PHYSICAL:
            where = f"{paddr:#x}, {filesz:#x} bytes of file, {memsz:#x} of memory"
            raise FormatError(at, f"a segment that makes no sense: {where}")
        if not memsz:
            continue
        segments.append(LoadSegment(vaddr, paddr, flags, image[offset : offset + filesz], memsz))
        file_end = max(file_end, offset + filesz)
    if not segments:
        raise FormatError(phoff, "no PT_LOAD: nothing to load")
    start = min(segment.paddr for segment in segments)
    if max(segment.paddr + segment.memsz for segment in segments) - start > _MAX_MEMORY:
        raise FormatError(phoff, "segments that lie more than 1 GiB apart: no kernel")
    if START_KERNEL_MAP + segments[0].paddr != segments[0].vaddr:
        where = f"{segments[0].vaddr:#x} at physical {segments[0].paddr:#x}"
        raise FormatError(phoff, f"no Linux kernel: its first segment is linked for {where}")
    return segments, file_end


def relocate(memory: bytearray, table: memoryview, base: int, moved: int) -> None:
    """handle_relocations() of misc.c on `memory`, whose first byte is linked for address `base`.

    Raises FormatError where the table leads out of it.
    """
    words = array("I", bytes(table))
    at = len(words) - 1
    at = _shift(memory, words, at, base, _U32, moved)
    after = _shift(memory, words, at, base, _U32, -moved)
    if after < 0:
        # Since Linux 6.15 there are no inverse ones (they served zero-based per-CPU symbols):
        # what was undone was the 64-bit list.
        _shift(memory, words, at, base, _U32, moved)
        _shift(memory, words, at, base, _U64, moved)
    else:
        _shift(memory, words, after, base, _U64, moved)


def _shift(
    memory: bytearray, words: array[int], at: int, base: int, kind: Struct, moved: int
) -> int:
    """One list, from index `at` down to its 0; the index below that."""
    low = base & 0xFFFF_FFFF
    mask = (1 << (kind.size * 8)) - 1
    unpack, pack = kind.unpack_from, kind.pack_into
    try:
        while at >= 0 and (word := words[at]):
            place = word - low
            if place < 0:
                raise error
            pack(memory, place, (unpack(memory, place)[0] + moved) & mask)
            at -= 1
    except error:
        raise FormatError(0, f"a relocation leads to {words[at]:#x}, out of the kernel") from None
    return at - 1
