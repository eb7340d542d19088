"""Linux into an empty machine: the 64-bit boot protocol, Documentation/arch/x86/boot.rst.

Low memory as the kernel finds it (all of it is free again once the kernel has copied it):

    0x01000  page tables: 4 GiB, identity, 2 MiB pages
    0x07000  GDT: __BOOT_CS 0x10, __BOOT_DS 0x18
    0x10000  struct boot_params, the "zero page"
    0x20000  command line
    0x100000 the bzImage's protected-mode part, if it unpacks itself; else
    pref_address (16 MiB) the unpacked vmlinux; its entry is startup_64 of head_64.S
    initrd   as high as the header allows
"""

from __future__ import annotations

import struct

from youcpu.formats.bzimage import E820_ENTRY, HEADER_OFFSET, KASLR_FLAG, BzImage
from youcpu.hardware.board import Board
from youcpu.hardware.interrupts import segment_descriptor
from youcpu.hardware.paging import PAGE_SIZE_2M, PTE_A, PTE_D, PTE_P, PTE_PS, PTE_W
from youcpu.hardware.registers import RSI
from youcpu.kernel_image import KernelImage
from youcpu.record import record

PAGE_TABLES, GDT, ZERO_PAGE, COMMAND_LINE = 0x1000, 0x7000, 0x10000, 0x20000
BOOT_CS, BOOT_DS = 0x10, 0x18
LOAD_HIGH = 0x100000
#: Where the PC's devices lie in memory: no RAM between 3 and 4 GiB.
HOLE_START, HOLE_END = 3 << 30, 4 << 30
E820_RAM, E820_RESERVED = 1, 2
_E820_COUNT, _E820_TABLE = 0x1E8, 0x2D0
_EXT_RAMDISK_IMAGE, _EXT_RAMDISK_SIZE = 0x0C0, 0x0C4
#: "0xFF for a loader without an assigned number".
_UNDEFINED_LOADER = 0xFF
_PAGE = 0x1000
#: The longest command line where the image says none (a vmlinux): COMMAND_LINE_SIZE of x86.
_COMMAND_LINE_SIZE = 2047


class BootError(Exception):
    """The guest cannot be started like that: one line for the user."""


@record(frozen=True)
class Loaded:
    """What lies where. Addresses are physical."""

    kernel: tuple[int, int]
    entry: int
    initrd: tuple[int, int] | None
    #: The memory map: (start, size, type).
    e820: tuple[tuple[int, int, int], ...]


def ram_size(memory: int) -> int:
    """Bytes of a board that has `memory` bytes of RAM, the hole for devices left out of it."""
    return memory if memory <= HOLE_START else memory + HOLE_END - HOLE_START


def memory_map(memory: int) -> list[tuple[int, int, int]]:
    """e820 of a PC with `memory` bytes: (start, size, type)."""
    low = min(memory, HOLE_START)
    entries = [
        (0, 0x9FC00, E820_RAM),
        (0x9FC00, 0x400, E820_RESERVED),
        (0xF0000, 0x10000, E820_RESERVED),
        (0x100000, low - 0x100000, E820_RAM),
    ]
    if memory > HOLE_START:
        entries.append((HOLE_END, memory - HOLE_START, E820_RAM))
    entries.insert(4, (0xFFFC0000, 0x40000, E820_RESERVED))  # the firmware's ROM
    return entries


def load_linux(
    board: Board,
    kernel: KernelImage,
    memory: int,
    command_line: bytes,
    initrd: bytes | None = None,
    own_decompressor: bool = False,
) -> Loaded:
    """Put a kernel into RAM and the CPU before its first instruction. Raises BootError."""
    image, low = kernel.bzimage, min(memory, HOLE_START)
    if own_decompressor:
        if image is None:
            raise BootError("--own-decompressor wants a bzImage: a vmlinux has no decompressor")
        start, entry, content = LOAD_HIGH, LOAD_HIGH + image.entry_64, bytes(image.protected_mode)
        # It unpacks at pref_address, within init_size (boot.rst, init_size).
        end = max(start, image.header.pref_address) + image.header.init_size
    else:
        vmlinux = kernel.vmlinux
        start, entry, content = vmlinux.start, vmlinux.entry, bytes(vmlinux.image())
        end = vmlinux.end
        if image is not None:
            end = max(end, start + image.header.init_size)
    if end > low:
        raise BootError(
            f"the kernel wants memory up to {-(-end >> 20)} MiB, the machine has {memory >> 20} MiB"
        )
    board.ram.bytes[start : start + len(content)] = content
    placed = None
    if initrd is not None:
        placed = _place_initrd(board, image, initrd, end, low)
    limit = image.header.cmdline_size if image is not None else _COMMAND_LINE_SIZE
    if len(command_line) > limit:
        raise BootError(
            f"a command line of {len(command_line)} bytes: the kernel takes at most {limit}"
        )
    entries = memory_map(memory)
    _write_zero_page(board, image, command_line, placed, entries)
    _enter(board, entry)
    return Loaded((start, end), entry, placed, tuple(entries))


def _place_initrd(
    board: Board, image: BzImage | None, initrd: bytes, kernel_end: int, low: int
) -> tuple[int, int]:
    """As high as initrd_addr_max and RAM allow. Raises BootError where there is no room."""
    top = low
    if image is not None and not image.header.xloadflags & 2:  # CAN_BE_LOADED_ABOVE_4G
        top = min(top, image.header.initrd_addr_max + 1)
    start = (top - len(initrd)) & -_PAGE
    if start < kernel_end:
        room = max(top - kernel_end, 0)
        raise BootError(
            f"the initrd of {len(initrd):,} bytes does not fit: {room:,} are free between the"
            f" kernel and {top >> 20} MiB"
        )
    board.ram.bytes[start : start + len(initrd)] = initrd
    return start, len(initrd)


def _write_zero_page(
    board: Board,
    image: BzImage | None,
    command_line: bytes,
    initrd: tuple[int, int] | None,
    entries: list[tuple[int, int, int]],
) -> None:
    """struct boot_params: the setup header, and what a loader adds to it."""
    page = bytearray(_PAGE)
    if image is not None:
        page[HEADER_OFFSET : HEADER_OFFSET + len(image.header_bytes)] = image.header_bytes
        page[0x211] &= ~KASLR_FLAG
    else:
        struct.pack_into("<H4sH", page, 0x200 - 2, 0xAA55, b"\0\0\0\0", 0)
        struct.pack_into("<4sH", page, 0x202, b"HdrS", 0x20F)
        page[0x211] = 1
    page[0x210] = _UNDEFINED_LOADER
    struct.pack_into("<I", page, 0x228, COMMAND_LINE)
    if initrd is not None:
        start, size = initrd
        struct.pack_into("<II", page, 0x218, start & 0xFFFFFFFF, size & 0xFFFFFFFF)
        struct.pack_into("<I", page, _EXT_RAMDISK_IMAGE, start >> 32)
        struct.pack_into("<I", page, _EXT_RAMDISK_SIZE, size >> 32)
    page[_E820_COUNT] = len(entries)
    for i, entry in enumerate(entries):
        E820_ENTRY.pack_into(page, _E820_TABLE + i * E820_ENTRY.size, *entry)
    ram = board.ram.bytes
    ram[ZERO_PAGE : ZERO_PAGE + _PAGE] = page
    ram[COMMAND_LINE : COMMAND_LINE + len(command_line) + 1] = command_line + b"\0"


def _enter(board: Board, entry: int) -> None:
    """64-bit mode on identity-mapped tables, RSI at the zero page, interrupts off."""
    quads = board.ram.quads
    root = PAGE_TABLES >> 3
    table = PTE_P | PTE_W | PTE_A
    quads[root] = PAGE_TABLES + 0x1000 | table
    for gib in range(4):
        quads[root + 512 + gib] = PAGE_TABLES + 0x2000 + gib * 0x1000 | table
        for i in range(512):
            address = (gib << 30) + i * PAGE_SIZE_2M
            quads[root + 1024 + gib * 512 + i] = address | table | PTE_D | PTE_PS
    quads[(GDT + BOOT_CS) >> 3] = segment_descriptor(True, 0)
    quads[(GDT + BOOT_DS) >> 3] = segment_descriptor(False, 0)
    board.silicon.enter_long_mode(PAGE_TABLES, GDT, BOOT_DS + 7, BOOT_CS, BOOT_DS, entry)
    board.silicon.enable_caches()
    board.cpu.save()
    board.halted = False
    board.cpu.state[RSI] = ZERO_PAGE
