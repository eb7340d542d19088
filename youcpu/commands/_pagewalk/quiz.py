"""Translate it by hand: seeded questions on the tables of a real program."""

from __future__ import annotations

import random
from itertools import islice

from youcpu.commands._pagewalk.space import Space
from youcpu.commands._pagewalk.walks import access_text, walk_view
from youcpu.hardware.paging_access import Access
from youcpu.hardware.paging_tables import Leaf
from youcpu.hardware.paging_walk import walk
from youcpu.render.pagewalk_view import QuizView

CANDIDATES = 100_000
NEIGHBOURS = 2  # entries shown on each side of the one that counts


def quiz_views(space: Space, seed: int, count: int) -> list[QuizView]:
    """`count` questions; the same seed and tables give the same ones."""
    chooser = random.Random(seed)
    leaves = list(islice(space.tables.leaves(), CANDIDATES))
    if not leaves:
        return []
    return [_question(space, chooser, leaves, number) for number in range(1, count + 1)]


def _question(space: Space, chooser: random.Random, leaves: list[Leaf], number: int) -> QuizView:
    leaf = chooser.choice(leaves)
    address = leaf.address + chooser.randrange(leaf.size)
    if chooser.random() < 0.15:  # now and then just past the page: it may be unmapped
        address = leaf.address + leaf.size + chooser.randrange(4096) & (1 << 64) - 1
    access = Access(chooser.choice("rwx"), chooser.random() < 0.7)
    solution = walk_view(space, address, access)
    tables = []
    for step in walk(space.memory, space.registers, address).steps:
        depth = space.tables.rules.index(step.rules)
        entries = space.tables.entries(step.table, depth)
        shown = [
            index
            for index in range(step.index - NEIGHBOURS, step.index + NEIGHBOURS + 1)
            if 0 <= index < len(entries)
        ]
        rows = [(index, entries[index]) for index in shown]
        tables.append((step.rules.level.name, step.table, rows))
    entry_bits = space.tables.mode.entry_size * 8 if space.tables.mode else 64
    return QuizView(number, address, access_text(access), tables, entry_bits, solution)
