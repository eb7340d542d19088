"""System control port A, 0x92: bit 1 opens the A20 gate, bit 0 resets (PS/2, 82371SB 4.2.5)."""

from __future__ import annotations

from collections.abc import Callable

PORT = 0x92
FAST_RESET, FAST_A20 = 1, 2


class SystemControlPort:
    """Port 0x92. `a20()` and `set_a20(enabled)` are the gate, `reset()` the line."""

    def __init__(
        self, a20: Callable[[], bool], set_a20: Callable[[bool], None], reset: Callable[[], None]
    ) -> None:
        self._a20, self._set_a20, self._reset = a20, set_a20, reset

    def read_port(self, port: int) -> int:
        return FAST_A20 if self._a20() else 0

    def write_port(self, port: int, value: int) -> None:
        self._set_a20(bool(value & FAST_A20))
        if value & FAST_RESET:
            self._reset()
