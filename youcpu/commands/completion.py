"""A completion script for bash, zsh or fish.

Stage: shell
"""

from __future__ import annotations

import sys

from youcpu.options import Option, UsageError, help_text, parse, usage_error

NAME = "completion"
USAGE = "youcpu completion bash|zsh|fish"
SUMMARY = """Prints a completion script, made from the option tables of all commands. It asks
nothing of youcpu when it runs. To use it, one of these lines:

  source <(youcpu completion bash)                          # in ~/.bashrc
  source <(youcpu completion zsh)                           # in ~/.zshrc, after compinit
  youcpu completion fish > ~/.config/fish/completions/youcpu.fish"""
OPTIONS = [Option("-h --help", "This help.")]
OPERANDS = "bash zsh fish"


def main(argv: list[str]) -> int:
    """Run the command."""
    try:
        parsed = parse(argv, OPTIONS)
        if parsed.flag("help"):
            sys.stdout.write(help_text(USAGE, SUMMARY, OPTIONS))
            return 0
        if len(parsed.operands) != 1 or parsed.operands[0] not in OPERANDS.split():
            raise UsageError("which shell? bash, zsh or fish")
    except UsageError as error:
        return usage_error(NAME, error)
    from youcpu.commands._front.completion import SCRIPTS
    from youcpu.commands._front.tables import all_tables

    sys.stdout.write(SCRIPTS[parsed.operands[0]](all_tables()))
    return 0
