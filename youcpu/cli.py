"""The front door: finds the subcommand, imports only its file, turns errors into exit codes.

Each module in commands/ is a subcommand. It has a docstring whose first line is the
summary and whose `Stage:` line groups it in the help, and one of

- `main(argv) -> int`, with a table of options (youcpu/options.py), or
- `command`, a function with typer's annotations, which returns the exit code or None: for
  commands whose start-up does not count (tour).

Exit codes: 0 fine; 1 what was asked about is bad; 2 wrong usage; 141 closed pipe;
130 Ctrl-C; commands that run a program exit as it did.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from youcpu import __version__

COMMANDS_DIRECTORY = os.path.join(os.path.dirname(__file__), "commands")
#: The groups of the help, in the order in which the article tells of them.
STAGES = {
    "learn": "Start here",
    "run": "Run a program, see everything",
    "cpu": "The CPU: instructions, rings, the doors to the kernel",
    "time": "Taking turns",
    "exec": "How the kernel executes a file",
    "file": "What lies in the file",
    "memory": "Where an address leads",
    "processes": "Forks and cows",
    "boot": "From reset to init",
    "shell": "For your shell",
}
#: A docstring's first lines: enough for summary and stage.
DOCSTRING_SIZE = 1024


def command_names() -> list[str]:
    """Names of the subcommands, sorted, as typed on the command line."""
    return sorted(
        name[:-3].replace("_", "-")
        for name in os.listdir(COMMANDS_DIRECTORY)
        if name.endswith(".py") and name != "__init__.py"
    )


def describe(name: str) -> tuple[str, str]:
    """(stage, summary) of a subcommand, read from its docstring without importing it."""
    path = os.path.join(COMMANDS_DIRECTORY, f"{name.replace('-', '_')}.py")
    with open(path, "rb") as file:
        text = file.read(DOCSTRING_SIZE).decode("utf-8", "replace")
    docstring = text.split('"""', 2)[1]
    stage = next(
        (line[6:].strip() for line in docstring.splitlines() if line.startswith("Stage:")), "run"
    )
    return stage, docstring.splitlines()[0].rstrip(".")


def help_text() -> str:
    """The front page: every command by its stage."""
    groups: dict[str, list[tuple[str, str]]] = {stage: [] for stage in STAGES}
    for name in command_names():
        stage, summary = describe(name)
        groups[stage if stage in groups else "run"].append((name, summary))
    lines = [
        "Usage: youcpu COMMAND [OPTIONS] ...",
        "",
        "What exactly happens when I run this program? One emulated x86-64 machine,",
        "and a command for each of its stages.",
    ]
    for stage, rows in groups.items():
        if rows:
            lines += ["", f"{STAGES[stage]}:"]
            lines += [f"  {name:<14} {summary}" for name, summary in rows]
    lines += ["", "youcpu COMMAND --help tells its options; youcpu --version the version.", ""]
    return "\n".join(lines)


def unknown_command(words: list[str]) -> int:
    """Say what may have been meant; the exit code."""
    from youcpu.commands._front.hints import hint

    print(f"youcpu: {hint(words, command_names())}", file=sys.stderr)
    return 2


def run_typer(
    function: Callable[..., int | None], argv: list[str], name: str, interspersed: bool = False
) -> int:
    """Parse `argv` by the annotations of `function` and call it. 2 on wrong usage."""
    command = typer_command(function, interspersed)
    from typer import Exit
    from typer._click.exceptions import ClickException

    try:
        # Not command.main: it turns a closed pipe into exit code 1, and Ctrl-C into Abort.
        with command.make_context(f"youcpu {name}", list(argv)) as context:
            result = command.invoke(context)
    except ClickException as error:
        print(f"youcpu {name}: {error.format_message()}", file=sys.stderr)
        print(f"Try 'youcpu {name} --help'.", file=sys.stderr)
        return 2
    except Exit as error:
        return int(error.exit_code)
    return result if isinstance(result, int) else 0


def typer_command(function: Callable[..., int | None], interspersed: bool = False) -> Any:
    """The click command that typer makes of an annotated function."""
    import typer

    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    settings = {
        "ignore_unknown_options": False,
        # A program to run takes what follows it; commands on files let options follow.
        "allow_interspersed_args": interspersed or getattr(function, "interspersed", False),
        "help_option_names": ["--help", "-h"],
        "max_content_width": 100,
    }
    app.command(context_settings=settings)(function)
    return typer.main.get_command(app)


def main(argv: list[str]) -> int:
    """Run one command line; returns the exit code."""
    if len(argv) > 1 and argv[0] == "help" and argv[1] in command_names():
        argv = [argv[1], "--help"]
    if not argv or argv[0] in ("--help", "-h", "help"):
        sys.stdout.write(help_text())
        return 0
    if argv[0] in ("--version", "-V"):
        print(f"youcpu {__version__}")
        return 0
    name = argv[0]
    if name not in command_names():
        return unknown_command(argv)
    module = import_module(f"youcpu.commands.{name.replace('-', '_')}")
    if hasattr(module, "main"):
        return int(module.main(argv[1:]))
    # Commands that run no program take options after their operands, too.
    interspersed = getattr(module, "INTERSPERSED", False)
    return run_typer(module.command, argv[1:], name, interspersed)


def entry_point() -> None:
    """Console script: exit code of `main`, a closed pipe is 141, Ctrl-C 130."""
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes stdout once more at exit: give it somewhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 141
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
