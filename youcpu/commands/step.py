"""Fetch, execute: a program step by step, forwards and back.

Stage: cpu
"""

from __future__ import annotations

import sys

from youcpu.commands._step.options import EPILOG, NAME, OPTIONS, SUMMARY, USAGE
from youcpu.options import UsageError, help_text, parse, usage_error


def main(argv: list[str]) -> int:
    """Run the command."""
    try:
        parsed = parse(argv, OPTIONS, interspersed=False)
        if parsed.flag("help"):
            sys.stdout.write(help_text(USAGE, SUMMARY, OPTIONS, EPILOG))
            return 0
        from youcpu.commands._step.command import run

        return run(parsed)
    except UsageError as error:
        return usage_error(NAME, error)
