"""The records of an ELF file as values, and how each lies in the file: the gABI's chapters 4, 5."""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple


class Header:
    """The file header. Counts and the index of section names are resolved in place later."""

    __slots__ = (
        "ehsize",
        "entry",
        "flags",
        "ident",
        "machine",
        "phentsize",
        "phnum",
        "phoff",
        "shentsize",
        "shnum",
        "shoff",
        "shstrndx",
        "type",
        "version",
    )

    def __init__(self, ident: bytes, fields: tuple[int, ...]) -> None:
        self.ident = ident
        self.type, self.machine, self.version, self.entry, self.phoff, self.shoff = fields[:6]
        self.flags, self.ehsize, self.phentsize, self.phnum = fields[6:10]
        self.shentsize, self.shnum, self.shstrndx = fields[10:]

    @property
    def osabi(self) -> int:
        return self.ident[7]


class Segment(NamedTuple):
    """A program header."""

    type: int
    offset: int
    vaddr: int
    paddr: int
    filesz: int
    memsz: int
    flags: int
    align: int


class Section(NamedTuple):
    """A section header, with its index in the table."""

    number: int
    name: int
    type: int
    flags: int
    addr: int
    offset: int
    size: int
    link: int
    info: int
    addralign: int
    entsize: int


class Symbol(NamedTuple):
    """A symbol; `shndx` from SHN_LORESERVE on has 0xffff0000 added, an extended index has not."""

    name: int
    info: int
    other: int
    shndx: int
    value: int
    size: int

    @property
    def type(self) -> int:
        return self.info & 15

    @property
    def binding(self) -> int:
        return self.info >> 4


class Dyn(NamedTuple):
    """An entry of the dynamic section."""

    tag: int
    value: int


class Layout:
    """How records lie in a file of one class and byte order."""

    __slots__ = (
        "address",
        "chdr",
        "dyn",
        "ehdr",
        "is64",
        "little",
        "phdr",
        "rel",
        "rela",
        "shdr",
        "sym",
        "word",
    )

    def __init__(self, is64: bool, little: bool) -> None:
        o = "<" if little else ">"
        self.is64, self.little = is64, little
        self.word = Struct(o + "I")
        self.address = Struct(o + ("Q" if is64 else "I"))
        self.ehdr = Struct(o + ("HHIQQQIHHHHHH" if is64 else "HHIIIIIHHHHHH"))
        self.phdr = Struct(o + ("IIQQQQQQ" if is64 else "IIIIIIII"))
        self.shdr = Struct(o + ("IIQQQQIIQQ" if is64 else "IIIIIIIIII"))
        # st_info, st_other and st_shndx come as one number: a key to what they mean together.
        self.sym = Struct(o + ("IIQQ" if is64 else "IIII"))
        self.dyn = Struct(o + ("QQ" if is64 else "II"))
        self.rel = Struct(o + ("QQ" if is64 else "II"))
        self.rela = Struct(o + ("QQq" if is64 else "IIi"))
        self.chdr = Struct(o + ("IIQQ" if is64 else "III"))

    def number(self, data: bytes | memoryview) -> int:
        """An unsigned number of as many bytes as `data` has."""
        return int.from_bytes(data, "little" if self.little else "big")
