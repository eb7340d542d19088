"""System calls, a file a family; table.py has the declaration."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

_NOT_FAMILIES = ("__init__", "table", "compat")


def load_all() -> None:
    """Import every family, which fills the table."""
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem not in _NOT_FAMILIES:
            import_module(f"{__name__}.{path.stem}")
