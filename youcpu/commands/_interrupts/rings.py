"""What the probes found, as a document (docs/schema/rings.json)."""

from __future__ import annotations

from typing import Any

from youcpu.abi.x86_vectors import VECTORS, mnemonic
from youcpu.commands._interrupts.run import image
from youcpu.interrupt_lab.rings import PROBES, VARIANT_NAMES, Cell, Probe, run_probes

Document = dict[str, Any]


def document(wanted: list[Probe], vendor: str) -> Document:
    """All probes run; those that are wanted are told."""
    cells = run_probes(image(), vendor)
    rows = [
        {
            "name": probe.name,
            "group": probe.group,
            "instruction": probe.text,
            "rule": probe.rule,
            "source": probe.source,
            "cells": {
                variant: cell_value(probe, cell)
                for variant, cell in zip(VARIANT_NAMES, cells[row], strict=True)
            },
        }
        for row, probe in PROBES.items()
        if probe in wanted
    ]
    return {"schema": "youcpu.rings", "version": 1, "vendor": vendor, "probes": rows}


def cell_value(probe: Probe, cell: Cell) -> Document:
    """ran, ignored (POPF), exception, or unsupported by this CPU; and where the CPU was then."""
    value: Document = {
        "outcome": "exception",
        "vector": None,
        "exception": None,
        "error_code": None,
        "rip": hex(cell.rip),
        "address": None,
        "ring_after": cell.cs & 3,
    }
    if not cell.supported:
        return {**value, "outcome": "unsupported"}
    if cell.ran:
        # POPF: the pushed flags came back in RAX. Bits it was to set, or to clear.
        wanted = probe.silent if probe.name == "popf-iopl" else 0
        kept = probe.silent and cell.rax & probe.silent != wanted
        return {**value, "outcome": "ignored" if kept else "ran"}
    known = VECTORS.get(cell.vector)
    value |= {"vector": cell.vector, "exception": mnemonic(cell.vector)}
    if known is not None and known.error_code:
        value["error_code"] = hex(cell.error_code)
    if cell.vector == 14:
        value["address"] = hex(cell.cr2)
    return value
