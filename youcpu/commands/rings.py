"""What ring 3 may not: instructions tried in ring 0 and ring 3.

Stage: cpu
"""

from __future__ import annotations

import json
import sys
from typing import Any

from youcpu.commands.interrupts import choice_of, wants_color
from youcpu.options import LAST_OPTIONS, Option, Parsed, UsageError, run_command

NAME = "rings"
USAGE = "youcpu rings [OPTIONS] [INSTRUCTION]..."
SUMMARY = """Executes each instruction on the machine four times: in ring 0 (the kernel), in ring 3
(a program), in ring 3 with IOPL 3, and in ring 3 with an I/O map that permits port 80h; and shows
whether it ran or which exception came. With INSTRUCTION (cli, mov-cr3, ...) those only."""
OPTIONS = [
    Option("--vendor", "intel (default) or amd: whose CPU.", "NAME", choices="intel amd"),
    Option("--explain", "Tell the rule that decides, and where it is written."),
    Option("--json", "One JSON document (docs/schema/rings.json)."),
    *LAST_OPTIONS,
]


def main(argv: list[str]) -> int:
    """Run the command."""
    return run_command(_answer, argv, NAME, (USAGE, SUMMARY, ""), OPTIONS)


def _answer(parsed: Parsed) -> int:
    color = wants_color(choice_of(parsed, "color", ("auto", "always", "never"), "auto"))
    vendor = choice_of(parsed, "vendor", ("intel", "amd"), "intel")
    wanted = _wanted(parsed.operands)
    from youcpu.commands._interrupts.rings import document

    found = document(wanted, vendor)
    if parsed.flag("json"):
        sys.stdout.write(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
        return 0
    from youcpu.render.interrupts.rings import rings_lines

    sys.stdout.write("\n".join(rings_lines(found, parsed.flag("explain"), color)) + "\n")
    return 0


def operands() -> str:
    """Names for completion."""
    from youcpu.interrupt_lab.rings import PROBES

    return " ".join(probe.name for probe in PROBES.values())


def _wanted(words: list[str]) -> list[Any]:
    """Probes by name, with their variants (smsw: smsw-umip too); all where none is named.

    Raises UsageError.
    """
    from youcpu.interrupt_lab.rings import PROBES

    probes = list(PROBES.values())
    chosen = []
    for word in words:
        name = word.lower()
        found = [probe for probe in probes if f"{probe.name}-".startswith(f"{name}-")]
        if not found:
            from difflib import get_close_matches

            near = get_close_matches(name, [probe.name for probe in probes], n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UsageError(f"no probe of {word!r}{hint}")
        chosen += found
    return [probe for probe in probes if probe in chosen] if words else probes
