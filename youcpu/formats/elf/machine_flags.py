"""e_flags in words, for the machines that use them: the psABI supplements."""

from __future__ import annotations

from collections.abc import Iterator

from youcpu.abi import elf as abi
from youcpu.formats.elf.structures import Header

MIPS_BITS = {
    0x1: "noreorder",
    0x2: "pic",
    0x4: "cpic",
    0x10: "ugen_reserved",
    0x20: "abi2",
    0x80: "odk first",
    0x100: "32bitmode",
    0x400: "nan2008",
    0x200: "fp64",
}
MIPS_MACHINES = {
    0x810000: "3900",
    0x820000: "4010",
    0x830000: "4100",
    0x880000: "4111",
    0x870000: "4120",
    0x850000: "4650",
    0x910000: "5400",
    0x980000: "5500",
    0x920000: "5900",
    0x8A0000: "sb1",
    0x990000: "9000",
    0xA00000: "loongson-2e",
    0xA10000: "loongson-2f",
    0xA20000: "gs464",
    0xA30000: "gs464e",
    0xA40000: "gs264e",
    0x8B0000: "octeon",
    0x8D0000: "octeon2",
    0x8E0000: "octeon3",
    0x8C0000: "xlr",
    0x930000: "interaptiv-mr2",
}
MIPS_ABIS = {0x1000: "o32", 0x2000: "o64", 0x3000: "eabi32", 0x4000: "eabi64"}
MIPS_ASES = {0x08000000: "mdmx", 0x04000000: "mips16", 0x02000000: "micromips"}
MIPS_ISAS = "1 2 3 4 5 32 64 32r2 64r2 32r6 64r6"

ARM_EABIS = {1: "Version1", 2: "Version2", 3: "Version3", 4: "Version4", 5: "Version5", 0: "GNU"}
ARM_BITS: dict[int, dict[int, str]] = {
    1: {4: "sorted symbol tables"},
    2: {
        4: "sorted symbol tables",
        8: "dynamic symbols use segment index",
        16: "mapping symbols precede others",
    },
    4: {0x800000: "BE8", 0x400000: "LE8"},
    5: {0x800000: "BE8", 0x400000: "LE8", 0x200: "soft-float ABI", 0x400: "hard-float ABI"},
    0: {
        0x4: "interworking enabled",
        0x8: "uses APCS/26",
        0x10: "uses APCS/float",
        0x40: "8 bit structure alignment",
        0x80: "uses new ABI",
        0x100: "uses old ABI",
        0x200: "software FP",
        0x400: "VFP",
        0x800: "Maverick FP",
    },
}
RISCV_FLOATS = ("soft-float ABI", "single-float ABI", "double-float ABI", "quad-float ABI")
POWER_BITS = {
    0x80000000: "emb",
    0x00010000: "relocatable",
    0x00008000: "relocatable-lib",
}
SPARCV9_BITS = {
    0x100: "v8+",
    0x200: "ultrasparcI",
    0x800: "ultrasparcIII",
    0x400: "halr1",
    0x800000: "ledata",
}
LOONGARCH_FLOATS = {1: "SOFT-FLOAT", 2: "SINGLE-FLOAT", 3: "DOUBLE-FLOAT"}
LOONGARCH_OBJECTS = {0: "OBJ-v0", 0x40: "OBJ-v1"}


def machine_flags(header: Header) -> list[str]:
    """The words, in GNU's order; none where no bit is set."""
    flags, machine = header.flags, header.machine
    if flags == 0:
        return []
    if machine in (abi.EM_MIPS, abi.EM_MIPS_RS3_LE):
        return list(_mips(flags))
    if machine == abi.EM_ARM:
        return list(_arm(flags))
    if machine == abi.EM_RISCV:
        return list(_riscv(flags))
    if machine == abi.EM_PPC64:
        return [f"abiv{flags & 3}"] if flags & 3 else []
    if machine == abi.EM_PPC:
        return [word for bit, word in POWER_BITS.items() if flags & bit]
    if machine == abi.EM_S390:
        return ["highgprs"] if flags & 1 else []
    if machine == abi.EM_SPARCV9:
        memory = ("tso", "pso", "rmo")
        words = [word for bit, word in SPARCV9_BITS.items() if flags & bit]
        return words + ([memory[flags & 3]] if flags & 3 < 3 else [])
    if machine == abi.EM_LOONGARCH:
        both = (LOONGARCH_FLOATS.get(flags & 7), LOONGARCH_OBJECTS.get(flags & 0xC0))
        return [word for word in both if word]
    return []


def _mips(flags: int) -> Iterator[str]:
    yield from (word for bit, word in MIPS_BITS.items() if flags & bit)
    if flags & 0xFF0000:
        yield MIPS_MACHINES.get(flags & 0xFF0000, "unknown CPU")
    if flags & 0xF000:
        yield MIPS_ABIS.get(flags & 0xF000, "unknown ABI")
    yield from (word for bit, word in MIPS_ASES.items() if flags & bit)
    isas = MIPS_ISAS.split()
    level = flags >> 28
    yield f"mips{isas[level]}" if level < len(isas) else "unknown ISA"


def _arm(flags: int) -> Iterator[str]:
    version, flags = flags >> 24, flags & 0xFFFFFF
    if flags & 0x1:
        yield "relocatable executable"
    if flags & 0x20:
        yield "position independent"
    flags &= ~0x21
    name = ARM_EABIS.get(version)
    yield f"{name} EABI" if name else "<unrecognized EABI>"
    known = ARM_BITS.get(version, {})
    unknown = False
    while flags and version != 3:
        bit = flags & -flags
        flags &= ~bit
        if bit in known:
            yield known[bit]
        else:
            unknown = True
    if unknown:
        yield "<unknown>"


def _riscv(flags: int) -> Iterator[str]:
    for bit, word in ((1, "RVC"), (8, "RVE"), (16, "TSO")):
        if flags & bit:
            yield word
    yield RISCV_FLOATS[flags >> 1 & 3]
