"""What a file is that the kernel has no format for: by its first bytes, in words."""

from __future__ import annotations

from youcpu.formats.elf_exec import ELFMAG, machine_name

#: First bytes -> (what it is, what runs it).
_MAGICS = (
    (b"MZ", "a Windows or DOS program", "run it with wine"),
    (b"\xcf\xfa\xed\xfe", "a macOS program (Mach-O)", "get the program built for Linux"),
    (b"\xce\xfa\xed\xfe", "a macOS program (Mach-O)", "get the program built for Linux"),
    (b"\xca\xfe\xba\xbe", "a Java class or a macOS universal binary", "run a class with java"),
    (b"\0asm", "a WebAssembly module", "run it with wasmtime or another WebAssembly runtime"),
    (b"PK\x03\x04", "a zip archive (a jar, perhaps)", "run a jar with java -jar"),
    (b"\x1f\x8b", "a gzip archive", "unpack it first: gunzip or tar xzf"),
    (b"\xfd7zXZ\0", "an xz archive", "unpack it first: unxz or tar xJf"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", "unpack it first: unzstd"),
    (b"BZh", "a bzip2 archive", "unpack it first: bunzip2 or tar xjf"),
    (b"!<arch>\n", "a static library or a Debian package", "install a package with apt or dpkg"),
    (b"BC\xc0\xde", "LLVM bitcode", "run it with lli"),
    (b"%PDF", "a PDF document", "open it with a viewer"),
)
_BOMS = (
    (b"\xff\xfe", "UTF-16, little-endian"),
    (b"\xfe\xff", "UTF-16, big-endian"),
)
_ELF_TYPES = {1: "an object file", 4: "a core dump", 0: "no type"}


def identify(head: bytes) -> tuple[str, str] | None:
    """(what the file is, what to do with it) for the formats of other systems; None: unknown."""
    for magic, what, mend in _MAGICS:
        if head.startswith(magic):
            return what, mend
    # importlib.util: two bytes of version, then CR LF.
    if head[2:4] == b"\r\n" and len(head) >= 16 and head[1] in (0x0A, 0x0B, 0x0C, 0x0D, 0x0E):
        return "compiled Python (.pyc)", "run it with the python3 that made it"
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            return f"text in {encoding}", "save it as UTF-8 without a byte order mark"
    return None


def elf_machine(head: bytes) -> tuple[int, int, int] | None:
    """(bits, machine, type) of an ELF header read as its own class and byte order say."""
    if not head.startswith(ELFMAG) or len(head) < 20:
        return None
    order = "big" if head[5] == 2 else "little"
    kind = int.from_bytes(head[16:18], order)  # type: ignore[arg-type]
    machine = int.from_bytes(head[18:20], order)  # type: ignore[arg-type]
    return (32 if head[4] == 1 else 64), machine, kind


def describe_elf(head: bytes) -> str:
    """An ELF file in words: "a 64-bit ELF program for 64-bit ARM (aarch64)"."""
    found = elf_machine(head)
    if found is None:
        return "a cut ELF file"
    bits, machine, kind = found
    what = _ELF_TYPES.get(kind, "program")
    name = machine_name(machine)
    if what == "program":
        return f"a {bits}-bit ELF program for {name}"
    return f"a {bits}-bit ELF file for {name}: {what}"
