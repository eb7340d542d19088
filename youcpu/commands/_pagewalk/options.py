"""The options of youcpu pagewalk, and the command line as a checked Query."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from youcpu.commands._exec.machine_options import PAGING_OPTIONS
from youcpu.options import LAST_OPTIONS, Option, Parsed, UsageError
from youcpu.record import record

if TYPE_CHECKING:
    from youcpu.hardware.paging_access import Access
    from youcpu.stopped_machine import Overrides

NAME = "pagewalk"
LEVELS = ("4", "5", "pae", "32")
FORMATS = ("text", "qemu", "json")
LEAVES_LIMIT = 20_000_000
QUESTIONS = 3
REGISTERS = ("cr3", "cr0", "cr4", "efer", "pkru")

USAGE = """youcpu pagewalk [OPTIONS] DUMP [ADDR...]
       youcpu pagewalk [OPTIONS] --pid PID [ADDR...]
       youcpu pagewalk [OPTIONS] --diff DUMP DUMP
       youcpu pagewalk [OPTIONS] [--at MOMENT] [ADDR...] -- PROGRAM [ARG...]
       youcpu pagewalk [OPTIONS] --diff MOMENT MOMENT -- PROGRAM [ARG...]"""
SUMMARY = """Walks page tables as the CPU does: of a memory dump (ELF core, LiME or raw; .xz and
.zst are unpacked, - is standard input), of a live process as far as the host shows
it, or of a PROGRAM stopped on the emulated machine (its output goes to stderr).
Addresses are hexadecimal; - reads them from standard input. Without an address:
ranges of equal rights."""
OPTIONS = [
    Option("--pid", "A live process of the host.", "PID"),
    Option("--at", "exec, exit (default), syscall:NAME[:N], symbol:NAME[:N], insns:N.", "MOMENT"),
    Option("--process", "The process of PROGRAM's that is asked (the one that ran).", "PID"),
    Option("--clear-env", "PROGRAM starts with an empty environment."),
    *PAGING_OPTIONS,
    Option("--ranges", "Merged ranges with their rights (default)."),
    Option("--leaves", "Every page."),
    Option("--stats", "Tables, pages by size, memory spent on tables."),
    Option("--frame", "Who maps this physical frame.", "ADDR"),
    Option("--diff", "What changed from the first dump, or moment, to the second."),
    Option(
        "--access", "r, w or x: would this access pass, or which fault?", "KIND", choices="r w x"
    ),
    Option("--user", "The access comes from ring 3 (default)."),
    Option("--kernel", "The access comes from ring 0."),
    Option("--ac", "RFLAGS.AC is set: it lifts SMAP."),
    Option(
        "--format",
        "text, json, or qemu: exactly as QEMU's monitor prints.",
        "FORM",
        choices="text json qemu",
    ),
    Option("--json", "The same as --format json (docs/schema/pagewalk.json)."),
    Option("--svg", "Draw the walks or ranges to FILE (- is standard output).", "FILE"),
    Option("--explain", "Tell what each level means, and where that is written."),
    Option("--cpu", "The CPU of the dump that is asked.", "N"),
    Option("--cr3", "The first table, where the dump does not tell it.", "ADDR"),
    Option(
        "--levels",
        "4, 5, pae or 32, where the dump does not tell it.",
        "MODE",
        choices="4 5 pae 32",
    ),
    Option("--cr0", "CR0 (WP, PG).", "HEX"),
    Option("--cr4", "CR4 (PSE, PAE, LA57, SMEP, SMAP, PKE).", "HEX"),
    Option("--efer", "EFER (LMA, NXE).", "HEX"),
    Option("--pkru", "PKRU, the rights of each protection key.", "HEX"),
    Option("--physical-bits", "MAXPHYADDR (52): address bits above it are reserved.", "N"),
    Option("--quiz", "Translate addresses by hand: questions on these tables."),
    Option("--seed", "Of the questions (0).", "N"),
    Option("--questions", "How many (3).", "N"),
    Option("--solve", "Answer them."),
    Option("--limit", "Most leaves, or ways to a frame, to list (20000000).", "N"),
    *LAST_OPTIONS,
]
EPILOG = """Exit code: 0 fine, also where an address is not mapped; 1 the source cannot be read,
or has not what is asked for; 2 wrong usage."""


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


def query_of(parsed: Parsed, addresses: list[str]) -> Query:
    """The checked question. Raises UsageError."""
    found = tuple(_addresses(addresses))
    form = "json" if parsed.flag("json") else _one_of(parsed, "format", FORMATS) or "text"
    frame = parsed.value("frame")
    return Query(
        task=_task(parsed, bool(found)),
        addresses=found,
        frame=hexadecimal(frame, "--frame") if frame is not None else 0,
        access=_access(parsed),
        format=form,
        color=_wants_color(_one_of(parsed, "color", ("auto", "always", "never")) or "auto"),
        explain=parsed.flag("explain"),
        svg=parsed.value("svg"),
        seed=_number(parsed, "seed", 0, 0),
        questions=_number(parsed, "questions", QUESTIONS, 1),
        solve=parsed.flag("solve"),
        limit=_number(parsed, "limit", LEAVES_LIMIT, 1),
    )


def overrides_of(parsed: Parsed) -> Overrides:
    """Registers that the command line tells. Raises UsageError."""
    from youcpu.stopped_machine import Overrides

    told = {
        name: hexadecimal(text, f"--{name}")
        for name in REGISTERS
        if (text := parsed.value(name)) is not None
    }
    bits = _number(parsed, "physical-bits", 52, 32)
    if bits > 52:
        raise UsageError("--physical-bits: at most 52")
    return Overrides(**told, levels=_one_of(parsed, "levels", LEVELS), physical_bits=bits)


def number_of(parsed: Parsed, key: str) -> int | None:
    """A whole number that may be left out. Raises UsageError."""
    return None if parsed.value(key) is None else _number(parsed, key, 0, 0)


def _task(parsed: Parsed, addresses: bool) -> str:
    names = {"ranges": "ranges", "leaves": "leaves", "stats": "stats", "frame": "mappings"}
    names |= {"diff": "diff", "quiz": "quiz"}
    chosen = [key for key in names if parsed.flag(key)]
    if len(chosen) + addresses > 1:
        asked = [f"--{key}" for key in chosen] + ["addresses"] * addresses
        raise UsageError(f"{' and '.join(asked)} at once: ask for one of them")
    return names[chosen[0]] if chosen else "walks" if addresses else "ranges"


def _number(parsed: Parsed, key: str, default: int, least: int) -> int:
    text = parsed.value(key)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 18 or int(text) < least:
        raise UsageError(f"--{key}: {text!r} is not a number from {least} on")
    return int(text)


def hexadecimal(text: str, option: str) -> int:
    """A number of 64 bits, with or without 0x. Raises UsageError."""
    try:
        value = int(text.replace("_", ""), 16)
    except ValueError:
        value = -1
    if not 0 <= value < 1 << 64:
        raise UsageError(f"{option}: {text!r} is not a hexadecimal number of 64 bits")
    return value


def _addresses(words: list[str]) -> Iterator[int]:
    """Addresses; "-" stands for the first word of each line of standard input."""
    for word in words:
        texts = [word]
        if word == "-":
            texts = [line.split()[0] for line in sys.stdin if line.strip()]
        for text in texts:
            yield hexadecimal(text.rstrip(":"), "ADDR")


def _one_of(parsed: Parsed, key: str, choices: tuple[str, ...]) -> str | None:
    text = parsed.value(key)
    if text is not None and text not in choices:
        raise UsageError(f"--{key}: {text!r} is none of {', '.join(choices)}")
    return text


def _access(parsed: Parsed) -> Access | None:
    kind = _one_of(parsed, "access", ("r", "w", "x"))
    if kind is None:
        return None
    if parsed.flag("user") and parsed.flag("kernel"):
        raise UsageError("--user and --kernel at once: the access comes from one ring")
    from youcpu.hardware.paging_access import Access

    return Access(kind, not parsed.flag("kernel"), parsed.flag("ac"))


def _wants_color(choice: str) -> bool:
    """NO_COLOR and TERM=dumb count where the choice is left open."""
    if choice != "auto":
        return choice == "always"
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain
