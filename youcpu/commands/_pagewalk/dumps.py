"""Dump files as a source: an address space for each CPU that the dump tells of."""

from __future__ import annotations

import sys

from youcpu.commands._pagewalk.space import Space
from youcpu.render.pagewalk_view import SourceView
from youcpu.stopped_machine import Overrides, StoppedMachine

SHOWN_DAMAGE = 5


def dump_space(machine: StoppedMachine, cpu: int | None, told: Overrides) -> Space:
    """The address space of one CPU. Raises NoTables."""
    registers, origin = machine.registers(cpu, told)
    image = machine.image
    mode = registers.mode
    view = SourceView(
        name=machine.path,
        format=image.format,
        origin=origin,
        mode=mode.name if mode else "no",
        registers={
            "cr0": registers.cr0,
            "cr3": registers.cr3,
            "cr4": registers.cr4,
            "efer": registers.efer,
        },
        cpus=len(image.cpus),
        damage=list(image.damage),
    )
    label = f"CPU {cpu or 0}" if image.cpus else origin
    return Space(label, image, registers, view)


def all_spaces(machine: StoppedMachine, cpu: int | None, told: Overrides) -> list[Space]:
    """One space for each distinct CR3 of the CPUs; only `cpu`'s where one is asked for."""
    if cpu is not None or told.cr3 is not None or len(machine.image.cpus) < 2:
        return [dump_space(machine, cpu, told)]
    spaces: dict[int, Space] = {}
    for state in machine.image.cpus:
        space = dump_space(machine, state.index, told)
        if space.registers.mode is not None:
            spaces.setdefault(space.registers.root, space)
    return list(spaces.values()) or [dump_space(machine, None, told)]


def tell_damage(path: str, notes: list[str]) -> None:
    """What is wrong with a dump, on stderr; a handful of lines at most."""
    for note in notes[:SHOWN_DAMAGE]:
        print(f"youcpu pagewalk: {path}: {note}", file=sys.stderr)
    if len(notes) > SHOWN_DAMAGE:
        more = len(notes) - SHOWN_DAMAGE
        print(f"youcpu pagewalk: {path}: and {more} more of that kind", file=sys.stderr)


def tell_missing(space: Space) -> None:
    """Tables that the dump lacks, on stderr."""
    notes = [f"{level} not in the dump at {table:#x}" for table, level in space.tables.missing]
    tell_damage(space.view.name, notes)
