"""16550A UART (National PC16550D): eight ports, a FIFO of 16 each way, one interrupt line.

    +0  RBR/THR   +1  IER   +2  IIR/FCR   +3  LCR   +4  MCR   +5  LSR   +6  MSR   +7  SCR
        (DLL)         (DLM)                             with LCR.DLAB

What is sent leaves at once: the line is as fast as its reader. What arrives waits in the FIFO.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

COM1, COM1_IRQ = 0x3F8, 4
FIFO_SIZE = 16
IER_RDI, IER_THRI, IER_RLSI, IER_MSI = 1, 2, 4, 8
IIR_NONE, IIR_MSI, IIR_THRI, IIR_RDI, IIR_RLSI, IIR_TIMEOUT = 1, 0, 2, 4, 6, 0xC
FCR_ENABLE, FCR_CLEAR_RX, FCR_CLEAR_TX = 1, 2, 4
LCR_BREAK, LCR_DLAB = 0x40, 0x80
MCR_DTR, MCR_RTS, MCR_OUT1, MCR_OUT2, MCR_LOOP = 1, 2, 4, 8, 0x10
LSR_DR, LSR_OE, LSR_BI, LSR_THRE, LSR_TEMT = 1, 2, 0x10, 0x20, 0x40
MSR_CTS, MSR_DSR, MSR_RI, MSR_DCD = 0x10, 0x20, 0x40, 0x80
_TRIGGERS = (1, 4, 8, 14)
_CLOCK = 1_843_200
_STATE = (
    "ier", "lcr", "mcr", "lsr", "scratch", "divisor", "fcr", "msr_delta", "msr_lines",
    "thre_pending", "timeout_pending", "timeout_at",
)  # fmt: skip


class Uart:
    """One UART. `now`: ns; `set_irq(level)`; `send(byte)`: a byte leaves on the line."""

    def __init__(
        self,
        now: Callable[[], int],
        set_irq: Callable[[bool], None],
        send: Callable[[int], None],
        base: int = COM1,
    ) -> None:
        self._now, self._set_irq, self._send = now, set_irq, send
        self.base = base
        self.received: deque[int] = deque()
        self.ier = self.lcr = self.mcr = self.scratch = self.fcr = 0
        self.lsr = LSR_THRE | LSR_TEMT
        self.divisor = 12
        self.msr_delta = 0
        #: Modem lines as the other side holds them: a terminal that is there.
        self.msr_lines = MSR_CTS | MSR_DSR | MSR_DCD
        self.thre_pending = 0
        self.timeout_pending = 0
        #: When the character timeout is due (ns); -1: not running.
        self.timeout_at = -1

    @property
    def ports(self) -> range:
        return range(self.base, self.base + 8)

    # -- the line's side --

    @property
    def room(self) -> int:
        """How many bytes can arrive without an overrun."""
        return (FIFO_SIZE if self.fcr & FCR_ENABLE else 1) - len(self.received)

    def receive(self, byte: int) -> None:
        """A byte arrives from the line; into a full FIFO it is lost (overrun)."""
        if not self.mcr & MCR_LOOP:
            self._arrive(byte)

    def _arrive(self, byte: int) -> None:
        if self.room > 0:
            self.received.append(byte)
        else:
            self.lsr |= LSR_OE
            if not self.fcr & FCR_ENABLE:
                self.received[-1] = byte
        self.lsr |= LSR_DR
        self._start_timeout()
        self._update()

    def _start_timeout(self) -> None:
        """Four characters' time without a byte in or out, below the trigger (p. 20)."""
        self.timeout_pending = 0
        if self.fcr & FCR_ENABLE and self.received:
            bits = 7 + (self.lcr & 3) + (self.lcr >> 2 & 1) + (self.lcr >> 3 & 1)
            self.timeout_at = self._now() + 4 * bits * 16 * self.divisor * 1_000_000_000 // _CLOCK
        else:
            self.timeout_at = -1

    def deadline(self) -> int | None:
        """Virtual time of the character timeout, in ns."""
        return None if self.timeout_at < 0 else self.timeout_at

    def advance(self) -> None:
        """Virtual time went on."""
        if 0 <= self.timeout_at <= self._now():
            self.timeout_at = -1
            self.timeout_pending = int(bool(self.received))
            self._update()

    # -- interrupts --

    def _cause(self) -> int:
        """IIR's low four bits: the pending interrupt of highest priority (table 5)."""
        ier = self.ier
        if ier & IER_RLSI and self.lsr & (LSR_OE | LSR_BI):
            return IIR_RLSI
        if ier & IER_RDI and self.lsr & LSR_DR:
            trigger = _TRIGGERS[self.fcr >> 6] if self.fcr & FCR_ENABLE else 1
            if len(self.received) >= trigger:
                return IIR_RDI
            if self.timeout_pending:
                return IIR_TIMEOUT
        if ier & IER_THRI and self.thre_pending:
            return IIR_THRI
        if ier & IER_MSI and self.msr_delta:
            return IIR_MSI
        return IIR_NONE

    def _update(self) -> None:
        # On a PC OUT2 lets the interrupt through to the controller; loopback turns it off.
        gate = self.mcr & MCR_OUT2 and not self.mcr & MCR_LOOP
        self._set_irq(bool(gate) and self._cause() != IIR_NONE)

    # -- the bus's side --

    def read_port(self, port: int) -> int:
        register = port - self.base
        if register == 0:
            return self.divisor & 0xFF if self.lcr & LCR_DLAB else self._read_data()
        if register == 1:
            return self.divisor >> 8 if self.lcr & LCR_DLAB else self.ier
        if register == 2:
            cause = self._cause()
            if cause == IIR_THRI:
                self.thre_pending = 0
                self._update()
            return cause | (0xC0 if self.fcr & FCR_ENABLE else 0)
        if register == 3:
            return self.lcr
        if register == 4:
            return self.mcr
        if register == 5:
            value = self.lsr
            self.lsr &= ~(LSR_OE | LSR_BI)
            if value != self.lsr:
                self._update()
            return value
        if register == 6:
            value = self._modem_lines() | self.msr_delta
            self.msr_delta = 0
            self._update()
            return value
        return self.scratch

    def _read_data(self) -> int:
        value = self.received.popleft() if self.received else 0
        if not self.received:
            self.lsr &= ~LSR_DR
        self._start_timeout()
        self._update()
        return value

    def _modem_lines(self) -> int:
        if not self.mcr & MCR_LOOP:
            return self.msr_lines
        mcr = self.mcr
        return (
            (mcr & MCR_RTS) << 3
            | (mcr & MCR_DTR) << 5
            | (mcr & MCR_OUT1) << 4
            | (mcr & MCR_OUT2) << 4
        )

    def write_port(self, port: int, value: int) -> None:
        register = port - self.base
        if register == 0:
            if self.lcr & LCR_DLAB:
                self.divisor = self.divisor & 0xFF00 | value
            else:
                self._transmit(value)
        elif register == 1:
            if self.lcr & LCR_DLAB:
                self.divisor = self.divisor & 0xFF | value << 8
            else:
                newly = value & ~self.ier
                self.ier = value & 0xF
                if newly & IER_THRI:
                    self.thre_pending = 1  # the register is empty
                self._update()
        elif register == 2:
            self._write_fcr(value)
        elif register == 3:
            self.lcr = value
        elif register == 4:
            self._write_mcr(value & 0x1F)
        elif register == 7:
            self.scratch = value

    def _transmit(self, value: int) -> None:
        self.thre_pending = 0
        if self.mcr & MCR_LOOP:
            self._arrive(value)
        else:
            self._send(value)
        self.thre_pending = 1
        self._update()

    def _write_fcr(self, value: int) -> None:
        if (value ^ self.fcr) & FCR_ENABLE:
            value |= FCR_CLEAR_RX | FCR_CLEAR_TX
        if value & FCR_ENABLE == 0:
            value &= 0x3F
        if value & FCR_CLEAR_RX:
            self.received.clear()
            self.lsr &= ~LSR_DR
            self.timeout_pending, self.timeout_at = 0, -1
        if value & FCR_CLEAR_TX:
            self.thre_pending = 1
        self.fcr = value & 0xC9
        self._update()

    def _write_mcr(self, value: int) -> None:
        before = self._modem_lines()
        self.mcr = value
        changed = before ^ self._modem_lines()
        self.msr_delta |= changed >> 4 & 0b1011
        # RI tells its trailing edge only.
        if changed & MSR_RI and before & MSR_RI:
            self.msr_delta |= 4
        self._update()

    def save(self) -> dict[str, Any]:
        """State for a snapshot."""
        return {**{key: getattr(self, key) for key in _STATE}, "received": list(self.received)}

    def load(self, state: dict[str, Any]) -> None:
        """What `save` gave."""
        for key in _STATE:
            setattr(self, key, int(state[key]))
        self.received = deque(bytes(state["received"]))
        if len(self.received) > FIFO_SIZE or not 0 <= self.divisor <= 0xFFFF:
            raise ValueError("a state that no UART has")
