"""Instruction by instruction: fetch, execute, changes; and back.

Stage: cpu
"""

from __future__ import annotations

import sys

from youcpu.commands._step.options import EPILOG, NAME, OPTIONS, SUMMARY, USAGE, question_of
from youcpu.options import UsageError, help_text, parse, usage_error


def main(argv: list[str]) -> int:
    """Run the command."""
    try:
        parsed = parse(argv, OPTIONS, interspersed=False)
        if parsed.flag("help"):
            sys.stdout.write(help_text(USAGE, SUMMARY, OPTIONS, EPILOG))
            return 0
        question = question_of(parsed)
        from youcpu.commands._step.answer import ask

        return ask(parsed, question)
    except UsageError as error:
        return usage_error(NAME, error)
