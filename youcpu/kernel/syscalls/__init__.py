"""System calls, a file a family; table.py has the declaration."""

from __future__ import annotations

import os
from importlib import import_module

_NOT_FAMILIES = ("__init__", "table", "compat")


def load_all() -> None:
    """Import every family, which fills the table."""
    for name in sorted(os.listdir(os.path.dirname(__file__))):
        stem, extension = os.path.splitext(name)
        if extension == ".py" and stem not in _NOT_FAMILIES:
            import_module(f"{__name__}.{stem}")
