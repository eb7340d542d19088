"""formats/: ELF cores, LiME and raw images, built by hand after their specifications."""

from __future__ import annotations

import struct

import pytest

from youcpu.formats.core_dump import kernel_page_table, parse_core
from youcpu.formats.dump import parse_dump
from youcpu.formats.errors import FormatError
from youcpu.formats.memory_image import MemoryImage, Segment, fit_segments

PT_LOAD, PT_NOTE = 1, 4


def note(name: bytes, kind: int, data: bytes) -> bytes:
    padded = name + b"\0" * (-len(name) % 4)
    return (
        struct.pack("<III", len(name), len(data), kind) + padded + data + b"\0" * (-len(data) % 4)
    )


def qemu_note(cr3: int, cr4: int = 0x6B0, version: int = 1) -> bytes:
    registers = struct.pack("<18Q", *range(100, 118))
    segments = struct.pack("<IIIIQ", 0x33, 0, 0, 0, 0) + bytes(9 * 24)
    control = struct.pack("<5Q", 0x80050033, 0, 0x1234, cr3, cr4)
    return note(
        b"QEMU\0", 0, struct.pack("<II", version, 440) + registers + segments + control + bytes(8)
    )


def core(
    loads: list[tuple[int, bytes]], notes: bytes = b"", wide: bool = True, machine: int = 62
) -> bytes:
    """An ELF core; `loads` are (physical address, bytes)."""
    header, entry = (64, 56) if wide else (52, 32)
    count = len(loads) + 1
    position = header + count * entry
    rows = [(PT_NOTE, position, 0, len(notes))]
    body = notes
    for paddr, data in loads:
        rows.append((PT_LOAD, position + len(body), paddr, len(data)))
        body += data
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1, 1]) + bytes(9)
    layout = "<HHIQQQIHHHHHH" if wide else "<HHIIIIIHHHHHH"
    result = ident + struct.pack(
        layout, 4, machine, 1, 0, header, 0, 0, header, entry, count, 0, 0, 0
    )
    for kind, offset, paddr, size in rows:
        if wide:
            result += struct.pack("<IIQQQQQQ", kind, 0, offset, 0, paddr, size, size, 0)
        else:
            result += struct.pack("<IIIIIIII", kind, offset, 0, paddr, size, size, 0, 0)
    return result + body


def read(image: MemoryImage, address: int, size: int) -> bytes | None:
    data = image.read(address, size)
    return None if data is None else bytes(data)


@pytest.mark.parametrize("wide", [True, False])
def test_core(wide: bool) -> None:
    data = core(
        [(0x1000, b"a" * 4096), (0x2000, b"b" * 4096), (0x8000, b"c" * 16)],
        qemu_note(0x1000) + qemu_note(0x2000),
        wide,
        62 if wide else 3,
    )
    image = parse_dump(data)
    assert [cpu.cr3 for cpu in image.cpus] == [0x1000, 0x2000]
    assert image.cpus[0].rip == 116
    assert image.cpus[0].rsp == 106
    assert image.cpus[0].cs == 0x33
    assert image.cpus[1].cr4 == 0x6B0
    assert image.present_bytes == 8208
    assert not image.damage
    assert read(image, 0x1FFE, 4) == b"aabb"
    assert read(image, 0x800F, 2) is None
    assert read(image, 0x2FFF, 2) is None
    assert read(image, 0x5000, 1) is None
    assert read(image, 0, 1) is None


def test_many_small_segments_join() -> None:
    image = parse_core(core([(0x1000 + number, bytes([number & 255])) for number in range(3000)]))
    assert read(image, 0x1000, 3000) == bytes(number & 255 for number in range(3000))


def test_truncated_and_overlapping_segments_are_damage() -> None:
    whole = core([(0x1000, b"a" * 4096), (0x1800, b"b" * 4096)])
    image = parse_core(whole[:-100])
    assert read(image, 0x17FF, 2) == b"aa"
    assert read(image, 0x1FFF, 2) == b"ab"
    assert read(image, 0x2800 - 100, 1) is None
    assert len(image.damage) == 2
    assert "cut off" in " ".join(image.damage)
    assert "two segments" in " ".join(image.damage)


def test_the_same_bytes_twice_are_no_damage() -> None:
    """QEMU's dump-guest-memory -p names one piece of memory for each virtual mapping."""
    damage: list[str] = []
    pieces = [Segment(0x1000, 0x3000, 0x500), Segment(0x2000, 0x1000, 0x1500)]
    assert fit_segments(pieces, 1 << 20, damage) == [Segment(0x1000, 0x3000, 0x500)]
    assert damage == []


def test_kcore_pieces_without_physical_address_are_left_out() -> None:
    image = parse_core(core([((1 << 64) - 1, b"x" * 4096), (0x1000, b"a" * 4096)]))
    assert image.segments == [Segment(0x1000, 4096, image.segments[0].offset)]


def test_vmcoreinfo_names_the_kernel_table() -> None:
    text = (
        b"OSRELEASE=6.1.0\nSYMBOL(init_top_pgt)=ffffffff82a10000\nNUMBER(phys_base)=-16777216\n"
        b"NUMBER(pgtable_l5_enabled)=1\n"
    )
    image = parse_core(core([(0x1000, b"a" * 4096)], note(b"VMCOREINFO\0", 0, text)))
    assert kernel_page_table(image.vmcoreinfo) == (0x2A10000 - 0x1000000, True)
    assert kernel_page_table({}) is None
    assert kernel_page_table({"SYMBOL(init_top_pgt)": "zz", "NUMBER(phys_base)": "0"}) is None


GOOD = core([(0x1000, b"a" * 64)], qemu_note(0x1000))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (GOOD[:10], "ELF class|cut off|not ELF"),
        (GOOD[:40], "ELF header is cut off"),
        (GOOD[:100], "program headers are cut off"),
        (GOOD[:4] + b"\x05" + GOOD[5:], "class"),
        (GOOD[:5] + b"\x02" + GOOD[6:], "little-endian"),
        (GOOD[:16] + b"\x02" + GOOD[17:], "not a core"),
        (GOOD[:18] + b"\xb7" + GOOD[19:], "not an x86 core"),
        (GOOD[:54] + b"\x20" + GOOD[55:], "e_phentsize"),
        (core([]), "without memory"),
        (core([(0, b"a"), (0, b"b")]), "process's core"),
        (b"", "empty"),
        (b"KDUMP   rest", "makedumpfile -E"),
        (b"EMiL" + bytes(10), "LiME header is cut off"),
        (struct.pack("<4sIQQ8x", b"EMiL", 2, 0, 9) + bytes(10), "version 2"),
        (struct.pack("<4sIQQ8x", b"EMiL", 1, 9, 0) + bytes(10), "ends before"),
    ],
)
def test_format_errors(data: bytes, reason: str) -> None:
    with pytest.raises(FormatError, match=reason) as caught:
        parse_dump(data)
    assert str(caught.value).startswith("offset 0x")


def test_bad_notes_are_damage() -> None:
    for notes, damage in (
        (qemu_note(1, version=7), "version 7"),
        (note(b"QEMU\0", 0, bytes(40)), "too short"),
        (qemu_note(1)[:100], "runs past"),
    ):
        image = parse_core(core([(0x1000, b"a" * 64)], notes))
        assert image.cpus == []
        assert damage in image.damage[0]


def test_lime() -> None:
    data = b"".join(
        struct.pack("<4sIQQ8x", b"EMiL", 1, start, start + len(text) - 1) + text
        for start, text in ((0x1000, b"a" * 4096), (0x9000, b"b" * 100))
    )
    image = parse_dump(data)
    assert image.format == "LiME"
    assert read(image, 0x1FFF, 1) == b"a"
    assert read(image, 0x9063, 1) == b"b"
    assert read(image, 0x9064, 1) is None
    assert not image.damage
    assert "no LiME header" in parse_dump(data + b"x" * 40).damage[0]
    assert "cut off" in parse_dump(data[:-1]).damage[0]


def test_raw() -> None:
    image = parse_dump(b"z" * 8192)
    assert (image.format, read(image, 8191, 1), read(image, 8191, 2)) == ("raw", b"z", None)


def with_paging(notes: bytes) -> bytes:
    """A core as `dump-guest-memory -p` writes it: two blocks in the file, 0 to 0x2000 and 0x8000
    to 0xc000; one run of addresses over both, cut at the end of its block, one in the second."""
    blocks = bytes(0x1000) + b"a" * 0x1000 + b"b" * 0x1000 + b"c" * 0x1000 + bytes(0x2000)
    named = core([(0, b""), (0xA000, b"")], notes)
    start = len(named)
    rows = [(0, start, 0x2000, 0x6000), (0xA000, start + 0x4000, 0x1000, 0x1000)]
    image = bytearray(named)
    for number, (paddr, offset, filesz, memsz) in enumerate(rows, 1):
        where = 64 + number * 56
        struct.pack_into("<IIQQQQQQ", image, where, 1, 0, offset, 0, paddr, filesz, memsz, 0)
    return bytes(image) + blocks


def test_blocks_that_qemu_wrote_without_naming_them() -> None:
    image = parse_core(with_paging(qemu_note(0x1000)))
    assert [segment[:2] for segment in image.segments] == [(0, 0x2000), (0x8000, 0x3000)]
    assert read(image, 0x8000, 2) == b"bb"
    assert read(image, 0x9000, 2) == b"cc"
    assert not image.damage
    # Without QEMU's notes a short segment is what it says: the rest is not in the file.
    assert read(parse_core(with_paging(b"")), 0x8000, 2) is None
