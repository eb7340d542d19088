"""A completion script for bash, zsh or fish.

Stage: shell
"""

from __future__ import annotations

import sys

from youcpu.options import HELP_OPTION, Parsed, UsageError, run_command

NAME = "completion"
USAGE = "youcpu completion bash|zsh|fish"
SUMMARY = """Prints a completion script, made from the option tables of all commands. It asks
nothing of youcpu when it runs. To use it, one of these lines:

  source <(youcpu completion bash)                          # in ~/.bashrc
  source <(youcpu completion zsh)                           # in ~/.zshrc, after compinit
  youcpu completion fish > ~/.config/fish/completions/youcpu.fish"""
OPTIONS = [HELP_OPTION]
OPERANDS = "bash zsh fish"


def main(argv: list[str]) -> int:
    """Run the command."""
    return run_command(_answer, argv, NAME, (USAGE, SUMMARY, ""), OPTIONS)


def _answer(parsed: Parsed) -> int:
    if len(parsed.operands) != 1 or parsed.operands[0] not in OPERANDS.split():
        raise UsageError("which shell? bash, zsh or fish")
    from youcpu.commands._front.completion import SCRIPTS
    from youcpu.commands._front.tables import all_tables

    sys.stdout.write(SCRIPTS[parsed.operands[0]](all_tables()))
    return 0
