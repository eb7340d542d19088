"""Command lines without typer: for commands whose start counts in milliseconds.

A command gives a table of options; parsing and the help come from the same table.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import chain


class UsageError(Exception):
    """Wrong usage: one line for the user, exit code 2."""


class Option:
    """One option: `names` as typed, `metavar` "" for a switch, `many`: may be repeated.

    `choices`: the values that it takes, where they are few; the shells' completion offers them.
    """

    __slots__ = ("choices", "help", "many", "metavar", "names")

    def __init__(
        self, names: str, help: str, metavar: str = "", many: bool = False, choices: str = ""
    ) -> None:
        self.names = names.split()
        self.help = help
        self.metavar = metavar
        self.many = many
        self.choices = choices.split()

    @property
    def key(self) -> str:
        """The long name without dashes."""
        return self.names[-1].lstrip("-")


HELP_OPTION = Option("-h --help", "This help.")
LAST_OPTIONS = [
    Option("--color", "auto, always or never.", "WHEN", choices="auto always never"),
    HELP_OPTION,
]


class Parsed:
    """What was given: switches, values, and the operands."""

    __slots__ = ("_counts", "_lists", "_values", "operands")

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._lists: dict[str, list[str]] = {}
        self.operands: list[str] = []

    def flag(self, key: str) -> bool:
        """Whether the option was given."""
        return key in self._values or key in self._lists

    def value(self, key: str) -> str | None:
        """Its value, the last one where it was repeated."""
        return self._values.get(key)

    def count(self, key: str) -> int:
        """How often it was given."""
        return self._counts.get(key, 0)

    def values(self, key: str) -> list[str]:
        """All its values."""
        return self._lists.get(key, [])

    def add(self, option: Option, value: str) -> None:
        self._counts[option.key] = self._counts.get(option.key, 0) + 1
        if option.many:
            self._lists.setdefault(option.key, []).append(value)
        else:
            self._values[option.key] = value


def parse(argv: list[str], options: list[Option], interspersed: bool = True) -> Parsed:
    """Options and operands. Raises UsageError.

    `interspersed` False: the first operand ends the options, what follows is a program's.
    `--` ends them in any case. Short options may be written together (`-qy`, `-s64`).
    """
    by_name = {name: option for option in options for name in option.names}
    parsed = Parsed()
    rest = iter(argv)
    while (word := next(rest, None)) is not None:
        if word == "--":
            break
        if word == "-" or not word.startswith("-"):
            parsed.operands.append(word)
            if not interspersed:
                break
            continue
        name, equals, value = word.partition("=")
        option = by_name.get(name)
        if option is None and _cluster(word, by_name, rest, parsed):
            continue
        if option is None:
            raise UsageError(_unknown(name, list(by_name)))
        if option.metavar.startswith("["):
            # An optional number: `--insn`, `--insn=5`, `--insn 5`.
            if not equals and (after := next(rest, "--")).isdigit():
                value = after
            elif not equals:
                rest = chain([after], rest)
        elif not option.metavar:
            if equals:
                raise UsageError(f"{name} takes no value")
        elif not equals:
            following = next(rest, None)
            if following is None:
                raise UsageError(f"{name} wants {option.metavar}")
            value = following
        parsed.add(option, value)
    parsed.operands.extend(rest)
    return parsed


def _cluster(word: str, by_name: dict[str, Option], rest: Iterator[str], parsed: Parsed) -> bool:
    """`-qy`, `-tt`, `-s64`: several short options, the last one with its value."""
    if word.startswith("--"):
        return False
    for position, letter in enumerate(word[1:], 1):
        option = by_name.get("-" + letter)
        if option is None:
            return False
        if option.metavar:
            value = word[position + 1 :] or next(rest, None)
            if value is None:
                raise UsageError(f"-{letter} wants {option.metavar}")
            parsed.add(option, value)
            return True
        parsed.add(option, "")
    return True


def _unknown(name: str, known: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, known, n=1)
    return f"no option {name}" + (f"; did you mean {near[0]}?" if near else "")


def help_text(usage: str, summary: str, options: list[Option], epilog: str = "") -> str:
    """The help page of a command."""
    rows = []
    for option in options:
        left = ", ".join(option.names) + (f" {option.metavar}" if option.metavar else "")
        rows.append((left, option.help))
    width = min(max(len(left) for left, _ in rows), 28)
    lines = [f"Usage: {usage}", "", summary, "", "Options:"]
    for left, text in rows:
        lines.append(f"  {left:<{width}}  {text}")
    return "\n".join(lines) + "\n" + (f"\n{epilog}\n" if epilog else "")


def usage_error(command: str, error: UsageError) -> int:
    """Say what is wrong with the command line; the exit code."""
    sys.stderr.write(f"youcpu {command}: {error}\nTry 'youcpu {command} --help'.\n")
    return 2


def run_command(
    action: Callable[[Parsed], int],
    argv: list[str],
    name: str,
    page: tuple[str, str, str],
    options: list[Option],
    interspersed: bool = True,
) -> int:
    """One command line: its help, or what `action` makes of it; 2 on wrong usage.

    `page`: usage, summary and epilog of the help.
    """
    try:
        parsed = parse(argv, options, interspersed)
        if parsed.flag("help"):
            usage, summary, epilog = page
            sys.stdout.write(help_text(usage, summary, options, epilog))
            return 0
        return action(parsed)
    except UsageError as error:
        return usage_error(name, error)
