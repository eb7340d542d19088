"""MIPS: ABI flags, the global offset tables, options (MIPS psABI; the o32, n32 and n64 GOT)."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from youcpu.abi import elf as abi
from youcpu.abi.elf_attributes import MIPS_FP
from youcpu.formats.elf import names
from youcpu.formats.elf.file import ElfFile
from youcpu.formats.elf.relocations import REL, RELA, RelocationTable, rows, split_info
from youcpu.render.readelf.options import Options
from youcpu.render.readelf.printable import Printer

GP_OFFSET = 0x7FF0
ASES = {
    0x1: "DSP ASE",
    0x2: "DSP R2 ASE",
    0x2000: "DSP R3 ASE",
    0x4: "Enhanced VA Scheme",
    0x8: "MCU (MicroController) ASE",
    0x10: "MDMX ASE",
    0x20: "MIPS-3D ASE",
    0x40: "MT ASE",
    0x80: "SmartMIPS ASE",
    0x100: "VZ ASE",
    0x200: "MSA ASE",
    0x400: "MIPS16 ASE",
    0x800: "MICROMIPS ASE",
    0x1000: "XPA ASE",
    0x4000: "MIPS16e2 ASE",
    0x8000: "CRC ASE",
    0x20000: "GINV ASE",
    0x40000: "Loongson MMI ASE",
    0x80000: "Loongson CAM ASE",
    0x100000: "Loongson EXT ASE",
    0x200000: "Loongson EXT2 ASE",
}
ASE_MASK = 0x3EFFFF
ISA_EXTENSIONS = (
    "None",
    "RMI XLR",
    "Cavium Networks Octeon2",
    "Cavium Networks OcteonP",
    "Unknown (4)",
    "Cavium Networks Octeon",
    "Toshiba R5900",
    "MIPS R4650",
    "LSI R4010",
    "NEC VR4100",
    "Toshiba R3900",
    "MIPS R10000",
    "Broadcom SB-1",
    "NEC VR4111/VR4181",
    "NEC VR4120",
    "NEC VR5400",
    "NEC VR5500",
    "ST Microelectronics Loongson 2E",
    "ST Microelectronics Loongson 2F",
    "Cavium Networks Octeon3",
    "Imagination interAptiv MR2",
)
REGISTER_SIZES = (0, 32, 64, 128)
TAGS = {
    "pltgot": abi.DT_PLTGOT,
    "local_gotno": 0x7000000A,
    "gotsym": 0x70000013,
    "symtabno": 0x70000011,
    "mips_pltgot": 0x70000032,
    "pltrel": abi.DT_PLTREL,
    "pltrelsz": abi.DT_PLTRELSZ,
    "jmprel": abi.DT_JMPREL,
}


def mips_specific(elf: ElfFile, options: Options) -> Iterator[str]:
    yield from _abi_flags(elf)
    if elf.dynamic is None:
        yield from _static_got(elf)
        return
    values = dict.fromkeys(TAGS, 0)
    for tag, value in elf.dynamic:
        if tag == abi.DT_NULL:
            break
        for name, number in TAGS.items():
            if tag == number:
                values[name] = value
    if any(tag == 0x70000029 for tag, _ in elf.dynamic):
        from youcpu.render.readelf.mips_options import mips_options

        yield from mips_options(elf)
    if values["pltgot"] and values["local_gotno"]:
        yield from _primary_got(elf, values, options)
    if all(values[name] for name in ("mips_pltgot", "jmprel", "pltrel", "pltrelsz")):
        yield from _plt_got(elf, values, options)


def _abi_flags(elf: ElfFile) -> Iterator[str]:
    section = elf.find_section(".MIPS.abiflags")
    if section is None:
        return
    record = Struct(("<" if elf.layout.little else ">") + "HBBBBBBIIII")
    if section.size != record.size:
        elf.image.error("Corrupt MIPS ABI Flags section.")
        return
    data = elf.image.read(section.offset, section.size, "MIPS ABI Flags section")
    if data is None:
        return
    version, level, revision, gpr, cpr1, cpr2, fp, extension, ases, flags1, flags2 = record.unpack(
        data
    )
    yield f"\nMIPS ABI Flags Version: {version}\n"
    yield f"\nISA: MIPS{level}{f'r{revision}' if revision > 1 else ''}"
    for name, size in (("GPR", gpr), ("CPR1", cpr1), ("CPR2", cpr2)):
        yield f"\n{name} size: {REGISTER_SIZES[size] if size < 4 else -1}"
    yield f"\nFP ABI: {MIPS_FP.get(fp) or f'??? ({fp})'}\n"
    known = extension < len(ISA_EXTENSIONS)
    yield f"ISA Extension: {ISA_EXTENSIONS[extension] if known else f'Unknown ({extension})'}"
    yield "\nASEs:" + "".join(f"\n\t{name}" for bit, name in ASES.items() if ases & bit)
    if ases == 0:
        yield "\n\tNone"
    elif ases & ~ASE_MASK:
        yield f"\n\tUnknown ({ases & ~ASE_MASK:x})"
    yield f"\nFLAGS 1: {flags1:08x}\nFLAGS 2: {flags2:08x}\n"


class Got:
    """A table of addresses at `start`, printed entry by entry; `data` is None if not readable."""

    def __init__(self, elf: ElfFile, start: int, data: memoryview | None) -> None:
        self.elf, self.start, self.data = elf, start, data
        self.size = 8 if elf.is64 else 4
        self.broken = False

    def value(self, address: int) -> int | None:
        offset = address - self.start
        if self.data is None or offset + self.size > len(self.data):
            return None
        return self.elf.layout.number(self.data[offset : offset + self.size])

    def is_gnu_module_pointer(self, address: int) -> bool:
        """The top bit of GOT[1] marks an object of GNU's."""
        value = self.value(address)
        return value is not None and value >> (self.size * 8 - 1) != 0

    def initial(self, address: int) -> str:
        width = self.size * 2
        if self.data is None:
            return f"{'<unknown>':>{width}}"
        value = self.value(address)
        if value is None:
            self.elf.image.warn("MIPS GOT entry extends beyond the end of available data")
            self.broken = True
            return f"{'<corrupt>':>{width}}"
        return f"{value:0{width}x}"

    def entry(self, address: int) -> str:
        """Address, access relative to gp, and what is there."""
        near = address < self.start + 0xFFF0
        access = f"{address - self.start - GP_OFFSET:6d}(gp)" if near else " " * 10
        return f"  {address:0{self.size * 2}x} {access} {self.initial(address)}"

    def heading(self, *columns: str) -> str:
        width = self.size * 2
        return f"  {'Address':>{width}} " + " ".join(columns) + "\n"


def _static_got(elf: ElfFile) -> Iterator[str]:
    section = elf.find_section(".got")
    if section is None:
        return
    data = elf.image.read(section.offset, section.size, "Global Offset Table data")
    got = Got(elf, section.addr, data)
    width, address = got.size * 2, section.addr
    heading = got.heading(f"{'Access':>10}", f"{'Value':>{width}}")
    yield f"\nStatic GOT:\n Canonical gp value: {address + GP_OFFSET:0{width}x}\n\n"
    if got.value(address) == 0:
        yield " Reserved entries:\n" + heading + got.entry(address) + "\n"
        address += got.size
        if got.is_gnu_module_pointer(address):
            yield got.entry(address) + "\n"
            address += got.size
        yield "\n"
    end = section.addr + section.size
    if data is not None and address < end:
        yield " Local entries:\n" + heading
        while address < end and not got.broken:
            yield got.entry(address) + "\n"
            address += got.size
        if not got.broken:
            yield "\n"


def _primary_got(elf: ElfFile, values: dict[str, int], options: Options) -> Iterator[str]:
    start, size = values["pltgot"], 8 if elf.is64 else 4
    local_end = start + values["local_gotno"] * size
    globals_count = values["symtabno"] - values["gotsym"]
    if globals_count < 0:
        elf.image.error(
            f"The GOT symbol offset ({values['gotsym']}) is greater than the symbol table size"
            f" ({values['symtabno']})"
        )
        return
    length = local_end + globals_count * size - start
    data = elf.image.read(elf.offset_of(start, length), length, "Global Offset Table data")
    got = Got(elf, start, data)
    width, address = size * 2, start
    heading = got.heading(f"{'Access':>10}", f"{'Initial':>{width}}")
    yield f"\nPrimary GOT:\n Canonical gp value: {start + GP_OFFSET:0{width}x}\n\n"
    yield " Reserved entries:\n" + heading.replace("\n", " Purpose\n")
    yield got.entry(address) + " Lazy resolver\n"
    if got.broken:
        return
    address += size
    if got.is_gnu_module_pointer(address):
        yield got.entry(address) + " Module pointer (GNU extension)\n"
        address += size
    yield "\n"
    if data is None:
        return
    if address < local_end:
        yield " Local entries:\n" + heading
        while address < local_end and not got.broken:
            yield got.entry(address) + "\n"
            address += size
        if got.broken:
            return
        yield "\n"
    if globals_count:
        yield from _global_entries(elf, got, address, values, options)


def _global_entries(
    elf: ElfFile, got: Got, address: int, values: dict[str, int], options: Options
) -> Iterator[str]:
    width = got.size * 2
    yield " Global entries:\n" + got.heading(
        f"{'Access':>10}",
        f"{'Initial':>{width}}",
        f"{'Sym.Val.':>{width}}",
        f"{'Type':<7}",
        "Ndx",
        "Name",
    )
    room = (160 if elf.is64 else 80) - 28 - got.size * 6 - 1
    for index in range(values["gotsym"], values["symtabno"]):
        line = got.entry(address)
        yield f"{line} {_symbol(elf, index, room, options)}\n"
        if got.broken:
            break
        address += got.size
    yield "\n"


def _symbol(elf: ElfFile, index: int, room: int, options: Options) -> str:
    if elf.dynamic_symbols is None:
        return "<no dynamic symbols>"
    if index >= len(elf.dynamic_symbols):
        return f"<symbol index {index} exceeds number of dynamic symbols>"
    symbol = elf.dynamic_symbols[index]
    name = elf.dynamic_name(symbol.name)
    shown = f"<corrupt: {symbol.name:14d}>"
    if name is not None:
        shown = Printer(options).symbol(room, name)
    return (
        f"{symbol.value:0{16 if elf.is64 else 8}x} {names.symbol_type(elf.header, symbol.type):<7} "
        f"{names.symbol_index(elf.header, symbol.shndx):>3} {shown}"
    )


def _plt_got(elf: ElfFile, values: dict[str, int], options: Options) -> Iterator[str]:
    kind = RELA if values["pltrel"] == abi.DT_RELA else REL
    offset = elf.offset_of(values["jmprel"], values["pltrelsz"])
    content = elf.image.read(offset, values["pltrelsz"], "relocation data")
    table = RelocationTable("", kind, offset, values["pltrelsz"], content, None, None, True, None)
    entries = [info for piece in rows(elf, table) for _, info, _ in piece]
    if content is None:
        return
    start = address = values["mips_pltgot"]
    size = 8 if elf.is64 else 4
    length = (2 + len(entries)) * size
    what = "Procedure Linkage Table data"
    data = elf.image.read(elf.offset_of(start, length), length, what)
    if data is None:
        return
    got = Got(elf, start, data)
    width = size * 2
    initial = f"{'Initial':>{width}}"
    yield "\nPLT GOT:\n\n Reserved entries:\n" + got.heading(initial, "Purpose")
    for purpose in ("PLT lazy resolver", "Module pointer"):
        yield f"  {address:0{width}x} {got.initial(address)} {purpose}\n"
        address += size
    columns = (initial, f"{'Sym.Val.':>{width}}", f"{'Type':<7}", "Ndx", "Name")
    yield "\n Entries:\n" + got.heading(*columns)
    room = (160 if elf.is64 else 80) - 17 - size * 6 - 1
    for info in entries:
        index = split_info(elf, info)[0]
        known = elf.dynamic_symbols is not None and index < len(elf.dynamic_symbols)
        shown = _symbol(elf, index, room, options) if known else None
        shown = shown or f"<corrupt symbol index: {index}>"
        yield f"  {address:0{width}x} {got.initial(address)} {shown}\n"
        address += size
    yield "\n"
