"""The command line of `youcpu step`."""

from __future__ import annotations

from youcpu.commands._exec.machine_options import ASLR_OPTION, MACHINE_OPTIONS
from youcpu.options import LAST_OPTIONS, Option, Parsed, UsageError
from youcpu.record import record

NAME = "step"
USAGE = """youcpu step [OPTIONS] [--] PROGRAM [ARG...]
       youcpu step [OPTIONS] --hex BYTES | --asm TEXT"""
SUMMARY = """Runs PROGRAM on the emulated machine instruction by instruction and shows each turn
of the fetch-execute cycle: the bytes at RIP and their fields, the assembly, what it
changed in registers, flags and memory, and its way through the kernel."""
EPILOG = """PLACE is a symbol (main, main+0x12) or an address (0x401000). Steps go to stdout, what
the program writes to stderr (with -o: its own way). Its standard input is empty
unless --stdin gives one. Exit code: 0 if it was stopped; else the program's."""
DEFAULT_COUNT = 20
OPTIONS = [
    Option("--from", "Begin where PLACE comes next (the first instruction).", "PLACE"),
    Option("--count", f"So many steps ({DEFAULT_COUNT}); 'all': to the end.", "N"),
    Option("--until", "Stop before the instruction at PLACE.", "PLACE"),
    Option("--watch", "Show only steps that change REG or ADDR[:LEN].", "WHAT", many=True),
    Option("--stop", "With --watch: stop behind the first such step."),
    Option("--back", "At the end take N steps back.", "N"),
    Option("--hex", "Step through these bytes instead of a program.", "BYTES"),
    Option("--asm", "Step through this assembly (Intel syntax; AT&T with %registers).", "TEXT"),
    Option("--short", "A line a step."),
    Option("--explain", "Say each step in words, with the source of the rule."),
    Option("--registers", "Show all registers at the end."),
    Option("-q --quiet", "Show no steps."),
    Option("--json", "JSON Lines, an event a line (docs/schema/step.json)."),
    Option("--tui", "In a terminal program: step forwards and back by keys (extra 'tui')."),
    Option("-o --output", "Write the steps to FILE.", "FILE"),
    Option("--stdin", "Standard input of the program; - is ours, read to its end.", "FILE"),
    *MACHINE_OPTIONS,
    ASLR_OPTION,
    *LAST_OPTIONS,
]


@record
class Watched:
    """What --watch names: a register, or bytes of memory."""

    register: str = ""
    address: int = 0
    size: int = 8


@record
class Question:
    """What is to be shown."""

    start: str | None
    until: str | None
    #: None: to the end.
    count: int | None
    watches: list[Watched]
    stop: bool
    back: int
    quiet: bool
    json: bool
    short: bool
    explained: bool
    registers: bool
    timeout_s: float | None


def question_of(parsed: Parsed) -> Question:
    """Raises UsageError."""
    watches = [watched(text) for text in parsed.values("watch")]
    quiet, until = parsed.flag("quiet"), parsed.value("until")
    if parsed.flag("stop") and not watches:
        raise UsageError("--stop wants --watch: what is to change?")
    if quiet and (watches or parsed.flag("json") or parsed.flag("explain")):
        raise UsageError("--quiet shows no steps: not with --watch, --json or --explain")
    text = parsed.value("count")
    bounded = not (quiet or until or watches or parsed.flag("hex") or parsed.flag("asm"))
    count: int | None = DEFAULT_COUNT if bounded else None
    if text is not None:
        count = None if text == "all" else whole("count", text)
    return Question(
        start=parsed.value("from"),
        until=until,
        count=count,
        watches=watches,
        stop=parsed.flag("stop"),
        back=whole("back", parsed.value("back") or "0"),
        quiet=quiet,
        json=parsed.flag("json"),
        short=parsed.flag("short"),
        explained=parsed.flag("explain"),
        registers=parsed.flag("registers"),
        timeout_s=seconds(parsed.value("timeout")),
    )


def whole(key: str, text: str) -> int:
    """A number from 0 on. Raises UsageError."""
    try:
        value = int(text, 0)
    except ValueError:
        value = -1
    if value < 0:
        raise UsageError(f"--{key} {text}: a number is wanted")
    return min(value, 1 << 60)


def seconds(text: str | None) -> float | None:
    """Raises UsageError."""
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise UsageError(f"--timeout {text}: seconds are wanted")
    return value


def watched(text: str) -> Watched:
    """`rax`, `0x404010`, `0x404010:4`. Raises UsageError."""
    from youcpu.stepping.registers import WIDTHS

    name = text.lower()
    if name in WIDTHS:
        return Watched(register=name)
    if name == "rip":
        raise UsageError("--watch rip: every step changes it")
    address, colon, size = name.partition(":")
    try:
        found = Watched("", int(address, 16 if not address.startswith("0") else 0), 8)
        if colon:
            found.size = int(size, 0)
    except ValueError:
        from difflib import get_close_matches

        near = get_close_matches(name, WIDTHS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"--watch {text}: no register, and no ADDR[:LEN]{hint}") from None
    if not 0 <= found.address < 1 << 64 or not 0 < found.size <= 1 << 30:
        raise UsageError(f"--watch {text}: an address and a length are wanted")
    return found
