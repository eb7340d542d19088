"""What a file is that is no ELF file, in one line, and what Linux's exec does with it.

The order is that of fs/exec.c's search_binary_handler: ELF, scripts, then what binfmt_misc knows;
all else is ENOEXEC. lief reads PE and Mach-O further than their headers, and is imported only then.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

ENOEXEC = "exec fails with ENOEXEC"
MISC = f"{ENOEXEC} unless a binfmt_misc rule names an interpreter"

PE_MACHINES = {
    0x14C: "i386",
    0x1C0: "ARM",
    0x1C4: "ARM Thumb-2",
    0x200: "Itanium",
    0x5032: "RISC-V 32",
    0x5064: "RISC-V 64",
    0x6264: "LoongArch 64",
    0x8664: "x86-64",
    0xAA64: "AArch64",
    0xEBC: "EFI byte code",
}
PE_SUBSYSTEMS = {
    1: "native",
    2: "Windows GUI",
    3: "Windows console",
    10: "EFI application",
    11: "EFI boot driver",
    12: "EFI runtime driver",
}
MACHO_CPUS = {7: "i386", 12: "ARM", 18: "PowerPC"}
MACHO_CPUS_64 = {7: "x86-64", 12: "AArch64", 18: "PowerPC 64"}
MACHO_TYPES = {
    1: "object",
    2: "executable",
    4: "core",
    5: "preloaded executable",
    6: "shared library",
    7: "dynamic linker",
    8: "bundle",
    10: "debug symbols",
    11: "kernel extension",
}
MACHO_MAGICS = {
    b"\xfe\xed\xfa\xce": (">", False),
    b"\xfe\xed\xfa\xcf": (">", True),
    b"\xce\xfa\xed\xfe": ("<", False),
    b"\xcf\xfa\xed\xfe": ("<", True),
}
AOUT = {0o407: "OMAGIC", 0o410: "NMAGIC", 0o413: "ZMAGIC", 0o314: "QMAGIC"}
SIMPLE = (
    (b"!<arch>\n", "archive", "ar archive", ENOEXEC),
    (b"!<thin>\n", "archive", "thin ar archive", ENOEXEC),
    (b"BC\xc0\xde", "bitcode", "LLVM bitcode", MISC),
    (b"go object ", "go", "Go object file", ENOEXEC),
    (b"\0asm", "wasm", "WebAssembly module", MISC),
    (b"PK\x03\x04", "zip", "zip archive (or a jar)", MISC),
    (b"\x1f\x8b", "gzip", "gzip compressed data", ENOEXEC),
    (b"\xfd7zXZ\0", "xz", "xz compressed data", ENOEXEC),
    (b"\x28\xb5\x2f\xfd", "zstd", "zstd compressed data", ENOEXEC),
    (b"BZh", "bzip2", "bzip2 compressed data", ENOEXEC),
    (b"070701", "cpio", "cpio archive (newc)", ENOEXEC),
)


class Identity(NamedTuple):
    """`kind` is one word for programs, `description` a phrase, `on_exec` what Linux does."""

    kind: str
    description: str
    on_exec: str

    @property
    def line(self) -> str:
        return f"{self.description}; {self.on_exec}"


def identify(data: bytes | memoryview) -> Identity:
    """What the bytes are by their first ones; never raises."""
    head = bytes(data[:4096])
    if not head:
        return Identity("empty", "an empty file", ENOEXEC)
    if head[:4] == b"\x7fELF":
        from youcpu.formats.elf.core import describe_elf

        return Identity("elf", describe_elf(memoryview(data)), ENOEXEC)
    if head[:2] == b"#!":
        return _script(head)
    for magic, kind, description, on_exec in SIMPLE:
        if head.startswith(magic):
            return Identity(kind, f"{_article(description)} {description}", on_exec)
    if head[:2] == b"MZ":
        return _pe(data, head)
    if head[:4] in MACHO_MAGICS:
        return _macho(data, head)
    if head[:4] == b"\xca\xfe\xba\xbe" and len(head) >= 8:
        return _fat_or_class(head)
    aout = int.from_bytes(head[:2], "little")
    if aout in AOUT and len(head) >= 32 and head[2:3] in (b"\0", b"\x64", b"\x86"):
        # Linux dropped a.out in 5.19 (x86) and 6.1 (alpha, m68k).
        return Identity("aout", f"an a.out file ({AOUT[aout]})", ENOEXEC)
    if _is_text(head):
        return Identity("text", "text without #!", f"{ENOEXEC}; shells run it themselves")
    return Identity("data", "data of no known executable format", ENOEXEC)


def _article(words: str) -> str:
    return "an" if words[0] in "aeioxAEIOLX" and words[:2] not in ("LL", "zi") else "a"


def _is_text(head: bytes) -> bool:
    return not any(byte < 0x20 and byte not in b"\t\n\r\f\x1b" for byte in head[:512])


def _script(head: bytes) -> Identity:
    # BINPRM_BUF_SIZE is 256 since Linux 5.1: what is longer is cut, or refused.
    line = head[2:256].split(b"\n", 1)[0].strip(b" \t")
    words = line.split(maxsplit=1)
    if not words:
        return Identity("script", "a script that names no interpreter", ENOEXEC)
    interpreter = words[0].decode("utf-8", "backslashreplace")
    option = f" {words[1].decode('utf-8', 'backslashreplace')}" if len(words) > 1 else ""
    return Identity(
        "script", f"a script for {interpreter}", f"exec starts {interpreter}{option} with it"
    )


def _pe(data: bytes | memoryview, head: bytes) -> Identity:
    start = int.from_bytes(head[0x3C:0x40], "little")
    pe = bytes(data[start : start + 96])
    if pe[:4] != b"PE\0\0" or len(pe) < 26:
        return Identity("dos", "a DOS executable (MZ)", MISC)
    machine = int.from_bytes(pe[4:6], "little")
    name = PE_MACHINES.get(machine, f"machine {machine:#x}")
    plus = int.from_bytes(pe[24:26], "little") == 0x20B
    characteristics = int.from_bytes(pe[22:24], "little")
    what = "DLL" if characteristics & 0x2000 else "executable"
    subsystem = PE_SUBSYSTEMS.get(int.from_bytes(pe[92:94], "little"), "")
    kind = f"a {'PE32+' if plus else 'PE32'} {what} for {name}"
    kind += f" ({subsystem})" if subsystem else ""
    return Identity("pe", kind + _pe_details(bytes(data)), MISC)


def _pe_details(data: bytes) -> str:
    """What lief finds beyond the headers: how many libraries a PE file wants."""
    try:
        import lief

        lief.logging.disable()
        binary = lief.PE.parse(data)
        libraries = len(binary.imports) if binary is not None else 0
    except Exception:
        # lief raises what it likes on damaged files; the headers have said enough.
        return ""
    return f", imports from {libraries} DLLs" if libraries else ""


def _macho(data: bytes | memoryview, head: bytes) -> Identity:
    order, is64 = MACHO_MAGICS[head[:4]]
    if len(head) < 28:
        return Identity("macho", "a Mach-O file that is cut short", ENOEXEC)
    cpu, _, filetype = Struct(order + "III").unpack_from(head, 4)
    table = MACHO_CPUS_64 if is64 else MACHO_CPUS
    name = table.get(cpu & 0xFFFFFF, f"CPU {cpu:#x}")
    what = MACHO_TYPES.get(filetype, f"file of type {filetype}")
    bits = 64 if is64 else 32
    description = f"a Mach-O {bits}-bit {what} for {name}"
    return Identity("macho", description + _macho_details(bytes(data)), MISC)


def _macho_details(data: bytes) -> str:
    try:
        import lief

        lief.logging.disable()
        fat = lief.MachO.parse(data)
        first = fat.at(0) if fat is not None else None
        libraries = len(first.libraries) if first is not None else 0
    except Exception:
        # As with PE: details are welcome, not needed.
        return ""
    return f", wants {libraries} libraries" if libraries else ""


def _fat_or_class(head: bytes) -> Identity:
    """0xcafebabe is Java's and Apple's: a fat file has few slices, class versions begin at 43."""
    number = int.from_bytes(head[4:8], "big")
    if number < 43:
        plural = "machine" if number == 1 else "machines"
        return Identity("macho", f"a Mach-O universal file for {number} {plural}", MISC)
    return Identity("class", f"a Java class file (version {number & 0xFFFF})", MISC)
