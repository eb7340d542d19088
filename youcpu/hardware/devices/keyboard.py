"""8042 keyboard controller with a keyboard and a mouse: ports 0x60 and 0x64, IRQ 1 and 12.

    0x64 read   status: OBF IBF SYS A2 INH AUX TO PE  write: a command
    0x60 read   the output buffer                write: data, to the controller or keyboard
    output port bit 0: reset line (low: reset), bit 1: A20 gate

(IBM PS/2 Hardware Interface Technical Reference, "Keyboard and Auxiliary Device Controller".)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

DATA, COMMAND = 0x60, 0x64
PORTS = (DATA, COMMAND)
IRQ, AUX_IRQ = 1, 12
OBF, SYS, A2, INH, AUX_OBF = 1, 4, 8, 0x10, 0x20
KBD_INT, AUX_INT, MODE_SYS, DISABLE_KBD, DISABLE_AUX, TRANSLATE = 1, 2, 4, 0x10, 0x20, 0x40
_ACK, _RESEND, _SELF_TEST_PASSED = 0xFA, 0xFE, 0xAA
OUT_RESET, OUT_A20 = 1, 2
#: Bytes that a keyboard keeps for a slow reader.
_QUEUE = 16


class KeyboardController:
    """The controller. `set_irq(number, level)`, `set_a20(enabled)`, `reset()`: its lines."""

    def __init__(
        self,
        set_irq: Callable[[int, bool], None],
        set_a20: Callable[[bool], None],
        reset: Callable[[], None],
    ) -> None:
        self._set_irq, self._set_a20, self._reset = set_irq, set_a20, reset
        self.command_byte = KBD_INT | MODE_SYS | TRANSLATE
        self.status = SYS | INH
        self.output_port = 0xCC | OUT_RESET | OUT_A20
        #: (byte, from the mouse) in order of arrival; the first one is the output buffer.
        self.queue: deque[tuple[int, bool]] = deque()
        #: Command to the controller or device that waits for a data byte; 0: none.
        self.awaiting = 0
        self.keyboard_awaiting = 0
        self.mouse_awaiting = 0
        self.scanning = 1
        self.data = 0

    @property
    def a20(self) -> bool:
        return bool(self.output_port & OUT_A20)

    def press(self, codes: bytes) -> bool:
        """Scancodes of set 1 from the keyboard; False: its buffer is full, they are lost."""
        if not self.scanning or self.command_byte & DISABLE_KBD:
            return False
        if len(self.queue) + len(codes) > _QUEUE:
            return False
        for code in codes:
            self.queue.append((code, False))
        self._update()
        return True

    def _put(self, *values: int, aux: bool = False) -> None:
        for value in values:
            self.queue.append((value, aux))
        self._update()

    def _update(self) -> None:
        aux = bool(self.queue) and self.queue[0][1]
        full = bool(self.queue)
        self.status = self.status & ~(OBF | AUX_OBF) | (OBF if full else 0)
        if full and aux:
            self.status |= AUX_OBF
        self._set_irq(IRQ, bool(full and not aux and self.command_byte & KBD_INT))
        self._set_irq(AUX_IRQ, bool(full and aux and self.command_byte & AUX_INT))

    def read_port(self, port: int) -> int:
        if port == COMMAND:
            return self.status
        if self.queue:
            self.data, aux = self.queue.popleft()
            # The line falls before the next byte raises it again.
            self._set_irq(AUX_IRQ if aux else IRQ, False)
            self._update()
        return self.data

    def write_port(self, port: int, value: int) -> None:
        if port == COMMAND:
            self.status |= A2
            self._command(value)
        else:
            self.status &= ~A2
            command, self.awaiting = self.awaiting, 0
            self._data(command, value)

    def _command(self, value: int) -> None:
        if value in (0x60, 0xD1, 0xD2, 0xD3, 0xD4):
            self.awaiting = value
        elif value == 0x20:
            self._put(self.command_byte)
        elif value == 0xA7:
            self.command_byte |= DISABLE_AUX
        elif value == 0xA8:
            self.command_byte &= ~DISABLE_AUX
        elif value in (0xA9, 0xAB):
            self._put(0)  # the interface's lines are fine
        elif value == 0xAA:
            self.status |= SYS
            self._put(0x55)
        elif value == 0xAD:
            self.command_byte |= DISABLE_KBD
        elif value == 0xAE:
            self.command_byte &= ~DISABLE_KBD
        elif value == 0xC0:
            self._put(0x80)  # not locked
        elif value == 0xD0:
            self._put(self.output_port & ~0x30 | (0x10 if self.status & OBF else 0))
        elif value in (0xDD, 0xDF):
            self._write_output(self.output_port & ~OUT_A20 | (OUT_A20 if value == 0xDF else 0))
        elif value >= 0xF0 and not value & 1:
            self._reset()  # pulses the reset line

    def _write_output(self, value: int) -> None:
        self.output_port = value
        self._set_a20(bool(value & OUT_A20))
        if not value & OUT_RESET:
            self._reset()

    def set_a20_line(self, enabled: bool) -> None:
        """Port 0x92 moved the gate: the output port shows it."""
        self.output_port = self.output_port & ~OUT_A20 | (OUT_A20 if enabled else 0)

    def _data(self, command: int, value: int) -> None:
        if command == 0x60:
            self.command_byte = value
            self._update()
        elif command == 0xD1:
            self._write_output(value)
        elif command == 0xD2:
            self._put(value)
        elif command == 0xD3:
            self._put(value, aux=True)
        elif command == 0xD4:
            self._to_mouse(value)
        else:
            self.command_byte &= ~DISABLE_KBD
            self._to_keyboard(value)

    def _to_keyboard(self, value: int) -> None:
        """The keyboard's own commands."""
        if self.keyboard_awaiting:
            command, self.keyboard_awaiting = self.keyboard_awaiting, 0
            self._put(_ACK)
            if command == 0xF0 and value == 0:
                # Set 2, as its code is translated.
                self._put(0x41 if self.command_byte & TRANSLATE else 2)
            return
        if value in (0xED, 0xF0, 0xF3):
            self.keyboard_awaiting = value
            self._put(_ACK)
        elif value == 0xEE:
            self._put(0xEE)
        elif value == 0xF2:
            self._put(_ACK, 0xAB, 0x41 if self.command_byte & TRANSLATE else 0x83)
        elif value == 0xFF:
            self.scanning = 1
            self._put(_ACK, _SELF_TEST_PASSED)
        elif value in (0xF4, 0xF5, 0xF6):
            self.scanning = int(value != 0xF5)
            self._put(_ACK)
        else:
            self._put(_RESEND)

    def _to_mouse(self, value: int) -> None:
        """The mouse's: a standard one with two buttons, never moved."""
        if self.mouse_awaiting:
            self.mouse_awaiting = 0
            self._put(_ACK, aux=True)
            return
        answers = {0xE9: (0, 2, 100), 0xEB: (8, 0, 0), 0xF2: (0,), 0xFF: (0xAA, 0)}
        if value in (0xE8, 0xF3):
            self.mouse_awaiting = value
        known = value in answers or value in (
            0xE6, 0xE7, 0xE8, 0xEA, 0xEC, 0xEE, 0xF0, 0xF3, 0xF4, 0xF5, 0xF6,
        )  # fmt: skip
        self._put(_ACK if known else _RESEND, *answers.get(value, ()), aux=True)

    def save(self) -> dict[str, Any]:
        """State for a snapshot."""
        numbers = {key: getattr(self, key) for key in _STATE}
        return {**numbers, "queue": [[byte, int(aux)] for byte, aux in self.queue]}

    def load(self, state: dict[str, Any]) -> None:
        """What `save` gave."""
        for key in _STATE:
            setattr(self, key, int(state[key]))
        self.queue = deque((int(byte), bool(aux)) for byte, aux in state["queue"])
        if any(not 0 <= byte < 256 for byte, _ in self.queue):
            raise ValueError("codes that are no bytes")


_STATE = (
    "command_byte", "status", "output_port", "awaiting", "keyboard_awaiting", "mouse_awaiting",
    "scanning", "data",
)  # fmt: skip
