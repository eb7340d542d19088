"""What changed between two moments of an address space."""

from __future__ import annotations

from collections.abc import Iterator

from youcpu.commands._pagewalk.space import Space, rights_text
from youcpu.commands._pagewalk.walks import not_present_text
from youcpu.hardware.paging import PTE_A, PTE_D
from youcpu.hardware.paging_tables import Leaf
from youcpu.hardware.paging_walk import Reason, walk
from youcpu.render.pagewalk_view import DiffRow

END = 1 << 64


def diff_rows(before: Space, after: Space) -> Iterator[DiffRow]:
    """Pages that came, went or changed, neighbours of one kind joined."""
    start = end = 0
    kind: tuple[str, str] | None = None
    frames = ""
    for leaf, what, detail, frame in _changes(before, after):
        if kind == (what, detail) and leaf.address == end:
            end += leaf.size
            frames = ""
            continue
        if kind is not None:
            yield DiffRow(start, end - start, kind[0], kind[1] + frames)
        start, end, kind, frames = leaf.address, leaf.address + leaf.size, (what, detail), frame
    if kind is not None:
        yield DiffRow(start, end - start, kind[0], kind[1] + frames)


def _changes(before: Space, after: Space) -> Iterator[tuple[Leaf, str, str, str]]:
    """(leaf, "+" "-" or "~", detail, frames if it stays alone)."""
    olds, news = before.tables.leaves(), after.tables.leaves()
    old, new = next(olds, None), next(news, None)
    while old or new:
        if old == new:
            old, new = next(olds, None), next(news, None)
        elif old is None or (new is not None and new.address < old.address):
            assert new is not None
            yield new, "+", rights_text(new.rights), f", frame {new.physical:#x}"
            new = next(news, None)
        elif new is None or old.address < new.address or old.size != new.size:
            yield old, "-", rights_text(old.rights) + _gone(after, old), ""
            old = next(olds, None)
        else:
            detail, frame = _changed(old, new)
            if detail:
                yield new, "~", detail, frame
            old, new = next(olds, None), next(news, None)


def _gone(after: Space, leaf: Leaf) -> str:
    """ ", in swap" where the entry that is left says so."""
    found = walk(after.memory, after.registers, leaf.address)
    if found.reason is Reason.NOT_IN_MEMORY:
        return ", its table is not in the dump"
    entry = found.steps[-1].entry if found.steps else None
    if found.reason is not Reason.NOT_PRESENT or not entry:
        return ""
    kept = not_present_text(entry)
    return ", in swap" if "swap" in kept else ", PROT_NONE" if kept else ""


def _changed(old: Leaf, new: Leaf) -> tuple[str, str]:
    parts = []
    frame = ""
    if old.physical != new.physical:
        parts.append("other frame")
        frame = f": {old.physical:#x} -> {new.physical:#x}"
    if old.rights != new.rights:
        parts.append(f"{rights_text(old.rights)} -> {rights_text(new.rights)}")
    for bit, name in ((PTE_A, "A"), (PTE_D, "D")):
        if (old.entry ^ new.entry) & bit:
            parts.append(f"{name} {'set' if new.entry & bit else 'cleared'}")
    if not parts and old.entry != new.entry:
        parts.append(f"entry bits {old.entry ^ new.entry:#x}")
    return ", ".join(parts), frame
