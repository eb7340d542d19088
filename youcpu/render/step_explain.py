"""`--explain`: a step in words, with the source of each rule."""

from __future__ import annotations

from collections.abc import Iterator

from youcpu.formats.disassembler import Instruction
from youcpu.formats.x86_fields import Field
from youcpu.trace.steps import DoorEvent, StepEvent


def explain(step: StepEvent, found: Instruction, fields: list[Field]) -> Iterator[str]:
    """Fetch, decode, execute, and where RIP goes."""
    size = len(step.code)
    yield f"RIP is {step.address:#x}: the CPU fetches from there; the instruction has {size} bytes"
    yield "  (1 to 15 are possible) [SDM vol. 2A, 2.1]"
    for field in fields:
        if field.meaning:
            yield f"{field.name} {field.data.hex(' ')}: {field.meaning}"
    for access in step.accesses:
        where = "an unmapped page" if access.address is None else f"{access.address:#x}"
        verb = "stores" if access.write else "loads"
        yield f"it {verb} {access.size} bytes at {where}, physical {access.physical:#x}"
    if any(isinstance(event, DoorEvent) for event in step.kernel):
        yield "the two lowest bits of CS are the ring: 3 is the user's, 0 the kernel's"
        yield "  [SDM vol. 3A, 5.5]"
    if not step.completed:
        return
    after = step.address + size
    if step.sequential:
        yield f"RIP becomes {after:#x}, the byte behind it"
    elif step.next_address == step.address:
        yield "RIP stays: a repeated string instruction does one element a step"
        yield "  [SDM vol. 2B, REP]"
    else:
        yield f"RIP becomes {step.next_address:#x}, not {after:#x}: it went elsewhere"
