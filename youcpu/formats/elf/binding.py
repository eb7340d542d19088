"""Which object defines each symbol that another wants, by version: glibc's elf/dl-lookup.c."""

from __future__ import annotations

from typing import NamedTuple

from youcpu.formats.elf.ld_so import Loaded, Process
from youcpu.formats.elf.shared_object import Definition, Reference, SharedObject, glibc_version
from youcpu.formats.elf.versions import VERSYM_VERSION


class Binding(NamedTuple):
    """`target` is None for a symbol that nothing defines."""

    user: Loaded
    reference: Reference
    target: Loaded | None


def search_scope(process: Process) -> list[Loaded]:
    """The objects in the order of the lookup: the program, preloaded ones, then breadth first."""
    return [loaded for loaded in process.objects if loaded.object is not None]


def bindings(process: Process) -> list[Binding]:
    """What every undefined symbol of every object binds to."""
    scope = search_scope(process)
    found: list[Binding] = []
    addresses = process.program.procedure_addresses()
    stands_in = {
        (reference.name, reference.version)
        for reference in process.program.references()
        if reference.name in addresses
    }
    for user in scope:
        assert user.object is not None
        order = [user, *scope] if user.object.symbolic else scope
        for reference in user.object.references():
            target = lookup(reference, order)
            # The program's undefined symbol with an address serves its own version only.
            wanted = (reference.name, reference.version)
            by_address = wanted in stands_in and user is not process.main
            if by_address and reference.name in user.object.address_references():
                target = process.main
            found.append(Binding(user, reference, target))
    return found


def lookup(reference: Reference, scope: list[Loaded]) -> Loaded | None:
    for loaded in scope:
        assert loaded.object is not None
        if matches(reference, loaded.object):
            return loaded
    return None


def matches(reference: Reference, shared: SharedObject) -> bool:
    """Whether an object's definition of a name serves a reference (check_match)."""
    candidates = shared.definitions(reference.name)
    if not candidates:
        return False
    if not shared.versioned:
        return True
    if reference.version is not None:
        return any(_right_version(entry, reference.version) for entry in candidates)
    # Unversioned: the base or the first version; else the only default one there is.
    defaults = 0
    for entry in candidates:
        if entry.number & VERSYM_VERSION < 3:
            return True
        defaults += not entry.hidden
    return defaults == 1


def _right_version(entry: Definition, version: str) -> bool:
    return entry.version == version or (entry.version is None and not entry.hidden)


class GlibcNeed(NamedTuple):
    """The least glibc, None if none is needed, and the references that force it."""

    version: tuple[int, ...] | None
    references: list[tuple[str, str, str]]


def least_glibc(shared: SharedObject) -> GlibcNeed:
    """The least glibc that one object needs; references are (symbol, version, file)."""
    least: tuple[int, ...] | None = None
    for _, version in shared.needs().values():
        number = glibc_version(version)
        if number is not None and (least is None or number > least):
            least = number
    if least is None:
        return GlibcNeed(None, [])
    forcing = [
        (reference.name, reference.version, reference.file or "")
        for reference in shared.references()
        if reference.version is not None and glibc_version(reference.version) == least
    ]
    if not forcing:
        # A version that no symbol has: it marks a feature, as GLIBC_ABI_DT_RELR does.
        forcing = [
            ("", version, file)
            for file, version in shared.needs().values()
            if glibc_version(version) == least
        ]
    return GlibcNeed(least, forcing)
