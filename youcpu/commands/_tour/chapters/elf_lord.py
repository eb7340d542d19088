"""Chapter 4, after part 4 of the article: ELF files, sections and segments, dynamic linking."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from youcpu.commands._tour.guide import Guide, Missing
from youcpu.commands._tour.model import Question, Screen, Shown

PROGRAMS = ("ls", "cat", "true", "sh", "date", "sleep", "mkdir", "cp")


def screens(guide: Guide) -> Iterator[Screen]:
    """What lies in a program's file, and what of it the kernel and the dynamic linker read."""
    ls = guide.system("ls", "busybox")
    yield from _file(ls)
    yield from _linking(ls)


def _file(ls: str) -> Iterator[Screen]:
    yield Screen(
        "The header",
        "The first 64 bytes of an ELF file say for which CPU it is, and where its tables lie.",
        (Shown(f"youcpu readelf -h {ls}", 20),),
        "The type tells no program from a library: a position-independent program is DYN, as a "
        "library is. The entry point of a DYN file is relative to where it will be loaded.",
        ("elf(5)", "System V gABI, ELF Header"),
    )
    yield Screen(
        "Segments: what the kernel maps",
        "The program header table is all that the kernel reads to start a program.",
        (Shown(f"youcpu readelf -l -W {ls}", 24),),
        "`LOAD` is mapped, not read in: pages come when they are touched. `INTERP` names the "
        "dynamic linker, `GNU_STACK` says whether the stack may hold code. Where MemSiz exceeds "
        "FileSiz the rest is zeros: that is where `.bss` lies; there is no segment type for it.",
        ("fs/binfmt_elf.c, load_elf_binary() (Linux 6.18)", "elf(5)"),
    )
    yield Screen(
        "Sections: a map for linkers and debuggers",
        "To run the program nobody needs them; `strip --strip-section-headers` takes them away.",
        (Shown(f"youcpu readelf -S -W {ls}", 40),),
        "A section's name is an offset into the section that the header names (shstrndx), by "
        "custom `.shstrtab`; it is no offset into the file. `.bss` has the type NOBITS: a size, "
        "and nothing in the file.",
        ("System V gABI, Sections",),
    )


def _linking(ls: str) -> Iterator[Screen]:
    yield Screen(
        "Which libraries",
        "The kernel starts the dynamic linker, and that fetches the libraries. By which rule does "
        "it find each?",
        (Shown(f"youcpu ldd {ls}", 16),),
        "Libraries are mapped, and pages that nobody writes exist once in RAM, whatever the number "
        "of programs: code, and read-only data as well.",
        ("ld.so(8)",),
    )
    yield Screen(
        "The first instruction is the linker's",
        "Where does a dynamically linked program begin?",
        (Shown(f"youcpu exec-trace --stages-only {ls}", 3, last=True),),
        "The kernel jumps to the entry of the dynamic linker, plus the address at which that was "
        "loaded, and tells it the program's own entry (AT_ENTRY). The linker jumps there when all "
        "libraries are in place.",
        ("getauxval(3)", "fs/binfmt_elf.c (Linux 6.18)"),
    )
    yield Screen(
        "Slots, not jumps",
        "A call to a library's function goes through a slot, a pointer in the program's data that "
        "the linker fills. These are the slots that it has to fill.",
        (Shown(f"youcpu readelf -r -W {ls}", 12, last=True),),
        "Code is never changed: it is read-only and shared. The linker finds the symbols by "
        "PT_DYNAMIC, not by section headers.",
        ("System V AMD64 psABI, 5.2", "ld.so(8), LD_BIND_NOW"),
    )
    yield Screen(
        "Its first pages",
        "With the libraries mapped and not read, the first accesses are faults, each answered by "
        "the kernel with a page of a file.",
        (Shown(f"youcpu exec-trace --faults -e trace=openat,mmap {ls} /nowhere", 14, (2,)),),
        "`copy on write` is a page of a file that the program writes: it gets its own copy.",
        ("mmap(2), MAP_PRIVATE", "mm/memory.c (Linux 6.18)"),
    )


# -- questions -----------------------------------------------------------------------------


def _dynamic(guide: Guide, chance: Random) -> str:
    """One of the host's programs."""
    names = list(PROGRAMS)
    chance.shuffle(names)
    return guide.system(*names)


def _elf(guide: Guide, path: str) -> Any:
    return guide.json(f"youcpu readelf --json -h -l -S {path}")["files"][0]


def ask_zeros(guide: Guide, chance: Random) -> Question:
    """How much of a segment is not in the file."""
    path = _dynamic(guide, chance)
    loads = [one for one in _elf(guide, path)["segments"] if one["type"] == "LOAD"]
    writable = [one for one in loads if one["memsz"] > one["filesz"]]
    if not writable:
        raise Missing(f"{path} has no zeroed memory")
    found = writable[0]
    line = f"youcpu readelf -l -W {path}"
    return Question(
        f"{path} has a segment with FileSiz {found['filesz']:#x} and MemSiz {found['memsz']:#x}. "
        "How many bytes of zeros does the program get behind what is in the file?",
        (),
        f"{found['memsz'] - found['filesz']:#x}",
        "number",
        "MemSiz less FileSiz: the place of .bss.",
        line,
    )


def ask_entry(guide: Guide, chance: Random) -> Question:
    """Where the first instruction of a dynamically linked program lies."""
    path = _dynamic(guide, chance)
    line = f"youcpu exec-trace --stages-only {path}"
    events = guide.events(f"youcpu exec-trace --json --stages-only {path}")
    stages = {event.get("stage"): event for event in events}
    interpreter = stages.get("interpreter")
    if interpreter is None:
        raise Missing(f"{path} is linked statically")
    linker = guide.json(f"youcpu readelf --json -h {interpreter['path']}")["files"][0]
    entry = linker["header"]["entry"]
    return Question(
        f"{path} asks for {interpreter['path']}, which the kernel loads at {interpreter['base']}. "
        f"That file's header has the entry point {entry:#x}, and the program's own "
        f"{_elf(guide, path)['header']['entry']:#x}. At which address is the first instruction?",
        (),
        interpreter["entry"],
        "number",
        "The dynamic linker's entry, which is relative to where it was loaded, comes first.",
        line,
    )


def ask_section(guide: Guide, chance: Random) -> Question:
    """Which section an address of the file lies in."""
    path = _dynamic(guide, chance)
    sections = [one for one in _elf(guide, path)["sections"] if one["addr"] and one["size"]]
    if not sections:
        raise Missing(f"{path} has no section headers")
    chosen = chance.choice([one for one in sections if one["type"] != "NOBITS"])
    address = chosen["addr"] + chance.randrange(chosen["size"])
    line = f"youcpu readelf -S -W {path}"
    return Question(
        f"In which section of {path} does the address {address:#x} lie?",
        (Shown(line, 40),),
        chosen["name"],
        "words",
        f"It begins at {chosen['addr']:#x} and has {chosen['size']:#x} bytes.",
        line,
    )


def ask_type(guide: Guide, chance: Random) -> Question:
    """ET_DYN or ET_EXEC."""
    path = chance.choice(["./hello", "./family", _dynamic(guide, chance)])
    header = _elf(guide, path)["header"]
    return Question(
        f"The header of {path} has the entry point {header['entry']:#x}. Is its type EXEC, loaded "
        "where it says, or DYN, loaded anywhere?",
        (),
        "exec" if header["type_value"] == 2 else "dyn",
        "words",
        "An entry point far below 0x400000 can only be relative."
        if header["type_value"] == 3
        else "It is linked for fixed addresses.",
        f"youcpu readelf -h {path}",
    )


QUESTIONS = (ask_zeros, ask_entry, ask_section, ask_type)
