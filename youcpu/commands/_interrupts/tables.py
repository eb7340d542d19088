"""Descriptor tables as a document (docs/schema/interrupts.json): what text and JSON are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from youcpu.abi.x86_vectors import EFER_NAMES, INT80_VECTOR, MSR_NAMES, VECTORS, flag_names
from youcpu.abi.x86_vectors import RFLAGS_NAMES as RFLAGS
from youcpu.hardware import descriptors as d

if TYPE_CHECKING:
    from youcpu.descriptor_tables import CpuTables, GdtEntry, IdtEntry
    from youcpu.formats.memory_image import SegmentRegister
    from youcpu.hardware.descriptors import SegmentDescriptor

Document = dict[str, Any]
TABLES = ("idt", "gdt", "tss", "msr")
_SHORT_GATES = {14: "int", 15: "trap", 6: "int16", 7: "trap16", 5: "task", 12: "call"}


def document(tables: CpuTables, wanted: tuple[str, ...], vector: int | None) -> Document:
    """What is asked of one CPU's tables."""
    result: Document = {
        "schema": "youcpu.interrupts",
        "version": 1,
        "kind": "tables",
        "source": _source(tables),
    }
    if vector is not None:
        result["idt"] = [gate_value(tables, tables.idt_entry(vector))]
        return result
    if "idt" in wanted:
        result["idt"] = [gate_value(tables, entry) for entry in tables.idt()]
    if "gdt" in wanted:
        result["gdt"] = [descriptor_value(entry) for entry in tables.gdt()]
    if "tss" in wanted:
        result["tss"] = _tss(tables)
    if "msr" in wanted:
        result["msr"] = _msrs(tables)
    return result


def _source(tables: CpuTables) -> Document:
    return {
        "name": tables.name,
        "mode": "long" if tables.long else "protected",
        "idtr": _register(tables.idtr, False),
        "gdtr": _register(tables.gdtr, False),
        "tr": _register(tables.tr, True),
        "ldtr": _register(tables.ldtr, True),
    }


def _register(register: SegmentRegister, selector: bool) -> Document:
    value: Document = {"base": hex(register.base), "limit": register.limit}
    return {"selector": hex(register.selector), **value} if selector else value


def dwords(raw: bytes) -> list[str]:
    """Bytes as doublewords, as the SDM draws them."""
    return [f"0x{int.from_bytes(raw[i : i + 4], 'little'):08x}" for i in range(0, len(raw), 4)]


def gate_value(tables: CpuTables, entry: IdtEntry) -> Document:
    """A gate; fields that are not known are null."""
    known = VECTORS.get(entry.vector)
    gate = entry.gate
    value: Document = {
        "vector": entry.vector,
        "mnemonic": known.mnemonic if known else "",
        "name": _vector_name(entry.vector),
        "class": known.kind if known else "interrupt",
        "error_code": bool(known and known.error_code),
        "address": hex(entry.address),
        "raw": dwords(entry.raw),
        "present": None,
    }
    if gate is None:
        return value
    offset = gate.offset
    return {
        **value,
        "present": gate.present,
        "type": gate.type,
        "type_name": gate.type_name,
        "short_type": _SHORT_GATES.get(gate.type, "?") if not gate.segment else "?",
        "dpl": gate.dpl,
        "ist": gate.ist if tables.long else None,
        "selector": hex(gate.selector),
        "offset": hex(offset),
        "handler": tables.symbol(offset) if gate.present else "",
    }


def _vector_name(vector: int) -> str:
    known = VECTORS.get(vector)
    if known is not None:
        return known.name
    if vector == INT80_VECTOR:
        return "system calls of i386"
    return "reserved" if vector < 32 else f"interrupt {vector:#x}"


def descriptor_value(entry: GdtEntry) -> Document:
    """A descriptor of the GDT with its bits by name."""
    found = entry.descriptor
    value: Document = {
        "selector": hex(entry.selector),
        "address": hex(entry.address),
        "raw": dwords(entry.raw),
        "kind": None,
    }
    if found is None:
        return value
    if not any(entry.raw):
        return {**value, "kind": "null" if not entry.selector else "empty"}
    return {
        **value,
        "kind": _kind(found, len(entry.raw) == 16),
        "base": hex(found.base),
        "limit": hex(found.limit),
        "present": found.present,
        "dpl": found.dpl,
        "type": found.type,
        "system": found.system,
        "long": found.long,
        "big": found.big,
        "granular": bool(found.flags & d.G),
        "available": bool(found.flags >> 20 & 1),
        "accessed": bool(not found.system and found.flags & d.ACCESSED),
    }


def _kind(found: SegmentDescriptor, wide: bool) -> str:
    if found.system:
        name = d.SYSTEM_TYPES.get(found.type, f"reserved type {found.type}")
        return f"64-bit {name}" if wide else name
    if found.code:
        size = "64" if found.long else "32" if found.big else "16"
        words = [f"code, {size} bits"]
        words += ["conforming"] * found.conforming
        words += ["execute only"] * (not found.flags & d.WRITABLE_OR_READABLE)
    else:
        words = ["data, " + ("writable" if found.writable else "read-only")]
        words += ["expand down"] * bool(found.flags & d.EXPAND_DOWN_OR_CONFORMING)
    return ", ".join(words)


def _tss(tables: CpuTables) -> Document:
    fields = [
        {
            "name": field.name,
            "address": hex(field.address),
            "size": field.size,
            "value": None if field.value is None else hex(field.value),
        }
        for field in tables.tss()
    ]
    found = tables.io_map()
    io_map = None
    if found is not None:
        io_map = {"base": found[0], "allowed": [list(ports) for ports in found[1]]}
    return {
        "base": hex(tables.tr.base),
        "limit": tables.tr.limit,
        "fields": fields,
        "io_map": io_map,
    }


def _msrs(tables: CpuTables) -> list[Document] | None:
    if tables.msrs is None:
        return None
    return [
        {
            "number": hex(number),
            "name": name,
            "value": hex(tables.msrs[number]),
            "meaning": _msr_meaning(name, tables.msrs[number], tables),
        }
        for number, name in MSR_NAMES.items()
    ]


def _msr_meaning(name: str, value: int, tables: CpuTables) -> str:
    if name == "IA32_EFER":
        return " ".join(flag_names(value, EFER_NAMES))
    if name == "IA32_STAR":
        kernel, user = value >> 32 & 0xFFFC, value >> 48
        return (
            f"SYSCALL: CS {kernel:x} SS {kernel + 8:x}; "
            f"SYSRET: CS {user + 16 | 3:x} SS {user + 8 | 3:x}"
        )
    if name == "IA32_FMASK":
        return "SYSCALL clears " + " ".join(flag_names(value, RFLAGS)[::-1])
    if name == "IA32_SYSENTER_CS":
        return (
            f"SYSENTER: CS {value:x} SS {value + 8:x}" if value & 0xFFFC else "0: SYSENTER is #GP"
        )
    if name.endswith(("LSTAR", "CSTAR", "EIP")) and value:
        return tables.symbol(value)
    return ""
