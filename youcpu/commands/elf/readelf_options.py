"""The command line of readelf: GNU's options, long and short, and what is ours."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NamedTuple

from youcpu.commands.elf.getopt import NONE, OPTIONAL, REQUIRED, Arguments, UsageError
from youcpu.render.readelf.options import Options


class Row(NamedTuple):
    """An option: letter and long names, what it takes, what it does, in words for the help."""

    letter: str
    names: tuple[str, ...]
    takes: int
    metavar: str
    text: str


ROWS = [
    Row("a", ("all",), NONE, "", "all of -h -l -S -s -r -d -u -n -V -A -I -g"),
    Row("h", ("file-header",), NONE, "", "the file header"),
    Row("l", ("program-headers", "segments"), NONE, "", "the program headers"),
    Row("S", ("section-headers", "sections"), NONE, "", "the section headers"),
    Row("t", ("section-details",), NONE, "", "the section headers with their flags in words"),
    Row("g", ("section-groups",), NONE, "", "the section groups"),
    Row("e", ("headers",), NONE, "", "all of -h -l -S"),
    Row("s", ("syms", "symbols"), NONE, "", "the symbol tables"),
    Row("", ("dyn-syms",), NONE, "", "the dynamic symbol table"),
    Row("", ("lto-syms",), NONE, "", "the symbol tables of LTO objects"),
    Row("", ("sym-base",), OPTIONAL, "0|8|10|16", "base for the sizes of symbols"),
    Row("C", ("demangle",), OPTIONAL, "STYLE", "show C++ names as they were written"),
    Row("", ("no-demangle",), NONE, "", "show names as they are (default)"),
    Row("U", ("unicode",), REQUIRED, "MODE", "default, locale, escape, hex, highlight, invalid"),
    Row("n", ("notes",), NONE, "", "the notes"),
    Row("r", ("relocs",), NONE, "", "the relocations"),
    Row("u", ("unwind",), NONE, "", "the unwind tables (ARM)"),
    Row("d", ("dynamic",), NONE, "", "the dynamic section"),
    Row("V", ("version-info",), NONE, "", "the version sections"),
    Row("A", ("arch-specific",), NONE, "", "what is particular to the machine"),
    Row("c", ("archive-index",), NONE, "", "the symbol index of an archive"),
    Row("D", ("use-dynamic",), NONE, "", "symbols and relocations by the dynamic section"),
    Row("L", ("lint", "enable-checks"), NONE, "", "more warnings; alone: all views"),
    Row("x", ("hex-dump",), REQUIRED, "SECTION", "bytes of a section, by number or name"),
    Row("p", ("string-dump",), REQUIRED, "SECTION", "strings of a section"),
    Row("R", ("relocated-dump",), REQUIRED, "SECTION", "bytes of a section, relocated"),
    Row("z", ("decompress",), NONE, "", "decompress before dumping"),
    Row("w", ("debug-dump",), OPTIONAL, "WHAT", "DWARF: info, aranges, frames, decodedline"),
    Row("I", ("histogram",), NONE, "", "how long the chains of the hash tables are"),
    Row("W", ("wide",), NONE, "", "lines wider than 80 characters"),
    Row("T", ("silent-truncation",), NONE, "", "no [...] after a name that is cut"),
    Row("", ("json",), NONE, "", "JSON instead of text (docs/schema/readelf.json)"),
    Row("", ("strict",), NONE, "", "exit code 1 if there was a warning"),
    Row("H", ("help",), NONE, "", "this help"),
    Row("v", ("version",), NONE, "", "the version"),
]
# Taken and without effect: limits of a demangler and links to other files are not followed.
SILENT = {
    "N": NONE,
    "P": NONE,
    "full-section-name": NONE,
    "process-links": NONE,
    "recurse-limit": NONE,
    "no-recurse-limit": NONE,
    "no-recursion-limit": NONE,
    "with-symbol-versions": NONE,
    "dwarf-depth": REQUIRED,
    "dwarf-start": REQUIRED,
    "dwarf-check": NONE,
}
VIEWS_OF = {
    "a": "header sections groups segments dynamic relocs unwind syms version histogram arch notes",
    "e": "header sections segments",
    "h": "header",
    "l": "segments",
    "S": "sections",
    "t": "sections",
    "N": "sections",
    "g": "groups",
    "s": "syms",
    "dyn-syms": "dyn_syms",
    "lto-syms": "lto_syms",
    "n": "notes",
    "r": "relocs",
    "u": "unwind",
    "d": "dynamic",
    "V": "version",
    "A": "arch",
    "c": "archive_index",
    "I": "histogram",
}
DEBUG_LETTERS = {"i": "info", "r": "aranges", "f": "frames", "L": "decodedline"}
UNICODE = ("default", "locale", "escape", "hex", "highlight", "invalid")
UNICODE_LETTERS = {"x": "hex", "h": "highlight"} | {mode[0]: mode for mode in UNICODE[:3]}
UNICODE_LETTERS["i"] = "invalid"


def parse(argv: list[str]) -> tuple[Options, list[str]] | int:
    """(options, files), or the exit code where there is nothing more to do."""
    options = Options()
    options.utf8 = utf8_locale()
    try:
        arguments = Arguments(*_tables())
        for option, value in arguments.parse(_expanded(argv)):
            if option in ("H", "help"):
                sys.stdout.write(help_text())
                return 0
            if option in ("v", "version"):
                from youcpu import __version__

                sys.stdout.write(f"youcpu readelf {__version__}, as GNU readelf 2.40\n")
                return 0
            _apply(options, _canonical(option), value)
        if not (options.views or options.dumps or options.debug):
            if not options.lint:
                raise UsageError("nothing to show was asked for; -a shows all")
            options.views |= set((VIEWS_OF["a"] + " archive_index dyn_syms lto_syms").split())
        if not arguments.operands:
            raise UsageError("no file was named")
    except UsageError as error:
        print(f"youcpu readelf: {error}", file=sys.stderr)
        print("Try 'youcpu readelf --help'.", file=sys.stderr)
        return 2
    return options, arguments.operands


def _tables() -> tuple[dict[str, int], dict[str, int]]:
    short = {row.letter: row.takes for row in ROWS if row.letter}
    long = {name: row.takes for row in ROWS for name in row.names}
    for name, takes in SILENT.items():
        (short if len(name) == 1 else long)[name] = takes
    # -C takes no value as a letter, --demangle may have one.
    short["C"] = NONE
    return short, long


def _canonical(option: str) -> str:
    """The letter of an option, its first name where it has none."""
    for row in ROWS:
        if option == row.letter or option in row.names:
            return row.letter or row.names[0]
    return option


def _expanded(argv: list[str]) -> list[str]:
    """`@FILE` stands for the words in it, as in all of binutils."""
    words: list[str] = []
    for word in argv:
        if word.startswith("@") and os.path.isfile(word[1:]):
            import shlex

            with open(word[1:], encoding="utf-8", errors="surrogateescape") as file:
                words += shlex.split(file.read())
        else:
            words.append(word)
    return words


def _apply(options: Options, option: str, value: str | None) -> None:
    if option in VIEWS_OF:
        options.views |= set(VIEWS_OF[option].split())
        options.details = options.details or option in "tN"
        return
    action = ACTIONS.get(option)
    if action is not None:
        action(options, value or "")
    elif option == "sym-base":
        options.sym_base = int(value) if value in ("8", "10", "16") else 0
    elif option == "U":
        mode = UNICODE_LETTERS.get(value or "", value)
        if mode not in UNICODE:
            raise UsageError(f"invalid argument to -U/--unicode: {value}")
        options.unicode = mode
    elif option == "w":
        options.debug |= _debug_views(value)


def _debug_views(value: str | None) -> set[str]:
    every = set(DEBUG_LETTERS.values())
    if value is None:
        return every
    words = value.split(",")
    if all(word in every for word in words):
        return set(words)
    if all(letter in DEBUG_LETTERS for letter in value):
        return {DEBUG_LETTERS[letter] for letter in value}
    raise UsageError(f"--debug-dump shows {', '.join(sorted(every))}, not '{value}'")


def _dump(kind: str) -> Callable[[Options, str], None]:
    return lambda options, which: options.dumps.append((kind, which))


def _set(name: str, state: bool = True) -> Callable[[Options, str], None]:
    return lambda options, _: setattr(options, name, state)


def _demangle(options: Options, style: str) -> None:
    from youcpu.commands.elf.demangle import demangler

    options.demangle = demangler()


def _no_demangle(options: Options, _: str) -> None:
    options.demangle = None


ACTIONS: dict[str, Callable[[Options, str], None]] = {
    "x": _dump("x"),
    "p": _dump("p"),
    "R": _dump("R"),
    "z": _set("decompress"),
    "D": _set("use_dynamic"),
    "W": _set("wide"),
    "L": _set("lint"),
    "T": _set("mark_truncation", False),
    "C": _demangle,
    "no-demangle": _no_demangle,
    "json": _set("json"),
    "strict": _set("strict"),
}


def help_text() -> str:
    """The table of options as the help shows it."""
    lines = [
        "Usage: youcpu readelf OPTION... FILE...",
        "",
        "What an ELF file says of itself, in GNU readelf's words or as JSON.",
        "FILE may be an archive, or - for standard input.",
        "",
    ]
    for row in ROWS:
        names = [f"-{row.letter}"] if row.letter else []
        names += [f"--{name}" for name in row.names]
        shown = ", ".join(names)
        if row.metavar:
            shown += f"[={row.metavar}]" if row.takes == OPTIONAL else f" {row.metavar}"
        lines.append(f"  {shown:<35} {row.text}" if len(shown) < 36 else f"  {shown}")
        if len(shown) >= 36:
            lines.append(f"  {'':<35} {row.text}")
    return "\n".join(lines) + "\n"


def utf8_locale() -> bool:
    """Whether the user's locale has UTF-8, by the environment as setlocale reads it.

    Python turns a C locale into C.UTF-8 and says so in LC_CTYPE (PEP 538); GNU readelf does not.
    """
    environment = os.environ
    value = environment.get("LC_ALL") or environment.get("LC_CTYPE") or environment.get("LANG")
    if not environment.get("LC_ALL") and environment.get("LC_CTYPE") == "C.UTF-8":
        value = environment.get("LANG") or ""
    return "utf-8" in (value or "").lower() or "utf8" in (value or "").lower()
