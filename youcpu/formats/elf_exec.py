"""An ELF file as the kernel sees it at exec: the checks of fs/binfmt_elf.c, in their order.

Not a readelf: the class, the data encoding, versions and sections are never looked at, as
in the kernel. A 32-bit file is told from a 64-bit one by its machine alone (compat_binfmt_elf.c).
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from youcpu.abi.errno import Errno

ELFMAG = b"\x7fELF"
ET_EXEC, ET_DYN = 2, 3
PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_PHDR, PT_TLS = 1, 2, 3, 6, 7
PT_GNU_STACK = 0x6474E551
PF_X, PF_W, PF_R = 1, 2, 4
EM_386, EM_486, EM_X86_64 = 3, 6, 62
#: load_elf_phdrs(): more bytes of program headers than this are refused.
MAX_PHDR_BYTES = 65536
PATH_MAX = 4096


class ElfError(Exception):
    """The kernel refuses the file: `errno`, the offset of the field and why."""

    def __init__(self, errno: Errno, offset: int, reason: str) -> None:
        super().__init__(reason)
        self.errno = errno
        self.offset = offset
        self.reason = reason


class ProgramHeader:
    """Elf64_Phdr; 32-bit ones are widened."""

    __slots__ = ("align", "filesz", "flags", "memsz", "offset", "paddr", "type", "vaddr")

    def __init__(
        self,
        type: int,
        flags: int,
        offset: int,
        vaddr: int,
        paddr: int,
        filesz: int,
        memsz: int,
        align: int,
    ) -> None:
        self.type = type
        self.flags = flags
        self.offset = offset
        self.vaddr = vaddr
        self.paddr = paddr
        self.filesz = filesz
        self.memsz = memsz
        self.align = align


class ElfHeader:
    """The fields of Elf64_Ehdr that exec reads."""

    __slots__ = ("entry", "machine", "phentsize", "phnum", "phoff", "type")

    def __init__(
        self, type: int, machine: int, entry: int, phoff: int, phentsize: int, phnum: int
    ) -> None:
        self.type = type
        self.machine = machine
        self.entry = entry
        self.phoff = phoff
        self.phentsize = phentsize
        self.phnum = phnum


class ElfFlavour:
    """One of the kernel's two ELF handlers: how its headers are packed, what it takes.

    `phdr_order`: indices of the unpacked words in the order of ProgramHeader.
    """

    __slots__ = (
        "bits",
        "header",
        "header_size",
        "machines",
        "name",
        "phdr",
        "phdr_order",
        "phentsize_offset",
    )

    def __init__(
        self,
        name: str,
        bits: int,
        header: Struct,
        phdr: Struct,
        phdr_order: tuple[int, ...],
        machines: tuple[int, ...],
        phentsize_offset: int,
    ) -> None:
        self.name = name
        self.bits = bits
        self.header = header
        self.header_size = 16 + header.size
        self.phdr = phdr
        self.phdr_order = phdr_order
        self.machines = machines
        #: Where e_phentsize lies in the file, for messages.
        self.phentsize_offset = phentsize_offset

    def ehdr(self, buffer: bytes) -> ElfHeader:
        """Header at the start of `buffer` (at least 64 bytes)."""
        words = self.header.unpack_from(buffer, 16)
        kind, machine, _, entry, phoff = words[:5]
        return ElfHeader(kind, machine, entry, phoff, words[8], words[9])

    def phdrs(self, table: bytes) -> list[ProgramHeader]:
        """All entries of a program header table."""
        order = self.phdr_order
        return [ProgramHeader(*[words[i] for i in order]) for words in self.phdr.iter_unpack(table)]


ELF64: Final = ElfFlavour(
    name="elf",
    bits=64,
    header=Struct("<HHIQQQIHHHHHH"),
    phdr=Struct("<IIQQQQQQ"),
    phdr_order=(0, 1, 2, 3, 4, 5, 6, 7),
    machines=(EM_X86_64,),
    phentsize_offset=54,
)
#: CONFIG_IA32_EMULATION: the same source compiled a second time for 32-bit files.
COMPAT_ELF: Final = ElfFlavour(
    name="compat_elf",
    bits=32,
    header=Struct("<HHIIIIIHHHHHH"),
    phdr=Struct("<IIIIIIII"),
    phdr_order=(0, 6, 1, 2, 3, 4, 5, 7),
    machines=(EM_386, EM_486),
    phentsize_offset=42,
)


def check_magic(buffer: bytes) -> None:
    """Raises ElfError(ENOEXEC)."""
    if not buffer.startswith(ELFMAG):
        raise ElfError(Errno.ENOEXEC, 0, "it does not start with \\x7fELF")


def check_ehdr(flavour: ElfFlavour, buffer: bytes) -> ElfHeader:
    """The simple checks of load_elf_binary() on the first bytes. Raises ElfError(ENOEXEC)."""
    check_magic(buffer)
    header = flavour.ehdr(buffer)
    if header.type not in (ET_EXEC, ET_DYN):
        raise ElfError(
            Errno.ENOEXEC, 16, f"e_type {header.type} is neither ET_EXEC (2) nor ET_DYN (3)"
        )
    if header.machine not in flavour.machines:
        raise ElfError(Errno.ENOEXEC, 18, f"e_machine {header.machine} is another machine's")
    return header


def phdr_table_size(flavour: ElfFlavour, header: ElfHeader) -> int:
    """Bytes of the program header table: load_elf_phdrs(). Raises ElfError(ENOEXEC)."""
    entry = flavour.phdr.size
    at = flavour.phentsize_offset
    if header.phentsize != entry:
        raise ElfError(Errno.ENOEXEC, at, f"e_phentsize is {header.phentsize}, not {entry}")
    size = entry * header.phnum
    if not size:
        raise ElfError(Errno.ENOEXEC, at + 2, "e_phnum is 0: there are no program headers")
    if size > MAX_PHDR_BYTES:
        raise ElfError(
            Errno.ENOEXEC, at + 2, f"e_phnum {header.phnum}: the table is over 65,536 bytes"
        )
    return size


def check_interp_size(segment: ProgramHeader) -> None:
    """The size of a PT_INTERP. Raises ElfError(ENOEXEC)."""
    if not 2 <= segment.filesz <= PATH_MAX:
        raise ElfError(
            Errno.ENOEXEC, segment.offset, f"PT_INTERP is {segment.filesz} bytes, not 2 to 4,096"
        )


def interp_path(segment: ProgramHeader, data: bytes) -> bytes:
    """Path in a PT_INTERP, which may be empty. Raises ElfError(ENOEXEC)."""
    if data[-1]:
        raise ElfError(
            Errno.ENOEXEC,
            segment.offset + len(data) - 1,
            "the last byte of PT_INTERP is not NUL",
        )
    return data.partition(b"\0")[0]


def executable_stack(segments: list[ProgramHeader]) -> bool | None:
    """What the last PT_GNU_STACK says; None: there is none (64-bit: not executable)."""
    answer = None
    for segment in segments:
        if segment.type == PT_GNU_STACK:
            answer = bool(segment.flags & PF_X)
    return answer


#: include/uapi/linux/elf-em.h and the registry of the gABI, those that people meet.
MACHINES: Final = {
    0: "no machine",
    2: "SPARC",
    3: "32-bit x86 (i386)",
    4: "Motorola 68000",
    6: "Intel 80486",
    8: "MIPS",
    15: "HP PA-RISC",
    18: "SPARC32+",
    20: "32-bit PowerPC",
    21: "64-bit PowerPC",
    22: "IBM S/390",
    40: "32-bit ARM",
    42: "SuperH",
    43: "SPARC V9",
    50: "IA-64",
    62: "x86-64",
    76: "CRIS",
    92: "OpenRISC",
    94: "Xtensa",
    164: "Hexagon",
    183: "64-bit ARM (aarch64)",
    189: "MicroBlaze",
    243: "RISC-V",
    247: "eBPF",
    258: "LoongArch",
    0x9026: "Alpha",
}


def machine_name(machine: int) -> str:
    """In words; "machine N" where the table has none."""
    return MACHINES.get(machine, f"machine {machine}")
