"""Chapter 5, after part 5 of the article: page tables, rights, faults, swapping."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from youcpu.commands._tour.guide import Guide, Missing
from youcpu.commands._tour.model import Question, Screen, Shown

LEVELS = (("PML4", 39), ("PDPT", 30), ("PD", 21), ("PT", 12))
ERROR_BITS = "bit 0 the page is present, bit 1 a write, bit 2 from ring 3, bit 4 a fetch"


def ranges(guide: Guide, program: str) -> list[Any]:
    """What of the program's address space is there at its end."""
    found: list[Any] = guide.json(f"youcpu pagewalk --ranges --json -- {program}")["ranges"]
    return found


def screens(guide: Guide) -> Iterator[Screen]:
    """From an address to a frame, and what happens where there is none."""
    program = guide.system("true", "ls", "busybox")
    address = int(ranges(guide, program)[0]["start"], 16) + 0x40
    yield from _tables(program, address)
    yield from _walls(program, address)
    yield from _demand(guide, program)


def _tables(program: str, address: int) -> Iterator[Screen]:
    yield Screen(
        "No address is what it seems",
        "Every address that a program uses is translated by the CPU's memory management unit. "
        "This is what was there for a program at its end: the page tables, read by the CPU's own "
        "rules, equal rights merged.",
        (Shown(f"youcpu pagewalk -- {program}", 36),),
        "Above lies the kernel's half, without `u`. 48 bits are 256 TiB, of which the lower 128 "
        "are the programs'.",
        ("Intel SDM vol. 3A, 4.5", "Documentation/arch/x86/x86_64/mm.rst (Linux 6.18)"),
    )
    line = f"youcpu pagewalk {address:x} -- {program}"
    draw = line.replace("pagewalk", "pagewalk --svg walk.svg")
    yield Screen(
        "Level by level",
        "An address is five numbers: four indices of 9 bits each, one for each level of tables, "
        "and an offset into the page.",
        (Shown(line, 14), Shown(draw, 1, (0,), "walk.svg")),
        "CR3 holds the physical address of the first table in bits 12 to 51. Each entry has 8 "
        "bytes: where the next table, or the page, lies, and bits with rights. The lowest 12 bits "
        "are never translated. Pages have 4 KiB, or 2 MiB or 1 GiB where a leaf comes earlier.",
        ("Intel SDM vol. 3A, 4.5.4, tables 4-12 to 4-20",),
    )


def _walls(program: str, address: int) -> Iterator[Screen]:
    yield Screen(
        "Rights of all levels together",
        "May a program write there?",
        (Shown(f"youcpu pagewalk --access w {address:x} -- {program}", 4, last=True),),
        "A right counts only where every level grants it. What is raised is a page fault, "
        "exception 14, with an error code that says what was tried. The CPU knows no segmentation "
        "fault here: that is the signal, SIGSEGV, which the kernel sends if it finds the access "
        "wrong.",
        ("Intel SDM vol. 3A, 4.6, 4.7", "signal(7)"),
    )
    yield Screen(
        "The kernel's half",
        "The kernel's code is in the same page tables. Can ring 3 read it?",
        (Shown(f"youcpu pagewalk --access r ffffffff81000000 -- {program}", 4, last=True),),
        "The U bit is 0: error code 5. With page-table isolation, against Meltdown, Linux leaves "
        "nearly all of the kernel out of the tables that ring 3 runs with.",
        ("Intel SDM vol. 3A, 4.6.1", "Documentation/arch/x86/pti.rst (Linux 6.18)"),
    )
    yield Screen(
        "Addresses that cannot be",
        "The upper 16 bits of an address are not ignored.",
        (Shown(f"youcpu pagewalk --access r 800000000000 -- {program}", 7, last=True),),
        "They must be copies of bit 47. Otherwise the CPU does not look at the tables at all, and "
        "raises a general protection fault.",
        ("Intel SDM vol. 1, 3.3.7.1",),
    )


def _demand(guide: Guide, program: str) -> Iterator[Screen]:
    yield Screen(
        "A page fault, step by step",
        "What the CPU does at such a moment, on a machine with a very small kernel.",
        (Shown("youcpu interrupts --run page-fault", 34),),
        "It is an exception: raised by the instruction itself, not by a device. RIP in the frame "
        "is that of the instruction, so that it can be tried again; CR2 holds the address.",
        ("Intel SDM vol. 3A, 6.15, interrupt 14",),
    )
    yield Screen(
        "Nothing is there until it is touched",
        "After exec the tables are nearly empty. Each first access to a page is a fault; the "
        "kernel finds what belongs there and lets the instruction run again.",
        (Shown(f"youcpu exec-trace --faults -e trace=none {program}", 14),),
        "The page is not loaded ahead of time. The CPU stops where P is 0, whatever the other bits "
        "say, so the kernel can keep notes in such an entry.",
        ("Intel SDM vol. 3A, 4.7", "mm/memory.c, handle_mm_fault() (Linux 6.18)"),
    )
    ls = guide.system("ls", "busybox")
    yield Screen(
        "Less RAM than it touches",
        "With 100 frames for a program that touches more, pages must go: those of files are "
        "dropped, others go to swap. Which one should go next?",
        (Shown(f"youcpu exec-trace --ram 400k --swap 4M --compare {ls} -d /", 10),),
        "The optimum, which throws out what will be needed last, must know the future. The "
        "program's output is the same whatever the policy.",
        ("mm/vmscan.c (Linux 6.18)", "L. A. Belady, IBM Systems Journal 5(2), 1966"),
    )


# -- questions -----------------------------------------------------------------------------


def _address(guide: Guide, chance: Random) -> tuple[str, int, Any]:
    """(program, an address in its user half, the range that it lies in)."""
    program = guide.system(chance.choice(["true", "cat", "ls"]), "true", "ls", "busybox")
    words = f"{program} /dev/null"
    user = [one for one in ranges(guide, words) if int(one["start"], 16) < 1 << 47]
    if not user:
        raise Missing(f"{program} left nothing mapped")
    chosen = chance.choice(user)
    return words, int(chosen["start"], 16) + chance.randrange(chosen["size"]), chosen


def _walk(guide: Guide, words: str, address: int, access: str = "") -> Any:
    option = f"--access {access} " if access else ""
    return guide.json(f"youcpu pagewalk --json {option}{address:x} -- {words}")["walks"][0]


def ask_index(guide: Guide, chance: Random) -> Question:
    """The index at a level."""
    words, address, _ = _address(guide, chance)
    step = chance.choice(_walk(guide, words, address)["steps"])
    high, low = step["bits"]
    return Question(
        f"Which entry of the {step['level']} does the address {address:#x} select? "
        f"(bits {high} to {low})",
        (),
        str(step["index"]),
        "number",
        f"{address:#x} >> {low} & {(1 << high - low + 1) - 1:#x}.",
        f"youcpu pagewalk {address:x} -- {words}",
    )


def ask_physical(guide: Guide, chance: Random) -> Question:
    """The physical address, from the last entry."""
    words, address, _ = _address(guide, chance)
    walk = _walk(guide, words, address)
    last = walk["steps"][-1]
    return Question(
        f"The walk of {address:#x} ends at entry {last['index']} of a {last['level']}: "
        f"{int(last['entry'], 16):016x}. Which physical address is it?",
        (),
        walk["physical"],
        "number",
        f"Bits 12 to 51 of the entry, and the offset {address & 0xFFF:#x}; bit 63 is NX.",
        f"youcpu pagewalk {address:x} -- {words}",
    )


def ask_fault(guide: Guide, chance: Random) -> Question:
    """Which error code an access has, or whether it passes."""
    words, address, found = _address(guide, chance)
    access = chance.choice("rwx")
    kernel = chance.random() < 0.3
    if kernel:
        address = 0xFFFFFFFF81000000 + chance.randrange(0x100)
        found = {"rights": "-r-x"}
    verdict = _walk(guide, words, address, access)["verdict"]
    kind = {"r": "reads", "w": "writes", "x": "fetches an instruction from"}[access]
    answer = "passes" if verdict["allowed"] else str(verdict["error_code"])
    return Question(
        f"A program in ring 3 {kind} {address:#x}; that page is present, with the rights "
        f"`{found['rights']}` (u: for ring 3). Which error code has the page fault "
        f"({ERROR_BITS}), or `passes`?",
        (),
        answer,
        "words" if answer == "passes" else "number",
        verdict["rule"][0].upper() + verdict["rule"][1:] + "."
        if verdict["rule"]
        else "All levels grant it.",
        f"youcpu pagewalk --access {access} {address:x} -- {words}",
    )


QUESTIONS = (ask_index, ask_physical, ask_fault)
