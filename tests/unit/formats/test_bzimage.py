"""The x86 boot protocol's images, their payloads and the kernels in them."""

from __future__ import annotations

import struct

import pytest
from kernel_files import COMPRESSIONS, TEXT, bzimage, payload, relocation_table, vmlinux

from youcpu.formats.bzimage import parse_bzimage
from youcpu.formats.errors import FormatError
from youcpu.formats.kernel_payload import MissingLibrary, decompress_payload, payload_kind
from youcpu.formats.vmlinux import START_KERNEL_MAP, parse_vmlinux

PLAIN = vmlinux()


@pytest.mark.parametrize("kind", COMPRESSIONS)
def test_each_compression(kind: str) -> None:
    image = parse_bzimage(bzimage(payload(PLAIN, kind)))
    assert payload_kind(image.payload) == kind
    assert decompress_payload(image.payload, image.payload_position) == PLAIN
    assert image.kernel_version == "9.9.9-test (builder) #"
    assert image.header_bytes[0x202 - 0x1F1 :][:4] == b"HdrS"
    assert len(image.header_bytes) == 0x26C - 0x1F1


def test_no_compression() -> None:
    image = parse_bzimage(bzimage(PLAIN))
    assert decompress_payload(image.payload) == PLAIN


def test_setup_sects_zero_means_four() -> None:
    image = parse_bzimage(bzimage(payload(PLAIN, "gzip"), setup_sects=4, said=0))
    assert image.header.setup_sects == 4
    assert decompress_payload(image.payload) == PLAIN


def test_fields_of_a_later_version_have_defaults() -> None:
    image = parse_bzimage(bzimage(payload(PLAIN, "gzip"), version=0x20C, kernel_version=0))
    assert image.header.kernel_info_offset == 0
    assert image.kernel_version is None
    assert "KERNEL_64" in image.header.xlf_names


def refused(data: bytes) -> str:
    try:
        image = parse_bzimage(data)
        parse_vmlinux(decompress_payload(image.payload, image.payload_position))
    except FormatError as error:
        return error.reason
    return "taken"


WHOLE = bzimage(payload(PLAIN, "gzip"))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "an empty file"),
        (b"\x7f" * 100, "no kernel image"),
        (WHOLE[:0x200], "truncated"),
        (WHOLE[:0x240], "truncated: the setup header"),
        (WHOLE[:0x500], "truncated: the setup has 4 sectors"),
        (WHOLE[:-64], "truncated: the protected-mode kernel"),
        (WHOLE.replace(b"\x55\xaa", b"\0\0", 1), "55 aa"),
        (WHOLE.replace(b"HdrS", b"Hdrs"), "no HdrS"),
        (bzimage(b"x" * 64, xloadflags=0), "a 32-bit kernel"),
        (bzimage(b"x" * 64, version=0x207), "a 32-bit kernel"),
        (bzimage(b"x" * 64, version=0x100), "boot protocol 1.00"),
        (bzimage(b"x" * 64, loadflags=0), "a zImage"),
        (bzimage(b"x" * 64, payload_length=0), "no compressed kernel"),
        (bzimage(b"x" * 64, payload_length=0xFFFFFF), "the payload ends at"),
        (bzimage(b"x" * 64), "no known compression"),
        (bzimage(b"x" * 64, kernel_alignment=3), "kernel_alignment"),
        (bzimage(b"x" * 64, pref_address=0x123), "pref_address"),
        (bytes(0x38) + b"ARM\x64" + bytes(512), "an arm64 Image: a kernel for another machine"),
        (bytes(0x24) + b"\x18\x28\x6f\x01" + bytes(512), "an ARM zImage"),
        (bytes(0x30) + b"RISCV\0\0\0" + bytes(512), "a RISC-V Image"),
        (b"\x27\x05\x19\x56" + bytes(600), "U-Boot"),
        (b"MZ\0\0zimg".ljust(700, b"\0"), "EFI zboot"),
        (bzimage(payload(vmlinux(machine=183), "gzip")), "AArch64"),
        (bzimage(payload(b"\x7fELF" + bytes(100), "xz")), "ELF"),
        (bzimage(payload(PLAIN[:3000], "xz")), "truncated: a segment"),
    ],
)
def test_what_is_wrong_is_said(data: bytes, reason: str) -> None:
    assert reason in refused(data)


@pytest.mark.parametrize("machine", [(0xAA64, "arm64"), (0x8664, "x86-64")])
def test_an_efi_program(machine: tuple[int, str]) -> None:
    number, name = machine
    data = bytearray(0x400)
    data[:2], data[0x3C], data[0x80:0x84] = b"MZ", 0x80, b"PE\0\0"
    data[0x84:0x86] = number.to_bytes(2, "little")
    assert f"an EFI program for {name}" in refused(bytes(data))


@pytest.mark.parametrize("kind", COMPRESSIONS)
def test_damaged_and_lying_payloads(kind: str) -> None:
    whole = payload(PLAIN, kind)
    middle = len(whole) // 2
    for bad in (
        whole[: middle - 8] + bytes(byte ^ 0x5A for byte in whole[middle - 8 : middle + 8])
        + whole[middle + 8 :],
        whole[:middle] + whole[-4:],
        whole[:-4] + (len(PLAIN) + 1).to_bytes(4, "little"),
        whole[:-4] + (len(PLAIN) - 1).to_bytes(4, "little"),
        whole[:-4] + b"\xff\xff\xff\xff",
        whole[:-4] + bytes(4),
    ):  # fmt: skip
        with pytest.raises(FormatError):
            decompress_payload(bad)


@pytest.mark.parametrize("kind", COMPRESSIONS)
def test_a_bomb_stops_at_its_promise(kind: str) -> None:
    import tracemalloc

    bomb = COMPRESSIONS[kind](bytes(20 << 20)) + (1 << 20).to_bytes(4, "little")
    tracemalloc.start()
    with pytest.raises(FormatError):
        decompress_payload(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 17 << 20  # two blocks of lz4


def test_lzo_is_named() -> None:
    with pytest.raises(MissingLibrary, match="LZO"):
        decompress_payload(b"\x89LZO\0\r\n\x1a\n" + bytes(8) + b"\0\1\0\0")


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    packed = payload(PLAIN, "lz4")
    monkeypatch.setitem(sys.modules, "lz4.block", None)
    with pytest.raises(MissingLibrary, match="pip install"):
        decompress_payload(packed)


def test_segments() -> None:
    kernel = parse_vmlinux(PLAIN)
    assert kernel.entry == kernel.start == TEXT
    assert kernel.end == TEXT + 0x2800
    assert kernel.image()[0x2000:0x2008] == b"datadata"


@pytest.mark.parametrize("inverse", [None, [START_KERNEL_MAP + TEXT + 0x30]])
def test_relocations(inverse: list[int] | None) -> None:
    text = bytearray(0x1000)
    high = START_KERNEL_MAP
    struct.pack_into("<QI", text, 0x10, high + TEXT + 0x800, 0x81000900)
    struct.pack_into("<I", text, 0x30, 5)
    table = relocation_table([high + TEXT + 0x10], inverse, [high + TEXT + 0x18])
    kernel = parse_vmlinux(vmlinux(bytes(text), table))
    moved = kernel.image(0x4000000)
    assert struct.unpack_from("<QI", moved, 0x10) == (high + TEXT + 0x4000800, 0x85000900)
    there = struct.unpack_from("<I", moved, 0x30)[0]
    assert there == (5 if inverse is None else (5 - 0x4000000) & 0xFFFF_FFFF)
    with pytest.raises(FormatError, match="no relocations"):
        parse_vmlinux(PLAIN).image(0x200000)
    astray = parse_vmlinux(vmlinux(bytes(text), relocation_table([], [], [0x7FFFFFFF])))
    with pytest.raises(FormatError, match="out of the kernel"):
        astray.image(0x200000)
