"""Plays programs of the lab."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from youcpu.commands._interrupts.story import document
from youcpu.descriptor_tables import CpuTables, tables_of_cpu
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


def list_document() -> dict[str, Any]:
    """What there is to play."""
    rows = [{"name": name, "title": row.title} for name, row in PROGRAMS.items()]
    return {"schema": "youcpu.interrupts", "version": 1, "kind": "list", "runs": rows}


def listing() -> Iterator[str]:
    """The programs by name."""
    width = max(map(len, PROGRAMS))
    yield from (f"{name:<{width}}  {row.title}" for name, row in PROGRAMS.items())


def tables_of_lab(show: Callable[[CpuTables], int]) -> int:
    """`show` the tables of the lab, as a program finds them."""
    lab = Lab(image(), "int80")
    try:
        lab.boot()
        return show(tables_of_cpu("the interrupt lab", lab.cpu, image().name))
    finally:
        lab.close()
