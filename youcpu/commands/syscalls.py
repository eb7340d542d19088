"""The system calls: number, name, arguments, and how much of each the machine's kernel does.

Stage: learn
"""

from __future__ import annotations

import json
import sys
from typing import Any

from youcpu.abi.syscalls import NAMES_I386, NAMES_X86_64
from youcpu.kernel.syscalls import load_all
from youcpu.kernel.syscalls.table import SYSCALLS, unknown
from youcpu.options import Option, UsageError, help_text, parse, usage_error

NAME = "syscalls"
USAGE = "youcpu syscalls [OPTIONS] [NAME|NUMBER]..."
SUMMARY = """Lists the system calls of x86-64 with what this machine's kernel does of each:
done, partial (and what is missing), or ENOSYS."""
OPTIONS = [
    Option("--done", "Only those that are done, partial ones too."),
    Option("--partial", "Only those that are partial."),
    Option("--missing", "Only those that answer ENOSYS."),
    Option("--json", "One JSON document (docs/schema/syscalls.json)."),
    Option("-h --help", "This help."),
]


def main(argv: list[str]) -> int:
    """Run the command."""
    try:
        parsed = parse(argv, OPTIONS)
        if parsed.flag("help"):
            sys.stdout.write(help_text(USAGE, SUMMARY, OPTIONS))
            return 0
        load_all()
        wanted = [_number(word) for word in parsed.operands] or sorted(NAMES_X86_64)
    except UsageError as error:
        return usage_error(NAME, error)
    states = {state for state in ("done", "partial", "missing") if parsed.flag(state)}
    if "done" in states:
        states.add("partial")
    rows = [row for number in wanted if (row := _row(number))["state"] in states or not states]
    if parsed.flag("json"):
        document = {"schema": "youcpu.syscalls", "version": 1, "syscalls": rows}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        sys.stdout.write(_table(rows, summary=not parsed.operands))
    return 0


def _number(word: str) -> int:
    """A number or a name. Raises UsageError."""
    if word.isdigit() and int(word) in NAMES_X86_64:
        return int(word)
    for number, name in NAMES_X86_64.items():
        if name == word:
            return number
    from difflib import get_close_matches

    near = get_close_matches(word, NAMES_X86_64.values(), n=1)
    raise UsageError(f"no system call '{word}'" + (f"; did you mean {near[0]}?" if near else ""))


def _row(number: int) -> dict[str, Any]:
    name = NAMES_X86_64[number]
    row = SYSCALLS.get(number)
    state = "missing" if row is None else "partial" if row.partial else "done"
    shown = row or unknown(number)
    i386 = [other for other, i386_name in NAMES_I386.items() if i386_name == name]
    return {
        "number": number,
        "name": name,
        "i386_number": i386[0] if i386 else None,
        "arguments": [argument for argument, _ in shown.parameters],
        "state": state,
        "partial": row.partial if row else "",
    }


def _table(rows: list[dict[str, Any]], summary: bool) -> str:
    lines = []
    for row in rows:
        call = f"{row['name']}({', '.join(row['arguments'])})"
        state = {"done": "", "missing": "ENOSYS"}.get(row["state"], f"partial: {row['partial']}")
        lines.append(f"{row['number']:>4}  {call:<58} {state}".rstrip())
    if summary:
        count = {state: sum(row["state"] == state for row in rows) for state in ("done", "partial")}
        lines.append(
            f"{len(rows)} calls: {count['done']} done, {count['partial']} partial, "
            f"{len(rows) - sum(count.values())} answer ENOSYS"
        )
    return "\n".join(lines) + "\n"
