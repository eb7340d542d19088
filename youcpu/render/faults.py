"""A page fault on a line: who touched what, and what satisfied it."""

from __future__ import annotations

from youcpu.abi.signal import signal_name
from youcpu.render.color import CYAN, RED, paint
from youcpu.render.strace.quote import escaped
from youcpu.trace.events import FaultEvent

#: What each outcome means; others are shown as they are.
MEANINGS = {
    "file": "page of a file",
    "zero": "the zero page",
    "anon": "a new page of zeros",
    "shared": "first write to a shared page",
    "copy": "copy on write",
    "reuse": "its only user writes: no copy",
    "spurious": "already there",
    "read": "read from the file",
    "swap": "read from swap",
    "swap_cache": "read from swap before",
}


def draw_fault(event: FaultEvent, color: bool = False) -> str:
    """`~ write 0x7ffe... at 0x401234: the stack grows, frame 0x1f000 [stack]`."""
    who = "user" if event.user else "kernel"
    if event.outcome == "signal":
        what = paint(signal_name(event.signal), RED, color)
    else:
        what = MEANINGS.get(event.outcome, event.outcome)
        if event.major:
            what = f"{paint('major', RED, color)}: {what}"
    frame = "" if event.frame is None else f", frame {event.frame:#x}"
    offset = "" if event.offset is None else f"+{event.offset:#x}"
    area = f"  {escaped(event.area)}{offset}" if event.area else ""
    mark = paint("~", CYAN, color)
    head = f"{mark} {event.access:<7} {event.address:#014x}  {who} ip {event.ip:#014x}"
    return f"{head}  {what}{frame}{area}"
