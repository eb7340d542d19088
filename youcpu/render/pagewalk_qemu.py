"""Page tables exactly as QEMU 7.2's monitor prints them (target/i386/monitor.c).

`info tlb` shows the leaf's own flags, `info mem` the u and w of all levels and no x,
`gva2gpa` one physical address. With 5 levels QEMU 7.2's `info mem` passes over what is there
(its test for present directories is the wrong way round): here it is what it would print.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from youcpu.render.pagewalk_view import RangeRow

# The bit and the letter of each column.
TLB_FLAGS = (
    (1 << 63, "X"),
    (1 << 8, "G"),
    (1 << 7, "P"),
    (1 << 6, "D"),
    (1 << 5, "A"),
    (1 << 4, "C"),
    (1 << 3, "T"),
    (1 << 2, "U"),
    (1 << 1, "W"),
)
LOW_MASK = 0x1FE
PAGING_OFF = "PG disabled"


def _tlb_masks(mode: str) -> tuple[int, int, int]:
    """QEMU's masks of the physical address, for 4 KiB, middle-sized and 1 GiB leaves."""
    if mode == "32-bit":
        return 0xFFFF_F000, 0xFFE0_0000, 0
    if mode == "PAE":  # these masks let NX and bit 20 through
        return 0xFFFF_FFFF_FFFF_F000, 0xFFFF_FFFF_FFF0_0000, 0
    return 0x0003_FFFF_FFFF_F000, 0x0003_FFFF_FFE0_0000, 0x0003_FFFF_C000_0000


def info_tlb_lines(leaves: Iterable[tuple[int, int, int, int]], mode: str) -> Iterator[str]:
    """Lines of `info tlb`; each leaf is (address, entry, size, ...)."""
    small, large, huge = _tlb_masks(mode)
    columns = {
        (high, low): "".join(
            letter if (low | high << 63) & bit else "-" for bit, letter in TLB_FLAGS
        )
        for high in (0, 1)
        for low in range(0, LOW_MASK + 2, 2)
    }
    for address, entry, size, _ in leaves:
        if size == 4096:
            mask, low = small, entry & LOW_MASK & ~0x80  # bit 7 is PAT there
        else:
            mask, low = huge if size == 1 << 30 else large, entry & LOW_MASK
        yield f"{address:016x}: {entry & mask:016x} {columns[entry >> 63, low]}"


def info_mem_lines(rows: Iterable[RangeRow], address_bits: int) -> Iterator[str]:
    """Lines of `info mem`: neighbours that differ in x only are one range."""
    full = (1 << address_bits) - 1
    start = end = -1
    rights = ""
    for row in rows:
        first = row.start & full
        shown = row.rights[:3]
        if first == end and shown == rights:
            end += row.size
            continue
        if rights:
            yield _info_mem_line(start, end, rights, address_bits)
        start, end, rights = first, first + row.size, shown
    if rights:
        yield _info_mem_line(start, end, rights, address_bits)


def _info_mem_line(start: int, end: int, rights: str, bits: int) -> str:
    numbers = (_sign_extended(value, bits) for value in (start, end, end - start))
    first, last, size = (f"{value:016x}" for value in numbers)
    return f"{first}-{last} {size} {rights}"


def _sign_extended(value: int, bits: int) -> int:
    """As QEMU's addr_canonical: only by the top bit, higher ones stay. Sizes pass it too."""
    if bits <= 32:
        bits = 48
    return (value | -(1 << bits)) & (1 << 64) - 1 if value >> (bits - 1) & 1 else value


def gva2gpa_line(physical: int | None) -> str:
    """The answer of `gva2gpa`."""
    if physical is None:
        return "Unmapped"
    return f"gpa: {physical:#x}" if physical else "gpa: 0"  # C's %#x gives zero no prefix
