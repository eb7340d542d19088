"""Every command with its options and operands: what completion and the tests go by."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from youcpu.options import HELP_OPTION, Option
from youcpu.record import record

#: Words in a usage line that stand for a file of the user's.
FILES = ("FILE", "DUMP", "IMAGE", "PATH", "DIR")


@record(frozen=True)
class CommandTable:
    """One command: `operands` is "program", "file", "", or the words that it takes, with blanks."""

    name: str
    summary: str
    options: tuple[Option, ...]
    operands: str


def table_of(name: str, summary: str) -> CommandTable:
    """The table of a command; its module is imported."""
    module = import_module(f"youcpu.commands.{name.replace('-', '_')}")
    return CommandTable(name, summary, tuple(_options(module)), _operands(module))


def all_tables() -> list[CommandTable]:
    """Of all commands, sorted by name."""
    from youcpu.cli import command_names, describe

    return [table_of(name, describe(name)[1]) for name in command_names()]


def _options(module: ModuleType) -> list[Option]:
    if hasattr(module, "OPTIONS"):
        return list(module.OPTIONS)
    if hasattr(module, "command"):
        from youcpu.cli import typer_command

        return [
            Option(
                " ".join(sorted(parameter.opts, key=len)),
                parameter.help or "",
                "" if parameter.is_flag else parameter.metavar or parameter.name.upper(),
            )
            for parameter in typer_command(module.command).params
            if parameter.param_type_name == "option"
        ] + [HELP_OPTION]
    from youcpu.commands.elf.readelf_options import ROWS

    return [
        Option(
            " ".join([f"-{row.letter}"] * bool(row.letter) + [f"--{one}" for one in row.names]),
            row.text,
            row.metavar if row.takes == 1 else "",
        )
        for row in ROWS
    ]


def _operands(module: ModuleType) -> str:
    """From `OPERANDS` or `operands()` where the module has it, else from the usage line."""
    if hasattr(module, "operands"):
        return str(module.operands())
    if hasattr(module, "OPERANDS"):
        return str(module.OPERANDS)
    usage = getattr(module, "USAGE", "FILE")
    if "PROGRAM" in usage:
        return "program"
    return "file" if any(word in usage for word in FILES) else ""
