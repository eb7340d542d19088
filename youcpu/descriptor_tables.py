"""Descriptor tables of one CPU as they lie in memory: Intel SDM vol. 3A, 2.4, 3.5, 6.10, 8.7.

A source is youcpu's own machine, the interrupt lab, or a dump: its table registers, and a way to
read linear addresses. What the memory does not hold is told, not guessed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from youcpu.formats.errors import FormatError
from youcpu.hardware.descriptors import GateDescriptor, SegmentDescriptor
from youcpu.record import record

if TYPE_CHECKING:
    from youcpu.formats.kernel_symbols import KernelSymbols
    from youcpu.formats.memory_image import SegmentRegister
    from youcpu.hardware.cpu import Cpu
    from youcpu.stopped_machine import StoppedMachine

Read = Callable[[int, int], bytes | None]
GATES, MAX_DESCRIPTORS = 256, 8192
#: A kernel is moved by multiples of this (CONFIG_PHYSICAL_ALIGN, 2 MiB on x86-64).
_SLIDE_UNIT = 1 << 20
_PAGE_FAULT = 14
_LARGEST_SYMBOLS = 1 << 30


@record(frozen=True)
class IdtEntry:
    """A gate where it lies; `gate` None: the memory there is not known."""

    vector: int
    address: int
    raw: bytes
    gate: GateDescriptor | None


@record(frozen=True)
class GdtEntry:
    """A descriptor where it lies; system descriptors of long mode have 16 bytes."""

    selector: int
    address: int
    raw: bytes
    descriptor: SegmentDescriptor | None


@record(frozen=True)
class TssField:
    """A field of the TSS; `value` None: the memory there is not known."""

    name: str
    address: int
    size: int
    value: int | None


@record
class CpuTables:
    """The registers, and what they lead to."""

    name: str
    long: bool
    idtr: SegmentRegister
    gdtr: SegmentRegister
    tr: SegmentRegister
    ldtr: SegmentRegister
    read: Read
    symbol: Callable[[int], str]
    #: By number; None: the source does not tell.
    msrs: dict[int, int] | None

    def idt(self) -> list[IdtEntry]:
        """Every gate that the limit includes, at most 256."""
        size = 16 if self.long else 8
        count = min((self.idtr.limit + 1) // size, GATES)
        return [self.idt_entry(vector) for vector in range(count)]

    def idt_entry(self, vector: int) -> IdtEntry:
        """One gate."""
        size = 16 if self.long else 8
        address = self.idtr.base + vector * size
        raw = self.read(address, size)
        gate = None if raw is None else GateDescriptor.unpack(raw)
        return IdtEntry(vector, address, raw or b"", gate)

    def gdt(self) -> list[GdtEntry]:
        """Every descriptor that the limit includes; the second half of one is none."""
        entries: list[GdtEntry] = []
        end = min(self.gdtr.limit + 1, MAX_DESCRIPTORS * 8) & ~7
        selector = 0
        while selector < end:
            entry = self.gdt_entry(selector)
            entries.append(entry)
            selector += max(len(entry.raw), 8)
        return entries

    def gdt_entry(self, selector: int) -> GdtEntry:
        """One descriptor."""
        address = self.gdtr.base + (selector & ~7)
        raw = self.read(address, 8)
        if raw is None:
            return GdtEntry(selector, address, b"", None)
        if self.long and SegmentDescriptor.unpack(raw).system and any(raw):
            raw = self.read(address, 16) or raw
        return GdtEntry(selector, address, raw, SegmentDescriptor.unpack(raw))

    def tss(self) -> list[TssField]:
        """The fields of the TSS that matter to interrupts."""
        return [
            TssField(name, self.tr.base + offset, size, self._number(self.tr.base + offset, size))
            for name, offset, size in (TSS64_FIELDS if self.long else TSS32_FIELDS)
        ]

    def _number(self, address: int, size: int) -> int | None:
        raw = self.read(address, size)
        return None if raw is None else int.from_bytes(raw, "little")

    def io_map(self) -> tuple[int, list[tuple[int, int]]] | None:
        """(first byte of the map, ranges of ports that ring 3 may use); None: no map."""
        base = self._number(self.tr.base + 102, 2)
        if base is None or base > self.tr.limit:
            return None
        size = min(self.tr.limit - base, 8192)
        data = self.read(self.tr.base + base, size)
        if data is None:
            return None
        allowed = [port for port in range(size * 8) if not data[port >> 3] >> (port & 7) & 1]
        ranges: list[tuple[int, int]] = []
        for port in allowed:
            if ranges and ranges[-1][1] == port - 1:
                ranges[-1] = (ranges[-1][0], port)
            else:
                ranges.append((port, port))
        return base, ranges


# SDM vol. 3A, figure 8-11 and figure 8-2.
TSS64_FIELDS = (
    ("RSP0", 4, 8), ("RSP1", 12, 8), ("RSP2", 20, 8),
    *((f"IST{number}", 28 + 8 * number, 8) for number in range(1, 8)),
    ("I/O map base", 102, 2),
)  # fmt: skip
TSS32_FIELDS = (
    ("ESP0", 4, 4), ("SS0", 8, 2), ("ESP1", 12, 4), ("SS1", 16, 2), ("ESP2", 20, 4),
    ("SS2", 24, 2), ("CR3", 28, 4), ("EIP", 32, 4), ("I/O map base", 102, 2),
)  # fmt: skip


def tables_of_cpu(name: str, cpu: Cpu, symbol: Callable[[int], str]) -> CpuTables:
    """Of a CPU of ours, as it stands."""
    from youcpu.formats.memory_image import SegmentRegister
    from youcpu.hardware import registers as r
    from youcpu.hardware.descriptors import HF_LMA
    from youcpu.hardware.linear import LinearMemory

    state = cpu.state

    def register(index: int) -> SegmentRegister:
        high = state[index + 2]
        return SegmentRegister(
            state[index] & 0xFFFF, high & 0xFFFFFFFF, high >> 32, state[index + 1]
        )

    msrs = {
        0xC0000080: state[r.EFER], 0xC0000081: state[r.STAR], 0xC0000082: state[r.LSTAR],
        0xC0000083: state[r.CSTAR], 0xC0000084: state[r.FMASK],
        0x174: state[r.SYSENTER_CS] & 0xFFFFFFFF, 0x175: state[r.SYSENTER_ESP],
        0x176: state[r.SYSENTER_EIP], 0xC0000100: state[r.FS + 1],
        0xC0000101: state[r.GS + 1], 0xC0000102: state[r.KERNEL_GS_BASE],
    }  # fmt: skip
    return CpuTables(
        name,
        bool(state[r.HFLAGS] & HF_LMA),
        register(r.IDT),
        register(r.GDT),
        register(r.TR),
        register(r.LDT),
        LinearMemory(cpu).peek,
        symbol,
        msrs,
    )


def tables_of_kernel() -> CpuTables:
    """Of the machine that exec-trace runs programs on."""
    from youcpu.abi.x86_vectors import INT80_VECTOR, VECTORS
    from youcpu.hardware.cpu import Cpu
    from youcpu.hardware.memory import FrameAllocator, Ram
    from youcpu.kernel.kernel_half import KERNEL_TEXT, SYSCALL_ENTRY, VECTOR_ENTRY, KernelHalf

    cpu = Cpu(Ram(16 << 20))
    KernelHalf(FrameAllocator(cpu.ram), cpu)
    names = {KERNEL_TEXT + VECTOR_ENTRY + vector * 8: row.entry for vector, row in VECTORS.items()}
    names[KERNEL_TEXT + VECTOR_ENTRY + INT80_VECTOR * 8] = "asm_int80_emulation"
    names[KERNEL_TEXT + SYSCALL_ENTRY] = "entry_SYSCALL_64"
    return tables_of_cpu("youcpu's kernel", cpu, lambda address: names.get(address, ""))


def tables_of_dump(
    machine: StoppedMachine, cpu: int, symbols: KernelSymbols | None = None
) -> CpuTables:
    """Of a CPU that a dump's note tells of; `symbols` of its kernel. Raises NoTables."""
    from youcpu.formats.core_dump import EM_386
    from youcpu.hardware.paging_walk import walk
    from youcpu.stopped_machine import NoTables, Overrides

    image = machine.image
    if not image.cpus:
        raise NoTables(f"a {image.format} dump without CPU notes: nobody tells IDTR, GDTR and TR")
    registers, _ = machine.registers(cpu, Overrides())  # NoTables for a CPU that is not there
    segments = image.cpus[cpu].segments

    def read(address: int, size: int) -> bytes | None:
        data = b""
        while len(data) < size:
            at = address + len(data)
            part = min(size - len(data), 0x1000 - at % 0x1000)
            physical = walk(image, registers, at).physical
            found = None if physical is None else image.read(physical, part)
            if found is None:
                return None
            data += found
        return data

    return CpuTables(
        f"{machine.path}, CPU {cpu}",
        image.machine != EM_386,
        segments["idt"],
        segments["gdt"],
        segments["tr"],
        segments["ldt"],
        read,
        _namer(symbols, segments["idt"].base, read, image.machine != EM_386),
        None,
    )


def read_symbols(path: str) -> KernelSymbols:
    """A System.map, or a vmlinux with its symbol table. Raises OSError, FormatError."""
    from youcpu.formats.kernel_symbols import elf_kernel_symbols
    from youcpu.formats.system_map import parse_system_map

    with open(path, "rb") as file:
        data = file.read(_LARGEST_SYMBOLS + 1)
    if len(data) > _LARGEST_SYMBOLS:
        raise FormatError(0, f"more than {_LARGEST_SYMBOLS >> 20} MiB")
    return elf_kernel_symbols(data) if data[:4] == b"\x7fELF" else parse_system_map(data)


def _namer(symbols: KernelSymbols | None, idt: int, read: Read, wide: bool) -> Callable[[int], str]:
    """Names of handlers. Where the kernel was moved (KASLR), the gate of #PF tells how far."""
    from youcpu.abi.x86_vectors import VECTORS

    if symbols is None:
        return lambda _address: ""
    size = 16 if wide else 8
    raw = read(idt + _PAGE_FAULT * size, size)
    linked = symbols.find(VECTORS[_PAGE_FAULT].entry)
    slide = 0
    if raw is not None and linked is not None:
        slide = GateDescriptor.unpack(raw).offset - linked
        slide = slide if slide % _SLIDE_UNIT == 0 else 0

    def name(address: int) -> str:
        found = symbols.at(address - slide)
        if found is None or found[1] >= 0x1000:
            return ""
        return found[0] if not found[1] else f"{found[0]}+{found[1]:#x}"

    return name
