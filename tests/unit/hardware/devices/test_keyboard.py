"""8042: its commands, the keyboard's and the mouse's, scancodes, A20, reset."""

from __future__ import annotations

from youcpu.hardware.devices.keyboard import KeyboardController


class Desk:
    """A controller and its lines."""

    def __init__(self) -> None:
        self.irqs: dict[int, bool] = {}
        self.a20: list[bool] = []
        self.resets = 0
        self.keyboard = KeyboardController(self.irqs.__setitem__, self.a20.append, self._reset)

    def _reset(self) -> None:
        self.resets += 1

    def command(self, *values: int) -> list[int]:
        """A command with its data; what is answered."""
        self.keyboard.write_port(0x64, values[0])
        for value in values[1:]:
            self.keyboard.write_port(0x60, value)
        return self.answers()

    def send(self, *values: int) -> list[int]:
        for value in values:
            self.keyboard.write_port(0x60, value)
        return self.answers()

    def answers(self) -> list[int]:
        found = []
        while self.keyboard.read_port(0x64) & 1:
            found.append(self.keyboard.read_port(0x60))
        return found


def test_self_tests() -> None:
    desk = Desk()
    assert desk.command(0xAA) == [0x55]
    assert desk.command(0xAB) == [0]
    assert desk.command(0xA9) == [0]
    assert desk.keyboard.read_port(0x64) & 4


def test_the_command_byte() -> None:
    desk = Desk()
    assert desk.command(0x60, 0x65) == []
    assert desk.command(0x20) == [0x65]
    desk.command(0xAD)
    assert desk.command(0x20) == [0x75]
    desk.command(0xAE)
    desk.command(0xA7)
    assert desk.command(0x20) == [0x65 | 0x20]


def test_scancodes_interrupt_one_by_one() -> None:
    desk = Desk()
    assert desk.keyboard.press(b"\x1e\x9e")
    assert desk.irqs[1]
    assert desk.keyboard.read_port(0x60) == 0x1E
    assert desk.irqs[1]
    assert desk.keyboard.read_port(0x60) == 0x9E
    assert not desk.irqs[1]
    assert desk.keyboard.read_port(0x60) == 0x9E  # the buffer keeps its last byte


def test_no_interrupts_no_keys_when_forbidden() -> None:
    desk = Desk()
    desk.command(0x60, 0x44)
    desk.keyboard.press(b"\x1e")
    assert not desk.irqs[1]
    assert desk.answers() == [0x1E]
    desk.command(0xAD)
    assert not desk.keyboard.press(b"\x1e")


def test_a_full_keyboard_loses_keys() -> None:
    desk = Desk()
    assert desk.keyboard.press(bytes(16))
    assert not desk.keyboard.press(b"\x1e")


def test_keyboard_commands() -> None:
    desk = Desk()
    assert desk.send(0xFF) == [0xFA, 0xAA]
    assert desk.send(0xF2) == [0xFA, 0xAB, 0x41]
    assert desk.send(0xED, 7) == [0xFA, 0xFA]
    assert desk.send(0xEE) == [0xEE]
    assert desk.send(0xF0, 0) == [0xFA, 0xFA, 0x41]
    assert desk.send(0xF5) == [0xFA]
    assert not desk.keyboard.press(b"\x1e")
    assert desk.send(0xF4) == [0xFA]
    assert desk.keyboard.press(b"\x1e")
    assert desk.send(0x01)[-1] == 0xFE


def test_the_mouse_answers_on_its_own_line() -> None:
    desk = Desk()
    desk.command(0x60, 0x47)
    desk.keyboard.write_port(0x64, 0xD4)
    desk.keyboard.write_port(0x60, 0xFF)
    assert desk.irqs[12]
    assert not desk.irqs[1]
    assert desk.keyboard.read_port(0x64) & 0x21 == 0x21
    assert desk.answers() == [0xFA, 0xAA, 0]
    assert desk.command(0xD4, 0xF2) == [0xFA, 0]
    assert desk.command(0xD4, 0xE9) == [0xFA, 0, 2, 100]
    assert desk.command(0xD3, 0x5A) == [0x5A]


def test_a20_and_reset() -> None:
    desk = Desk()
    desk.command(0xD1, 0xDD)
    desk.command(0xD1, 0xDF)
    desk.command(0xDD)
    assert desk.a20 == [False, True, False]
    assert desk.command(0xD0)[0] & 2 == 0
    assert desk.resets == 0
    desk.command(0xFE)
    assert desk.resets == 1
    desk.command(0xD1, 0xDE)
    assert desk.resets == 2
    desk.command(0xFF)  # pulses nothing
    assert desk.resets == 2


def test_state_goes_through_a_snapshot() -> None:
    desk = Desk()
    desk.keyboard.press(b"\x1e")
    other = Desk()
    other.keyboard.load(desk.keyboard.save())
    assert other.answers() == [0x1E]
