"""The stages of execve(2) drawn as a tree: lookup, binprm, handlers, segments, stack, entry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from youcpu.abi import stat
from youcpu.abi.errno import errno_name
from youcpu.render.color import BOLD, CYAN, DIM, GREEN, RED, YELLOW, paint
from youcpu.render.shebang import glyph
from youcpu.render.strace.quote import escaped, quoted
from youcpu.trace.events import (
    BinprmStage,
    EntryStage,
    Event,
    ExecEvent,
    HandlerStage,
    InterpreterStage,
    LookupStage,
    RegistersStage,
    SegmentStage,
    StackStage,
)

_LABEL = 12
#: Rows of 16 bytes that are shown of the buffer, strings of a vector.
_ROWS = 4
_STRINGS = 8


class StageDrawer:
    """Text of exec events; a stage is one branch, the entry is the last."""

    def __init__(self, color: bool = False) -> None:
        self._color = color
        self._draw: dict[type[ExecEvent], Callable[[Any], list[str]]] = {
            LookupStage: self._lookup,
            BinprmStage: self._binprm,
            HandlerStage: self._handler,
            SegmentStage: self._segment,
            InterpreterStage: self._interpreter,
            StackStage: self._stack,
            RegistersStage: self._registers,
            EntryStage: self._entry,
        }

    def drawers(self) -> dict[type[Event], Callable[[Any], str]]:
        """For StraceSink: each kind of stage with its text."""
        return dict.fromkeys(self._draw, self.draw)

    def draw(self, event: ExecEvent) -> str:
        """Lines of one stage, without the last newline."""
        first, *rest = self._draw[type(event)](event)
        last = type(event) is EntryStage
        label = paint(f"{event.stage:<{_LABEL}}", CYAN, self._color)
        lines = [f"{'└─' if last else '├─'} {label}{first}"]
        lines += [f"{' ' if last else '│'}  {' ' * _LABEL}{line}" for line in rest]
        return "\n".join(line.rstrip() for line in lines)

    def _address(self, address: int) -> str:
        return paint(f"{address:#x}", YELLOW, self._color)

    def _lookup(self, event: LookupStage) -> list[str]:
        path = paint(escaped(event.path), BOLD, self._color)
        if event.errno:
            return [f"{path}: {paint(errno_name(event.errno), RED, self._color)}"]
        arrow = f" → {escaped(event.resolved)}" if event.resolved not in (b"", event.path) else ""
        links = [f"{escaped(link)} → {escaped(target)}" for link, target in event.links]
        return [f"{path}{arrow}  {_rights(event.mode)}  {event.size} bytes", *links]

    def _binprm(self, event: BinprmStage) -> list[str]:
        interp = f"  interp {escaped(event.interp)}" if event.interp != event.filename else ""
        ids = f"uid {event.uid}/{event.euid}  gid {event.gid}/{event.egid}"
        secure = "  secure" if event.secure else ""
        head = f"{escaped(event.filename)}{interp}  argc {event.argc}  envc {event.envc}"
        return [f"{head}  {ids}{secure}", *self._dump(event.buffer)]

    def _dump(self, buffer: bytes) -> list[str]:
        used = len(buffer.rstrip(b"\0"))
        rows = []
        for start in range(0, min(used, 16 * _ROWS), 16):
            row = buffer[start : start + 16]
            text = "".join(map(glyph, row))
            rows.append(paint(f"{start:3}  {row.hex(' '):<47}  {text}", DIM, self._color))
        if used > 16 * _ROWS:
            rows.append(paint(f"…    {len(buffer)} bytes in all", DIM, self._color))
        return rows

    def _handler(self, event: HandlerStage) -> list[str]:
        good = event.answer in ("loaded", "again")
        answer = paint(event.answer, GREEN if good else RED, self._color)
        padding = " " * max(0, 8 - len(event.answer))
        nested = f"  (depth {event.depth})" if event.depth else ""
        interpreter = f"  → {escaped(event.interpreter)}" if event.interpreter else ""
        return [f"{event.format:<8} {answer}{padding}{event.reason}{interpreter}{nested}"]

    def _segment(self, event: SegmentStage) -> list[str]:
        where = f"{self._address(event.start)}-{self._address(event.end)}"
        zeros = event.memory_size - event.file_size
        bss = f"  + {zeros:#x} zero" if zeros > 0 else ""
        source = f"{event.file_size:#x} bytes at {event.offset:#x} of {escaped(event.path)}"
        return [f"{event.index}  {where}  {event.rights}  {source}{bss}"]

    def _interpreter(self, event: InterpreterStage) -> list[str]:
        base, entry = self._address(event.base), self._address(event.entry)
        return [f"{escaped(event.path)}  base {base}  entry {entry}"]

    def _stack(self, event: StackStage) -> list[str]:
        lines = [
            f"top {self._address(event.top)}  pointer {self._address(event.pointer)}"
            f"  {event.top - event.pointer} bytes",
            f"{self._address(event.pointer)}  argc {len(event.argv)}",
            f"{self._address(event.argv_address)}  argv {_vector(event.argv)}",
            f"{self._address(event.envp_address)}  envp {_vector(event.envp)}",
            f"{self._address(event.auxv_address)}  auxv",
        ]
        for name, value, meaning in event.auxv:
            lines.append(f"  {name:<20} {value:#x}{'  ' + meaning if meaning else ''}")
        return lines

    def _registers(self, event: RegistersStage) -> list[str]:
        shown = {name: value for name, value in event.registers.items() if value}
        cells = [f"{name} {self._address(value)}" for name, value in shown.items()]
        rows = ["  ".join(cells[at : at + 4]) for at in range(0, len(cells), 4)]
        return [*rows[:-1], f"{rows[-1]}  all others 0"] if rows else ["all 0"]

    def _entry(self, event: EntryStage) -> list[str]:
        symbol = f" <{event.symbol}>" if event.symbol else ""
        own = ""
        if event.program_entry != event.entry:
            own = f"  (the program's own: {self._address(event.program_entry)})"
        return [f"{self._address(event.entry)}{symbol}{own}", *event.text]


def _rights(mode: int) -> str:
    """`-rwxr-xr-x` as ls writes it."""
    kind = {stat.S_IFREG: "-", stat.S_IFDIR: "d", stat.S_IFLNK: "l"}.get(mode & stat.S_IFMT, "?")
    bits = "".join(letter if mode >> (8 - at) & 1 else "-" for at, letter in enumerate("rwxrwxrwx"))
    special = [("s", 3, stat.S_ISUID), ("s", 6, stat.S_ISGID), ("t", 9, stat.S_ISVTX)]
    for letter, place, bit in special:
        if mode & bit:
            set_letter = letter if bits[place - 1] == "x" else letter.upper()
            bits = bits[: place - 1] + set_letter + bits[place:]
    return kind + bits


def _vector(strings: Sequence[bytes]) -> str:
    shown = [quoted(string[:64]) + ("..." if len(string) > 64 else "") for string in strings]
    if len(shown) > _STRINGS:
        return f"[{', '.join(shown[:_STRINGS])}, ...]  {len(shown)} strings"
    return f"[{', '.join(shown)}]"
