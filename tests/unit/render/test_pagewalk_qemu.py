"""render/pagewalk_qemu: the masks and corners of QEMU 7.2's monitor that no sample shows.

Expected lines worked out from target/i386/monitor.c by hand.
"""

from __future__ import annotations

from youcpu.render.pagewalk_qemu import gva2gpa_line, info_mem_lines, info_tlb_lines
from youcpu.render.pagewalk_view import RangeRow, page_size_text, size_text

NX = 1 << 63


def tlb(address: int, entry: int, size: int, mode: str) -> str:
    (line,) = info_tlb_lines([(address, entry, size, 0)], mode)
    return line


def test_pae_lets_nx_and_bit_20_through() -> None:
    assert tlb(0xC0001000, NX | 0x5163, 4096, "PAE") == (
        "00000000c0001000: 8000000000005000 XG-DA---W"
    )
    assert tlb(0xC0200000, 0x3001E7, 2 << 20, "PAE") == (
        "00000000c0200000: 0000000000300000 -GPDA--UW"
    )


def test_32_bit_4_mib_keeps_bit_21_and_no_pse36() -> None:
    assert tlb(0xC0000000, 0x006001E7, 4 << 20, "32-bit") == (
        "00000000c0000000: 0000000000600000 -GPDA--UW"
    )
    assert tlb(0xC0000000, 0x0041E0E7, 4 << 20, "32-bit") == (
        "00000000c0000000: 0000000000400000 --PDA--UW"
    )


def test_1_gib() -> None:
    assert tlb(0xFFFF888000000000, NX | 0x1C00011E3, 1 << 30, "4-level") == (
        "ffff888000000000: 00000001c0000000 XGPDA---W"
    )


def test_pat_of_a_small_page_is_not_p() -> None:
    assert tlb(0x1000, 0x50FD, 4096, "4-level") == ("0000000000001000: 0000000000005000 ---DACTU-")


def test_info_mem_knows_no_x_and_joins_across_the_hole() -> None:
    rows = [
        RangeRow(0x1000, 0x1000, "ur-x", ""),
        RangeRow(0x2000, 0x1000, "ur--", ""),
        RangeRow(0x7FFFFFFFF000, 0x1000, "-rw-", ""),
        RangeRow(0xFFFF800000000000, 0x1000, "-rwx", ""),
        RangeRow(0xFFFFFFFFFFFFF000, 0x1000, "-r--", ""),
    ]
    assert list(info_mem_lines(rows, 48)) == [
        "0000000000001000-0000000000003000 0000000000002000 ur-",
        "00007ffffffff000-ffff800000001000 0000000000002000 -rw",
        "fffffffffffff000-0001000000000000 0000000000001000 -r-",
    ]
    assert list(info_mem_lines([RangeRow(0xFFFFF000, 0x1000, "ur-x", "")], 32)) == [
        "00000000fffff000-0000000100000000 0000000000001000 ur-"
    ]


def test_gva2gpa() -> None:
    assert gva2gpa_line(None) == "Unmapped"
    assert gva2gpa_line(0) == "gpa: 0"
    assert gva2gpa_line(0x1234) == "gpa: 0x1234"


def test_sizes() -> None:
    assert [size_text(size) for size in (0, 1, 4096, 3 << 20, 1 << 40, 5120)] == [
        "0", "1", "4K", "3M", "1T", "5K",
    ]  # fmt: skip
    assert page_size_text(1 << 30) == "1 GiB"
    assert page_size_text(7) == "7 bytes"
