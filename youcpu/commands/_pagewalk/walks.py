"""Walks as values to be drawn: each step with what it means, its rule and its source."""

from __future__ import annotations

from youcpu.abi.pte import ProtNone, SwapEntry, decode_not_present
from youcpu.commands._pagewalk.space import Space, rights_text
from youcpu.hardware.paging import (
    LEGACY32,
    PAE,
    PTE_ADDRESS,
    PTE_NX,
    PTE_PKEY,
    PTE_PKEY_SHIFT,
    PTE_U,
    PTE_W,
    Mode,
    PageFault,
    flag_names,
)
from youcpu.hardware.paging_access import VECTOR_GP, Access, Rule, Verdict, check_access
from youcpu.hardware.paging_walk import Reason, Step, Walk, walk
from youcpu.render.pagewalk_view import StepView, VerdictView, WalkView, page_size_text

DATA_BYTES = 16
ACCESS_NAMES = {"r": "read", "w": "write", "x": "fetch"}
SECTIONS = {LEGACY32: "SDM vol. 3A, 4.3", PAE: "SDM vol. 3A, 4.4"}
LONG_SECTION = "SDM vol. 3A, 4.5"


def walk_view(space: Space, address: int, access: Access | None = None) -> WalkView:
    """Walk `address` in `space`; with `access` also the CPU's verdict on it."""
    found = walk(space.memory, space.registers, address)
    view = WalkView(
        address=found.address,
        mode=found.mode.name if found.mode else "no",
        root=space.registers.root,
        steps=[_step_view(step, found) for step in found.steps],
        fields=_fields(found),
        reason=_reason(found),
        physical=found.physical,
        size=found.size if found.mapped else 0,
        rights=rights_text(found.rights) if found.mapped else "",
        data=_data(space, found),
        owner=space.owner(found.address),
    )
    if access is not None:
        verdict = check_access(found, space.registers, access)
        view.verdict = verdict_view(verdict, access, found)
    return view


def _reason(found: Walk) -> str:
    if found.reason is Reason.NON_CANONICAL and found.mode is not None:
        bits = found.mode.address_bits
        return f"not canonical: bits 63..{bits} must be copies of bit {bits - 1}"
    return found.reason.value


def _data(space: Space, found: Walk) -> bytes | None:
    if found.physical is None:
        return None
    within = found.physical & (found.size - 1)
    data = space.memory.read(found.physical, min(DATA_BYTES, found.size - within))
    return None if data is None else bytes(data)


def _fields(found: Walk) -> list[tuple[str, int, int, int]]:
    """The address cut as the walk cuts it; the offset is what no level uses."""
    mode = found.mode
    if mode is None:
        return []
    fields: list[tuple[str, int, int, int]] = []
    if mode.sign_extended:
        high = found.address >> mode.address_bits
        fields.append(("sign", 63, mode.address_bits, high))
    low = 12
    used = mode.levels[: len(found.steps)] if found.mapped else mode.levels
    for level in used:
        top = level.shift + level.index_bits - 1
        fields.append((level.name, top, level.shift, level.index(found.address)))
        low = level.shift
    fields.append(("offset", low - 1, 0, found.address & ((1 << low) - 1)))
    return fields


def _step_view(step: Step, found: Walk) -> StepView:
    level = step.rules.level
    mode = found.mode
    assert mode is not None
    names = [] if step.entry is None else flag_names(step.entry, step.rules, step.leaf)
    if step.leaf and step.entry is not None and mode.sign_extended and step.entry & PTE_PKEY:
        names.append(f"key={(step.entry & PTE_PKEY) >> PTE_PKEY_SHIFT}")
    note, story = _meaning(step, found, mode)
    where = f"bits {level.shift + level.index_bits - 1}..{level.shift} of the address"
    return StepView(
        level=level.name,
        index=step.index,
        bits=(level.shift + level.index_bits - 1, level.shift),
        entry_bits=step.entry_size * 8,
        table=step.table,
        entry_address=step.entry_address,
        entry=step.entry,
        flags=names,
        note=note,
        story=f"{where} are {step.index}: entry {step.index} of the {level.name} at "
        f"{step.table:#x}. {story} [{SECTIONS.get(mode, LONG_SECTION)}]",
    )


def _meaning(step: Step, found: Walk, mode: Mode) -> tuple[str, str]:
    """(short note, sentence) on what one entry does to the walk."""
    entry = step.entry
    last = step is found.steps[-1]
    if entry is None:
        note = f"table not in the dump at {step.table:#x}"
        return note, f"The {note}: the walk cannot go on."
    if last and found.reason is Reason.NOT_PRESENT:
        kept = not_present_text(entry) if mode.sign_extended else ""
        note = "not present" + (f" ({kept})" if kept else "")
        return note, "P is 0: the CPU looks at nothing else and raises #PF."
    if last and found.reason is Reason.RESERVED:
        return (
            f"reserved bits {step.reserved:#x}",
            f"Bits {step.reserved:#x} are reserved and must be 0: #PF with RSVD.",
        )
    return "", _allowed_story(step, entry, mode)


def _allowed_story(step: Step, entry: int, mode: Mode) -> str:
    level = step.rules.level
    if step.leaf:
        lead = f"P is 1 and it maps a page of {page_size_text(level.size)}"
    else:
        following = mode.levels[mode.levels.index(level) + 1].name
        lead = f"P is 1: the {following} lies at {entry & PTE_ADDRESS:#x}"
    if not step.rules.has_rights:
        return f"{lead}; no rights are kept here."
    denied = [
        text
        for text, denies in (
            ("writing (W is 0)", not entry & PTE_W),
            ("ring 3 (U is 0)", not entry & PTE_U),
            ("execution (NX is 1)", bool(entry & PTE_NX)),
        )
        if denies
    ]
    return f"{lead}; it denies {', '.join(denied)}." if denied else f"{lead}; it denies nothing."


def not_present_text(entry: int) -> str:
    """What Linux keeps in a 64-bit entry with P = 0; "" for an empty one."""
    kept = decode_not_present(entry)
    if isinstance(kept, SwapEntry):
        return f"as Linux lays it out: swap area {kept.type}, slot {kept.offset}"
    if isinstance(kept, ProtNone):
        return f"as Linux lays it out: PROT_NONE, frame {kept.physical:#x}"
    return ""


def access_text(access: Access) -> str:
    """ "user write" and the like."""
    return f"{'user' if access.user else 'kernel'} {ACCESS_NAMES[access.kind]}"


def verdict_view(verdict: Verdict, access: Access, found: Walk) -> VerdictView:
    known = verdict.allowed or verdict.vector is not None
    code = verdict.error_code
    return VerdictView(
        access=access_text(access),
        allowed=verdict.allowed if known else None,
        fault="" if verdict.vector is None else "#GP" if verdict.vector == VECTOR_GP else "#PF",
        error_code=code,
        error_bits=[str(bit.name) for bit in PageFault if code & bit],
        rule=verdict.rule.text + _deciding_level(verdict, found),
        source=verdict.rule.source,
        updates=list(verdict.updates),
    )


# The bit that each of these rules looks for, and the value that denies.
DECIDING_BITS = {
    Rule.SUPERVISOR_PAGE: (PTE_U, "U is 0"),
    Rule.READ_ONLY: (PTE_W, "W is 0"),
    Rule.WRITE_PROTECT: (PTE_W, "W is 0"),
    Rule.NO_EXECUTE: (PTE_NX, "NX is 1"),
}


def _deciding_level(verdict: Verdict, found: Walk) -> str:
    """Which entries deny, where one bit of theirs decided."""
    if verdict.rule not in DECIDING_BITS:
        return ""
    bit, denial = DECIDING_BITS[verdict.rule]
    names = [
        f"{step.rules.level.name}E"
        for step in found.steps
        if step.entry is not None and step.rules.has_rights and not (step.entry ^ PTE_NX) & bit
    ]
    return f": {denial} in the {', '.join(names)}"
