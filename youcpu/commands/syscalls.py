"""System calls: numbers, registers, wrappers, what is done here.

Stage: cpu
"""

from __future__ import annotations

import sys
from typing import Any

from youcpu.options import HELP_OPTION, Option, Parsed, UsageError, run_command

NAME = "syscalls"
USAGE = "youcpu syscalls [OPTIONS] [NAME|NUMBER|PATTERN]..."
SUMMARY = """Lists the system calls of x86-64 with what this machine's kernel does of each:
done, partial (and what is missing), or ENOSYS. For a single one, by name or number:
which register holds what before and after, the C library's function, the man page.
A PATTERN is as the shell's: 'sched_*', '*at'."""
OPTIONS = [
    Option("--i386", "The table of int 0x80, by its own numbers and registers."),
    Option("--long", "A page for each, also where they are many."),
    Option("--done", "Only those that are done, partial ones too."),
    Option("--partial", "Only those that are partial."),
    Option("--missing", "Only those that answer ENOSYS."),
    Option("--json", "One JSON document (docs/schema/syscalls.json)."),
    HELP_OPTION,
]


def operands() -> str:
    """Words for the shells' completion."""
    from youcpu.abi.syscalls import NUMBERS_X86_64

    return " ".join(NUMBERS_X86_64)


def main(argv: list[str]) -> int:
    """Run the command."""
    return run_command(_answer, argv, NAME, (USAGE, SUMMARY, ""), OPTIONS)


def _answer(parsed: Parsed) -> int:
    wanted = _wanted(parsed)
    from youcpu.commands._syscalls.document import row
    from youcpu.render.syscalls import page, table

    i386 = parsed.flag("i386")
    states = {state for state in ("done", "partial", "missing") if parsed.flag(state)}
    if "done" in states:
        states.add("partial")
    found = (row(number, i386) for number in wanted)
    rows = [one for one in found if one["state"] in states or not states]
    if parsed.flag("json"):
        _print_json(rows)
    elif parsed.flag("long") or len(wanted) == 1:
        sys.stdout.write("\n".join(page(one) for one in rows))
    else:
        sys.stdout.write(table(rows, summary=not parsed.operands))
    return 0


def _print_json(rows: list[dict[str, Any]]) -> None:
    import json

    document = {"schema": "youcpu.syscalls", "version": 1, "syscalls": rows}
    sys.stdout.write(json.dumps(document, indent=1) + "\n")


def _wanted(parsed: Parsed) -> list[int]:
    """The numbers that are asked for, all where none is. Raises UsageError."""
    from youcpu.abi.syscalls import NAMES_I386, NAMES_X86_64

    names = NAMES_I386 if parsed.flag("i386") else NAMES_X86_64
    if not parsed.operands:
        return sorted(names)
    found: dict[int, None] = {}
    for word in parsed.operands:
        found.update(dict.fromkeys(_matches(word, names)))
    return list(found)


def _matches(word: str, names: dict[int, str]) -> list[int]:
    """Numbers of a number, a name or a pattern. Raises UsageError."""
    try:
        number = int(word, 0)
    except ValueError:
        number = -1
    if number in names:
        return [number]
    exact = [number for number, name in names.items() if name == word]
    if exact:
        return exact
    if any(letter in word for letter in "*?["):
        from fnmatch import fnmatchcase

        matched = [number for number, name in names.items() if fnmatchcase(name, word)]
        if matched:
            return matched
    raise UsageError(_no_such_call(word, names))


def _no_such_call(word: str, names: dict[int, str]) -> str:
    """The near misses: typos, the other table's names, the C library's."""
    from difflib import get_close_matches

    from youcpu.abi.syscall_wrappers import made_of
    from youcpu.abi.syscalls import NAMES_I386, NAMES_X86_64

    if names is NAMES_X86_64 and made_of(word):
        return f"no system call '{word}'; the C library's {word}() calls {made_of(word)}"
    if names is NAMES_X86_64 and word in NAMES_I386.values():
        return f"'{word}' is a call of i386 only: youcpu syscalls --i386 {word}"
    near = get_close_matches(word, list(names.values()), n=3)
    near += [name for name in names.values() if len(word) > 2 and word in name][:5]
    hint = " or ".join(dict.fromkeys(near))
    return f"no system call '{word}'" + (f"; did you mean {hint}?" if hint else "")
