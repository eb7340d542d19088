"""IDT, GDT, TSS and MSRs as text, from the document of `youcpu interrupts`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from youcpu.render.color import BOLD, CYAN, DIM, GREEN, RED, YELLOW, paint
from youcpu.render.interrupts.bits import descriptor_fields, drawn, gate_fields

Document = dict[str, Any]
UNKNOWN = "not in this memory"


def tables_lines(document: Document, bits: bool, color: bool) -> Iterator[str]:
    """Every table of the document."""
    source = document["source"]
    sections = []
    if "idt" in document:
        sections.append(_idt(document["idt"], source, bits, color))
    if "gdt" in document:
        sections.append(_gdt(document["gdt"], source, bits, color))
    if "tss" in document:
        sections.append(_tss(document["tss"], source, color))
    if "msr" in document:
        sections.append(_msr(document["msr"], color))
    for number, section in enumerate(sections):
        if number:
            yield ""
        yield from section


def _address(text: str, source: Document) -> str:
    return f"{int(text, 16):0{16 if source['mode'] == 'long' else 8}x}"


def _title(name: str, source: Document, color: bool) -> str:
    return f"{paint(name, BOLD, color)} of {source['name']}"


def _place(register: Document, source: Document, rest: str) -> str:
    return f"    at {_address(register['base'], source)}, limit {register['limit']:#x}: {rest}"


def _idt(gates: list[Document], source: Document, bits: bool, color: bool) -> Iterator[str]:
    size = 16 if source["mode"] == "long" else 8
    register = source["idtr"]
    yield _title("IDT", source, color)
    if len(gates) == 1:
        yield from _one_gate(gates[0], source, color)
        return
    unknown = all(gate["present"] is None for gate in gates)
    present = sum(bool(gate["present"]) for gate in gates)
    count = UNKNOWN if unknown else f"{present} present"
    yield _place(register, source, f"{len(gates)} gates of {size} bytes, {count}")
    if unknown:
        return
    ist = " IST" if source["mode"] == "long" else ""
    yield paint(f"vec  what  gate   DPL{ist}  CS  handler", DIM, color)
    run: list[Document] = []
    for gate in [*gates, None]:
        if gate is not None and not gate["present"]:
            run.append(gate)
            continue
        if run:
            yield _absent(run, color)
            run = []
        if gate is not None:
            yield _gate(gate, source, color)
            if bits:
                yield from drawn(gate["raw"], gate_fields(gate, source["mode"] == "long"), color)


def _absent(run: list[Document], color: bool) -> str:
    first, last = run[0]["vector"], run[-1]["vector"]
    known = UNKNOWN if run[0]["present"] is None else "not present"
    place = f"{first:>3}" if first == last else f"{first:>3} to {last}"
    return paint(f"{place}: {known}", DIM, color)


def _gate(gate: Document, source: Document, color: bool) -> str:
    ist = f" {gate['ist'] or '-':>3}" if source["mode"] == "long" else ""
    dpl = f"{gate['dpl']:>3}"
    what = gate["mnemonic"] or ("" if gate["vector"] < 32 else "-")
    handler = gate["handler"] or gate["name"]
    return (
        f"{gate['vector']:>3}  {paint(f'{what:<4}', CYAN, color)}  {gate['short_type']:<6} "
        f"{paint(dpl, YELLOW if gate['dpl'] else '', color and bool(gate['dpl']))}{ist}"
        f" {int(gate['selector'], 16):>3x}  {_address(gate['offset'], source)} {handler}"
    )


def _one_gate(gate: Document, source: Document, color: bool) -> Iterator[str]:
    name = f"{gate['mnemonic']} {gate['name']}".strip()
    code = "with" if gate["error_code"] else "without"
    article = "an" if gate["class"][0] in "ai" else "a"
    yield f"    vector {gate['vector']}: {name}, {article} {gate['class']}, {code} an error code"
    size = 16 if source["mode"] == "long" else 8
    if not gate["raw"]:
        yield f"    its gate at {_address(gate['address'], source)} is {UNKNOWN}"
        return
    yield (
        f"    gate at {_address(gate['address'], source)} = base + {gate['vector']} x {size}: "
        f"{gate['type_name']}, {'present' if gate['present'] else 'not present'}"
    )
    yield from drawn(gate["raw"], gate_fields(gate, source["mode"] == "long"), color)
    code_text = f"({gate['vector'] * 8 + 2:#x})"
    if gate["short_type"] not in ("int", "trap"):
        yield f"    {gate['type_name']}, no gate of this mode: the vector raises #GP{code_text}"
        return
    if not gate["present"]:
        yield f"    P = 0: the vector raises #NP{code_text}"
        return
    handler = f" {gate['handler']}" if gate["handler"] else ""
    yield f"    enters {int(gate['selector'], 16):x}:{_address(gate['offset'], source)}{handler}"
    yield f"    {_who(gate)}"
    yield f"    {_stack(gate)}" if source["mode"] == "long" else ""


def _who(gate: Document) -> str:
    if gate["dpl"] == 3:
        return f"DPL 3: INT {gate['vector']:#x} may be executed in ring 3"
    return (
        f"DPL {gate['dpl']}: INT {gate['vector']:#x} in ring 3 is #GP({gate['vector'] * 8 + 2:#x})"
    )


def _stack(gate: Document) -> str:
    if gate["ist"]:
        return f"IST {gate['ist']}: always onto the stack IST{gate['ist']} of the TSS"
    return "IST 0: from ring 3 onto RSP0 of the TSS, from ring 0 the stack stays"


def _gdt(rows: list[Document], source: Document, bits: bool, color: bool) -> Iterator[str]:
    yield _title("GDT", source, color)
    unknown = all(row["kind"] is None for row in rows)
    count = f"{source['gdtr']['limit'] + 1 >> 3} entries of 8 bytes" + (f", {UNKNOWN}" * unknown)
    yield _place(source["gdtr"], source, count)
    if unknown:
        return
    yield paint(
        "sel  descriptor        kind                  DPL  bits       base, limit", DIM, color
    )
    empty: list[Document] = []
    for row in [*rows, None]:
        if row is not None and row["kind"] in ("empty", None):
            empty.append(row)
            continue
        if empty:
            last = f" to {int(empty[-1]['selector'], 16):x}" if len(empty) > 1 else ""
            word = "empty" if empty[0]["kind"] else UNKNOWN
            yield paint(f"{int(empty[0]['selector'], 16):>3x}{last}: {word}", DIM, color)
            empty = []
        if row is not None:
            yield from _descriptor(row, source, bits, color)


def _descriptor(row: Document, source: Document, bits: bool, color: bool) -> Iterator[str]:
    selector = f"{int(row['selector'], 16):>3x}"
    raw = "".join(word[2:] for word in row["raw"][1::-1])
    if row["kind"] == "null":
        yield f"{selector}  {raw}  null: may be loaded, not used"
        return
    names = [
        ("P", row["present"]), ("S", not row["system"]), ("G", row["granular"]),
        ("L", row["long"]), ("DB", row["big"]), ("A", row["accessed"]), ("AVL", row["available"]),
    ]  # fmt: skip
    flags = " ".join(name for name, on in names if on)
    dpl = paint(f"{row['dpl']}", GREEN if row["present"] else RED, color)
    base = f"{int(row['base'], 16):x}, {int(row['limit'], 16):x}"
    yield f"{selector}  {raw}  {row['kind']:<22} {dpl}  {flags:<10} {base}".rstrip()
    if len(row["raw"]) == 4 and not bits:
        rest = "".join(word[2:] for word in row["raw"][:1:-1])
        yield paint(f"     {rest}  (its second half)", DIM, color)
    if bits:
        yield from drawn(row["raw"], descriptor_fields(row), color)


def _tss(tss: Document, source: Document, color: bool) -> Iterator[str]:
    selector = int(source["tr"]["selector"], 16)
    unknown = all(field["value"] is None for field in tss["fields"])
    yield _title("TSS", source, color)
    yield _place(tss, source, f"TR {selector:x}" + (f", {UNKNOWN}" * unknown))
    if unknown:
        return
    for field in tss["fields"]:
        value = UNKNOWN
        if field["value"] is not None:
            value = f"{int(field['value'], 16):0{field['size'] * 2}x}"
        note = _tss_note(field["name"], value)
        place = _address(field["address"], source)
        yield f"    {place}  {field['name']:<12} {value:<16}  {note}".rstrip()
    if tss["io_map"] is None:
        yield "    no I/O map within the limit: in ring 3 every port is #GP (IOPL 0)"
    elif not tss["io_map"]["allowed"]:
        yield "    the I/O map permits no port"
    else:
        ports = ", ".join(
            f"{a:x}" if a == b else f"{a:x}-{b:x}" for a, b in tss["io_map"]["allowed"]
        )
        yield f"    the I/O map permits ring 3 the ports {ports}"


def _tss_note(name: str, value: str) -> str:
    if not value.strip("0") and name != "I/O map base":
        return "unused"
    if name in ("RSP0", "ESP0"):
        return "where ring 3 enters ring 0"
    return "for gates with IST " + name[3:] if name.startswith("IST") else ""


def _msr(rows: list[Document] | None, color: bool) -> Iterator[str]:
    yield f"{paint('MSRs', BOLD, color)} of SYSCALL and SYSENTER"
    if rows is None:
        yield "    a dump does not hold them"
        return
    for row in rows:
        value = f"{int(row['value'], 16):016x}"
        meaning = f"  {row['meaning']}" if row["meaning"] else ""
        name = row["name"].removeprefix("IA32_")
        line = f"    {int(row['number'], 16):>8x}  {name:<14} {value}"
        if len(line) + len(meaning) > 80:
            yield line
            line, meaning = " " * 14, meaning.strip()
        yield line + meaning
