"""Two 8259A interrupt controllers, the second on input 2 of the first (Intel 231468).

0x20 0xA0   ICW1 OCW2 OCW3, reads IRR or ISR, or polls
0x21 0xA1   ICW2-ICW4, then OCW1: the interrupt mask
0x4D0 0x4D1 ELCR: which inputs are level-triggered (82371SB)
"""

from __future__ import annotations

from typing import Any

MASTER, SLAVE = 0x20, 0xA0
ELCR_MASTER, ELCR_SLAVE = 0x4D0, 0x4D1
CASCADE = 2
SPURIOUS = 7
_ICW1, _ICW1_LTIM, _ICW1_SINGLE, _ICW1_IC4 = 0x10, 0x08, 0x02, 0x01
_OCW3 = 0x08
_STATE = (
    "lines", "irr", "isr", "imr", "base", "lowest", "elcr", "ltim", "read_isr", "polling",
    "auto_eoi", "rotate_on_auto_eoi", "special_mask", "fully_nested", "step", "single",
    "wants_icw4",
)  # fmt: skip


class Chip:
    """One 8259A."""

    def __init__(self, level_capable: int) -> None:
        #: Inputs that ELCR may make level-triggered.
        self.level_capable = level_capable
        self.lines = self.irr = self.isr = self.imr = 0
        self.base = 0
        #: Input of lowest priority; the next one is the highest.
        self.lowest = 7
        self.elcr = self.ltim = 0
        self.read_isr = self.polling = 0
        self.auto_eoi = self.rotate_on_auto_eoi = 0
        self.special_mask = self.fully_nested = 0
        #: Which ICW is awaited at the odd port: 2, 3, 4; 0: none, it is the mask.
        self.step = 0
        self.single = self.wants_icw4 = 0

    @property
    def level(self) -> int:
        """Inputs that are level-triggered."""
        return 0xFF if self.ltim else self.elcr

    def set_line(self, number: int, high: bool) -> None:
        """An input changes. An edge that falls before it is acknowledged is lost (p. 17)."""
        bit = 1 << number
        if high:
            if self.level & bit or not self.lines & bit:
                self.irr |= bit
            self.lines |= bit
        else:
            self.irr &= ~bit
            self.lines &= ~bit

    def _first(self, bits: int) -> int:
        """The input of highest priority among `bits`, as its rank from the top; 8: none."""
        if not bits:
            return 8
        for rank in range(8):
            if bits >> (self.lowest + 1 + rank & 7) & 1:
                return rank
        return 8

    def request(self, cascade: int = 0) -> int | None:
        """The input whose request reaches the CPU now; `cascade`: bits of slaves."""
        rank = self._first(self.irr & ~self.imr)
        if rank == 8:
            return None
        in_service = self.isr
        if self.special_mask:
            in_service &= ~self.imr
        if self.fully_nested:
            in_service &= ~cascade
        if rank >= self._first(in_service):
            return None
        return self.lowest + 1 + rank & 7

    def acknowledge(self, number: int) -> None:
        """INTA for an input."""
        bit = 1 << number
        if self.auto_eoi:
            if self.rotate_on_auto_eoi:
                self.lowest = number
        else:
            self.isr |= bit
        if not self.level & bit:
            self.irr &= ~bit

    def write_even(self, value: int) -> None:
        """ICW1, OCW2 or OCW3."""
        if value & _ICW1:
            self._begin(value)
        elif value & _OCW3:
            if value & 4:
                self.polling = 1
            elif value & 2:
                self.read_isr = value & 1
            if value & 0x40:
                self.special_mask = value >> 5 & 1
        else:
            self._end_of_interrupt(value >> 5, value & 7)

    def _begin(self, icw1: int) -> None:
        self.ltim = icw1 >> 3 & 1
        self.irr &= self.level & self.lines  # edges must come anew
        self.isr = self.imr = 0
        self.lowest = 7
        self.special_mask = self.read_isr = self.polling = 0
        self.single = int(bool(icw1 & _ICW1_SINGLE))
        self.wants_icw4 = icw1 & _ICW1_IC4
        if not self.wants_icw4:
            self.auto_eoi = self.fully_nested = 0
        self.step = 2

    def _end_of_interrupt(self, command: int, number: int) -> None:
        """OCW2: R SL EOI as a number (p. 14)."""
        if command in (0, 4):
            self.rotate_on_auto_eoi = command >> 2
        elif command in (1, 5):
            rank = self._first(self.isr & ~self.imr if self.special_mask else self.isr)
            if rank < 8:
                number = self.lowest + 1 + rank & 7
                self.isr &= ~(1 << number)
                if command == 5:
                    self.lowest = number
        elif command in (3, 7):
            self.isr &= ~(1 << number)
            if command == 7:
                self.lowest = number
        elif command == 6:
            self.lowest = number

    def write_odd(self, value: int) -> None:
        """ICW2 to ICW4, in turn, or the mask."""
        if self.step == 0:
            self.imr = value
        elif self.step == 2:
            self.base = value & 0xF8
            self.step = (4 if self.wants_icw4 else 0) if self.single else 3
        elif self.step == 3:
            self.step = 4 if self.wants_icw4 else 0
        else:
            self.auto_eoi = value >> 1 & 1
            self.fully_nested = value >> 4 & 1
            self.step = 0


class PicPair:
    """Both chips as a PC wires them; 16 inputs, one output to the CPU."""

    def __init__(self) -> None:
        self.master, self.slave = Chip(0xF8), Chip(0xDE)
        #: INT to the CPU.
        self.output = False

    def set_irq(self, number: int, high: bool) -> None:
        """IRQ `number` (0 to 15) goes high or low."""
        chip, line = (self.slave, number - 8) if number >= 8 else (self.master, number)
        if bool(chip.lines >> line & 1) == high:
            return
        chip.set_line(line, high)
        self._settle()

    def pulse(self, number: int) -> None:
        """A line that was high falls and rises again."""
        self.set_irq(number, False)
        self.set_irq(number, True)

    def _settle(self) -> None:
        """The slave's output is an input of the master, the master's goes to the CPU."""
        self.master.set_line(CASCADE, self.slave.request() is not None)
        self.output = self.master.request(1 << CASCADE) is not None

    def acknowledge(self) -> int:
        """Both INTA pulses: the vector. Without a request any more it is the spurious one."""
        number = self.master.request(1 << CASCADE)
        if number is None:
            return self.master.base | SPURIOUS
        vector = self._acknowledge(number)
        self._settle()
        return vector

    def _acknowledge(self, number: int) -> int:
        master, slave = self.master, self.slave
        master.acknowledge(number)
        if number != CASCADE or master.single:
            return master.base | number
        inner = slave.request()
        if inner is None:
            inner = SPURIOUS
        else:
            slave.acknowledge(inner)
        # The slave's output falls, and rises if another request waits.
        master.set_line(CASCADE, False)
        return slave.base | inner

    def _chip(self, port: int) -> Chip:
        return self.slave if port & 0x80 else self.master

    def read_port(self, port: int) -> int:
        if port >= ELCR_MASTER:
            return (self.slave if port & 1 else self.master).elcr
        chip = self._chip(port)
        if chip.polling:
            return self._poll(chip)
        if port & 1:
            return chip.imr
        return chip.isr if chip.read_isr else chip.irr

    def _poll(self, chip: Chip) -> int:
        """The read after a poll command is an INTA (p. 15)."""
        chip.polling = 0
        number = chip.request(1 << CASCADE if chip is self.master else 0)
        if number is None:
            return SPURIOUS
        chip.acknowledge(number)
        self._settle()
        return 0x80 | number

    def write_port(self, port: int, value: int) -> None:
        if port >= ELCR_MASTER:
            chip = self.slave if port & 1 else self.master
            chip.elcr = value & chip.level_capable
            return
        chip = self._chip(port)
        if port & 1:
            chip.write_odd(value)
        else:
            chip.write_even(value)
        self._settle()

    def save(self) -> dict[str, Any]:
        """State for a snapshot."""
        return {
            name: [getattr(chip, key) for key in _STATE]
            for name, chip in (("master", self.master), ("slave", self.slave))
        }

    def load(self, state: dict[str, Any]) -> None:
        """What `save` gave."""
        for name, chip in (("master", self.master), ("slave", self.slave)):
            for key, value in zip(_STATE, state[name], strict=True):
                if not 0 <= int(value) < 256:
                    raise ValueError("a register that holds no byte")
                setattr(chip, key, int(value))
            if chip.lowest > 7 or chip.step > 4:
                raise ValueError("a state that no 8259 has")
        self._settle()


PORTS = (MASTER, MASTER + 1, SLAVE, SLAVE + 1, ELCR_MASTER, ELCR_SLAVE)
