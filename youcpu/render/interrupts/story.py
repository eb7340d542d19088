"""A run of the lab as text: what the CPU executes, and each step that it takes by itself."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap
from typing import Any

from youcpu.abi.x86_vectors import rflags_text
from youcpu.render.color import BOLD, CYAN, DIM, GREEN, RED, YELLOW, paint
from youcpu.render.interrupts.sources import STAGE_RULES

Document = dict[str, Any]
WIDTH = 80
_NOTE = 61  # column of what an instruction changed
_IF = 1 << 9


def run_lines(document: Document, explain: bool, color: bool) -> Iterator[str]:
    """The whole run."""
    yield f"{paint(document['name'], BOLD, color)}: {document['title']}"
    if explain:
        yield ""
        yield from _paragraph(document["story"])
        yield from _paragraph("Sources: Intel SDM " + "; ".join(document["sources"]) + ".")
    writer = _Writer(explain, color)
    for number, step in enumerate(document["steps"]):
        last = number == len(document["steps"]) - 1
        yield from writer.step(step, last, document)
    yield ""
    yield from _paragraph(_summary(document))


def _paragraph(text: str) -> Iterator[str]:
    yield from wrap(text, WIDTH - 2, break_on_hyphens=False)


def _summary(document: Document) -> str:
    cost, steps = document["cost"], document["steps"]
    deliveries = [step for step in steps if step["kind"] == "delivery"]
    attempts = [attempt for step in deliveries for attempt in step["attempts"]]
    pushed = sum(len(attempt["pushed"]) for attempt in attempts if attempt["after"])
    words = f"{pushed} words pushed by the CPU" if pushed else "nothing pushed by the CPU"
    end = {
        "returned": "back where it was",
        "signalled": "on in the program's signal handler",
        "halted": "and the CPU halts with IF = 0: nothing goes on",
        "shutdown": "no handler could be entered: shutdown; a PC resets itself",
        "ran": "nothing happened: the program runs on",
    }[document["end"]]
    waited = document["waited_ns"]
    text = f"Cost: {cost} instructions in ring 0, {words}; {end}."
    if waited:
        text += f" The program had waited for {waited / 1e6:.1f} ms of the machine's time."
    return text


class _Writer:
    """Writes steps; knows which ring and function the line before was in."""

    def __init__(self, explain: bool, color: bool) -> None:
        self.explain = explain
        self.color = color
        self._place: tuple[int, str] | None = None
        self._explained: set[str] = set()

    def step(self, step: Document, last: bool, document: Document) -> Iterator[str]:
        if step["kind"] == "delivery":
            self._place = None
            yield ""
            yield from self._delivery(step)
            return
        yield from self._instruction(step, last, document)
        if step["kind"] in ("entry", "return"):
            yield from self._door(step)
            self._place = None

    # -- instructions ------------------------------------------------------------------

    def _instruction(self, step: Document, last: bool, document: Document) -> Iterator[str]:
        place = (step["ring"], step["symbol"].partition("+")[0])
        if place != self._place:
            self._place = place
            where = f"ring {step['ring']}  {place[1]}"
            bits = "" if step["bits"] == 64 else "  (compatibility mode: 32-bit code)"
            yield ""
            yield paint(where, GREEN if step["ring"] else YELLOW, self.color) + bits
        line = f"  {int(step['address'], 16):<16x} {step['bytes']:<20} {step['text']}"
        note = self._note(step, last, document)
        if not note:
            yield line
            return
        if len(line) + len(note) + 3 > WIDTH:
            yield line
            line = ""
        column = min(_NOTE, WIDTH - len(note) - 3)
        yield f"{line:<{column}}" + paint(f" ; {note}", DIM, self.color)

    def _note(self, step: Document, last: bool, document: Document) -> str:
        if step["kind"] == "wait":
            return "waits" if not last else "done" if document["end"] != "ran" else "no exception"
        if step["kind"] == "eoi":
            return "EOI: the 8259 is told"
        if step["kind"] != "instruction":
            return ""
        shown = [c for c in step["changes"] if c["register"] not in ("rflags", "rsp", "cr2")]
        return ", ".join(f"{c['register']} = {int(c['after'], 16):x}" for c in shown)

    def _door(self, step: Document) -> Iterator[str]:
        name = step["instruction"].upper()
        after = step.get("ring_after", 0)
        sign = "▼" if step["kind"] == "entry" else "▲"
        text = f"  {sign} {name}: ring {step['ring']} → {after}"
        yield paint(text, CYAN, self.color)
        at = {word["name"].lower(): word["address"] for word in step.get("popped", [])}
        for change in step["changes"]:
            values = f"{int(change['before'], 16):x} → {int(change['after'], 16):x}"
            why = change["why"]
            if why == "popped" and change["register"] in at:
                why = f"popped from {int(at[change['register']], 16):x}"
            yield f"    {change['register']:<7} {values:<36} {why}".rstrip()
        if name == "SYSCALL":
            yield "    rsp     stays the program's"
        elif name == "SYSENTER":
            yield "    saved   nothing: neither RIP nor RSP nor RFLAGS"

    # -- deliveries --------------------------------------------------------------------

    def _delivery(self, step: Document) -> Iterator[str]:
        for number, attempt in enumerate(step["attempts"]):
            yield paint(f"  ▼ {_headline(step, attempt, number)}", CYAN, self.color)
            pic = step["pic"]
            if pic is not None and not number:
                text = f"8259: INTA gives the vector; ISR {pic['isr']:02x}, IMR {pic['imr']:02x}"
                yield from self._stage("INTA", text)
            if attempt["cr2"] is not None:
                yield from self._stage("CR2", f"{int(attempt['cr2'], 16):x}")
            yield from self._attempt(attempt)
        if not step["delivered"]:
            yield paint("  ▼ no handler can be entered: shutdown", RED, self.color)

    def _attempt(self, attempt: Document) -> Iterator[str]:
        gate = attempt["gate"]
        if gate is not None:
            place = f"{int(gate['address'], 16):x}  "
            ist = f", IST {gate['ist']}" if gate["ist"] else ", IST 0"
            yield from self._stage(
                "gate", f"{place}vector {attempt['vector']}: {gate['type']}, DPL {gate['dpl']}{ist}"
            )
            target = f"{int(gate['selector'], 16):x}:{int(gate['offset'], 16):x}"
            yield " " * 30 + f"→ {target} {gate['handler']}".rstrip()
            yield from self._rule("gate")
        if gate is not None:
            yield from self._stage("check", _privilege(attempt))
            yield from self._rule("privilege")
        if attempt["stack"] is not None:
            yield from self._stage("stack", _stack(attempt["stack"]))
            yield from self._rule("stack")
        for number, push in enumerate(attempt["pushed"]):
            yield from self._stage("frame" if not number else "", _pushed(push, attempt))
        if attempt["pushed"]:
            yield from self._rule("frame")
        if attempt["after"] is not None:
            yield from self._stage("flags", _flags(attempt["after"]["rflags"]))
            yield from self._rule("flags")
            yield from self._stage("enter", _entered(attempt["after"]))
            yield from self._rule("enter")
        if attempt["fault"] is not None:
            fault = attempt["fault"]
            reason = f"{fault['mnemonic']}({int(fault['error_code'], 16):#x}): {fault['reason']}"
            yield paint(f"    fault   {reason}", RED, self.color)
            yield from self._rule("fault")

    def _stage(self, name: str, text: str) -> Iterator[str]:
        yield f"    {paint(f'{name:<7}', BOLD, self.color and bool(name))} {text}"

    def _rule(self, stage: str) -> Iterator[str]:
        if not self.explain or stage in self._explained:
            return
        self._explained.add(stage)
        rule, source = STAGE_RULES[stage]
        for line in wrap(f"{rule} ({source})", WIDTH - 16, break_on_hyphens=False):
            yield paint(f"            │ {line}", DIM, self.color)


def _headline(step: Document, attempt: Document, number: int) -> str:
    words = f"{attempt['mnemonic']} {attempt['name']}"
    if step["pic"] is not None and not number:
        return f"IRQ {step['pic']['line']}, vector {attempt['vector']}: an interrupt of a device"
    if attempt["cause"] == "software":
        return f"software interrupt, vector {attempt['vector']} ({attempt['mnemonic']})"
    if attempt["error_code"] is not None:
        code = int(attempt["error_code"], 16)
        said = f" ({step['error_text']})" if step["error_text"] and not number else ""
        words += f", error code {code:#x}{said}"
    return words


def _privilege(attempt: Document) -> str:
    gate, segment = attempt["gate"], attempt["code_segment"]
    cpl = attempt["cpl"]
    if attempt["dpl_checked"]:
        passes = gate["dpl"] >= cpl
        text = f"INT n: the gate's DPL {gate['dpl']} {'≥' if passes else '<'} CPL {cpl}"
    elif attempt["cause"] == "software":
        text = "the gate's DPL is not reached"
    else:
        who = "a device" if attempt["cause"] == "external" else "an exception"
        text = f"{who}: the gate's DPL is not asked"
    return text + (f"; code segment: DPL {segment['dpl']}" if segment else "")


def _stack(stack: Document) -> str:
    if not stack["switched"]:
        return f"the stack in use stays, aligned to 16: {int(stack['rsp'], 16):x}"
    place = f"{int(stack['address'], 16):x}  " if stack["address"] else ""
    return f"{place}{stack['source']} of the TSS: {int(stack['found'], 16):x}"


def _pushed(push: Document, attempt: Document) -> str:
    value = int(push["value"], 16)
    name = push["name"]
    note = ""
    if name == "RFLAGS":
        note = rflags_text(value)
    elif name == "CS":
        note = f"ring {value & 3}"
    elif name == "RIP":
        note = "the instruction itself" if _is_fault(attempt) else "the next instruction"
    width = push["size"] * 2
    return f"{int(push['address'], 16):x}  {value:0{width}x}  {name:<7} {note}".rstrip()


def _is_fault(attempt: Document) -> bool:
    from youcpu.abi.x86_vectors import VECTORS

    known = VECTORS.get(attempt["vector"])
    return (
        attempt["cause"] == "exception" and known is not None and known.kind in ("fault", "abort")
    )


def _flags(flags: list[str]) -> str:
    before, after = (int(flag, 16) for flag in flags)
    return f"{rflags_text(before)} → {rflags_text(after)}"


def _entered(after: Document) -> str:
    old, new = after["ring"]
    words = [f"ring {old} → {new}" if old != new else f"ring {old} stays"]
    for name in ("cs", "ss", "rsp"):
        before, value = (int(text, 16) for text in after[name])
        if before != value:
            shown = f"{value:x}" if name == "rsp" else f"{before:x} → {value:x}"
            words.append(f"{name.upper()} {shown}" if name != "rsp" else f"RSP {shown}")
    return ", ".join(words)
