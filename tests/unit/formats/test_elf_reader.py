"""The ELF reader's parts against hand-made bytes: bounds, strings, relocations, archives, zlib."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest

from youcpu.formats.elf import relocations
from youcpu.formats.elf.archive import Archive, decimal
from youcpu.formats.elf.compression import decompress
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.image import Image, StringTable, uleb128
from youcpu.formats.elf.properties import bit_words
from youcpu.formats.elf.segments import section_in_segment
from youcpu.formats.elf.structures import Section, Segment
from youcpu.formats.elf.symbols import read_symbols
from youcpu.formats.errors import FormatError
from youcpu.formats.identify import identify

FIXTURES = Path(__file__).parent.parent.parent.parent / "fixtures" / "elf"


def load(name: str) -> ElfFile:
    elf = ElfFile(Image(memoryview((FIXTURES / name).read_bytes())))
    elf.resolve_header()
    assert elf.load_sections()
    return elf


def test_image_reads_only_what_is_there() -> None:
    image = Image(memoryview(b"0123456789"), base=2)
    assert bytes(image.read(0, 8, "all") or b"") == b"23456789"
    assert image.read(1, 8, "too much") is None
    assert image.read(1 << 64, 1, "far away") is None
    assert image.read(0, 0, "nothing") is None
    assert len(image.diagnostics) == 2


def test_string_table_ends_names_at_nul_or_its_end() -> None:
    table = StringTable(memoryview(b"\0one\0tw\xf6"))
    assert table.at(1) == "one"
    assert table.at(5) == "tw\xf6"
    assert 8 not in table
    assert table.get(99, "none") == "none"
    assert not table.clean
    assert StringTable(memoryview(b"\0one\0")).clean


def test_uleb128_stops_at_the_end() -> None:
    assert uleb128(b"\xe5\x8e\x26", 0, 3) == (624485, 3)
    assert uleb128(b"\x80\x80", 0, 2) == (0, 2)


def test_short_files_are_format_errors() -> None:
    for size in (0, 15, 16, 63):
        with pytest.raises(FormatError):
            ElfFile(Image(memoryview(b"\x7fELF\x02\x01\x01".ljust(size, b"\0")[:size])))


def test_symbols_of_both_orders_and_classes_are_the_same() -> None:
    expected = None
    for name in ("shape-x86_64.so", "shape-i686.so", "shape-s390x.so", "shape-mips.so"):
        elf = load(name)
        section = elf.find_section(".symtab")
        assert section is not None
        table = read_symbols(elf, section)
        assert table is not None
        strings = elf.sections[section.link]  # type: ignore[index]
        names = elf.image.strings(strings.offset, strings.size, "names")
        assert names is not None
        own = {
            names.at(symbol.name): (symbol.type, symbol.binding, symbol.size)
            for symbol in table
            if names.at(symbol.name) in ("answer", "missing", "once", "per_thread")
        }
        assert len(own) == 4
        expected = expected or own
        assert own == expected, name


def test_columns_equal_rows() -> None:
    elf = load("shape-s390x.so")
    assert elf.dynamic_symbols is not None
    columns = elf.dynamic_symbols.columns(0, len(elf.dynamic_symbols))
    assert list(zip(*columns, strict=True)) == list(elf.dynamic_symbols.rows())


def test_relr_expands_bitmaps() -> None:
    elf = load("shape-x86_64.so")
    data = memoryview(struct.pack("<QQ", 0x1000, 0b1011))
    assert relocations.relr_addresses(elf, data) == [0x1000, 0x1008, 0x1018]


def test_mips64_info_is_put_in_order() -> None:
    # Symbol 5; special symbol 0; types 0x12, 0x03, 0x00 as the little-endian file has them.
    raw = int.from_bytes(bytes([5, 0, 0, 0, 0, 0, 3, 0x12]), "little")
    assert relocations.mips64_info(raw) == 5 << 32 | 3 << 8 | 0x12


def test_compressed_sections_come_out_as_they_were() -> None:
    plain = load("shape-x86_64.o")
    section = plain.find_section(".debug_shape")
    assert section is not None
    wanted = plain.image.read(section.offset, section.size, "")
    packed = load("debug-zlib.o")
    section = packed.find_section(".debug_shape")
    assert section is not None
    assert section.flags & 0x800
    data = packed.image.read(section.offset, section.size, "")
    assert data is not None
    assert decompress(packed, section, data) == wanted


def test_decompression_trusts_no_size() -> None:
    elf = load("shape-x86_64.so")
    section = Section(1, 0, 1, 0x800, 0, 0, 0, 0, 0, 0, 0)
    bomb = zlib.compress(b"\0" * 1_000_000)
    for claimed in (10, 1 << 62, 999_999, 1_000_001):
        data = memoryview(struct.pack("<IIQQ", 1, 0, claimed, 1) + bomb)
        assert decompress(elf, section, data) is None


def test_archive_members_and_index() -> None:
    archive = Archive(memoryview((FIXTURES / "shape-x86_64.a").read_bytes()))
    names = [member.name for member in archive.members()]
    assert names == ["shape-x86_64.o", "a_member_with_a_long_name.o"]
    assert ("answer") in [symbol for _, symbol in archive.index().entries]
    assert decimal(b"12a") == 12
    assert decimal(b"x") == 0


def test_archive_damage_is_a_format_error() -> None:
    data = bytearray((FIXTURES / "shape-x86_64.a").read_bytes())
    archive = Archive(memoryview(data))
    first = archive.first
    data[first + 58] = 0
    with pytest.raises(FormatError, match="valid archive header"):
        list(archive.members())


def test_empty_section_at_the_end_of_a_segment_is_not_in_it() -> None:
    segment = Segment(1, 0x1000, 0x1000, 0x1000, 0x100, 0x100, 5, 0x1000)
    inside = Section(1, 0, 1, 2, 0x1080, 0x1080, 0x80, 0, 0, 1, 0)
    at_end = inside._replace(addr=0x1100, offset=0x1100, size=0)
    assert section_in_segment(inside, segment)
    assert not section_in_segment(at_end, segment)


def test_bit_words_names_the_unknown() -> None:
    assert bit_words(0b101, {1: "one"}, "none") == "one, <unknown: 4>"
    assert bit_words(0, {1: "one"}, "none") == "none"


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b"#!/bin/sh -e\necho\n", "script", "/bin/sh"),
        (b"#!\n", "script", "names no interpreter"),
        (b"!<arch>\nrest", "archive", "ar archive"),
        (b"\xcf\xfa\xed\xfe\x0c\0\0\1\0\0\0\0\2\0\0\0" + bytes(16), "macho", "AArch64"),
        (b"\xca\xfe\xba\xbe\0\0\0\x02" + bytes(20), "macho", "2 machines"),
        (b"\xca\xfe\xba\xbe\0\0\0\x3d" + bytes(20), "class", "version 61"),
        (b"MZ" + bytes(58) + struct.pack("<I", 0x40) + b"PE\0\0\x64\x86" + bytes(18) + b"\x0b\x02"
         + bytes(70), "pe", "PE32+ executable for x86-64"),
        (b"hello world\n", "text", "without #!"),
        (b"", "empty", "empty"),
        (bytes(range(256)), "data", "no known"),
    ],
)  # fmt: skip
def test_what_is_no_elf_file(data: bytes, kind: str, words: str) -> None:
    found = identify(data)
    assert found.kind == kind
    assert words in found.line
