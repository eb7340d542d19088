"""The way into the kernel: tables, and interrupts step by step.

Stage: cpu
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from typing import Any

from youcpu.interrupt_lab.programs import PROGRAMS
from youcpu.options import LAST_OPTIONS, Option, Parsed, UsageError, run_command

NAME = "interrupts"
USAGE = "youcpu interrupts [OPTIONS]"
SUMMARY = """Shows the descriptor tables by which the CPU finds its way into the kernel: those of
youcpu's own kernel, of the interrupt lab, or of a memory dump. With --run an interrupt, an
exception or a system call happens for real on the machine, and each step that the CPU takes is
told: gate, privilege check, stack, frame, flags, handler, return."""
OPTIONS = [
    Option(
        "--run",
        "Play this one; without NAME: list what there is.",
        "NAME",
        choices=" ".join(PROGRAMS),
    ),
    Option("--list", "List what --run plays."),
    Option(
        "--compare", "doors: INT 80h, SYSCALL and SYSENTER side by side.", "WHAT", choices="doors"
    ),
    Option(
        "--vendor",
        "intel (default) or amd: whose CPU --run and --compare use.",
        "NAME",
        choices="intel amd",
    ),
    Option(
        "--table",
        "idt, gdt, tss or msr only; may be repeated.",
        "NAME",
        many=True,
        choices="idt gdt tss msr",
    ),
    Option("--vector", "One gate of the IDT, its bits drawn.", "N"),
    Option("--bits", "Draw the bits of every descriptor."),
    Option("--lab", "The tables of the interrupt lab, which --run uses."),
    Option("--dump", "The tables in a memory dump with CPU notes (QEMU's).", "FILE"),
    Option("--symbols", "Names for the dump's handlers: System.map or vmlinux.", "FILE"),
    Option("--cpu", "Which CPU of the dump, from 0.", "N"),
    Option("--explain", "Tell the rule of each step, and where it is written."),
    Option("--json", "One JSON document (docs/schema/interrupts.json)."),
    Option("--svg", "Draw the run to FILE (- is standard output).", "FILE"),
    *LAST_OPTIONS,
]
EPILOG = """Exit code: 0 fine, whatever the exception; 1 the dump cannot be read or has not what is
asked for; 2 wrong usage."""


def main(argv: list[str]) -> int:
    """Run the command."""
    # --run without a name lists them.
    argv = [
        "--list" if word == "--run" and following.startswith("-") else word
        for word, following in zip(argv, [*argv[1:], "-"], strict=False)
    ]
    return run_command(_checked, argv, NAME, (USAGE, SUMMARY, EPILOG), OPTIONS)


def _checked(parsed: Parsed) -> int:
    if parsed.operands:
        raise UsageError(f"unexpected operand '{parsed.operands[0]}'")
    _check(parsed)
    return _answer(parsed)


def _check(parsed: Parsed) -> None:
    """What excludes what. Raises UsageError."""
    tasks = [key for key in ("run", "list", "compare") if parsed.flag(key)]
    tables = [key for key in ("table", "vector", "bits", "lab", "dump") if parsed.flag(key)]
    if len(tasks) > 1:
        raise UsageError(f"--{tasks[0]} and --{tasks[1]} at once: ask for one of them")
    if tasks and tables:
        raise UsageError(f"--{tables[0]} is about tables: not with --{tasks[0]}")
    if parsed.flag("lab") and parsed.flag("dump"):
        raise UsageError("--lab and --dump at once: one source")
    for key in ("cpu", "symbols"):
        if parsed.flag(key) and not parsed.flag("dump"):
            raise UsageError(f"--{key} wants --dump")
    for key in ("svg", "explain"):
        if parsed.flag(key) and "run" not in tasks:
            raise UsageError(f"--{key} wants --run")
    if parsed.flag("svg") and parsed.flag("json"):
        raise UsageError("--svg and --json at once: ask for one of them")
    if parsed.flag("vendor") and not tasks:
        raise UsageError("--vendor wants --run or --compare")


def _answer(parsed: Parsed) -> int:
    color = wants_color(choice_of(parsed, "color", ("auto", "always", "never"), "auto"))
    vendor = choice_of(parsed, "vendor", ("intel", "amd"), "intel")
    if parsed.flag("list"):
        return _list(parsed)
    if parsed.flag("compare"):
        choice_of(parsed, "compare", ("doors",), "doors")
        from youcpu.commands._interrupts.doors import doors_document
        from youcpu.render.interrupts.doors import doors_lines

        document = doors_document(vendor)
        return _write(parsed, document, doors_lines(document, color))
    if parsed.flag("run"):
        return _run(parsed, vendor, color)
    return _tables(parsed, color)


def choice_of(parsed: Parsed, key: str, choices: tuple[str, ...], default: str) -> str:
    """One of some words. Raises UsageError."""
    text = parsed.value(key)
    if text is None:
        return default
    if text not in choices:
        raise UsageError(f"--{key}: {text!r} is none of {', '.join(choices)}")
    return text


def wants_color(choice: str) -> bool:
    """NO_COLOR and TERM=dumb count where the choice is left open."""
    if choice != "auto":
        return choice == "always"
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain


def _write(parsed: Parsed, document: dict[str, Any], lines: Iterable[str]) -> int:
    if parsed.flag("json"):
        sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write("\n".join(lines) + "\n")
    return 0


# -- runs --


def _list(parsed: Parsed) -> int:
    from youcpu.commands._interrupts.run import list_document, listing

    return _write(parsed, list_document(), listing())


def _run(parsed: Parsed, vendor: str, color: bool) -> int:
    from youcpu.commands._interrupts.run import run_document
    from youcpu.render.interrupts.story import run_lines

    name = str(parsed.value("run"))
    if name not in PROGRAMS:
        from difflib import get_close_matches

        near = get_close_matches(name, PROGRAMS, n=1)
        hint = f"; did you mean {near[0]}?" if near else "; --list tells what there is"
        raise UsageError(f"--run: nothing is called {name!r}{hint}")
    document = run_document(name, vendor)
    picture = parsed.value("svg")
    if picture is not None:
        from youcpu.render.interrupts.svg import run_svg

        return _save(picture, run_svg(document))
    return _write(parsed, document, run_lines(document, parsed.flag("explain"), color))


def _save(path: str, text: str) -> int:
    if path == "-":
        sys.stdout.write(text)
        return 0
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        return _complain(path, error.strerror)
    return 0


# -- tables --


def _tables(parsed: Parsed, color: bool) -> int:
    from youcpu.commands._interrupts import tables
    from youcpu.render.interrupts.tables import tables_lines

    wanted = tuple(parsed.values("table")) or tables.TABLES
    for name in wanted:
        if name not in tables.TABLES:
            raise UsageError(f"--table: {name!r} is none of {', '.join(tables.TABLES)}")
    vector = _number(parsed, "vector", 255)
    if vector is not None and parsed.flag("table"):
        raise UsageError("--table and --vector at once: ask for one of them")

    def show(found: Any) -> int:
        document = tables.document(found, wanted, vector)
        return _write(parsed, document, tables_lines(document, parsed.flag("bits"), color))

    path = parsed.value("dump")
    if path is not None:
        cpu = _number(parsed, "cpu", 1 << 16) or 0
        return _dump(path, cpu, parsed.value("symbols"), show)
    from youcpu.descriptor_tables import tables_of_kernel

    if not parsed.flag("lab"):
        return show(tables_of_kernel())
    from youcpu.commands._interrupts.run import tables_of_lab

    return tables_of_lab(show)


def _dump(path: str, cpu: int, symbols: str | None, show: Any) -> int:
    from youcpu.descriptor_tables import read_symbols, tables_of_dump
    from youcpu.formats.errors import FormatError
    from youcpu.stopped_machine import NoTables, open_dump

    name = symbols or path
    try:
        known = None if symbols is None else read_symbols(symbols)
        name = path
        with open_dump(path) as machine:
            for note in machine.image.damage[:5]:
                print(f"youcpu {NAME}: {path}: {note}", file=sys.stderr)
            return int(show(tables_of_dump(machine, cpu, known)))
    except (FormatError, NoTables) as error:
        return _complain(name, error)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        return _complain(error.filename or name, error.strerror or error)


def _number(parsed: Parsed, key: str, most: int) -> int | None:
    """A whole number, also in hex with 0x. Raises UsageError."""
    text = parsed.value(key)
    if text is None:
        return None
    try:
        value = int(text, 0)
    except ValueError:
        value = -1
    if not 0 <= value <= most:
        raise UsageError(f"--{key}: {text!r} is not a number from 0 to {most}")
    return value


def _complain(name: str, reason: object) -> int:
    print(f"youcpu {NAME}: {name}: {reason}", file=sys.stderr)
    return 1
