"""The options of youcpu pagewalk, and the command line as a checked Query."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from youcpu.record import record

if TYPE_CHECKING:
    from youcpu.hardware.paging_access import Access

LEVELS = ("4", "5", "pae", "32")
FORMATS = ("text", "qemu", "json")
LEAVES_LIMIT = 20_000_000
QUESTIONS = 3

Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SOURCE] [ADDR]...",
        help="A dump (ELF core, LiME, raw; .xz, .zst; - is standard input), then addresses in "
        "hexadecimal (- reads them from standard input).",
    ),
]
Pid = Annotated[int | None, typer.Option(metavar="PID", help="A live process of the host.")]
Ranges = Annotated[bool, typer.Option("--ranges", help="Merged ranges (default).")]
Leaves = Annotated[bool, typer.Option("--leaves", help="Every page.")]
Stats = Annotated[bool, typer.Option("--stats", help="Tables, leaves by size, memory spent.")]
Frame = Annotated[str | None, typer.Option(metavar="ADDR", help="Who maps this physical frame.")]
Diff = Annotated[
    tuple[str, str] | None, typer.Option(metavar="A B", help="What changed from dump A to B.")
]
AccessKind = Annotated[
    str | None, typer.Option(metavar="r|w|x", help="Would this access pass, or which fault?")
]
User = Annotated[
    bool, typer.Option("--user/--kernel", help="The access comes from ring 3, or ring 0.")
]
Ac = Annotated[bool, typer.Option("--ac", help="RFLAGS.AC is set: it lifts SMAP.")]
Format = Annotated[
    str, typer.Option(metavar="text|qemu|json", help="qemu: exactly as QEMU's monitor prints.")
]
Json = Annotated[bool, typer.Option("--json", help="The same as --format json.")]
Svg = Annotated[
    str | None, typer.Option(metavar="FILE", help="Draw the walks or ranges (- to stdout).")
]
Cpu = Annotated[int | None, typer.Option(metavar="N", help="CPU of the dump that is asked.")]
Cr3 = Annotated[
    str | None, typer.Option(metavar="ADDR", help="The first table, where the dump lacks it.")
]
Levels = Annotated[
    str | None, typer.Option(metavar="4|5|pae|32", help="Paging mode, where the dump lacks it.")
]
Cr0 = Annotated[str | None, typer.Option(metavar="HEX", help="CR0 (WP, PG).")]
Cr4 = Annotated[
    str | None, typer.Option(metavar="HEX", help="CR4 (PSE, PAE, LA57, SMEP, SMAP, PKE).")
]
Efer = Annotated[str | None, typer.Option(metavar="HEX", help="EFER (LMA, NXE).")]
Pkru = Annotated[str | None, typer.Option(metavar="HEX", help="PKRU, the rights of each key.")]
PhysicalBits = Annotated[
    int, typer.Option(min=32, max=52, help="MAXPHYADDR: address bits above it are reserved.")
]
Explain = Annotated[
    bool, typer.Option("--explain", help="Tell what each level means, and where that is written.")
]
Quiz = Annotated[bool, typer.Option("--quiz", help="Translate addresses by hand.")]
Seed = Annotated[int, typer.Option(metavar="N", help="Of the quiz's questions.")]
Questions = Annotated[int, typer.Option(min=1, help="How many questions.")]
Solve = Annotated[bool, typer.Option("--solve", help="Answer the quiz.")]
Limit = Annotated[int, typer.Option(min=1, help="Most leaves, or ways to a frame, to list.")]
Color = Annotated[str, typer.Option(metavar="auto|always|never", help="Color the text.")]


@record(frozen=True)
class Query:
    """What is asked, whatever the source."""

    task: str  # walks leaves ranges stats mappings diff quiz
    addresses: tuple[int, ...]
    frame: int
    access: Access | None
    format: str
    color: bool
    explain: bool
    svg: str | None
    seed: int
    questions: int
    solve: bool
    limit: int


def chosen_task(tasks: dict[str, bool], addresses: tuple[int, ...]) -> str:
    """The one task that is wanted; ranges where none is told."""
    chosen = [name for name, wanted in tasks.items() if wanted]
    chosen += ["walks"] if addresses else []
    if len(chosen) > 1:
        raise typer.BadParameter(f"{' and '.join(chosen)} at once: ask for one of them")
    return chosen[0] if chosen else "ranges"


def hexadecimal(text: str, option: str) -> int:
    """A number of 64 bits, with or without 0x."""
    try:
        value = int(text.replace("_", ""), 16)
    except ValueError:
        value = -1
    if not 0 <= value < 1 << 64:
        raise typer.BadParameter(f"{option}: {text!r} is not a hexadecimal number of 64 bits")
    return value


def hexadecimals(texts: dict[str, str | None]) -> dict[str, int | None]:
    """Register options by name; None where one is not told."""
    return {
        name: None if text is None else hexadecimal(text, f"--{name}")
        for name, text in texts.items()
    }


def parsed_addresses(words: list[str]) -> Iterator[int]:
    """Addresses; "-" stands for the first word of each line of standard input."""
    for word in words:
        texts = [word]
        if word == "-":
            texts = [line.split()[0] for line in sys.stdin if line.strip()]
        for text in texts:
            yield hexadecimal(text.rstrip(":"), "ADDR")


def one_of(text: str, choices: tuple[str, ...], option: str) -> str:
    if text not in choices:
        raise typer.BadParameter(f"{option}: {text!r} is none of {', '.join(choices)}")
    return text


def parsed_access(kind: str | None, user: bool, ac: bool) -> Access | None:
    if kind is None:
        return None
    from youcpu.hardware.paging_access import Access

    return Access(one_of(kind, ("r", "w", "x"), "--access"), user, ac)


def wants_color(choice: str) -> bool:
    """NO_COLOR and TERM=dumb count where the choice is left open."""
    one_of(choice, ("auto", "always", "never"), "--color")
    if choice != "auto":
        return choice == "always"
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain
