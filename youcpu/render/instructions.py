"""Instructions as they run: address, symbol, bytes, text."""

from __future__ import annotations

from youcpu.render.color import DIM, YELLOW, paint
from youcpu.trace.events import InstructionEvent

_CODE_COLUMNS = 24
_SYMBOL_COLUMNS = 28


def draw_instruction(event: InstructionEvent, color: bool = False) -> str:
    """`0x401000 <main+0x12>   48 89 e5   mov rbp, rsp`."""
    address = paint(f"{event.address:#014x}", YELLOW, color)
    symbol = f"<{event.symbol}>" if event.symbol else ""
    code = paint(event.code.hex(" ").ljust(_CODE_COLUMNS), DIM, color)
    return f"{address} {symbol:<{_SYMBOL_COLUMNS}} {code} {event.text}"
