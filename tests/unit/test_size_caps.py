"""The house's caps (docs/design/0001): no file over 600 lines, no function over 60."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = sorted([*ROOT.glob("youcpu/**/*.py"), *ROOT.glob("tests/**/*.py")])


def test_files_are_short() -> None:
    long_files = {
        str(path): count for path in FILES if (count := path.read_text().count("\n")) > 600
    }
    assert not long_files


def test_functions_are_short() -> None:
    long_functions = [
        f"{path}:{node.lineno} {node.name}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno > 60
    ]
    assert not long_functions
