"""Plays programs of the lab."""

from __future__ import annotations

from functools import cache
from typing import Any

from youcpu.commands._interrupts.story import document
from youcpu.interrupt_lab.image import LabImage
from youcpu.interrupt_lab.lab import EVENTS, Lab
from youcpu.interrupt_lab.programs import PROGRAMS, row_of


@cache
def image() -> LabImage:
    """The image, read once."""
    return LabImage()


def run_document(name: str, vendor: str) -> dict[str, Any]:
    """One program from its first instruction to its last."""
    program = PROGRAMS[name]
    row = row_of(name, image().rows("row."))
    lab = Lab(image(), row, vendor)
    try:
        lab.boot()
        lab.run(name if name in EVENTS else "")
        return document(name, program, lab, vendor)
    finally:
        lab.close()


def listing() -> str:
    """The programs by name."""
    width = max(map(len, PROGRAMS))
    return "".join(f"  {name:<{width}}  {row.title}\n" for name, row in PROGRAMS.items())
