"""Program headers: where the dynamic section and the interpreter are, which sections lie where.

The checks and the choice of the dynamic section follow GNU readelf's process_program_headers.
"""

from __future__ import annotations

from youcpu.abi import elf as abi
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.image import c_string
from youcpu.formats.elf.structures import Section, Segment

ONLY_ALLOCATED = (
    abi.PT_LOAD,
    abi.PT_DYNAMIC,
    abi.PT_GNU_EH_FRAME,
    abi.PT_GNU_STACK,
    abi.PT_GNU_RELRO,
    abi.PT_GNU_SFRAME,
)
WITH_TLS = (abi.PT_TLS, abi.PT_GNU_RELRO, abi.PT_LOAD)


def scan_segments(elf: ElfFile) -> dict[int, str]:
    """Check the segments and take note of the dynamic section; interpreters by segment number.

    To be called once, after `load_sections`; without program headers there is no dynamic section.
    """
    header, image = elf.header, elf.image
    elf.dynamic_offset, elf.dynamic_size = 0, 1
    if header.phnum == 0:
        if header.phoff:
            image.warn(
                "possibly corrupt ELF header - it has a non-zero program header offset, but no"
                " program headers"
            )
        return {}
    if not elf.load_segments():
        return {}
    assert elf.segments is not None
    interpreters: dict[int, str] = {}
    offset = size = 0
    loads = 0
    for number, segment in enumerate(elf.segments):
        if segment.type == abi.PT_LOAD:
            loads += 1
            if segment.memsz < segment.filesz:
                image.error("the segment's file size is larger than its memory size")
        elif segment.type == abi.PT_PHDR:
            _check_phdr(elf, segment, number > 0 and loads > 0)
        elif segment.type == abi.PT_DYNAMIC:
            if offset:
                image.error("more than one dynamic segment")
            offset, size = _dynamic_extent(elf, segment)
        elif segment.type == abi.PT_INTERP:
            name = _interpreter(elf, segment)
            if name is not None:
                elf.interpreter = interpreters[number] = name
    elf.dynamic_offset, elf.dynamic_size = offset, size or 1
    return interpreters


def _check_phdr(elf: ElfFile, segment: Segment, late: bool) -> None:
    if late:
        elf.image.error("the PHDR segment must occur before any LOAD segment")
    assert elf.segments is not None
    for load in elf.segments[1:]:
        if (
            load.type == abi.PT_LOAD
            and load.offset <= segment.offset
            and load.offset + load.filesz >= segment.offset + segment.filesz
            and load.vaddr <= segment.vaddr
            and load.vaddr + load.filesz >= segment.vaddr + segment.filesz
        ):
            return
    elf.image.error("the PHDR segment is not covered by a LOAD segment")


def _dynamic_extent(elf: ElfFile, segment: Segment) -> tuple[int, int]:
    offset, size = segment.offset, segment.filesz
    if elf.sections is not None:
        section = elf.find_section(".dynamic")
        if section is None or section.size == 0:
            elf.image.error("no .dynamic section in the dynamic segment")
            return offset, size
        if section.type == abi.SHT_NOBITS:
            return 0, 0
        offset, size = section.offset, section.size
    if offset > elf.image.size or size > elf.image.size - offset:
        elf.image.error("the dynamic segment offset + size exceeds the size of the file")
        return 0, 0
    return offset, size


def _interpreter(elf: ElfFile, segment: Segment) -> str | None:
    image = elf.image
    if (
        segment.offset >= image.size
        or segment.filesz > image.size - segment.offset
        or segment.filesz == 0
    ):
        image.error("Unable to find program interpreter name")
        return None
    start = image.base + segment.offset
    return c_string(image.data[start : start + segment.filesz])


def sections_in(elf: ElfFile, segment: Segment) -> list[Section]:
    """The sections that lie in a segment, the first (null) section apart."""
    return [s for s in (elf.sections or [])[1:] if section_in_segment(s, segment)]


def section_in_segment(section: Section, segment: Segment) -> bool:
    """Whether a section belongs to a segment by its flags, its file offset and its address."""
    tls = bool(section.flags & abi.SHF_TLS)
    allocated = bool(section.flags & abi.SHF_ALLOC)
    nobits = section.type == abi.SHT_NOBITS
    if tls and nobits and segment.type != abi.PT_TLS:
        return False  # .tbss takes no room outside of PT_TLS
    if tls:
        if segment.type not in WITH_TLS:
            return False
    elif segment.type in (abi.PT_TLS, abi.PT_PHDR):
        return False
    if not allocated and (
        segment.type in ONLY_ALLOCATED or abi.PT_GNU_MBIND_LO <= segment.type <= abi.PT_GNU_MBIND_HI
    ):
        return False
    if not nobits and not _within(section.offset, section.size, segment.offset, segment.filesz):
        return False
    if allocated and not _within(section.addr, section.size, segment.vaddr, segment.memsz):
        return False
    return _not_at_an_edge(section, segment, nobits, allocated)


def _within(start: int, size: int, outer: int, room: int) -> bool:
    """A range in a range; one that starts at the end is out, unless the room is 0."""
    inner = start - outer
    return inner >= 0 and (room == 0 or inner <= room - 1) and inner + size <= room


def _not_at_an_edge(section: Section, segment: Segment, nobits: bool, allocated: bool) -> bool:
    """PT_DYNAMIC and PT_NOTE have no empty sections at their start or end."""
    if segment.type not in (abi.PT_DYNAMIC, abi.PT_NOTE) or section.size or not segment.memsz:
        return True
    in_file = nobits or 0 < section.offset - segment.offset < segment.filesz
    in_memory = not allocated or 0 < section.addr - segment.vaddr < segment.memsz
    return in_file and in_memory
