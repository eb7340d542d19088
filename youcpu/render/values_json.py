"""Values of a trace for JSON: docs/schema/exec-trace.json says how each kind looks.

Addresses are strings ("0x7ffd..."; NULL is null): JSON's numbers lose bits above 2**53. Flags
are lists of names; what has no name is a hexadecimal string in the list.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from youcpu.abi import stat
from youcpu.abi.signal import signal_name
from youcpu.abi.values import (
    Address,
    Array,
    Call,
    Changed,
    Choice,
    Date,
    Dated,
    Descriptor,
    Device,
    Either,
    FileMode,
    FlagSet,
    GroupMask,
    Hex,
    Indexed,
    LongPath,
    Mask,
    Members,
    Named,
    Noted,
    Permissions,
    Product,
    Remark,
    Shifted,
    Struct,
    Text,
    WaitStatus,
)

Json = None | bool | int | float | str | list[Any] | dict[str, Any]


def plain(value: object) -> Json:
    """Any value of abi/values, int, str or bytes as what `json` can write."""
    return _PLAIN[type(value)](value)


def text(data: bytes) -> Json:
    """Bytes as a string, or {"hex": ...} where they are no UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"hex": data.hex()}


def address(value: int) -> Json:
    """Hexadecimal string, null for NULL."""
    return hex(value) if value else None


def _buffer(value: Text) -> Json:
    try:
        return {"data": value.data.decode(), "length": value.length}
    except UnicodeDecodeError:
        return {"hex": value.data.hex(), "length": value.length}


def _flags(value: FlagSet) -> Json:
    return [*value.names, hex(value.rest)] if value.rest else list(value.names)


def _either(value: Either) -> Json:
    parts: list[Json] = []
    for part in value.parts:
        shown = plain(part)
        parts.extend(shown if isinstance(shown, list) else [shown])
    return parts


def _file_mode(value: FileMode) -> Json:
    return {
        "type": stat.S_IF_NAMES.name(value & stat.S_IFMT),
        "permissions": f"{value & ~stat.S_IFMT:04o}",
    }


def _device(value: Device) -> Json:
    major = (value >> 8 & 0xFFF) | (value >> 32 & ~0xFFF)
    return {"major": major, "minor": (value & 0xFF) | (value >> 12 & 0xFFFFFF00)}


def _array(value: Array) -> Json:
    items = [plain(item) for item in value.items]
    return {"items": items, "more": True} if value.more or value.broken_at else items


def _descriptor(value: Descriptor) -> Json:
    if value.path is None:
        return value.name or value.number
    return {"fd": value.name or value.number, "path": text(value.path)}


def _wait_status(value: WaitStatus) -> Json:
    low = value & 0x7F
    if value & 0xFFFF == 0xFFFF:
        return {"continued": True}
    if low == 0x7F:
        return {"stopped": signal_name(value >> 8 & 0xFF)}
    if low:
        return {"killed": signal_name(low), "core_dumped": bool(value & 0x80)}
    return {"exited": value >> 8 & 0xFF}


def _mask(value: Mask) -> Json:
    return [signal_name(number) for number in range(1, 65) if value >> (number - 1) & 1]


def fields(values: dict[str, object]) -> dict[str, Json]:
    """Names with their values."""
    return {name: plain(value) for name, value in values.items()}


_PLAIN: dict[type, Callable[[Any], Json]] = {
    int: lambda value: value,
    str: lambda value: value,
    bytes: text,
    LongPath: text,
    Text: _buffer,
    Address: address,
    Hex: hex,
    GroupMask: hex,
    Permissions: lambda value: f"{value:04o}",
    FileMode: _file_mode,
    Device: _device,
    Date: int,
    Dated: lambda value: plain(value.value),
    Mask: _mask,
    WaitStatus: _wait_status,
    Product: int,
    FlagSet: _flags,
    Choice: lambda value: value.name or value.value,
    Either: _either,
    Descriptor: _descriptor,
    Array: _array,
    Members: lambda value: [plain(item) for item in value.items],
    Indexed: lambda value: {name: plain(item) for name, item in value.items},
    Struct: lambda value: fields(value.fields),
    Remark: lambda value: {name or "text": plain(item) for name, item in value.parts.items()},
    Shifted: lambda value: {"value": plain(value.value), "shift": value.shift},
    Named: lambda value: plain(value.value),
    Noted: lambda value: {"value": plain(value.value), "note": value.note},
    Changed: lambda value: {"before": plain(value.before), "after": plain(value.after)},
    Call: lambda value: {"call": value.function, "arguments": [plain(v) for v in value.arguments]},
}
