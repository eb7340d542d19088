"""Instruction by instruction: fetch, execute, changes; and back.

Stage: cpu
"""

from __future__ import annotations

from youcpu.commands._step.options import EPILOG, NAME, OPTIONS, SUMMARY, USAGE, question_of
from youcpu.options import Parsed, run_command


def main(argv: list[str]) -> int:
    """Run the command."""
    return run_command(_answer, argv, NAME, (USAGE, SUMMARY, EPILOG), OPTIONS, interspersed=False)


def _answer(parsed: Parsed) -> int:
    question = question_of(parsed)
    from youcpu.commands._step.answer import ask

    return ask(parsed, question)
