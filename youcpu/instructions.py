"""`--insn`: each instruction as it runs, disassembled by capstone, with its symbol."""

from __future__ import annotations

from typing import Any

from youcpu.machine import Machine
from youcpu.symbols import Symbolizer
from youcpu.trace.events import InstructionEvent


class InstructionTrace:
    """Emits the first `limit` instructions (0: all), then lets the CPU run at full speed."""

    def __init__(self, machine: Machine, limit: int) -> None:
        import capstone

        self._machine = machine
        self._left = limit or -1
        self._symbolizer = Symbolizer()
        self._disassembler: Any = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
        machine.cpu.watch_instructions(self._instruction)

    def _instruction(self, address: int, size: int) -> None:
        machine = self._machine
        kernel = machine.kernel
        task = kernel.scheduler.current
        if task is None or not self._left:
            return
        code = machine.cpu.fetch(address, max(1, min(size, 15)))
        decoded = next(self._disassembler.disasm_lite(code, address, 1), None)
        text = f"{decoded[2]} {decoded[3]}".rstrip() if decoded else "(bad)"
        symbol = self._symbolizer.name(task, address)
        now = kernel.clock.realtime_ns()
        kernel.tracer.emit(InstructionEvent(task.pid, now, address, code, text, symbol))
        self._left -= 1
        if not self._left:
            machine.cpu.watch_instructions(None)
