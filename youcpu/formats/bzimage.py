"""Kernel images of x86: the setup header of Documentation/arch/x86/boot.rst, 2.00 to 2.15.

0       0x1f1             0x202+n           (setup_sects+1)*512      + syssize*16
+-------+-----------------+-----------------+------------------------+---------
| sector | setup header    | real-mode code  | protected-mode kernel  | signature
+-------+-----------------+-----------------+------------------------+---------
                                             64-bit entry at +0x200,
                                             the compressed vmlinux at +payload_offset
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from youcpu.formats.errors import FormatError
from youcpu.record import record

SECTOR: Final = 512
#: Where the setup header starts, in the image and in struct boot_params (the zero page).
HEADER_OFFSET: Final = 0x1F1
#: The 64-bit entry point, from the start of the protected-mode kernel (XLF_KERNEL_64).
ENTRY_64: Final = 0x200

LOADED_HIGH, KASLR_FLAG, QUIET_FLAG, KEEP_SEGMENTS, CAN_USE_HEAP = 1, 2, 0x20, 0x40, 0x80
XLF_NAMES: Final = {
    1 << 0: "KERNEL_64",
    1 << 1: "CAN_BE_LOADED_ABOVE_4G",
    1 << 2: "EFI_HANDOVER_32",
    1 << 3: "EFI_HANDOVER_64",
    1 << 4: "EFI_KEXEC",
    1 << 5: "5LEVEL",
    1 << 6: "5LEVEL_ENABLED",
    1 << 7: "MEM_ENCRYPTION",
}
XLF_KERNEL_64: Final = 1

# Name, offset, size, first version of the protocol that has it, its value before that.
_FIELDS: Final = (
    ("setup_sects", 0x1F1, 1, 0x200, 0),
    ("root_flags", 0x1F2, 2, 0x200, 0),
    ("syssize", 0x1F4, 4, 0x204, 0),
    ("ram_size", 0x1F8, 2, 0x200, 0),
    ("vid_mode", 0x1FA, 2, 0x200, 0),
    ("root_dev", 0x1FC, 2, 0x200, 0),
    ("boot_flag", 0x1FE, 2, 0x200, 0),
    ("jump", 0x200, 2, 0x200, 0),
    ("version", 0x206, 2, 0x200, 0),
    ("realmode_swtch", 0x208, 4, 0x200, 0),
    ("start_sys_seg", 0x20C, 2, 0x200, 0),
    ("kernel_version_offset", 0x20E, 2, 0x200, 0),
    ("type_of_loader", 0x210, 1, 0x200, 0),
    ("loadflags", 0x211, 1, 0x200, 0),
    ("setup_move_size", 0x212, 2, 0x200, 0),
    ("code32_start", 0x214, 4, 0x200, 0),
    ("ramdisk_image", 0x218, 4, 0x200, 0),
    ("ramdisk_size", 0x21C, 4, 0x200, 0),
    ("heap_end_ptr", 0x224, 2, 0x201, 0),
    ("ext_loader_ver", 0x226, 1, 0x202, 0),
    ("ext_loader_type", 0x227, 1, 0x202, 0),
    ("cmd_line_ptr", 0x228, 4, 0x202, 0),
    ("initrd_addr_max", 0x22C, 4, 0x203, 0x37FFFFFF),
    ("kernel_alignment", 0x230, 4, 0x205, 0),
    ("relocatable_kernel", 0x234, 1, 0x205, 0),
    ("min_alignment", 0x235, 1, 0x20A, 0),
    ("xloadflags", 0x236, 2, 0x20C, 0),
    ("cmdline_size", 0x238, 4, 0x206, 255),
    ("hardware_subarch", 0x23C, 4, 0x207, 0),
    ("hardware_subarch_data", 0x240, 8, 0x207, 0),
    ("payload_offset", 0x248, 4, 0x208, 0),
    ("payload_length", 0x24C, 4, 0x208, 0),
    ("setup_data", 0x250, 8, 0x209, 0),
    ("pref_address", 0x258, 8, 0x20A, 0x100000),
    ("init_size", 0x260, 4, 0x20A, 0),
    ("handover_offset", 0x264, 4, 0x20B, 0),
    ("kernel_info_offset", 0x268, 4, 0x20F, 0),
)
# Images of other machines, by the magic of their own boot protocols.
_FOREIGN: Final = (
    (0x38, b"ARM\x64", "an arm64 Image"),
    (0x24, b"\x18\x28\x6f\x01", "an ARM zImage"),
    (0x30, b"RISCV\0\0\0", "a RISC-V Image"),
    (0x38, b"RSC\x05", "a RISC-V Image"),
    (0x38, b"\xcd\x23\x82\x81", "a LoongArch image"),
    (0, b"\x27\x05\x19\x56", "a U-Boot uImage"),
    (0, b"\xd0\x0d\xfe\xed", "a flattened image tree of U-Boot"),
)
_MACHINES: Final = {
    0x14C: "i386",
    0x1C0: "ARM",
    0x1C2: "ARM",
    0x5064: "RISC-V 64",
    0x6264: "LoongArch 64",
    0x8664: "x86-64",
    0xAA64: "arm64",
}


@record(frozen=True)
class SetupHeader:
    """struct setup_header; fields that the image's protocol version lacks have their defaults.

    `setup_sects` is as used: 0 in the file means 4.
    """

    setup_sects: int
    root_flags: int
    syssize: int
    ram_size: int
    vid_mode: int
    root_dev: int
    boot_flag: int
    jump: int
    version: int
    realmode_swtch: int
    start_sys_seg: int
    kernel_version_offset: int
    type_of_loader: int
    loadflags: int
    setup_move_size: int
    code32_start: int
    ramdisk_image: int
    ramdisk_size: int
    heap_end_ptr: int
    ext_loader_ver: int
    ext_loader_type: int
    cmd_line_ptr: int
    initrd_addr_max: int
    kernel_alignment: int
    relocatable_kernel: int
    min_alignment: int
    xloadflags: int
    cmdline_size: int
    hardware_subarch: int
    hardware_subarch_data: int
    payload_offset: int
    payload_length: int
    setup_data: int
    pref_address: int
    init_size: int
    handover_offset: int
    kernel_info_offset: int

    @property
    def end(self) -> int:
        """Where the header ends: the target of the jump that begins the real-mode code."""
        return 0x202 + (self.jump >> 8)

    @property
    def xlf_names(self) -> list[str]:
        """Names of the set XLF_ flags."""
        return [name for bit, name in XLF_NAMES.items() if self.xloadflags & bit]


@record(frozen=True)
class BzImage:
    """A parsed image. Its parts are views of the bytes that were given."""

    header: SetupHeader
    #: The setup header's own bytes, to be copied to 0x1f1 of the zero page.
    header_bytes: bytes
    #: uname -r, builder, uname -v; None where the image says none.
    kernel_version: str | None
    #: All that is loaded at pref_address or code32_start: startup_32, startup_64 at +0x200.
    protected_mode: memoryview
    #: The compressed vmlinux (formats/kernel_payload.py); empty before protocol 2.08.
    payload: memoryview
    #: Offset of the payload in the image, for messages.
    payload_position: int

    @property
    def entry_64(self) -> int:
        """Offset of the 64-bit entry in `protected_mode`."""
        return ENTRY_64


def is_bzimage(data: bytes | memoryview) -> bool:
    """Whether the bytes have both of the boot protocol's magics."""
    return bytes(data[0x1FE:0x200]) == b"\x55\xaa" and bytes(data[0x202:0x206]) == b"HdrS"


def parse_bzimage(data: bytes | memoryview) -> BzImage:
    """An x86 kernel image that has the 64-bit entry. Raises FormatError with what is wrong."""
    image = memoryview(data)
    _check_magic(image)
    header = _read_header(image)
    start = (header.setup_sects + 1) * SECTOR
    if len(image) <= start:
        reason = f"the setup has {header.setup_sects} sectors, the kernel begins after them"
        raise FormatError(len(image), f"truncated: {reason}, at {start:#x}")
    version = header.version
    if not header.loadflags & LOADED_HIGH:
        raise FormatError(0x211, "a zImage, loaded low: it has no 64-bit entry")
    if version < 0x20C or not header.xloadflags & XLF_KERNEL_64:
        named = f"boot protocol {version >> 8}.{version & 0xFF:02}"
        raise FormatError(0x236, f"a 32-bit kernel ({named}, XLF_KERNEL_64 is not set)")
    _check_values(header)
    size = header.syssize * 16
    if len(image) < start + size - 15:
        raise FormatError(
            len(image),
            f"truncated: the protected-mode kernel has {size} bytes from {start:#x} on, "
            f"{len(image) - start} are there",
        )
    payload, position = _payload(image, header, start)
    return BzImage(
        header=header,
        header_bytes=bytes(image[HEADER_OFFSET : header.end]),
        kernel_version=_kernel_version(image, header, start),
        protected_mode=image[start : start + size],
        payload=payload,
        payload_position=position,
    )


def _check_magic(image: memoryview) -> None:
    """Raises FormatError unless it is an x86 boot image of protocol 2.00 or later."""
    if not image:
        raise FormatError(0, "an empty file")
    foreign = _foreign(bytes(image[:0x400]))
    if foreign:
        raise FormatError(0, foreign)
    if len(image) < 0x206:
        if bytes(image[:2]) == b"MZ" or bytes(image[0x1FE:0x200]) == b"\x55\xaa":
            raise FormatError(len(image), "truncated: the setup header ends at 0x26c")
        reason = f"{len(image)} bytes, the boot protocol's magic is at 0x202"
        raise FormatError(len(image), f"no kernel image: {reason}")
    if bytes(image[0x1FE:0x200]) != b"\x55\xaa":
        raise FormatError(0x1FE, f"no x86 kernel image: 55 aa expected, {image[0x1FE:0x200].hex()}")
    if bytes(image[0x202:0x206]) != b"HdrS":
        raise FormatError(
            0x202,
            "no HdrS: a boot sector, or a kernel older than boot protocol 2.00 (Linux 1.3.73)",
        )


def _foreign(head: bytes) -> str:
    """What the bytes are where they are a kernel or a program of another machine; or ""."""
    for offset, magic, name in _FOREIGN:
        if head[offset : offset + len(magic)] == magic:
            return f"{name}: a kernel for another machine, x86-64 is wanted"
    if head[:2] != b"MZ" or head[0x202:0x206] == b"HdrS":
        return ""
    start = int.from_bytes(head[0x3C:0x40], "little")
    machine = int.from_bytes(head[start + 4 : start + 6], "little")
    name = _MACHINES.get(machine, f"PE machine {machine:#x}")
    if head[4:8] == b"zimg":
        return "an EFI zboot image: it starts from EFI firmware only, and is no x86 bzImage"
    if head[start : start + 4] != b"PE\0\0":
        return ""
    if machine == 0x8664:
        return "an EFI program for x86-64 without HdrS: it starts from EFI firmware only"
    return f"an EFI program for {name}: a kernel for another machine, x86-64 is wanted"


def _read_header(image: memoryview) -> SetupHeader:
    """All fields, by the version of the protocol that the image has."""
    version = int.from_bytes(image[0x206:0x208], "little")
    if not 0x200 <= version < 0x300:
        raise FormatError(0x206, f"boot protocol {version >> 8}.{version & 0xFF:02} is not known")
    last = max(offset + size for _, offset, size, since, _ in _FIELDS if since <= version)
    if len(image) < last:
        raise FormatError(len(image), f"truncated: the setup header ends at {last:#x}")
    values = {
        name: int.from_bytes(image[offset : offset + size], "little") if since <= version else old
        for name, offset, size, since, old in _FIELDS
    }
    if version < 0x204:
        values["syssize"] = int.from_bytes(image[0x1F4:0x1F6], "little")
    # "For backwards compatibility, if the setup_sects field contains 0, the real value is 4."
    values["setup_sects"] = values["setup_sects"] or 4
    return SetupHeader(**values)


def _check_values(header: SetupHeader) -> None:
    """What a loader relies on must make sense. Raises FormatError."""
    alignment = header.kernel_alignment
    if alignment == 0 or alignment & (alignment - 1) or alignment < 0x1000:
        raise FormatError(0x230, f"kernel_alignment {alignment:#x}: no power of two of pages")
    if header.pref_address & 0xFFF or header.pref_address >> 46:
        raise FormatError(0x258, f"pref_address {header.pref_address:#x}: no physical page")
    if header.end < 0x26C:
        raise FormatError(0x201, f"the jump over the setup header leads into it, {header.end:#x}")
    if header.syssize * 16 <= ENTRY_64:
        raise FormatError(0x1F4, f"syssize {header.syssize:#x}: no room for a 64-bit entry")


def _payload(image: memoryview, header: SetupHeader, start: int) -> tuple[memoryview, int]:
    """The compressed vmlinux and its offset in the image. Raises FormatError."""
    position = start + header.payload_offset
    end = position + header.payload_length
    if not header.payload_length:
        raise FormatError(0x24C, "payload_length 0: no compressed kernel inside")
    if header.payload_offset + header.payload_length > header.syssize * 16:
        reason = f"ends at {header.payload_offset + header.payload_length:#x}"
        raise FormatError(0x248, f"the payload {reason}, the kernel at {header.syssize * 16:#x}")
    if end > len(image):
        missing = f"{header.payload_length} bytes at {position:#x}, {end - len(image)} are missing"
        raise FormatError(len(image), f"truncated: the payload has {missing}")
    return image[position:end], position


def _kernel_version(image: memoryview, header: SetupHeader, start: int) -> str | None:
    if not header.kernel_version_offset:
        return None
    position = header.kernel_version_offset + 0x200
    text = bytes(image[position : min(position + 512, start)]).partition(b"\0")[0]
    if not text or any(not 0x20 <= byte < 0x7F for byte in text):
        return None
    return text.decode("ascii")


# struct boot_params: what a loader fills besides the header.
E820_ENTRY: Final = Struct("<QQI")
