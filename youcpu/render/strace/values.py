"""Each type of value has one look here; nothing knows which call it belongs to."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from youcpu.abi import signal, stat
from youcpu.abi.errno import Errno
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
from youcpu.record import record
from youcpu.render.strace.quote import bracketed_path, hexadecimal, quoted


@record
class Style:
    """What the user wants to see of a value."""

    #: Bytes of a string that are shown: -s.
    string_limit: int = 32
    #: All fields of structures: -v.
    verbose: bool = False
    #: Strings with bytes that do not print are hexadecimal (1: -x), all are (2: -xx).
    hexadecimal: int = 0


def show(value: object, style: Style) -> str:
    """Any value of abi/values, int or bytes."""
    return RENDER[type(value)](value, style)


def _number(value: int, style: Style) -> str:
    return str(value)


def _quote(data: bytes, style: Style) -> str:
    if not style.hexadecimal:
        return quoted(data)
    plain = all(0x20 <= byte < 0x7F or 9 <= byte <= 13 for byte in data)
    return quoted(data) if style.hexadecimal == 1 and plain else hexadecimal(data)


def _text(value: Text, style: Style) -> str:
    data = value.data if value.whole else value.data[: style.string_limit]
    cut = "..." if value.length > len(data) else ""
    shown = hexadecimal(data) if value.random else _quote(data, style)
    return f"{value.prefix}{shown}{cut}"


def _address(value: Address, style: Style) -> str:
    return f"{int(value):#x}" if value else "NULL"


def _hex(value: int, style: Style) -> str:
    return f"{int(value):#x}" if value else "0"


def _permissions(value: int, style: Style) -> str:
    # printf's %#03o: at least three characters, a leading zero among them.
    digits = f"{int(value):o}" if value else ""
    return ("0" + digits).rjust(3, "0")


def _file_mode(value: FileMode, style: Style) -> str:
    kind = stat.S_IF_NAMES.name(value & stat.S_IFMT)
    bits = value & ~stat.S_IFMT
    if kind is None and value & stat.S_IFMT:
        return _permissions(value, style)
    parts = [kind] if kind else []
    for name, bit in (
        ("S_ISUID", stat.S_ISUID),
        ("S_ISGID", stat.S_ISGID),
        ("S_ISVTX", stat.S_ISVTX),
    ):
        if bits & bit:
            parts.append(name)
            bits &= ~bit
    parts.append(_permissions(bits, style))
    return "|".join(parts)


def _device(value: Device, style: Style) -> str:
    major = (value >> 8 & 0xFFF) | (value >> 32 & ~0xFFF)
    minor = (value & 0xFF) | (value >> 12 & 0xFFFFFF00)
    return f"makedev({_hex(major, style)}, {_hex(minor & 0xFFFFFFFF, style)})"


def _date(seconds: int, fraction: str = "") -> str | None:
    try:
        at = time.localtime(seconds)
    except (OverflowError, ValueError, OSError):
        return None
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', at)}{fraction}{time.strftime('%z', at)}"


def _group_mask(value: GroupMask, style: Style) -> str:
    return f"{int(value):#08x}" if value else "00000000"


def _dated(value: Dated, style: Style) -> str:
    text = show(value.value, style)
    limit = 10**value.digits if value.digits else 1
    if not (value.seconds or value.fraction) or not 0 <= value.fraction < limit:
        return text
    date = _date(value.seconds, f".{value.fraction:0{value.digits}}" if value.fraction else "")
    return text if date is None else f"{text} /* {date} */"


def _mask(value: Mask, style: Style) -> str:
    numbers = [number for number in range(1, 65) if value >> (number - 1) & 1]
    # More than two thirds set: those that are not are fewer to read.
    inverted = len(numbers) >= 64 * 2 // 3
    if inverted:
        numbers = [number for number in range(1, 65) if not value >> (number - 1) & 1]
    names = (signal.signal_name(number) for number in numbers)
    text = " ".join(name.removeprefix("SIG") for name in names)
    return f"{'~' if inverted else ''}[{text}]"


def _wait_status(value: WaitStatus, style: Style) -> str:
    status = int(value) & 0xFFFFFFFF
    low = status & 0x7F
    parts = []
    if low == 0x7F and status & 0xFF == 0x7F and status >> 16 == 0:
        name = signal.signal_name(status >> 8 & 0xFF)
        parts = ["WIFSTOPPED(s)", f"WSTOPSIG(s) == {name}"]
    elif status == 0xFFFF:
        parts = ["WIFCONTINUED(s)"]
    elif low:
        parts = ["WIFSIGNALED(s)", f"WTERMSIG(s) == {signal.signal_name(low)}"]
        if status & 0x80:
            parts.append("WCOREDUMP(s)")
    elif status & ~0xFF00 == 0:
        parts = ["WIFEXITED(s)", f"WEXITSTATUS(s) == {status >> 8 & 0xFF}"]
    return f"{{{' && '.join(parts)}}}" if parts else f"{status:#x}"


def _flags(value: FlagSet, style: Style) -> str:
    if not value.names:
        if not value.value:
            return "0" if value.hint else ""
        return f"{value.value:#x} /* {value.hint} */" if value.hint else f"{value.value:#x}"
    names = "|".join(value.names)
    return f"{names}|{value.rest:#x}" if value.rest else names


def _choice(value: Choice, style: Style) -> str:
    if value.name is not None:
        return value.name
    if value.decimal:
        return str(value.value)
    number = value.value & 0xFFFFFFFF if value.value < 0 else value.value
    return f"{number:#x} /* {value.hint} */" if number else f"0 /* {value.hint} */"


def _either(value: Either, style: Style) -> str:
    return "|".join(show(part, style) for part in value.parts)


def _descriptor(value: Descriptor, style: Style) -> str:
    name = value.name or str(value.number)
    return name + bracketed_path(value.path) if value.path is not None else name


def _array(value: Array, style: Style) -> str:
    items = ", ".join(show(item, style) for item in value.items)
    if value.broken_at:
        return f"[{items}, ... /* {value.broken_at:#x} */]"
    if value.more:
        return f"[{items}, ...]" if items else "[...]"
    return f"[{items}]"


def _members(value: Members, style: Style) -> str:
    return f"[{' '.join(show(item, style) for item in value.items)}]"


def _indexed(value: Indexed, style: Style) -> str:
    return f"[{', '.join(f'[{name}]={show(item, style)}' for name, item in value.items)}]"


def _field(name: str, value: object, style: Style) -> str:
    text = show(value, style)
    return text if type(value) is Call and value.bare else f"{name}={text}"


def _remark(value: Remark, style: Style) -> str:
    return ", ".join(f"{label} {show(part, style)}".strip() for label, part in value.parts.items())


def _call(value: Call, style: Style) -> str:
    return f"{value.function}({', '.join(show(part, style) for part in value.arguments)})"


def _struct(value: Struct, style: Style) -> str:
    fields = value.fields
    if value.brief is None or style.verbose:
        parts = [_field(name, item, style) for name, item in fields.items()]
    else:
        parts = [f"{name}={show(fields[name], style)}" for name in value.brief if name in fields]
        parts.append("...")
    return f"{{{', '.join(parts)}}}"


RENDER: dict[type, Callable[[Any, Style], str]] = {
    int: _number,
    bytes: _quote,
    str: lambda value, style: value,
    Text: _text,
    Address: _address,
    Hex: _hex,
    Permissions: _permissions,
    FileMode: _file_mode,
    Device: _device,
    Date: lambda value, style: _date(value) or str(int(value)),
    Dated: _dated,
    GroupMask: _group_mask,
    Members: _members,
    LongPath: lambda value, style: f"{_quote(value, style)}...",
    Mask: _mask,
    WaitStatus: _wait_status,
    Product: lambda value, style: f"{value // 1024}*1024",
    Shifted: lambda value, style: f"{show(value.value, style)}<<{value.shift}",
    FlagSet: _flags,
    Choice: _choice,
    Either: _either,
    Descriptor: _descriptor,
    Array: _array,
    Indexed: _indexed,
    Struct: _struct,
    Remark: _remark,
    Named: lambda value, style: f"{value.name}={show(value.value, style)}",
    Noted: lambda value, style: f"{show(value.value, style)} /* {value.note} */",
    Changed: lambda value, style: f"{show(value.before, style)} => {show(value.after, style)}",
    Call: _call,
}


_ERRORS = {errno.value: f"{errno.name} ({errno.text})" for errno in Errno}


def errno_name(number: int) -> str:
    """`ENOENT (No such file or directory)`, the number where there is no name."""
    return _ERRORS.get(number) or f"errno {number}"
